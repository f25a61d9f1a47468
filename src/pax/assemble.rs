//! A member from its headers.
//!
//! Owns the order of precedence (sparse records, then extended records, then the fields of the ustar
//! block) and what each type letter means, old and foreign ones too.

use super::block::{HeaderBlock, at};
use super::records::Extras;
use super::sparse::{Run, take_old_table};
use super::{Kind, Member, Time};

/// A member as far as its header tells.
pub(super) struct Assembled {
    pub(super) member: Box<Member>,
    /// Bytes after the header that belong to the member, without padding.
    pub(super) stored: u64,
    pub(super) layout: Layout,
}

/// What the bytes after the header are.
pub(super) enum Layout {
    /// Nothing, or nothing that is content.
    NoData,
    /// The file.
    Whole,
    /// Its runs.
    Map(Vec<Run>),
    /// More of the table, then its runs.
    OldMap(Vec<Run>),
    /// A map as text, then its runs.
    MapInData,
}

type Problem = &'static str;

/// Makes a member of its header block and what came before it.
pub(super) fn assemble(header: &HeaderBlock<'_>, extras: Extras) -> Result<Assembled, Problem> {
    let number = |range, what| header.natural(range).ok_or(what);
    let stored = match extras.size {
        Some(size) => size,
        None => number(at::SIZE, "a size is no number")?,
    };
    let sparse_name = extras.sparse.name.clone();
    let path = sparse_name.or(extras.path.clone()).unwrap_or_else(|| header.path());
    let (kind, size, layout) = content(header, &extras, stored, path.ends_with(b"/"))?;
    // Only files have content (and GNU's dump directories a list); elsewhere a size is a hint.
    let has_bytes = !matches!(layout, Layout::NoData) || header.kind() == b'D';
    let (uname, gname) = header.names();
    let member = Member {
        path: trimmed(path)?,
        kind,
        mode: (number(at::MODE, "a mode is no number")? & 0o7777) as u32,
        uid: extras.uid.map_or_else(|| number(at::UID, "an owner is no number"), Ok)?,
        gid: extras.gid.map_or_else(|| number(at::GID, "a group is no number"), Ok)?,
        uname: extras.uname.unwrap_or_else(|| uname.to_vec()),
        gname: extras.gname.unwrap_or_else(|| gname.to_vec()),
        size,
        mtime: match extras.mtime {
            Some(time) => time,
            None => Time { s: header.mtime_s().ok_or("a time is no number")?, ns: 0 },
        },
        atime: extras.atime,
        xattrs: extras.xattrs,
        acl_access: extras.acl_access,
        acl_default: extras.acl_default,
    };
    Ok(Assembled { member: Box::new(member), stored: if has_bytes { stored } else { 0 }, layout })
}

/// What the type letter makes of it, the size of a file, and what follows.
fn content(
    header: &HeaderBlock<'_>,
    extras: &Extras,
    stored: u64,
    slash: bool,
) -> Result<(Kind, u64, Layout), Problem> {
    let link = || extras.link.clone().unwrap_or_else(|| header.link());
    let kind = match header.kind() {
        b'1' => Kind::HardLink { target: link() },
        b'2' => Kind::Symlink { target: link() },
        b'3' => device(header, extras).map(|(major, minor)| Kind::CharDevice { major, minor })?,
        b'4' => device(header, extras).map(|(major, minor)| Kind::BlockDevice { major, minor })?,
        b'5' | b'D' => Kind::Directory,
        b'6' => Kind::Fifo,
        // Old archives have no type for directories but a slash.
        0 if slash => Kind::Directory,
        b'S' => {
            let size = header.natural(at::GNU_REAL_SIZE).ok_or("a size is no number")?;
            return Ok((Kind::File { map: None }, size, old_table(header)?));
        }
        // A type we do not know is to be taken for a file.
        _ => return Ok(file(extras, stored)),
    };
    Ok((kind, 0, Layout::NoData))
}

fn file(extras: &Extras, stored: u64) -> (Kind, u64, Layout) {
    let sparse = &extras.sparse;
    let (size, layout) = match sparse.real_size {
        None => (stored, Layout::Whole),
        Some(size) if sparse.map_in_data() => (size, Layout::MapInData),
        Some(size) => (size, Layout::Map(sparse.runs.clone())),
    };
    (Kind::File { map: None }, size, layout)
}

fn device(header: &HeaderBlock<'_>, extras: &Extras) -> Result<(u32, u32), Problem> {
    let field = |said: Option<u32>, range| match said {
        Some(number) => Some(number),
        None => header.natural(range)?.try_into().ok(),
    };
    field(extras.major, at::MAJOR)
        .zip(field(extras.minor, at::MINOR))
        .ok_or("a device number is no number")
}

fn old_table(header: &HeaderBlock<'_>) -> Result<Layout, Problem> {
    let mut runs = Vec::new();
    take_old_table(header.bytes(at::GNU_SPARSE), &mut runs)
        .ok_or("a sparse table makes no sense")?;
    let more = header.bytes(at::GNU_EXTENDED..at::GNU_EXTENDED + 1) != [0];
    Ok(if more { Layout::OldMap(runs) } else { Layout::Map(runs) })
}

/// A path without its trailing slashes; a lone `/` stays.
fn trimmed(mut path: Vec<u8>) -> Result<Vec<u8>, Problem> {
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    if path.is_empty() {
        return Err("a member has no name");
    }
    Ok(path)
}
