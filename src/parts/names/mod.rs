//! Name streams: what a walk met, for whoever compares it and takes what changed.
//!
//! Owns the format that `proc_list` prints, `proc_since` reads and prints, and `src_filesys` reads:
//! records, each ended by NUL, so that any name can be told. The first can be no path that a tool
//! prints; the last says that nothing is missing: a stream without it was cut.
//!
//! ```text
//! //tapioca-names/1 1700000000.123456789        when the walk began
//! ^ www                                         a tree begins: what is below and not told is gone
//! f 3000 MTIME CTIME 2049:131073 1 www/a        type size mtime ctime device:inode links path
//! l 0 MTIME CTIME 2049:131074 1 a www/b         for l the target (as in index lines) before the path
//! ! unreadable www/secret                       not looked at, and why: it and what is below is as it was
//! - www/old                                     gone (what was below it before it; all before the entries)
//! $ 4 1 BLAKE3                                  records between, how many were left out, digest of all before
//! ```
//!
//! Opens nothing. Holds one record at a time.

pub mod known;
pub mod read;
pub mod since;

pub use read::{NameReader, Record};
pub use since::Since;

use std::io::{self, Write};

use crate::list::escape;

/// How every name stream begins; the version follows.
pub const MAGIC: &[u8] = b"//tapioca-names/";
const VERSION: &[u8] = b"1";

/// Why a name was not looked at: a pattern of the operator's excludes it.
pub const BY_PATTERN: &str = "pattern";
/// It is a socket, which no backup holds.
pub const SOCKET: &str = "socket";

/// Seconds (floor) and nanoseconds.
pub type Time = (i64, u32);

/// One name that a walk met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// `f`, `d`, `l`, `p`, `c` or `b`, as in index lines.
    pub kind: u8,
    /// Size of a file, else 0.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Change time.
    pub ctime: Time,
    /// Device and number.
    pub inode: (u64, u64),
    /// Names the inode has.
    pub links: u64,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Path as it is stored.
    pub path: Vec<u8>,
}

impl Entry {
    /// Appends the record, NUL and all.
    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let Entry { kind, size, mtime, ctime, inode, links, .. } = self;
        let ((m, m_ns), (c, c_ns), (device, number)) = (mtime, ctime, inode);
        let kind = char::from(*kind);
        write!(out, "{kind} {size} {m}.{m_ns:09} {c}.{c_ns:09} {device}:{number} {links} ")?;
        if kind == 'l' {
            out.extend_from_slice(&escape(&self.target));
            out.push(b' ');
        }
        out.extend_from_slice(&self.path);
        out.push(0);
        Ok(())
    }
}

/// Writes a name stream.
pub struct NameWriter<W> {
    out: W,
    record: Vec<u8>,
    digest: blake3::Hasher,
    records: u64,
}

impl<W: Write> NameWriter<W> {
    /// Begins a stream of a walk that began then.
    pub fn begin(out: W, (s, ns): Time) -> io::Result<NameWriter<W>> {
        let mut names =
            NameWriter { out, record: Vec::new(), digest: blake3::Hasher::new(), records: 0 };
        names.record.extend_from_slice(MAGIC);
        names.record.extend_from_slice(VERSION);
        write!(names.record, " {s}.{ns:09}\0")?;
        names.put()?;
        names.records = 0;
        Ok(names)
    }

    fn put(&mut self) -> io::Result<()> {
        self.digest.update(&self.record);
        self.records += 1;
        self.out.write_all(&self.record)?;
        self.record.clear();
        Ok(())
    }

    fn put_path(&mut self, head: &[u8], path: &[u8]) -> io::Result<()> {
        for part in [head, b" ", path, b"\0"] {
            self.record.extend_from_slice(part);
        }
        self.put()
    }

    /// A tree begins.
    pub fn root(&mut self, path: &[u8]) -> io::Result<()> {
        self.put_path(b"^", path)
    }

    /// A name.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        entry.write(&mut self.record)?;
        self.put()
    }

    /// Something that was not looked at.
    pub fn missing(&mut self, why: &str, path: &[u8]) -> io::Result<()> {
        self.put_path(format!("! {why}").as_bytes(), path)
    }

    /// Something that is there no more.
    pub fn gone(&mut self, path: &[u8]) -> io::Result<()> {
        self.put_path(b"-", path)
    }

    /// A record as [`NameReader`] took it, NUL and all.
    fn again(&mut self, record: &[u8]) -> io::Result<()> {
        self.record.extend_from_slice(record);
        self.put()
    }

    /// Ends the stream: it is whole.
    pub fn finish(mut self, left_out: u64) -> io::Result<()> {
        let digest = self.digest.finalize().to_hex();
        write!(self.out, "$ {} {left_out} {digest}\0", self.records)?;
        self.out.flush()
    }
}

/// Whether `path` is `above` or something in it; `.` is above everything.
pub(crate) fn is_in(path: &[u8], above: &[u8]) -> bool {
    above == b"." || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}
