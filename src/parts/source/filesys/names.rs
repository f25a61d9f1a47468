//! Lists of names from a file.
//!
//! Owns their separation: by newline, or by NUL so that any name can be listed; and which of them are
//! a name stream, told by its first record, that says more than names and must come to its end. Where
//! one could have been meant, nothing at all is a fault.

use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::parts::names::read::{RECORD_BYTES_MAX, take_record};
use crate::parts::names::{MAGIC, NameReader, Record};
use crate::stream::Fault;

/// What a list tells.
pub(super) enum Listed {
    /// A name to take, a directory without what is in it.
    Name(PathBuf),
    /// A path that is there no more.
    Gone(Vec<u8>),
    /// Something that whoever listed left out and named, and why.
    Missing { why: String, path: Vec<u8> },
}

/// Names to take one by one.
pub struct NameList {
    how: How,
}

type Bytes = Box<dyn BufRead + Send>;

enum How {
    Unread { from: Bytes, separator: u8 },
    Plain { from: Bytes, separator: u8, first: Option<Vec<u8>> },
    Stream { names: Box<NameReader<Bytes>>, entries: bool },
}

impl NameList {
    /// Names from `from`, separated by NUL or by newline.
    pub fn new(from: Box<dyn BufRead + Send>, by_nul: bool) -> NameList {
        NameList { how: How::Unread { from, separator: if by_nul { 0 } else { b'\n' } } }
    }

    /// Reads as far as is needed to know what this is. A name stream says when its walk began,
    /// seconds rounded down.
    pub(super) fn open(self) -> Result<(NameList, Option<i64>), Fault> {
        let (mut from, separator) = match self.how {
            How::Unread { from, separator } => (from, separator),
            how => return Ok((NameList { how }, None)),
        };
        if separator != 0 {
            return Ok((NameList { how: How::Plain { from, separator, first: None } }, None));
        }
        let mut first = Vec::new();
        take_record(&mut from, &mut first)?;
        // Whoever was stopped before the first name prints as much as whoever found none.
        if first.is_empty() || MAGIC.starts_with(&first) {
            return Err(Fault::stream("the list of names is empty: whoever makes it was stopped"));
        }
        if !first.starts_with(MAGIC) {
            let first = Some(first);
            return Ok((NameList { how: How::Plain { from, separator, first } }, None));
        }
        let names = Box::new(NameReader::after_head(from, first)?);
        let began_s = names.began().0;
        Ok((NameList { how: How::Stream { names, entries: false } }, Some(began_s)))
    }

    /// What comes next; `None` at the end, which a name stream must have.
    pub(super) fn next_listed(&mut self) -> Result<Option<Listed>, Fault> {
        match &mut self.how {
            How::Unread { .. } => Ok(None),
            How::Plain { from, separator, first } => plain(from, *separator, first),
            How::Stream { names, entries } => streamed(names, entries),
        }
    }

    /// How many things whoever listed has left out; known at the end.
    pub(super) fn left_out(&self) -> u64 {
        match &self.how {
            How::Stream { names, .. } => names.left_out(),
            _ => 0,
        }
    }
}

/// The next name that is not empty.
fn plain(
    from: &mut Bytes,
    separator: u8,
    first: &mut Option<Vec<u8>>,
) -> Result<Option<Listed>, Fault> {
    loop {
        let mut name = first.take().unwrap_or_default();
        if name.is_empty() {
            let mut limited = std::io::Read::take(&mut *from, RECORD_BYTES_MAX as u64);
            let read = limited.read_until(separator, &mut name);
            read.map_err(|e| Fault::host("cannot read the list of names", &e))?;
        }
        if name.is_empty() {
            return Ok(None);
        }
        if name.last() == Some(&separator) {
            name.pop();
        }
        if !name.is_empty() {
            return Ok(Some(Listed::Name(path_of(name))));
        }
    }
}

fn streamed(names: &mut NameReader<Bytes>, entries: &mut bool) -> Result<Option<Listed>, Fault> {
    while let Some(record) = names.next_record()? {
        return Ok(Some(match record {
            Record::Root { .. } => continue,
            Record::Entry(entry) => {
                *entries = true;
                Listed::Name(path_of(entry.path))
            }
            Record::Gone { .. } if *entries => {
                return Err(Fault::stream("what is gone must be listed before what is there"));
            }
            Record::Gone { path } => Listed::Gone(path),
            Record::Missing { why, path } => Listed::Missing { why, path },
        }));
    }
    Ok(None)
}

fn path_of(name: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(name).into()
}
