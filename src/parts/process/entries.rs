//! Entries: what `proc_record` and `proc_verify` both see in a stream.
//!
//! Owns the way from payload bytes to index entries with digests: one for each member of an archive,
//! one for the whole of any other payload; and to the paths that an archive says are gone. Holds one
//! entry at a time.

use super::age::unseal::shown_name;
use crate::list::{Entry, Line};
use crate::pax::{Event, Kind, Member, Reader};
use crate::stream::{Begin, Blame, Fault, KIND_PAX};

/// What holes are hashed from.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Bytes of holes a file may have and still get a digest. A header of 512 bytes can claim a hole of
/// exbibytes, and hashing its zeros would take centuries.
const HOLES_BYTES_MAX: u64 = 1 << 40;

/// What is found in a payload.
pub(crate) enum Fact {
    /// An entry, complete.
    Entry(Entry),
    /// A path that is there no more.
    Gone(Vec<u8>),
}

impl Fact {
    /// The line that says so.
    pub(crate) fn line(self) -> Line {
        match self {
            Fact::Entry(entry) => Line::Entry(entry),
            Fact::Gone(path) => Line::Gone { path },
        }
    }
}

/// Takes what is found.
pub(crate) type Each<'a> = dyn FnMut(Fact) -> Result<(), Fault> + 'a;

/// Makes entries of a payload.
pub(crate) enum Entries {
    Archive { reader: Box<Reader>, current: Current, next: u64 },
    Whole { begin: Begin, content: Content },
}

impl Entries {
    /// For the stream that `begin` opens; it must have no layers. `who` wants it is for messages.
    pub(crate) fn of(begin: &Begin, verb: &str) -> Result<Entries, Fault> {
        begin.refuse_mux(verb)?;
        if let Some(layer) = begin.layers.last() {
            let name = shown_name(begin);
            let what = format!("cannot {verb} {name}: its outermost layer is {layer}");
            return Err(Fault::never(Blame::Operator, what)
                .hint("put it before what adds layers, or after what takes them off"));
        }
        Ok(match begin.kind == KIND_PAX {
            true => {
                Entries::Archive { reader: Box::default(), current: Current::default(), next: 0 }
            }
            false => Entries::Whole { begin: begin.clone(), content: Content::default() },
        })
    }

    /// Takes the bytes at `offset`; calls `each` for all that is found whole with them.
    pub(crate) fn feed(
        &mut self,
        offset: u64,
        bytes: &[u8],
        each: &mut Each<'_>,
    ) -> Result<(), Fault> {
        match self {
            Entries::Whole { content, .. } => content.add(offset, bytes),
            Entries::Archive { reader, current, next } => {
                if offset != *next {
                    reader.finish()?;
                    **reader = Reader::at(offset);
                }
                *next = offset + bytes.len() as u64;
                reader.feed(bytes, &mut |event| current.event(&event, each))?;
            }
        }
        Ok(())
    }

    /// The payload is over; a member that is not complete is a fault.
    pub(crate) fn finish(&mut self, each: &mut Each<'_>) -> Result<(), Fault> {
        match self {
            Entries::Archive { reader, .. } => reader.finish(),
            Entries::Whole { begin, content } => {
                let size = content.at;
                each(Fact::Entry(Entry {
                    kind: b'f',
                    offset: 0,
                    span: size,
                    size,
                    mtime: (begin.created_s, 0),
                    digest: content.digest(size),
                    path: begin.name.clone().into_bytes(),
                    link: None,
                }))
            }
        }
    }
}

/// The member being read.
#[derive(Default)]
pub(crate) struct Current {
    entry: Option<Entry>,
    content: Content,
}

impl Current {
    fn event(&mut self, event: &Event<'_>, each: &mut Each<'_>) -> Result<(), Fault> {
        match *event {
            Event::Member { member, offset } => self.entry = Some(entry_of(member, offset)),
            Event::Data { at, bytes } => self.content.add(at, bytes),
            Event::Gone { paths } => {
                return paths.iter().try_for_each(|path| each(Fact::Gone(path.to_vec())));
            }
            Event::End { span } => {
                let Some(mut entry) = self.entry.take() else { return Ok(()) };
                entry.span = span;
                if entry.kind == b'f' {
                    entry.digest = self.content.digest(entry.size);
                }
                return each(Fact::Entry(entry));
            }
        }
        Ok(())
    }
}

fn entry_of(member: &Member, offset: u64) -> Entry {
    let (kind, link) = match &member.kind {
        Kind::File { .. } => (b'f', None),
        Kind::Directory => (b'd', None),
        Kind::Symlink { target } => (b'l', Some(target.clone())),
        Kind::HardLink { target } => (b'h', Some(target.clone())),
        Kind::Fifo => (b'p', None),
        Kind::CharDevice { .. } => (b'c', None),
        Kind::BlockDevice { .. } => (b'b', None),
    };
    let size = if kind == b'f' { member.size } else { 0 };
    let mtime = (member.mtime.s, member.mtime.ns);
    Entry { kind, offset, span: 0, size, mtime, digest: None, path: member.path.clone(), link }
}

/// Digest of content that comes in order, with holes.
#[derive(Default)]
pub(crate) struct Content {
    hasher: blake3::Hasher,
    at: u64,
    /// Bytes of holes so far; past [`HOLES_BYTES_MAX`] nothing is hashed any more.
    holes: u64,
}

impl Content {
    fn add(&mut self, at: u64, bytes: &[u8]) {
        self.zeros_to(at);
        if self.holes <= HOLES_BYTES_MAX {
            self.hasher.update(bytes);
        }
        self.at += bytes.len() as u64;
    }

    fn zeros_to(&mut self, end: u64) {
        self.holes = self.holes.saturating_add(end.saturating_sub(self.at));
        if self.holes > HOLES_BYTES_MAX {
            self.at = end;
        }
        while self.at < end {
            let count = (end - self.at).min(ZEROS.len() as u64);
            self.hasher.update(&ZEROS[..count as usize]);
            self.at += count;
        }
    }

    /// The digest of `size` bytes, none for too many holes; starts anew.
    fn digest(&mut self, size: u64) -> Option<[u8; 32]> {
        self.zeros_to(size);
        let digest = *self.hasher.finalize().as_bytes();
        let sound = self.holes <= HOLES_BYTES_MAX;
        self.hasher.reset();
        (self.at, self.holes) = (0, 0);
        sound.then_some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_of_exbibytes_is_not_hashed() {
        let mut content = Content::default();
        content.add(i64::MAX as u64, b"abc");
        assert_eq!(content.digest(u64::MAX), None);
        content.add(0, b"abc");
        assert_eq!(content.digest(3), Some(*blake3::hash(b"abc").as_bytes()));
    }

    #[test]
    fn holes_are_hashed_as_zeros() {
        let mut content = Content::default();
        content.add(3, b"abc");
        content.add(200_000, b"d");
        let mut plain = vec![0; 300_000];
        plain[3..6].copy_from_slice(b"abc");
        plain[200_000] = b'd';
        assert_eq!(content.digest(300_000), Some(*blake3::hash(&plain).as_bytes()));
        assert_eq!(content.digest(0), Some(*blake3::hash(b"").as_bytes()));
    }
}
