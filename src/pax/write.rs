//! Writing archives.
//!
//! Owns the headers of a member: one ustar block when that can say everything, an extended header
//! in front of it for the rest. Names that fit stay in the ustar fields whatever their bytes, as
//! readers take those unconverted; a record that is not UTF-8 is announced by `hdrcharset=BINARY`.
//! Files with holes use GNU's sparse format 1.0. Allocates nothing but room in the output.

use std::borrow::Cow;

use super::block::{BLOCK, at, checksum, padding};
use super::number::{Digits, TimeText, digits_of, put_octal};
use super::records::GONE;
use super::{Kind, Member};

/// What must follow a member's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Bytes of the file: all of it, or its data runs one after the other.
    pub bytes: u64,
    /// Zeros after them.
    pub padding: u64,
}

/// The end of an archive: two zero blocks.
pub const END_OF_ARCHIVE: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Appends the headers of `member` to `out`, with the map of a sparse file, and says what must
/// follow. A map must be in order, without overlaps, within the size; a path must not be empty.
pub fn encode(member: &Member, out: &mut Vec<u8>) -> Content {
    let map = match &member.kind {
        Kind::File { map: Some(runs) } => Some(Map::of(runs, member.size)),
        _ => None,
    };
    let bytes = match (&member.kind, &map) {
        (Kind::File { .. }, None) => member.size,
        (_, Some(map)) => map.data_bytes,
        _ => 0,
    };
    let size = bytes + map.as_ref().map_or(0, Map::stored_bytes);
    let name = Name::of(member, map.is_some());
    extended_header(member, &name, size, map.is_some(), out);
    let block = ustar_header(member, &name, size);
    out.extend_from_slice(&block);
    if let Some(map) = &map {
        map.put(out);
    }
    Content { bytes, padding: padding(bytes) }
}

/// Bytes of paths that one global header names as gone, at most, unless a single one has more.
pub const GONE_BYTES_MAX: usize = 60 * 1024;

/// Appends a global header that says that the archive goes on from earlier ones, and which of their
/// paths are there no more. `paths` are separated by NUL; what was below a directory must stand in front of it, here or in an earlier header, and all such
/// headers in front of the first member.
pub fn encode_gone(paths: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + BLOCK, 0);
    put_record(out, &[GONE], paths);
    let length = out.len() - start - BLOCK;
    out.resize(start + BLOCK + length.next_multiple_of(BLOCK), 0);
    // The name that git gives such headers: a program that takes it for a file makes only that one.
    let block = header_of_records(b'g', b"pax_global_header", length as u64);
    out[start..start + BLOCK].copy_from_slice(&block);
}

/// A path laid out in the fields of a ustar header, as far as it goes there.
struct Name<'a> {
    prefix: &'a [u8],
    name: &'a [u8],
    slash: bool,
    fits: bool,
}

impl<'a> Name<'a> {
    fn of(member: &'a Member, sparse: bool) -> Name<'a> {
        let path = &member.path[..];
        let slash = member.kind == Kind::Directory;
        let room = at::NAME.len() - usize::from(slash);
        let short = |fits| Name { prefix: &[], name: &path[..path.len().min(room)], slash, fits };
        if path.len() <= room || sparse {
            return short(true);
        }
        match split(path, room) {
            Some((prefix, name)) => Name { prefix, name, slash, fits: true },
            None => short(false),
        }
    }
}

/// Splits at the first slash that leaves a name short enough, if the prefix then fits as well.
fn split(path: &[u8], room: usize) -> Option<(&[u8], &[u8])> {
    let first = path.len().checked_sub(room + 1)?;
    let cut = first + path[first..].iter().position(|&b| b == b'/')?;
    let (prefix, name) = (&path[..cut], &path[cut + 1..]);
    (cut > 0 && prefix.len() <= at::PREFIX.len() && !name.is_empty()).then_some((prefix, name))
}

fn link_of(member: &Member) -> &[u8] {
    match &member.kind {
        Kind::Symlink { target } | Kind::HardLink { target } => target,
        _ => &[],
    }
}

/// Major and minor number. Linux has 12 and 20 bits of them and a header 21, archives may say more.
fn device_of(member: &Member) -> (u64, u64) {
    match member.kind {
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            (major.into(), minor.into())
        }
        _ => (0, 0),
    }
}

const ID_MAX: u64 = 0o7_777_777;
const SIZE_MAX: u64 = 0o77_777_777_777;

fn fits_octal(mtime: super::Time) -> bool {
    mtime.ns == 0 && u64::try_from(mtime.s).is_ok_and(|s| s <= SIZE_MAX)
}

/// Appends an extended header if the ustar block cannot say everything.
fn extended_header(member: &Member, name: &Name<'_>, size: u64, sparse: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + BLOCK, 0);
    put_names(member, name, sparse, out);
    put_numbers(member, size, out);
    put_attributes(member, out);
    let length = out.len() - start - BLOCK;
    if length == 0 {
        return out.truncate(start);
    }
    let padded = length.next_multiple_of(BLOCK);
    out.resize(start + BLOCK + padded, 0);
    let block = extended_block(member, length as u64);
    out[start..start + BLOCK].copy_from_slice(&block);
}

fn put_names(member: &Member, name: &Name<'_>, sparse: bool, out: &mut Vec<u8>) {
    let link = link_of(member);
    let long_link = link.len() > at::LINK.len();
    let long_uname = member.uname.len() >= at::UNAME.len();
    let long_gname = member.gname.len() >= at::GNAME.len();
    let long_path = !name.fits || sparse;
    let texts: [(bool, &[u8], &[u8]); 4] = [
        (long_path, if sparse { b"GNU.sparse.name" } else { b"path" }, &member.path),
        (long_link, b"linkpath", link),
        (long_uname, b"uname", &member.uname),
        (long_gname, b"gname", &member.gname),
    ];
    if texts.iter().any(|(long, _, text)| *long && std::str::from_utf8(text).is_err()) {
        put_record(out, &[b"hdrcharset"], b"BINARY");
    }
    for (_, key, text) in texts.iter().filter(|(long, ..)| *long) {
        let slash: &[u8] = if *key == b"path" && name.slash { b"/" } else { b"" };
        put_record_of(out, &[key], &[text, slash]);
    }
}

fn put_numbers(member: &Member, size: u64, out: &mut Vec<u8>) {
    if !fits_octal(member.mtime) {
        put_record(out, &[b"mtime"], TimeText::of(member.mtime).bytes());
    }
    if let Some(atime) = member.atime {
        put_record(out, &[b"atime"], TimeText::of(atime).bytes());
    }
    let (major, minor) = device_of(member);
    let numbers: [(&[u8], u64, u64); 5] = [
        (b"size", size, SIZE_MAX),
        (b"uid", member.uid, ID_MAX),
        (b"gid", member.gid, ID_MAX),
        (b"SCHILY.devmajor", major, ID_MAX),
        (b"SCHILY.devminor", minor, ID_MAX),
    ];
    for (key, value, _) in numbers.iter().filter(|(_, value, most)| value > most) {
        put_record(out, &[key], Digits::of(*value).bytes());
    }
    if let Kind::File { map: Some(_) } = member.kind {
        put_record(out, &[b"GNU.sparse.major"], b"1");
        put_record(out, &[b"GNU.sparse.minor"], b"0");
        put_record(out, &[b"GNU.sparse.realsize"], Digits::of(member.size).bytes());
    }
}

fn put_attributes(member: &Member, out: &mut Vec<u8>) {
    let acls: [(&[u8], _); 2] =
        [(b"SCHILY.acl.access", &member.acl_access), (b"SCHILY.acl.default", &member.acl_default)];
    for (key, text) in acls {
        if let Some(text) = text {
            put_record(out, &[key], text);
        }
    }
    for (name, value) in &member.xattrs {
        put_record(out, &[b"SCHILY.xattr.", &escaped(name)], value);
    }
}

/// An equals sign would end the keyword: GNU tar writes it `%3D`, and a `%` that could be taken for
/// such a sequence `%25`.
fn escaped(name: &[u8]) -> Cow<'_, [u8]> {
    let plain = |at: usize| match name[at] {
        b'=' => false,
        b'%' => !matches!(name.get(at + 1..at + 3), Some(b"3D" | b"25")),
        _ => true,
    };
    if (0..name.len()).all(plain) {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len() + 2);
    for (at, &byte) in name.iter().enumerate() {
        match (plain(at), byte) {
            (true, _) => out.push(byte),
            (false, b'=') => out.extend_from_slice(b"%3D"),
            (false, _) => out.extend_from_slice(b"%25"),
        }
    }
    Cow::Owned(out)
}

fn put_record(out: &mut Vec<u8>, key: &[&[u8]], value: &[u8]) {
    put_record_of(out, key, &[value]);
}

/// Appends `LENGTH KEY=VALUE\n`; the length counts itself.
fn put_record_of(out: &mut Vec<u8>, key: &[&[u8]], value: &[&[u8]]) {
    let parts = key.iter().chain(value);
    let rest = 3 + parts.map(|part| part.len()).sum::<usize>();
    let guess = rest + digits_of(rest);
    let length = rest + digits_of(guess);
    out.extend_from_slice(Digits::of(length as u64).bytes());
    out.push(b' ');
    key.iter().for_each(|part| out.extend_from_slice(part));
    out.push(b'=');
    value.iter().for_each(|part| out.extend_from_slice(part));
    out.push(b'\n');
}

fn extended_block(member: &Member, length: u64) -> [u8; BLOCK] {
    let base = member.path.rsplit(|&b| b == b'/').next().unwrap_or(&[]);
    let stem = b"PaxHeaders/";
    let mut name = [0; at::NAME.end];
    let length_of_base = base.len().min(name.len() - stem.len());
    name[..stem.len()].copy_from_slice(stem);
    name[stem.len()..][..length_of_base].copy_from_slice(&base[..length_of_base]);
    header_of_records(b'x', &name, length)
}

/// The header of `length` bytes of records.
fn header_of_records(kind: u8, name: &[u8], length: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put_text(&mut block, 0, name);
    put_octal(&mut block[at::MODE], 0o644);
    put_octal(&mut block[at::UID], 0);
    put_octal(&mut block[at::GID], 0);
    put_octal(&mut block[at::SIZE], length);
    put_octal(&mut block[at::MTIME], 0);
    block[at::TYPE] = kind;
    seal(&mut block);
    block
}

fn ustar_header(member: &Member, name: &Name<'_>, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put_text(&mut block, at::NAME.start, name.name);
    if name.slash {
        block[at::NAME.start + name.name.len()] = b'/';
    }
    put_text(&mut block, at::PREFIX.start, name.prefix);
    put_octal(&mut block[at::MODE], u64::from(member.mode & 0o7777));
    put_octal(&mut block[at::UID], member.uid.min(ID_MAX));
    put_octal(&mut block[at::GID], member.gid.min(ID_MAX));
    put_octal(&mut block[at::SIZE], if size > SIZE_MAX { 0 } else { size });
    let mtime_s = u64::try_from(member.mtime.s).unwrap_or(0).min(SIZE_MAX);
    put_octal(&mut block[at::MTIME], mtime_s);
    block[at::TYPE] = type_of(&member.kind);
    let link = link_of(member);
    put_text(&mut block, at::LINK.start, &link[..link.len().min(at::LINK.len())]);
    for (range, name) in [(at::UNAME, &member.uname), (at::GNAME, &member.gname)] {
        put_text(&mut block, range.start, &name[..name.len().min(range.len() - 1)]);
    }
    if let Kind::CharDevice { .. } | Kind::BlockDevice { .. } = member.kind {
        let (major, minor) = device_of(member);
        put_octal(&mut block[at::MAJOR], major.min(ID_MAX));
        put_octal(&mut block[at::MINOR], minor.min(ID_MAX));
    }
    seal(&mut block);
    block
}

fn type_of(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } => b'0',
        Kind::HardLink { .. } => b'1',
        Kind::Symlink { .. } => b'2',
        Kind::CharDevice { .. } => b'3',
        Kind::BlockDevice { .. } => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

fn put_text(block: &mut [u8; BLOCK], from: usize, text: &[u8]) {
    block[from..from + text.len()].copy_from_slice(text);
}

fn seal(block: &mut [u8; BLOCK]) {
    block[at::MAGIC].copy_from_slice(b"ustar\x0000");
    let sum = checksum(block);
    put_octal(&mut block[148..155], u64::from(sum));
    block[155] = b' ';
}

/// The text in front of a sparse file's data.
struct Map<'a> {
    runs: &'a [(u64, u64)],
    /// An empty run at the end of the file tells readers where a last hole ends.
    tail: Option<u64>,
    data_bytes: u64,
    text_bytes: u64,
}

impl Map<'_> {
    fn of(runs: &[(u64, u64)], size: u64) -> Map<'_> {
        let tail = match runs.last() {
            Some((offset, length)) if offset + length == size => None,
            _ => Some(size),
        };
        let length_of = |number: u64| Digits::of(number).bytes().len() as u64 + 1;
        let count = runs.len() as u64 + u64::from(tail.is_some());
        let text = runs.iter().map(|run| length_of(run.0) + length_of(run.1)).sum::<u64>();
        let text_bytes = length_of(count) + text + tail.map_or(0, |end| length_of(end) + 2);
        Map { runs, tail, data_bytes: runs.iter().map(|run| run.1).sum(), text_bytes }
    }

    fn stored_bytes(&self) -> u64 {
        self.text_bytes + padding(self.text_bytes)
    }

    fn put(&self, out: &mut Vec<u8>) {
        let count = self.runs.len() + usize::from(self.tail.is_some());
        put_line(out, count as u64);
        for (offset, length) in self.runs.iter().copied().chain(self.tail.map(|end| (end, 0))) {
            put_line(out, offset);
            put_line(out, length);
        }
        out.resize(out.len() + padding(self.text_bytes) as usize, 0);
    }
}

fn put_line(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(Digits::of(number).bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Reader, Time};
    use super::*;

    fn plain(path: &[u8]) -> Member {
        Member {
            path: path.to_vec(),
            kind: Kind::File { map: None },
            mode: 0o4755,
            uid: 1000,
            gid: 1000,
            uname: b"ann".to_vec(),
            gname: b"users".to_vec(),
            size: 0,
            mtime: Time { s: 1_700_000_000, ns: 0 },
            atime: None,
            xattrs: Default::default(),
            acl_access: None,
            acl_default: None,
        }
    }

    fn read_back(member: &Member) -> (Member, usize) {
        let mut bytes = Vec::new();
        let content = encode(member, &mut bytes);
        let headers = bytes.len();
        bytes.resize(headers + (content.bytes + content.padding) as usize, 0);
        let mut seen = None;
        let mut reader = Reader::new();
        let mut visit = |event: Event<'_>| {
            if let Event::Member { member, .. } = event {
                seen = Some(member.clone());
            }
            Ok(())
        };
        reader.feed(&bytes, &mut visit).unwrap();
        reader.finish().unwrap();
        (seen.unwrap(), headers)
    }

    #[test]
    fn what_ustar_can_say_takes_one_block() {
        assert_eq!(read_back(&plain(b"etc/passwd")), (plain(b"etc/passwd"), BLOCK));
    }

    #[test]
    fn what_is_gone_comes_back_however_much_it_is() {
        let paths: Vec<Vec<u8>> =
            (0..400_000).map(|n| format!("gone/\u{e4}\n {n:060}").into_bytes()).collect();
        let mut bytes = Vec::new();
        for some in paths.chunks(900) {
            encode_gone(&some.join(&0), &mut bytes);
        }
        assert!(bytes.len() as u64 > super::super::HEADERS_BYTES_MAX, "more than is remembered");
        encode(&plain(b"member"), &mut bytes);
        let (mut gone, mut members) = (Vec::new(), 0);
        let mut visit = |event: Event<'_>| {
            match event {
                Event::Gone { paths } => gone.extend(paths.iter().map(|path| path.to_vec())),
                Event::Member { offset, .. } => members += offset,
                _ => {}
            }
            Ok(())
        };
        let mut reader = Reader::new();
        bytes.chunks(70_001).for_each(|piece| reader.feed(piece, &mut visit).unwrap());
        reader.finish().unwrap();
        assert!(gone == paths);
        assert_eq!(members, bytes.len() as u64 - BLOCK as u64, "a global header is no member's");
    }

    #[test]
    fn names_come_back_at_every_length() {
        for length in (1..=300).chain([1000, 4095, 70_000]) {
            for slashes in [0, 7, 60, 90] {
                let mut path: Vec<u8> = (0..length).map(|i| b'a' + (i % 26) as u8).collect();
                path.iter_mut().skip(slashes).step_by(slashes.max(1)).for_each(|b| {
                    if slashes > 0 {
                        *b = b'/';
                    }
                });
                if path.ends_with(b"/") {
                    path.push(0xff);
                }
                let file = plain(&path);
                assert_eq!(read_back(&file).0, file, "{length} {slashes}");
                let directory = Member { kind: Kind::Directory, ..file.clone() };
                assert_eq!(read_back(&directory).0, directory, "{length} {slashes}");
                let link = Member { kind: Kind::HardLink { target: path }, ..file };
                assert_eq!(read_back(&link).0, link, "{length} {slashes}");
            }
        }
    }

    #[test]
    fn everything_a_member_has_comes_back() {
        let mut member = plain(b"x");
        member.uid = 4_000_000;
        member.gid = u64::from(u32::MAX) - 1;
        member.uname = vec![0xe4; 40];
        member.mtime = Time { s: -5, ns: 1 };
        member.atime = Some(Time { s: 1 << 40, ns: 999_999_999 });
        member.xattrs.insert(b"user.empty".to_vec(), Vec::new());
        member.xattrs.insert(b"user.=x%3D%\n".to_vec(), vec![0; 60_000]);
        member.acl_access = Some(b"user::rw-,group::r--,other::---".to_vec());
        for kind in [
            Kind::Directory,
            Kind::Fifo,
            Kind::Symlink { target: b"/else/where".to_vec() },
            Kind::CharDevice { major: 4095, minor: 1_048_575 },
            Kind::BlockDevice { major: 8, minor: 1 },
            Kind::CharDevice { major: 2_097_152, minor: u32::MAX },
        ] {
            let member = Member { kind, ..member.clone() };
            assert!(read_back(&member).0 == member, "{:?} changed", member.kind);
        }
    }

    #[test]
    fn maps_come_back_with_and_without_a_last_hole() {
        let maps = [vec![], vec![(0, 512)], vec![(1 << 40, 7)], vec![(4096, 100), (1 << 41, 3)]];
        for map in maps {
            let end = map.last().map_or(0, |run: &(u64, u64)| run.0 + run.1);
            for size in [end, end + 1, 1 << 45] {
                let kind = Kind::File { map: Some(map.clone()) };
                let member = Member { kind, size, ..plain(&[b'p'; 200]) };
                assert_eq!(read_back(&member).0, member);
            }
        }
    }

    #[test]
    fn sizes_past_eight_gigabytes_come_back() {
        let mut bytes = Vec::new();
        let member = Member { size: 9 << 30, ..plain(b"big") };
        assert_eq!(encode(&member, &mut bytes), Content { bytes: 9 << 30, padding: 0 });
        let mut sizes = Vec::new();
        let mut visit = |event: Event<'_>| {
            if let Event::Member { member, .. } = event {
                sizes.push(member.size);
            }
            Ok(())
        };
        Reader::new().feed(&bytes, &mut visit).unwrap();
        assert_eq!(sizes, [9 << 30]);
    }
}
