//! The "newc" cpio format, as Linux unpacks it into its first file system.
//!
//! Owns the header of 110 characters and the padding. Every number is eight hexadecimal digits, so
//! nothing is larger than 4 GiB. Source: the kernel's documentation, driver-api/early-userspace,
//! "initramfs buffer format".

use std::io::{self, Write};

const MAGIC: &str = "070701";
const TRAILER: &[u8] = b"TRAILER!!!";
const ALIGNMENT: u64 = 4;

/// Longest name, counted without the NUL that ends it: PATH_MAX of Linux less that NUL.
pub const NAME_BYTES_MAX: usize = 4095;

/// What stands in front of an entry's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Entries of one inode are one file with several names.
    pub inode: u32,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Names this file has in the archive.
    pub links: u32,
    /// Seconds since the epoch.
    pub mtime_s: u32,
    /// Bytes of content. Of a file with several names only the last carries content.
    pub size: u32,
    /// Major and minor number of a device node.
    pub device: (u32, u32),
}

/// Writes an archive, one entry after the other.
pub struct Writer<W> {
    out: W,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// An archive that begins here.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, written: 0 }
    }

    /// Begins an entry. `header.size` bytes of content must follow by [`Writer::content`], then
    /// [`Writer::pad`]. Owner and group are root.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn entry(&mut self, name: &[u8], header: &Header) -> io::Result<()> {
        let Header { inode, mode, links, mtime_s, size, device: (major, minor) } = *header;
        let name_bytes = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        // inode mode uid gid nlink mtime size, device of the file (0), device it is, name, check (0)
        let fields = [inode, mode, 0, 0, links, mtime_s, size, 0, 0, major, minor, name_bytes, 0];
        let mut text = String::with_capacity(110);
        text.push_str(MAGIC);
        fields.iter().for_each(|field| text.push_str(&format!("{field:08x}")));
        self.content(text.as_bytes())?;
        self.content(name)?;
        self.content(&[0])?;
        self.pad()
    }

    /// Writes some of the content.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Fills up to a multiple of four bytes; ends an entry.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn pad(&mut self) -> io::Result<()> {
        let short = self.written.next_multiple_of(ALIGNMENT) - self.written;
        self.content(&[0; ALIGNMENT as usize][..short as usize])
    }

    /// Ends the archive.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn finish(mut self) -> io::Result<()> {
        self.entry(TRAILER, &Header { links: 1, ..Header::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_these_bytes() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        let header =
            Header { inode: 1, mode: 0o100_644, links: 1, mtime_s: 2, size: 5, device: (0, 0) };
        writer.entry(b"a/b", &header).unwrap();
        writer.content(b"hello").unwrap();
        writer.pad().unwrap();
        writer.finish().unwrap();
        let expected = concat!(
            "070701",
            "00000001",
            "000081a4",
            "00000000",
            "00000000",
            "00000001",
            "00000002",
            "00000005",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000004",
            "00000000",
            "a/b\0",
            "\0\0",
            "hello",
            "\0\0\0",
            "070701",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000b",
            "00000000",
            "TRAILER!!!\0",
            "\0\0\0",
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
