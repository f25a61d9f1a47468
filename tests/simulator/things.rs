//! The physical world: cartridges, what is on them, where they are, and drives.

use std::collections::BTreeMap;

use tapioca::authority::Errand;
use tapioca::authority::event::{Ahead, Content, DriveId, Element, ErrandId, Found, Volume};
use tapioca::catalogue::record::{JobId, Kept};
use tapioca::stream::StreamId;
use uuid::Uuid;

/// Stream bytes in a block.
pub const STRIDE: u64 = 100;
/// Where the first file of a volume ends.
pub const FIRST: u64 = 4;

/// A run of stream bytes on a tape.
#[derive(Debug, Clone)]
pub struct Run {
    pub block: u64,
    pub stream: StreamId,
    pub from: u64,
    pub to: u64,
    /// These bytes cannot be read.
    pub bad: Option<(u64, u64)>,
}

impl Run {
    pub fn end(&self) -> u64 {
        self.block + (self.to - self.from).div_ceil(STRIDE)
    }

    pub fn kept(&self, tag: &str, volume: Uuid) -> Kept {
        Kept {
            copy: 0,
            from: self.from,
            to: self.to,
            medium: tag.to_owned(),
            volume: Some(volume),
            block: self.block,
            stride: STRIDE,
        }
    }
}

/// A volume of ours.
#[derive(Debug, Clone)]
pub struct Tape {
    pub tag: String,
    pub volume: Uuid,
    pub set: Uuid,
    pub number: u32,
    /// Where its data ends, all of it confirmed.
    pub end: u64,
    pub runs: Vec<Run>,
    /// It lost confirmed blocks, and the authority cannot know yet.
    pub lost_unseen: bool,
    /// What is wrong with its first file.
    pub damage: Option<Damage>,
}

/// What may be wrong with a first file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It can be told who it is all the same.
    Kit,
    /// It cannot.
    Label,
}

impl Tape {
    /// Whether a run of a stream lies here, where the record says.
    pub fn holds(&self, stream: StreamId, from: u64, to: u64, kept: &Kept) -> bool {
        let mut at = from;
        while at < to {
            let here =
                |r: &&Run| r.stream == stream && r.from <= at && at < r.to && r.end() <= self.end;
            let block = kept.block + (at - kept.from) / STRIDE;
            let right = |r: &&Run| r.block + (at - r.from) / STRIDE == block;
            match self.runs.iter().filter(here).find(right) {
                Some(run) => at = run.to,
                None => return false,
            }
        }
        true
    }

    /// The first bytes of a range that cannot be read.
    pub fn unreadable(&self, stream: StreamId, from: u64, to: u64) -> Option<(u64, u64)> {
        let mut at = from;
        while at < to {
            let here =
                |r: &&Run| r.stream == stream && r.from <= at && at < r.to && r.end() <= self.end;
            let Some(run) = self.runs.iter().find(here) else {
                let next = self.runs.iter().filter(|r| r.stream == stream && r.from > at);
                return Some((at, next.map(|r| r.from).min().unwrap_or(to).min(to)));
            };
            if let Some((bad_from, bad_to)) = run.bad
                && bad_from < to
                && at < bad_to
            {
                return Some((bad_from.max(at), bad_to.min(to)));
            }
            at = run.to;
        }
        None
    }

    fn ahead(&self, known_to: u64) -> Vec<Ahead> {
        let behind = self.runs.iter().filter(|run| run.block >= known_to && run.end() <= self.end);
        let ahead = |run: &Run| Ahead {
            stream: run.stream,
            from: run.from,
            to: run.to,
            kept: vec![run.kept(&self.tag, self.volume)],
        };
        behind.map(ahead).collect()
    }
}

/// What is on a cartridge.
#[derive(Debug, Clone)]
pub enum Kind {
    Blank,
    Ours(Tape),
    Foreign,
    Cleaning,
}

/// A cartridge.
#[derive(Debug, Clone)]
pub struct Cart {
    pub barcode: Option<String>,
    pub can_be_scanned: bool,
    pub kind: Kind,
    pub at: Option<Element>,
    pub write_protected: bool,
    /// It can be written once only.
    pub worm: bool,
    /// Blocks it takes.
    pub room: u64,
}

impl Cart {
    pub fn tape(&self) -> Option<&Tape> {
        match &self.kind {
            Kind::Ours(tape) => Some(tape),
            _ => None,
        }
    }

    pub fn tape_mut(&mut self) -> Option<&mut Tape> {
        match &mut self.kind {
            Kind::Ours(tape) => Some(tape),
            _ => None,
        }
    }

    pub fn content(&self) -> Content {
        match &self.barcode {
            Some(tag) if self.can_be_scanned => Content::Tag(tag.clone()),
            _ => Content::Untagged,
        }
    }

    pub fn found(&self, known_to: Option<u64>, tells_ahead: bool) -> Found {
        let (write_protected, worm) = (self.write_protected, self.worm);
        match &self.kind {
            Kind::Ours(Tape { damage: Some(Damage::Label), .. }) => {
                Found::Unreadable("its label is damaged".into())
            }
            Kind::Blank => Found::Blank { write_protected, worm },
            Kind::Foreign => Found::Foreign("another program's".into()),
            Kind::Cleaning => Found::Cleaning,
            Kind::Ours(tape) => Found::Ours(Volume {
                tag: tape.tag.clone(),
                volume: tape.volume,
                set: tape.set,
                number: tape.number,
                end: tape.end,
                is_empty: tape.end == FIRST,
                write_protected,
                worm,
                damage: tape.damage.map(|_| "its kit is damaged".into()),
                ahead: match known_to {
                    Some(known_to) if tells_ahead => tape.ahead(known_to),
                    _ => Vec::new(),
                },
            }),
        }
    }
}

/// A stream in a session.
#[derive(Debug, Clone)]
pub struct Writing {
    /// First byte that is not confirmed, or in the drive.
    pub synced: u64,
    pub written: u64,
    /// What it is written from is cut.
    pub is_cut: bool,
}

/// A session of a drive.
#[derive(Debug, Clone)]
pub struct Session {
    pub errand: ErrandId,
    pub jobs: BTreeMap<JobId, Writing>,
    /// Runs in the drive's buffer.
    pub buffer: Vec<(JobId, Run)>,
    pub needs_medium: bool,
    pub ends: bool,
}

/// A drive.
#[derive(Debug, Clone, Default)]
pub struct SimDrive {
    pub busy: Option<(ErrandId, Errand)>,
    pub session: Option<Session>,
    pub is_lost: bool,
    /// The authority was told who is in it, and nothing came between since.
    pub told: bool,
    /// What it says next comes not before what it said last.
    pub said_at: i64,
}

/// A cartridge in an element.
pub fn in_element(carts: &[Cart], at: Element) -> Option<usize> {
    carts.iter().position(|cart| cart.at == Some(at))
}

/// The cartridge in a drive.
pub fn in_drive(carts: &[Cart], id: DriveId) -> Option<usize> {
    in_element(carts, Element::Drive(id))
}
