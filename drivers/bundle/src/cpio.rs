//! The "newc" cpio format, as Linux unpacks it into its first file system.
//!
//! Owns the header of 110 characters and the padding. Every number is eight hexadecimal digits, so
//! nothing is larger than 4 GiB. Source: the kernel's documentation, driver-api/early-userspace,
//! "initramfs buffer format".

use std::io::{self, Read, Write};

use crate::Error;

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

/// What was read of an entry, in front of its content.
struct Head {
    name: Vec<u8>,
    is_file: bool,
    size: u64,
}

/// Bytes of the header.
const HEADER_BYTES: usize = 110;

/// Reads an archive, one entry after the other.
struct Reader<R> {
    from: R,
    read: u64,
}

impl<R: Read> Reader<R> {
    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; count];
        self.from.read_exact(&mut bytes)?;
        self.read += count as u64;
        Ok(bytes)
    }

    fn unpad(&mut self) -> Result<(), Error> {
        let short = self.read.next_multiple_of(ALIGNMENT) - self.read;
        self.exactly(short as usize).map(drop)
    }

    /// The next entry; none: the end.
    fn head(&mut self) -> Result<Option<Head>, Error> {
        let wrong = |why: &str| Error::broken("archive", why);
        let header = self.exactly(HEADER_BYTES)?;
        let field = |n: usize| {
            let digits = std::str::from_utf8(&header[6 + n * 8..14 + n * 8]).ok()?;
            // Signs are digits to this function, and not to the kernel.
            let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            are_digits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
        };
        let fields = || Some((field(1)?, field(6)?, field(11)?));
        let (mode, size, name_size) = fields()
            .filter(|_| header.starts_with(MAGIC.as_bytes()))
            .ok_or_else(|| wrong("is none of the kind newc"))?;
        let name_size = name_size as usize;
        if !(1..=NAME_BYTES_MAX + 1).contains(&name_size) {
            return Err(wrong("has a name that is too long or none"));
        }
        let mut name = self.exactly(name_size)?;
        if name.pop() != Some(0) {
            return Err(wrong("has a name without an end"));
        }
        self.unpad()?;
        let is_file = mode & 0o170_000 == 0o100_000;
        Ok((name != TRAILER).then_some(Head { name, is_file, size: size.into() }))
    }

    /// Content of which at most `bytes_max` are wanted.
    fn content(&mut self, head: &Head, bytes_max: u64) -> Result<Vec<u8>, Error> {
        if head.size > bytes_max {
            let name = String::from_utf8_lossy(&head.name).into_owned();
            let why = format!("has {} bytes, and {bytes_max} may be", head.size);
            return Err(Error::broken(name, why));
        }
        // Only as much memory as there are bytes.
        let mut bytes = Vec::new();
        (&mut self.from).take(head.size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != head.size {
            return Err(Error::broken("archive", "is cut off"));
        }
        self.read += head.size;
        self.unpad().map(|()| bytes)
    }

    fn skip(&mut self, head: &Head) -> Result<(), Error> {
        let skipped = io::copy(&mut (&mut self.from).take(head.size), &mut io::sink())?;
        if skipped != head.size {
            return Err(Error::broken("archive", "is cut off"));
        }
        self.read += skipped;
        self.unpad()
    }
}

/// Unpacked archives are at most this long, bytes.
const ARCHIVE_BYTES_MAX: u64 = 1 << 30;

fn reader<R: Read>(from: R) -> Reader<io::Take<R>> {
    Reader { from: from.take(ARCHIVE_BYTES_MAX), read: 0 }
}

/// The content of the file `path`, at most `bytes_max` long.
///
/// # Errors
///
/// There is none, it is longer, or this is no archive.
pub fn find(from: impl Read, path: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let mut reader = reader(from);
    while let Some(head) = reader.head()? {
        if head.is_file && head.name == path.as_bytes() {
            return reader.content(&head, bytes_max);
        }
        reader.skip(&head)?;
    }
    Err(Error::broken("archive", format!("has no file {path}")))
}

/// Every file with its content.
///
/// # Errors
///
/// It is no archive.
pub fn files(from: impl Read) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let (mut reader, mut files) = (reader(from), Vec::new());
    while let Some(head) = reader.head()? {
        if head.is_file {
            let content = reader.content(&head, ARCHIVE_BYTES_MAX)?;
            files.push((String::from_utf8_lossy(&head.name).into_owned(), content));
        } else {
            reader.skip(&head)?;
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_and_nothing_behind_a_cut() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for (name, content) in [("a", "first"), ("init", "second")] {
            let size = content.len() as u32;
            let header = Header { mode: 0o100_755, links: 1, size, ..Header::default() };
            writer.entry(name.as_bytes(), &header).unwrap();
            writer.content(content.as_bytes()).unwrap();
            writer.pad().unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(find(&bytes[..], "init", 6).unwrap(), b"second");
        assert!(find(&bytes[..], "init", 5).is_err());
        assert!(find(&bytes[..], "other", 5).is_err());
        assert_eq!(files(&bytes[..]).unwrap().len(), 2);
        for at in 0..bytes.len() {
            assert!(files(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

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
