//! The demo: a backup and a restore that prove themselves, on a virtual library.
//!
//! Owns the script of it. Uses nothing that an operator could not type: the same executable, as the
//! same processes joined by the same pipes. Compares what came back itself, file by file, and does
//! not believe any component's word for it.

pub mod choose;
pub mod compare;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use board::{Board, VirtualLibrary};
use virt::{MediumSpec, Shape};

use crate::list::{Entry, Line, lines};
use crate::plumb::pipe::receipts_in;
use crate::plumb::run::root_cause;
use crate::plumb::spawn::{Chain, Step, step};
use crate::stream::{Blame, Extent, Fault, Receipt, StreamId};
use choose::Choice;
use compare::Comparison;

/// Cartridges one backup is spread over.
const SPREAD: u64 = 3;
const CAPACITY_MIN: u64 = 48 << 20;
/// Room behind the early warning, for what is on its way then and for the index.
const EARLY_WARNING_MIN: u64 = 8 << 20;
/// The machine that the demo plays.
const BOARD: &str = "dev-host";

/// A demo and where it happens.
pub struct Demo {
    /// Where everything lies.
    pub dir: PathBuf,
    /// What is backed up.
    pub choice: Choice,
    /// Drive to use.
    pub drive: String,
    /// Its changer.
    pub changer: String,
    sync_mib: u64,
}

/// What a medium got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnMedium {
    /// Stream bytes.
    pub bytes: u64,
    /// Blocks that hold them.
    pub blocks: u64,
}

/// What the receipts of a backup said.
#[derive(Debug, Default)]
pub struct Kept {
    /// The stream.
    pub stream: StreamId,
    /// Bytes on tape.
    pub bytes: u64,
    /// By medium, in order of writing.
    pub media: Vec<(String, OnMedium)>,
    /// Last word of the durability ladder.
    pub grade: String,
    /// How long it took.
    pub took: Duration,
}

impl Kept {
    fn add(&mut self, receipt: &Receipt) {
        self.stream = receipt.stream;
        self.bytes = self.bytes.max(receipt.to);
        self.grade.clone_from(&receipt.grade);
        let name = &receipt.place.medium;
        if self.media.last().is_none_or(|(last, _)| last != name) {
            self.media.push((name.clone(), OnMedium::default()));
        }
        let blocks = |e: &Extent| {
            (e.to - e.from)
                .checked_div(e.stride)
                .map_or(1, |whole| whole + u64::from(!(e.to - e.from).is_multiple_of(e.stride)))
        };
        if let Some((_, on)) = self.media.last_mut() {
            on.bytes += receipt.to - receipt.from;
            on.blocks += receipt.extents.iter().map(blocks).sum::<u64>();
        }
    }
}

/// One file that was restored by itself.
#[derive(Debug)]
pub struct Single {
    /// Its entry in the list.
    pub entry: Entry,
    /// The cartridge it begins on.
    pub medium: String,
    /// The block it begins in.
    pub block: u64,
    /// How long it took.
    pub took: Duration,
}

impl Demo {
    /// Makes the library: cartridges so small that the backup needs several.
    pub fn prepare(dir: &Path, choice: Choice) -> Result<Demo, Fault> {
        let capacity = (choice.bytes / SPREAD + choice.bytes / 20).max(CAPACITY_MIN);
        let media = (1..=SPREAD + 3).map(|n| MediumSpec {
            early_warning_bytes: (capacity / 8).max(EARLY_WARNING_MIN),
            ..MediumSpec::data(&format!("DEM{n:03}L9"), capacity)
        });
        let Board { tape, virtual_library, .. } = Board::load(BOARD)
            .map_err(|e| Fault::never(Blame::Ours, format!("cannot set up the demo: {e}")))?;
        let VirtualLibrary { drives, slots, mail_slots, .. } = virtual_library
            .ok_or_else(|| Fault::never(Blame::Ours, "the demo's board has no virtual library"))?;
        let media = media.collect();
        let shape = Shape { drives, slots, mail_slots, media, ..Shape::default() };
        let library = virt::Library::create(&dir.join("library"), &shape)
            .map_err(|e| Fault::later(Blame::Host, format!("cannot make the library: {e}")))?;
        let drive = library.drives().into_iter().next().unwrap_or_default();
        let (dir, changer, sync_mib) = (dir.to_owned(), library.changer_name(), tape.sync_mib);
        Ok(Demo { dir, choice, drive, changer, sync_mib })
    }

    /// The list that the record keeper writes.
    pub fn list(&self) -> PathBuf {
        self.dir.join("backup.list")
    }

    /// Where everything is restored.
    pub fn restored(&self) -> PathBuf {
        self.dir.join("restored")
    }

    /// Where the single file is restored.
    pub fn restored_single(&self) -> PathBuf {
        self.dir.join("restored-one")
    }

    fn devices(&self) -> [&str; 4] {
        ["--drive", &self.drive, "--changer", &self.changer]
    }

    /// The chain that backs up.
    pub fn backup_steps(&self) -> Vec<Step> {
        let mut source: Step = step(["src_filesys", "-C"]);
        source.push(self.choice.base.clone().into());
        source.extend(["--name", "demo", "--"].map(OsString::from));
        source.extend(self.choice.paths.iter().map(OsString::from));
        let mut record: Step = step(["proc_record", "--list"]);
        record.push(self.list().into());
        let mut sink: Step = step(["sink_tape", "--sync-mib", &self.sync_mib.to_string()]);
        sink.extend(step(self.devices()));
        vec![source, record, sink]
    }

    /// The chain that restores everything.
    pub fn restore_steps(&self, kept: &Kept) -> Vec<Step> {
        let mut source: Step = step(["src_tape"]);
        source.extend(step(self.devices()));
        let first = kept.media.first().map_or("", |(name, _)| name.as_str());
        source.extend(step(["--volume", first, "--stream", &kept.stream.to_string()]));
        vec![source, step(["proc_verify"]), self.sink(self.restored())]
    }

    /// The chain that restores one file, found by the list.
    pub fn single_steps(&self, single: &Single) -> Vec<Step> {
        use std::os::unix::ffi::OsStringExt;
        let mut source: Step = step(["src_tape"]);
        source.extend(step(self.devices()));
        source.extend(step(["--volume", &single.medium, "--list"]));
        source.push(self.list().into());
        source.push("--only".into());
        source.push(OsString::from_vec(single.entry.path.clone()));
        vec![source, self.sink(self.restored_single())]
    }

    fn sink(&self, into: PathBuf) -> Step {
        let mut sink: Step = step(["sink_filesys", "-C"]);
        sink.push(into.into());
        sink
    }

    /// Backs up; `progress` hears of every receipt.
    pub fn back_up(&self, progress: &mut dyn FnMut(&Kept)) -> Result<Kept, Fault> {
        let mut kept = Kept::default();
        let started = Instant::now();
        let mut chain = Chain::start(&self.backup_steps(), true)?;
        if let Some(receipts) = chain.receipts() {
            for receipt in receipts_in(receipts) {
                kept.add(&receipt?);
                kept.took = started.elapsed();
                progress(&kept);
            }
        }
        all_well(chain)?;
        kept.took = started.elapsed();
        Ok(kept)
    }

    /// Restores everything. Returns how long it took.
    pub fn restore(&self, kept: &Kept) -> Result<Duration, Fault> {
        let started = Instant::now();
        all_well(Chain::start(&self.restore_steps(kept), false)?)?;
        Ok(started.elapsed())
    }

    /// Compares what was restored with what is there.
    pub fn compare(&self, with_owner: bool) -> Comparison {
        let mut comparison = Comparison::new(with_owner);
        for path in &self.choice.paths {
            comparison.tree(&self.choice.base, &self.restored(), path);
        }
        comparison
    }

    /// Restores one file from the middle of the backup by itself; `None` when there is none. What
    /// came back is compared into `comparison`.
    pub fn restore_single(&self, comparison: &mut Comparison) -> Result<Option<Single>, Fault> {
        use std::os::unix::ffi::OsStrExt;
        let list = std::fs::read(self.list())
            .map_err(|e| Fault::host(format!("cannot read {}", self.list().display()), &e))?;
        let Some(mut single) = from_the_middle(&list)? else { return Ok(None) };
        let started = Instant::now();
        all_well(Chain::start(&self.single_steps(&single), false)?)?;
        single.took = started.elapsed();
        let path = Path::new(std::ffi::OsStr::from_bytes(&single.entry.path));
        comparison.tree(&self.choice.base, &self.restored_single(), path);
        Ok(Some(single))
    }
}

/// A file that lies in the second half, whose name is no pattern.
fn from_the_middle(list: &[u8]) -> Result<Option<Single>, Fault> {
    let mut files = Vec::new();
    let mut places: BTreeMap<u64, (Extent, String)> = BTreeMap::new();
    for line in lines(list) {
        match line.map_err(|e| Fault::never(Blame::Ours, format!("the list is damaged: {e}")))? {
            Line::Entry(entry) if entry.kind == b'f' && entry.size > 0 => files.push(entry),
            Line::Place { extent, place, .. } => {
                places.insert(extent.from, (extent, place.medium));
            }
            _ => {}
        }
    }
    let plain = |entry: &Entry| !entry.path.iter().any(|b| b"*?[]{}\\!".contains(b));
    let middle = files.len() / 2;
    let (before, after) = files.split_at(middle);
    let Some(entry) = after.iter().chain(before).find(|entry| plain(entry)) else {
        return Ok(None);
    };
    let place = places.range(..=entry.offset).next_back();
    let found =
        place.and_then(|(_, (extent, medium))| Some((extent.block_of(entry.offset)?, medium)));
    Ok(found.map(|(block, medium)| Single {
        entry: entry.clone(),
        medium: medium.clone(),
        block,
        took: Duration::ZERO,
    }))
}

/// How long the others may take to end once one gave up.
const GRACE: Duration = Duration::from_secs(10);

/// Waits for a chain; anything left out or given up is a fault that names who.
fn all_well(chain: Chain) -> Result<(), Fault> {
    let ended = chain.wait(GRACE)?;
    if let Some((who, fault)) = root_cause(&ended) {
        let what = format!("{who} gave up: {fault}");
        return Err(Fault { what, ..fault.clone() });
    }
    let partly = ended.iter().find(|part| part.verdict != Ok(0));
    match partly.map(|part| &part.who) {
        None => Ok(()),
        Some(who) => Err(Fault::later(Blame::Host, format!("{who} left something out"))
            .hint("its own words are above")),
    }
}
