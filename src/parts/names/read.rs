//! Reading name streams.
//!
//! Owns the decoder: takes any bytes, one record of at most [`RECORD_BYTES_MAX`] at a time, and tells
//! a stream that is whole from one that is not. Interprets no path.

use std::io::BufRead;

use super::{Entry, MAGIC, Time, VERSION};
use crate::list::{time, unescape};
use crate::pax::PATH_BYTES_MAX;
use crate::stream::Fault;

/// Longest record, bytes: a path, and a target with every byte escaped.
pub const RECORD_BYTES_MAX: usize = PATH_BYTES_MAX + 64 * 1024;

/// One record between head and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A tree begins.
    Root {
        /// Its path.
        path: Vec<u8>,
    },
    /// A name.
    Entry(Entry),
    /// Something that was not looked at.
    Missing {
        /// Why, in one word.
        why: String,
        /// Its path.
        path: Vec<u8>,
    },
    /// Something that is there no more.
    Gone {
        /// Its path.
        path: Vec<u8>,
    },
}

/// Reads a name stream.
pub struct NameReader<R> {
    from: R,
    began: Time,
    record: Vec<u8>,
    digest: blake3::Hasher,
    records: u64,
    /// How many things the walk left out; known at the end.
    left_out: Option<u64>,
}

impl<R: BufRead> NameReader<R> {
    /// Reads the head.
    pub fn open(mut from: R) -> Result<NameReader<R>, Fault> {
        let mut head = Vec::new();
        take_record(&mut from, &mut head)?;
        NameReader::after_head(from, head)
    }

    /// Goes on after a first record that somebody else took, NUL and all.
    pub fn after_head(from: R, head: Vec<u8>) -> Result<NameReader<R>, Fault> {
        let began = parse_head(&head)?;
        let mut digest = blake3::Hasher::new();
        digest.update(&head);
        Ok(NameReader { from, began, record: head, digest, records: 0, left_out: None })
    }

    /// When the walk began.
    pub fn began(&self) -> Time {
        self.began
    }

    /// How many things the walk left out, once the stream came to its end.
    pub fn left_out(&self) -> u64 {
        self.left_out.unwrap_or(0)
    }

    /// The next record; `None` once the end was there and all is as it says.
    pub fn next_record(&mut self) -> Result<Option<Record>, Fault> {
        if self.left_out.is_some() {
            return Ok(None);
        }
        take_record(&mut self.from, &mut self.record)?;
        let Some(record) = self.record.strip_suffix(b"\0") else { return Err(self.cut()) };
        if record.starts_with(b"$ ") {
            return self.end().map(|()| None);
        }
        let parsed = parse(record).ok_or_else(|| self.damaged("it is none of this format"))?;
        self.digest.update(&self.record);
        self.records += 1;
        Ok(Some(parsed))
    }

    /// The bytes of the record just taken, NUL and all.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.record
    }

    fn end(&mut self) -> Result<(), Fault> {
        let fields: Vec<&[u8]> =
            self.record[..self.record.len() - 1].split(|&b| b == b' ').collect();
        let [_, records, left_out, digest] = fields[..] else {
            return Err(self.damaged("the end makes no sense"));
        };
        let is_right = number(records) == Some(self.records)
            && digest == self.digest.finalize().to_hex().as_bytes();
        let left_out = number(left_out).filter(|_| is_right);
        let left_out = left_out.ok_or_else(|| self.damaged("the end does not fit what came"))?;
        let more = self.from.fill_buf().map(|bytes| !bytes.is_empty());
        if more.map_err(|e| unread(&e))? {
            return Err(self.damaged("something follows the end"));
        }
        self.left_out = Some(left_out);
        Ok(())
    }

    fn cut(&self) -> Fault {
        match self.record.len() > RECORD_BYTES_MAX {
            true => self.damaged("it is too long"),
            false => Fault::stream(format!(
                "the names are cut after record {}: whoever lists them was stopped",
                self.records
            )),
        }
    }

    fn damaged(&self, why: &str) -> Fault {
        Fault::stream(format!("the names are damaged at record {}: {why}", self.records + 1))
    }
}

/// Takes what is up to the next NUL; without one at its end it is cut, or too long.
pub(crate) fn take_record(from: &mut impl BufRead, record: &mut Vec<u8>) -> Result<(), Fault> {
    record.clear();
    let mut limited = std::io::Read::take(from, RECORD_BYTES_MAX as u64 + 1);
    limited.read_until(0, record).map_err(|e| unread(&e))?;
    Ok(())
}

fn unread(error: &std::io::Error) -> Fault {
    Fault::host("cannot read the list of names", error)
}

fn parse_head(head: &[u8]) -> Result<Time, Fault> {
    let fault = |what: &str| {
        Err(Fault::stream(what)
            .hint("proc_list prints such names, and proc_since what changed of them"))
    };
    let Some(rest) = head.strip_prefix(MAGIC) else {
        return fault(match head.is_empty() {
            true => "there are no names: whoever lists them was stopped",
            false => "these are no names as proc_list prints them",
        });
    };
    let Some(rest) = rest.strip_suffix(b"\0") else {
        return fault("the names are cut in their first record");
    };
    let (version, began) =
        rest.split_at(rest.iter().position(|&b| b == b' ').unwrap_or(rest.len()));
    if version != VERSION {
        return fault("the names are of a version not known here");
    }
    began
        .strip_prefix(b" ")
        .and_then(time)
        .map_or_else(|| fault("the names do not say when they were listed"), Ok)
}

fn parse(record: &[u8]) -> Option<Record> {
    match record {
        [b'^', b' ', path @ ..] => Some(Record::Root { path: checked(path)? }),
        [b'-', b' ', path @ ..] => Some(Record::Gone { path: checked(path)? }),
        [b'!', b' ', rest @ ..] => {
            let (why, path) = rest.split_at(rest.iter().position(|&b| b == b' ')?);
            let is_word = !why.is_empty() && why.iter().all(|b| matches!(b, b'a'..=b'z' | b'-'));
            let why = String::from_utf8(why.to_vec()).ok().filter(|_| is_word)?;
            Some(Record::Missing { why, path: checked(&path[1..])? })
        }
        _ => parse_entry(record).map(Record::Entry),
    }
}

fn parse_entry(record: &[u8]) -> Option<Entry> {
    let kind = *record.first()?;
    let count = if kind == b'l' { 8 } else { 7 };
    let fields: Vec<&[u8]> = record.splitn(count, |&b| b == b' ').collect();
    let [name, size, mtime, ctime, inode, links, rest @ ..] = &fields[..] else { return None };
    let (path, target) = match (kind, rest) {
        (b'l', [target, path]) => (path, unescape(target)?),
        (b'f' | b'd' | b'p' | b'c' | b'b', [path]) => (path, Vec::new()),
        _ => return None,
    };
    let at = inode.iter().position(|&b| b == b':')?;
    (name.len() == 1).then_some(())?;
    Some(Entry {
        kind,
        size: number(size)?,
        mtime: time(mtime)?,
        ctime: time(ctime)?,
        inode: (number(&inode[..at])?, number(&inode[at + 1..])?),
        links: number(links)?,
        target,
        path: checked(path)?,
    })
}

fn checked(path: &[u8]) -> Option<Vec<u8>> {
    (!path.is_empty() && path.len() <= PATH_BYTES_MAX).then(|| path.to_vec())
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::NameWriter;
    use super::*;

    fn entries() -> Vec<Entry> {
        let file = Entry {
            kind: b'f',
            size: 3000,
            mtime: (-1, 999_999_999),
            ctime: (1_700_000_000, 1),
            inode: (2049, 131_073),
            links: 2,
            path: b"www/\xff new\nline ".to_vec(),
            ..Entry::default()
        };
        let target = b"a b/\n\xfe\\".to_vec();
        let link = Entry { kind: b'l', size: 0, target, path: b" ".to_vec(), ..file.clone() };
        vec![file, link]
    }

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut names = NameWriter::begin(&mut bytes, (1_700_000_000, 5)).unwrap();
        names.gone(b"old one").unwrap();
        names.root(b".").unwrap();
        entries().iter().for_each(|entry| names.entry(entry).unwrap());
        names.missing("unreadable", b"se cret").unwrap();
        names.finish(1).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(Vec<Record>, u64), Fault> {
        let mut reader = NameReader::open(bytes)?;
        assert_eq!(reader.began(), (1_700_000_000, 5));
        let mut records = Vec::new();
        while let Some(record) = reader.next_record()? {
            records.push(record);
        }
        assert_eq!(reader.next_record(), Ok(None));
        Ok((records, reader.left_out()))
    }

    #[test]
    fn every_record_comes_back() {
        let [file, link] = &entries()[..] else { panic!("two") };
        let wanted = [
            Record::Gone { path: b"old one".to_vec() },
            Record::Root { path: b".".to_vec() },
            Record::Entry(file.clone()),
            Record::Entry(link.clone()),
            Record::Missing { why: "unreadable".into(), path: b"se cret".to_vec() },
        ];
        assert_eq!(read(&stream()), Ok((wanted.to_vec(), 1)));
    }

    #[test]
    fn a_stream_cut_anywhere_is_a_fault() {
        let whole = stream();
        (0..whole.len()).for_each(|length| {
            read(&whole[..length]).expect_err(&format!("cut after {length}"));
        });
    }

    #[test]
    fn a_stream_that_was_changed_anywhere_is_a_fault() {
        let whole = stream();
        for at in MAGIC.len()..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            // The number left out, one digit in the end, is not covered by the digest.
            let is_left_out = whole[..at].ends_with(b"\0$ 5 ");
            let changed = std::panic::catch_unwind(|| read(&bytes))
                .unwrap_or_else(|_| Err(Fault::stream("another time")));
            assert!(is_left_out || changed.is_err(), "byte {at}");
        }
        assert!(read(&[&whole[..], b"x"].concat()).is_err(), "something follows");
    }

    #[test]
    fn records_that_make_no_sense_are_refused() {
        for bad in [
            &b""[..],
            b"- ",
            b"^",
            b"! unreadable",
            b"! Un x",
            b"f 1 2 3 4:5 1 p",
            b"f 1 2.000000000 3.000000000 4:5 1 ",
            b"f +1 2.000000000 3.000000000 4:5 1 p",
            b"l 1 2.000000000 3.000000000 4:5 1 p",
            b"h 1 2.000000000 3.000000000 4:5 1 p",
            b"ff 1 2.000000000 3.000000000 4:5 1 p",
        ] {
            assert_eq!(parse(bad), None, "{:?}", String::from_utf8_lossy(bad));
        }
        let long = [b"- ", &vec![b'x'; RECORD_BYTES_MAX][..]].concat();
        let head = &stream()[..MAGIC.len() + 23];
        let fault = read(&[head, &long].concat()).unwrap_err();
        assert!(fault.what.ends_with("it is too long"), "{fault}");
    }
}
