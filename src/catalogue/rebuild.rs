//! A new catalogue from what lies on media.
//!
//! Owns what can be concluded: whose a stream is from its name `MACHINE/BACKUP`, where it lies from its
//! indexes, whether it goes on from another from where its first entry stands. Records of an export come
//! first: they have what media do not tell, people, pools and retention; of what the media do tell,
//! they are right. What was lost on media is said. Nothing that was found may be overwritten
//! before somebody says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use uuid::Uuid;

use super::record::{
    Change, Job, JobId, JobState, Kept, Level, Medium, MediumState, Record, Seconds, Set, Work,
};
use super::run::{NewRun, RunWriter};
use super::snapshot::Snapshot;
use super::store::{Catalogue, Commit};
use super::tables::{Kind, place};
use crate::library::contents::{Cartridge, Contents, Ending, Holds, PartFound, StreamFound};
use crate::list::{Line, lines};
use crate::stream::{Extent, Fault, StreamId};
use crate::volume::Label;
use crate::volume::part::PartState;

/// The pool of what no exported record speaks of.
pub const POOL: &str = "rebuilt";
/// Who asked for jobs that no exported record speaks of.
pub const USER: &str = "rebuilt";
/// Longer than anything is kept.
const FOR_EVER: Seconds = Seconds::MAX;

/// What was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Jobs with what was found of them, in order of number.
    pub jobs: Vec<Job>,
    /// One line for each thing that is not as it should be.
    pub trouble: Vec<String>,
}

/// What is known beside what lies on media.
pub struct Known<'a> {
    /// Records of an export, or of the catalogue before.
    pub records: Vec<Record>,
    /// The catalogue before: lists of what lies on media that nobody can look at.
    pub lists: Option<&'a Snapshot>,
}

/// Takes the lines of a stream's list and puts them into its run; returns what is wrong with it.
pub type LinesOf<'a> =
    &'a mut dyn FnMut(&StreamFound, &mut RunWriter) -> Result<Vec<String>, Fault>;

/// Lines of a stream from the indexes of its parts.
pub fn lines_of_indexes(stream: &StreamFound, run: &mut RunWriter) -> Result<(), Fault> {
    stream.parts.iter().try_for_each(|part| run.lines(&part.lines()?))
}

/// Puts all that was found into an empty catalogue, on top of what is known.
pub fn rebuild(
    catalogue: &mut Catalogue,
    known: Known<'_>,
    contents: &Contents,
    lines_of: LinesOf<'_>,
) -> Result<Rebuilt, Fault> {
    let mut rebuilding = Rebuilding::new(known, contents);
    let folder = catalogue.path().parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    for copies in copies(contents) {
        let (id, run) = rebuilding.stream(&copies, &folder, lines_of)?;
        let job = Box::new(Record::Job(rebuilding.jobs[&id].clone()));
        let changes = vec![Change::Put(job)];
        catalogue.commit(Commit { changes, runs: vec![run], ..Commit::default() })?;
    }
    contents.cartridges.iter().for_each(|cartridge| rebuilding.cartridge(cartridge, contents));
    rebuilding.lose();
    for id in rebuilding.elsewhere() {
        let runs = rebuilding.list_before(id, &folder).into_iter().collect();
        catalogue.commit(Commit { runs, ..Commit::default() })?;
    }
    let (changes, rebuilt) = rebuilding.done();
    catalogue.commit(Commit { changes, ..Commit::default() })?;
    Ok(rebuilt)
}

/// The copies of each stream, in order of creation.
fn copies(contents: &Contents) -> Vec<Vec<&StreamFound>> {
    let mut all: Vec<Vec<&StreamFound>> = Vec::new();
    let mut places: BTreeMap<StreamId, usize> = BTreeMap::new();
    let mut streams: Vec<&StreamFound> = contents.streams.iter().collect();
    // Of those made in the same second the tape knows which was first.
    streams.sort_by_key(|stream| {
        let first = stream.parts.first().map(|part| {
            (part.label.created_s, part.label.set_id, part.label.volume_number, part.block)
        });
        (stream.begin.created_s, first)
    });
    for stream in streams {
        let at = *places.entry(stream.begin.stream).or_insert(all.len());
        match all.get_mut(at) {
            Some(copies) => copies.push(stream),
            None => all.push(vec![stream]),
        }
    }
    all
}

struct Rebuilding<'a> {
    lists: Option<&'a Snapshot>,
    records: BTreeMap<(Kind, Vec<u8>), Record>,
    jobs: BTreeMap<JobId, Job>,
    by_stream: BTreeMap<StreamId, JobId>,
    /// Newest backup of each machine and name so far.
    newest: BTreeMap<(String, String), JobId>,
    /// Media of which is known what is on them.
    seen: BTreeSet<String>,
    found: BTreeSet<JobId>,
    trouble: Vec<String>,
}

impl<'a> Rebuilding<'a> {
    fn new(Known { records, lists }: Known<'a>, contents: &Contents) -> Rebuilding<'a> {
        let is_seen = |c: &&Cartridge| !matches!(c.holds, Holds::Unknown { .. });
        let mut rebuilding = Rebuilding {
            lists,
            records: BTreeMap::new(),
            jobs: BTreeMap::new(),
            by_stream: BTreeMap::new(),
            newest: BTreeMap::new(),
            seen: contents.cartridges.iter().filter(is_seen).map(|c| c.name.clone()).collect(),
            found: BTreeSet::new(),
            trouble: Vec::new(),
        };
        for record in records {
            match record {
                Record::Job(job) => {
                    if let Work::Backup { stream, .. } = &job.work {
                        rebuilding.by_stream.insert(*stream, job.id);
                    }
                    rebuilding.jobs.insert(job.id, job);
                }
                record => _ = rebuilding.records.insert(place(&record), record),
            }
        }
        rebuilding
    }

    /// The list of a job as the catalogue before has it. One that cannot be read is said.
    fn list_before(&mut self, id: JobId, folder: &Path) -> Option<NewRun> {
        let run = self.lists?.run(id).transpose()?;
        let copied = run.and_then(|run| NewRun::of(&run, folder));
        copied.map_err(|fault| self.trouble.push(format!("job {id}: {}", fault.what))).ok()
    }

    /// Jobs of which nothing was found, and that lie on media of which nobody knows what is on them.
    fn elsewhere(&self) -> Vec<JobId> {
        let jobs = self.jobs.values();
        let is_it = |job: &&Job| !self.found.contains(&job.id) && !job.kept.is_empty();
        jobs.filter(is_it).map(|job| job.id).collect()
    }

    /// Makes or corrects the job of a stream; its list is that of the first copy that is whole, or the one of before if
    /// none is and it has more.
    fn stream(
        &mut self,
        copies: &[&StreamFound],
        folder: &Path,
        lines_of: LinesOf<'_>,
    ) -> Result<(JobId, NewRun), Fault> {
        let best = copies.iter().find(|copy| copy.is_complete()).unwrap_or(&copies[0]);
        let id = self.job_of(best);
        let layers = u8::try_from(best.begin.layers.len()).unwrap_or(u8::MAX);
        let mut run = RunWriter::new(id, folder)?.layers(layers);
        let wrong = lines_of(best, &mut run)?;
        self.trouble.extend(wrong.into_iter().map(|line| format!("job {id}: {line}")));
        let mut run = run.finish()?;
        if !best.is_complete()
            && let Some(before) = self.list_before(id, folder)
            && before.head.entries > run.head.entries
        {
            run = before;
        }
        let mut kept = Vec::new();
        let was = self.jobs.get(&id).map(|job| job.kept.clone()).unwrap_or_default();
        for copy in copies {
            let number = number_of_copy(copy, &was, &kept);
            kept.extend(kept_of(copy, number)?);
        }
        // What is believed to lie on media that nobody could look at is believed still.
        kept.extend(was.into_iter().filter(|kept| !self.seen.contains(&kept.medium)));
        kept.sort_by_key(|kept| (kept.copy, kept.from, kept.to));
        kept.dedup();
        self.found.insert(id);
        self.settle(id, best, kept, &run);
        Ok((id, run))
    }

    /// The number of a stream's job; makes the job if there is none.
    fn job_of(&mut self, stream: &StreamFound) -> JobId {
        let begin = &stream.begin;
        if let Some(id) = self.by_stream.get(&begin.stream) {
            return *id;
        }
        let id = JobId(self.jobs.last_key_value().map_or(0, |(last, _)| last.0) + 1);
        let (machine, name) = begin.name.split_once('/').unwrap_or((&begin.name, &begin.name));
        let work = Work::Backup {
            name: name.to_owned(),
            level: Level::Full,
            pool: POOL.into(),
            stream: begin.stream,
        };
        let job = Job {
            id,
            work,
            machine: machine.to_owned(),
            user: USER.into(),
            priority: 0,
            state: JobState::Done,
            created_s: begin.created_s,
            started_s: Some(begin.created_s),
            ended_s: None,
            attempts: 1,
            recorded: 0,
            kept: Vec::new(),
            entries: 0,
            expires_s: Some(FOR_EVER),
            verified_s: BTreeMap::new(),
        };
        self.jobs.insert(id, job);
        id
    }

    /// What the media tell of a job.
    fn settle(&mut self, id: JobId, stream: &StreamFound, kept: Vec<Kept>, run: &NewRun) {
        let is_new = !self.by_stream.contains_key(&stream.begin.stream);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.recorded = reached(&kept);
        job.kept = kept;
        job.entries = run.head.entries;
        let Work::Backup { name, level, .. } = &mut job.work else { return };
        let before = self.newest.insert((job.machine.clone(), name.clone()), id);
        if !is_new {
            return;
        }
        job.state = state_of(stream);
        // A header of what is gone stands before the first entry of an archive that goes on from others.
        if run.head.entries > 0 && run.head.first_offset > 0 || run.head.gone > 0 {
            // No job has the number 0: a restore of this one alone would not be whole, and must not look so.
            *level = Level::Since(before.unwrap_or(JobId(0)));
            if before.is_none() {
                let line = "it goes on from another backup, which is not here";
                self.trouble.push(format!("job {id}: {line}"));
            }
        }
        self.by_stream.insert(stream.begin.stream, id);
    }

    fn cartridge(&mut self, cartridge: &Cartridge, contents: &Contents) {
        let key = (Kind::Medium, cartridge.name.clone().into_bytes());
        let mut medium = match self.records.get(&key) {
            Some(Record::Medium(medium)) => medium.clone(),
            _ => Medium::new(&cartridge.name, MediumState::Unknown, "unknown"),
        };
        match &cartridge.holds {
            Holds::Volume { label, damage, .. } => {
                self.trouble.extend(damage.iter().cloned());
                told_by_label(&mut medium, label, damage, contents);
                self.set(label, &medium);
            }
            Holds::Blank => medium.state = MediumState::Blank,
            Holds::Foreign { why } => medium.state = MediumState::Foreign(why.clone()),
            // What was known of it is known still.
            Holds::Unknown { why } => self.trouble.push(format!("{}: {why}", cartridge.name)),
        }
        self.records.insert(key, Record::Medium(medium));
    }

    fn set(&mut self, label: &Label, medium: &Medium) {
        let fresh = || {
            Record::Set(Set {
                id: label.set_id,
                pool: medium.pool.clone().unwrap_or_else(|| POOL.into()),
                created_s: label.created_s,
                volumes: Vec::new(),
                closed: false,
            })
        };
        let key = (Kind::Set, label.set_id.as_bytes().to_vec());
        let Record::Set(set) = self.records.entry(key).or_insert_with(fresh) else { return };
        let at = (label.volume_number.max(1) - 1) as usize;
        // A number that is absurd is no reason to take memory.
        if at >= set.volumes.len() && at < usize::from(u16::MAX) {
            set.volumes.resize(at + 1, String::new());
        }
        if let Some(volume) = set.volumes.get_mut(at) {
            *volume = label.name();
        }
    }

    /// Jobs that should lie on media of which is known what is on them, and do not.
    fn lose(&mut self) {
        for job in self.jobs.values_mut().filter(|job| !self.found.contains(&job.id)) {
            let lost = job.kept.iter().any(|kept| self.seen.contains(&kept.medium));
            if !lost {
                continue;
            }
            self.trouble
                .push(format!("job {}: it is not on the media that should have it", job.id));
            job.kept.retain(|kept| !self.seen.contains(&kept.medium));
            job.recorded = reached(&job.kept);
            job.state = JobState::Damaged("not on the media that should have it".into());
        }
    }

    fn done(self) -> (Vec<Change>, Rebuilt) {
        let Rebuilding { records, jobs, found, trouble, .. } = self;
        let all = records.into_values().chain(jobs.values().cloned().map(Record::Job));
        let changes = all.map(|record| Change::Put(Box::new(record))).collect();
        let jobs = jobs.into_values().filter(|job| found.contains(&job.id)).collect();
        (changes, Rebuilt { jobs, trouble })
    }
}

fn state_of(stream: &StreamFound) -> JobState {
    let skipped: u64 = stream.parts.iter().map(|part| part.skipped).sum();
    match (stream.first_missing_part(), stream.parts.last().map(|part| &part.ending)) {
        (Some(part), _) => JobState::Damaged(format!("part {part} is not here")),
        (None, Some(Ending::Ended(PartState::Complete))) if skipped > 0 => {
            JobState::DoneBut(skipped)
        }
        (None, Some(Ending::Ended(PartState::Complete))) => JobState::Done,
        (None, Some(Ending::Ended(PartState::Aborted { why }))) => JobState::Failed(why.clone()),
        (None, _) => JobState::Interrupted("it was never finished".into()),
    }
}

/// The number that a copy had, told by a volume it lies on; else the first that is free.
fn number_of_copy(stream: &StreamFound, was: &[Kept], taken: &[Kept]) -> u8 {
    let on: BTreeSet<Uuid> = stream.parts.iter().map(|part| part.label.volume_id).collect();
    let known = was.iter().find(|kept| kept.volume.is_some_and(|volume| on.contains(&volume)));
    let is_free = |number: &u8| !taken.iter().any(|kept| kept.copy == *number);
    known.map(|kept| kept.copy).filter(is_free).or_else(|| (0..=u8::MAX).find(is_free)).unwrap_or(0)
}

/// Where the bytes of a copy lie.
fn kept_of(stream: &StreamFound, copy: u8) -> Result<Vec<Kept>, Fault> {
    let mut all: Vec<Kept> = Vec::new();
    for part in &stream.parts {
        for line in lines(&part.lines()?) {
            if let Ok(Line::Place { extent, place, .. }) = line {
                let Extent { from, to, block, stride } = extent;
                let (medium, volume) = (place.medium, place.volume);
                all.push(Kept { copy, from, to, medium, volume, block, stride });
            }
        }
    }
    // What a part without an index has may be told by the next.
    for part in stream.parts.iter().filter(|part| part.to > part.from) {
        let name = part.label.name();
        let told = |kept: &Kept| kept.medium == name && kept.from < part.to && kept.to > part.from;
        if !all.iter().any(told) {
            all.push(kept_of_part(part, copy));
        }
    }
    Ok(all)
}

/// A part without an index: its data begin behind its first block.
fn kept_of_part(part: &PartFound, copy: u8) -> Kept {
    let (from, to, block) = (part.from, part.to, part.block + 1);
    let (medium, volume) = (part.label.name(), Some(part.label.volume_id));
    Kept { copy, from, to, medium, volume, block, stride: 0 }
}

/// Stream bytes that lie on media in one piece from the first, whichever copy has them.
fn reached(kept: &[Kept]) -> u64 {
    let mut first: Vec<(u64, u64)> =
        kept.iter().filter(|kept| kept.copy == 0).map(|kept| (kept.from, kept.to)).collect();
    first.sort_unstable();
    first.into_iter().fold(0, |reached, (from, to)| match from <= reached {
        true => reached.max(to),
        false => reached,
    })
}

fn told_by_label(medium: &mut Medium, label: &Label, damage: &[String], contents: &Contents) {
    let parts = contents.streams.iter().flat_map(|stream| &stream.parts);
    let on: Vec<&PartFound> =
        parts.filter(|part| part.label.volume_id == label.volume_id).collect();
    let is_new = medium.volume != Some(label.volume_id);
    medium.volume = Some(label.volume_id);
    medium.set = Some((label.set_id, label.volume_number));
    medium.valid_to = on.iter().map(|part| part.data_end).max().unwrap_or(0);
    medium.bytes = on.iter().map(|part| part.to.saturating_sub(part.from)).sum();
    if !is_new {
        return;
    }
    medium.pool = Some(POOL.into());
    medium.expires_s = (!on.is_empty()).then_some(FOR_EVER);
    let last = on.iter().max_by_key(|part| part.block).map(|part| &part.ending);
    medium.state = match (damage.first(), last) {
        (Some(why), _) => MediumState::Damaged(why.clone()),
        (None, Some(Ending::Ended(PartState::Continued))) => MediumState::Full,
        (None, Some(Ending::Cut)) => MediumState::ReadOnly("its last part has no end".into()),
        (None, _) => MediumState::Appendable,
    };
}
