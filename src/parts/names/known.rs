//! What the lists of earlier backups hold of a tree.
//!
//! Owns their joining: a later list overrides an earlier one, and a line that something is gone takes
//! it out. Memory: 48 bytes and the path for each entry, half as much again while a list is added.
//! Entries lie sorted, a directory before what is in it, which is the order a walk comes in.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufRead;

use super::{Entry, Time, is_in};
use crate::list::Line;
use crate::list::file::ListReader;
use crate::stream::{Blame, Fault, KIND_PAX};

/// Lists that can be joined.
pub const LISTS_MAX: usize = 1 << 15;

/// Change times come from a clock that ticks a few hundred times a second, or is another machine's:
/// what changed up to a second before a walk began may have changed after.
const SLACK_S: i64 = 1;

const SEEN: u8 = 1;
const DOUBT: u8 = 2;

/// One line of a list.
#[derive(Clone, Copy)]
struct Held {
    start: u64,
    bytes: u32,
    mtime_ns: u32,
    mtime_s: i64,
    size: u64,
    /// The inode of a directory (0: not known), a hash of a link's target.
    extra: u64,
    list: u16,
    /// Type letter; while a list is added also those of other lines about a path.
    kind: u8,
    flags: u8,
}

impl Held {
    fn path<'a>(&self, paths: &'a [u8]) -> &'a [u8] {
        &paths[self.start as usize..][..self.bytes as usize]
    }

    /// In which order lines of one list about one path count, however they stand in it.
    fn rank(&self) -> u8 {
        match self.kind {
            b'-' => 0,
            b'i' => 2,
            b'!' => 3,
            _ => 1,
        }
    }
}

/// Joined lists.
#[derive(Default)]
pub struct Known {
    paths: Vec<u8>,
    held: Vec<Held>,
    /// When the walk of each list began.
    began: Vec<Time>,
    /// Where the next path is expected.
    cursor: usize,
}

/// Which entry of [`Known`].
#[derive(Clone, Copy)]
pub(super) struct At(usize);

impl Known {
    /// Adds a list, later than those added before.
    pub fn add(&mut self, list: &mut ListReader<impl BufRead>) -> Result<(), Fault> {
        if list.head().kind != KIND_PAX {
            let what = format!("{} is no list of a file tree", list.head().name);
            return Err(Fault::never(Blame::Operator, what));
        }
        if self.began.len() >= LISTS_MAX {
            return Err(Fault::usage(format!("more than {LISTS_MAX} lists")));
        }
        self.began.push(list.head().began);
        while let Some(line) = list.next_line()? {
            self.line(line);
        }
        self.settle();
        Ok(())
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Entry(entry) => {
                let extra = match (entry.kind, &entry.link) {
                    (b'l', Some(target)) => hash(target),
                    _ => 0,
                };
                self.hold(entry.kind, &entry.path, entry.size, entry.mtime, extra);
            }
            Line::Inode { number, path } => self.hold(b'i', &path, 0, (0, 0), number),
            Line::Gone { path } => self.hold(b'-', &path, 0, (0, 0), 0),
            // An entry may be there all the same, but not as it was.
            Line::Missing { why, path } if matches!(&*why, "changed" | "unreadable") => {
                self.hold(b'!', &path, 0, (0, 0), 0);
            }
            _ => {}
        }
    }

    fn hold(&mut self, kind: u8, path: &[u8], size: u64, mtime: Time, extra: u64) {
        let (start, list) = (self.paths.len() as u64, (self.began.len() - 1) as u16);
        let bytes = u32::try_from(path.len()).expect("a line is no longer than 64 KiB");
        let (mtime_s, mtime_ns) = mtime;
        self.paths.extend_from_slice(path);
        self.held.push(Held { start, bytes, mtime_ns, mtime_s, size, extra, list, kind, flags: 0 });
    }

    /// Sorts, and makes one of all that is said about a path.
    fn settle(&mut self) {
        let Known { paths, held, .. } = self;
        let key = |h: &Held| (h.list, h.rank(), h.start);
        held.sort_by(|a, b| order(a.path(paths), b.path(paths)).then_with(|| key(a).cmp(&key(b))));
        let mut joined: Option<Held> = None;
        let mut kept = 0;
        for at in 0..held.len() {
            let is_last =
                held.get(at + 1).is_none_or(|next| next.path(paths) != held[at].path(paths));
            joined = join(joined.take(), &held[at]);
            if is_last && let Some(one) = joined.take() {
                held[kept] = one;
                kept += 1;
            }
        }
        held.truncate(kept);
        held.shrink_to_fit();
    }

    /// What is known of a path.
    pub(super) fn find(&mut self, path: &[u8]) -> Option<At> {
        let at = match self.held.get(self.cursor) {
            Some(next) if next.path(&self.paths) == path => self.cursor,
            _ => self.first_from(path),
        };
        self.cursor = at;
        let found = self.held.get(at)?.path(&self.paths) == path;
        self.cursor += usize::from(found);
        found.then_some(At(at))
    }

    fn first_from(&self, path: &[u8]) -> usize {
        self.held.partition_point(|h| order(h.path(&self.paths), path).is_lt())
    }

    /// Remembers that it is there still.
    pub(super) fn see(&mut self, at: At) {
        self.held[at.0].flags |= SEEN;
    }

    /// Remembers that a path and all that is below it may be there still.
    pub(super) fn see_below(&mut self, path: &[u8]) {
        let first = if path == b"." { 0 } else { self.first_from(path) };
        for held in &mut self.held[first..] {
            if !is_in(held.path(&self.paths), path) {
                break;
            }
            held.flags |= SEEN;
        }
    }

    /// What was never seen below one of `roots`, what is in a directory before the directory.
    pub(super) fn gone<'a>(&'a self, roots: &'a [Vec<u8>]) -> impl Iterator<Item = &'a [u8]> {
        let unseen = self.held.iter().rev().filter(|held| held.flags & SEEN == 0);
        unseen
            .map(|held| held.path(&self.paths))
            .filter(|path| roots.iter().any(|root| is_in(path, root)))
    }

    /// Whether it was a directory.
    pub(super) fn was_directory(&self, at: At) -> bool {
        self.held[at.0].kind == b'd'
    }

    /// Whether what is there now may differ from what the backup holds.
    pub(super) fn differs(&self, at: At, now: &Entry) -> bool {
        let was = &self.held[at.0];
        let is_same = match was.kind {
            // Another name of a file: its size stands with the first name.
            b'h' => now.kind != b'd',
            b'l' => now.kind == b'l' && was.extra == hash(&now.target),
            kind => now.kind == kind && now.size == was.size,
        };
        !is_same
            || (was.mtime_s, was.mtime_ns) != now.mtime
            || was.flags & DOUBT != 0
            || self.may_be_newer(was, now)
    }

    /// Whether a directory may be another one than it was, with other things in it of whatever age.
    pub(super) fn is_another(&self, at: At, now: &Entry) -> bool {
        let was = &self.held[at.0];
        match (was.kind, was.extra) {
            (b'd', 0) => self.may_be_newer(was, now),
            (b'd', inode) => inode != now.inode.1,
            _ => true,
        }
    }

    fn may_be_newer(&self, was: &Held, now: &Entry) -> bool {
        let (s, ns) = now.ctime;
        (s.saturating_add(SLACK_S), ns) >= self.began[usize::from(was.list)]
    }
}

/// What is known after another line about the same path.
fn join(before: Option<Held>, line: &Held) -> Option<Held> {
    let said =
        |before: Held, extra, doubt| Some(Held { extra, flags: before.flags | doubt, ..before });
    match (line.kind, before) {
        (b'-', _) => None,
        (b'i', Some(before)) if before.kind == b'd' && before.list == line.list => {
            said(before, line.extra, 0)
        }
        (b'!', Some(before)) => said(before, before.extra, DOUBT),
        (b'i' | b'!', before) => before,
        _ => Some(*line),
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The order of a walk: by bytes within a directory, what is in a directory right behind it.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let differ = a.iter().zip(b).position(|(a, b)| a != b);
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match differ {
        Some(at) => rank(a[at]).cmp(&rank(b[at])),
        None => a.len().cmp(&b.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_a_walk() {
        let walked: [&[u8]; 8] =
            [b"a", b"a/x", b"a/x/y", b"a\x01", b"a b", b"a-b", b"a-b/c", b"a.c"];
        for (at, path) in walked.iter().enumerate() {
            for (other, than) in walked.iter().enumerate() {
                assert_eq!(order(path, than), at.cmp(&other), "{path:?} {than:?}");
            }
        }
    }

    #[test]
    fn an_entry_takes_as_much_memory_as_is_said() {
        assert_eq!(size_of::<Held>(), 48);
    }
}
