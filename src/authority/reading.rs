//! What is read back: for restores, to verify, and to copy.
//!
//! Owns, for each such job, what is still to be read, and from where. For each byte the best copy is taken: one on
//! a cartridge in the library, then one on a cartridge that is damaged but may have it, then one that a person
//! must bring. What stops somewhere goes on from another copy, at the very byte; what no copy has is a gap, and
//! named. Order is that of the streams, since whoever gets them reads them so; within a stream that is the order
//! of the medium.

use std::collections::VecDeque;

use super::action::Piece;
use super::drives::{Doing, Is, Task};
use super::event::{DriveId, Element, Stop, Wanted};
use super::media::{Mounting, Purpose};
use super::people::{Need, Needs};
use super::room::When;
use super::state::{Inventory, State};
use super::step::Step;
use super::{Action, Errand};
use crate::catalogue::record::{Job, JobId, JobState, Kept, MediumState, Work};
use crate::stream::StreamId;

/// Pieces of one errand.
const PIECES_MAX: usize = 1000;
/// Times a job may be stopped before what is left of a piece counts as unreadable.
const STOPS_MAX: u32 = 1000;

/// A range still to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    /// Whose stream.
    pub of: JobId,
    pub from: u64,
    pub to: u64,
    /// This copy only; none: whichever is best.
    pub copy: Option<u8>,
}

/// What a job has read, and has still to read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Whether it is known what is wanted.
    pub(super) is_planned: bool,
    pub(super) todo: VecDeque<Range>,
    /// Ranges that cannot be read on a cartridge.
    bad: Vec<(String, Range)>,
    /// The drive that reads, and what.
    pub(super) under_way: Option<Vec<Piece>>,
    /// Ranges nobody has.
    pub(super) gaps: Vec<(Range, String)>,
    /// Of those, how many could not be tried, because the cartridge is elsewhere.
    not_at_hand: u64,
    stops: u32,
}

/// What a reading does next.
pub(super) enum Next {
    /// Read these, which lie on this cartridge.
    Read(String, Vec<Piece>),
    /// A person must bring this one.
    Bring(String),
    /// Nobody has this.
    Gap(Range, String),
    /// Something it needs is busy or rests.
    Wait,
    /// Nothing is left.
    Done,
}

impl State {
    pub(super) fn next_of(&self, reading: &Reading) -> Next {
        let Some(first) = reading.todo.front() else { return Next::Done };
        let best = self.candidates_at(reading, first).min_by_key(|(rank, _)| *rank);
        let Some((rank, run)) = best else {
            let to = self.next_start(reading, first);
            let why = self.why_not(first);
            return Next::Gap(Range { to, ..first.clone() }, why);
        };
        let tag = run.medium.clone();
        if rank.0 == OUTSIDE {
            let is_known = self.inventory == Inventory::Fresh;
            return if is_known { Next::Bring(tag) } else { Next::Wait };
        }
        if self.resting.contains_key(&tag) {
            return Next::Wait;
        }
        Next::Read(tag.clone(), self.batch(reading, &tag))
    }

    /// Every copy of a job, each for itself.
    pub(super) fn verify_plan(&self, of: JobId) -> Reading {
        let kept = self.job(of).map_or(&[][..], |job| &job.kept);
        let range = |run: &Kept| Range { of, from: run.from, to: run.to, copy: Some(run.copy) };
        Reading::of(kept.iter().map(range))
    }

    /// All that jobs kept: as long as nobody knows what of it is wanted.
    pub(super) fn whole_plan(&self, of: &[JobId]) -> Reading {
        let range = |of: &JobId| {
            let to = self.job(*of).map_or(0, |job| job.recorded);
            Range { of: *of, from: 0, to, copy: None }
        };
        Reading::of(of.iter().map(range))
    }

    /// Cartridges that a reading is read from, in this order.
    pub(super) fn tags_of(&self, reading: &Reading) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for range in &reading.todo {
            let mut at = range.clone();
            while at.from < at.to {
                let best = self.candidates_at(reading, &at).min_by_key(|(rank, _)| *rank);
                at.from = match best {
                    Some((_, run)) => {
                        if !tags.contains(&run.medium) {
                            tags.push(run.medium.clone());
                        }
                        reading.good_to(run, &at)
                    }
                    None => self.next_start(reading, &at),
                };
            }
        }
        tags
    }

    /// Runs that have the first byte of a range, each with how good it is: the least is the best.
    fn candidates_at<'a>(
        &'a self,
        reading: &'a Reading,
        range: &'a Range,
    ) -> impl Iterator<Item = ((u8, u8), &'a Kept)> {
        let kept = self.job(range.of).map_or(&[][..], |job| &job.kept);
        let has_it = move |run: &&Kept| {
            run.from <= range.from
                && range.from < run.to
                && range.copy.is_none_or(|copy| copy == run.copy)
                && !reading.is_bad(run, range.of, range.from)
        };
        kept.iter().filter(has_it).filter_map(|run| Some(((self.rank(run)?, run.copy), run)))
    }

    /// How good a place is; none: of no use.
    fn rank(&self, run: &Kept) -> Option<u8> {
        let medium = self.records.media.get(&run.medium)?;
        if self.unobtainable.contains(&run.medium) || medium.volume != run.volume {
            return None;
        }
        // The right one is somewhere, and a person was asked where.
        let is_leaving = self.take_out.contains(&run.medium);
        if is_leaving || self.strangers.contains_key(&run.medium) {
            return Some(OUTSIDE);
        }
        let is_damaged = matches!(medium.state, MediumState::Damaged(_));
        Some(match self.place_of(&run.medium) {
            Some(at) if self.is_reachable(at) => {
                u8::from(is_damaged) + 2 * u8::from(self.resting.contains_key(&run.medium))
            }
            _ => OUTSIDE,
        })
    }

    fn is_reachable(&self, at: Element) -> bool {
        match at {
            Element::Drive(id) => {
                let usable = |drive: &super::drives::Drive| {
                    drive.is_used && !matches!(drive.doing, Doing::Lost(_))
                };
                self.drives.get(&id).is_some_and(usable)
            }
            Element::Hand(_) => false,
            _ => self.drives.values().any(|drive| drive.has_changer),
        }
    }

    /// All that can be read from one cartridge now, in its order.
    fn batch(&self, reading: &Reading, tag: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for range in &reading.todo {
            let mut at = range.clone();
            while at.from < at.to {
                let best = self.candidates_at(reading, &at).min_by_key(|(rank, _)| *rank);
                let Some((_, run)) = best.filter(|(_, run)| run.medium == tag) else {
                    return pieces;
                };
                if pieces.len() == PIECES_MAX {
                    return pieces;
                }
                let to = reading.good_to(run, &at);
                pieces.push(self.piece(&at, to, run));
                at.from = to;
            }
        }
        pieces
    }

    fn piece(&self, at: &Range, to: u64, run: &Kept) -> Piece {
        let stream = match self.job(at.of).map(|job| &job.work) {
            Some(Work::Backup { stream, .. }) => *stream,
            _ => StreamId::default(),
        };
        Piece {
            of: at.of,
            stream,
            copy: run.copy,
            from: at.from,
            to,
            run_from: run.from,
            block: run.block,
            stride: run.stride,
        }
    }

    /// Where, behind the start of a range that nobody has, something can be had again.
    fn next_start(&self, reading: &Reading, range: &Range) -> u64 {
        let kept = self.job(range.of).map_or(&[][..], |job| &job.kept);
        let starts = kept.iter().map(|run| run.from);
        let behind_bad =
            reading.bad.iter().filter(|(_, bad)| bad.of == range.of).map(|(_, bad)| bad.to);
        let inside = starts.chain(behind_bad).filter(|at| range.from < *at && *at < range.to);
        let can = |at: &u64| {
            let there = Range { from: *at, ..range.clone() };
            self.candidates_at(reading, &there).next().is_some()
        };
        inside.filter(can).min().unwrap_or(range.to)
    }

    fn why_not(&self, range: &Range) -> String {
        let kept = self.job(range.of).map_or(&[][..], |job| &job.kept);
        let has_it = |run: &&Kept| {
            run.from <= range.from
                && range.from < run.to
                && range.copy.is_none_or(|copy| copy == run.copy)
        };
        let tags: Vec<&str> = kept.iter().filter(has_it).map(|run| run.medium.as_str()).collect();
        match tags.is_empty() {
            true => "nothing is kept of it any more".into(),
            false => format!("it cannot be read on {}", tags.join(", ")),
        }
    }
}

/// The rank of what a person must bring.
const OUTSIDE: u8 = 9;

impl Reading {
    pub(super) fn of(ranges: impl IntoIterator<Item = Range>) -> Reading {
        let todo = ranges.into_iter().filter(|range| range.from < range.to).collect();
        Reading { is_planned: true, todo, ..Reading::default() }
    }

    fn is_bad(&self, run: &Kept, of: JobId, at: u64) -> bool {
        let hit = |(tag, bad): &(String, Range)| {
            *tag == run.medium
                && bad.of == of
                && bad.copy == Some(run.copy)
                && bad.from <= at
                && at < bad.to
        };
        self.bad.iter().any(hit)
    }

    /// Up to where a run can be read from a byte of it on.
    fn good_to(&self, run: &Kept, at: &Range) -> u64 {
        let ours = |(tag, bad): &&(String, Range)| {
            *tag == run.medium
                && bad.of == at.of
                && bad.copy == Some(run.copy)
                && bad.from > at.from
        };
        let bad_from = self.bad.iter().filter(ours).map(|(_, bad)| bad.from).min();
        run.to.min(at.to).min(bad_from.unwrap_or(u64::MAX))
    }

    /// The first range was read up to here.
    fn has_read_to(&mut self, to: u64) {
        if let Some(first) = self.todo.front_mut() {
            first.from = first.from.max(to);
            if first.from >= first.to {
                self.todo.pop_front();
            }
        }
    }

    fn has_read_all(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            self.has_read_to(piece.to);
        }
    }
}

impl Step<'_> {
    /// The shell looked up what a restore needs.
    pub(super) fn planned(&mut self, id: JobId, wanted: Result<Vec<Wanted>, String>) {
        let is_asked = self.state.readings.get(&id).is_some_and(|reading| !reading.is_planned);
        if !is_asked {
            return;
        }
        match wanted {
            Ok(wanted) => {
                let range = |w: Wanted| Range { of: w.of, from: w.from, to: w.to, copy: None };
                let reading = Reading::of(wanted.into_iter().map(range));
                self.state.readings.insert(id, reading);
            }
            Err(why) => self.over(id, JobState::Failed(why)),
        }
    }

    /// A restore or a verify at its turn.
    pub(super) fn begin_reading(&mut self, job: &Job, needs: &mut Needs) -> super::deal::Turn {
        use super::deal::Turn;
        if !self.state.readings.contains_key(&job.id) {
            match &job.work {
                Work::Verify { of } => {
                    let reading = self.state.verify_plan(*of);
                    self.state.readings.insert(job.id, reading);
                }
                _ => {
                    self.state.readings.insert(job.id, Reading::default());
                    self.act(Action::Plan { job: job.id });
                }
            }
        }
        if !self.state.readings[&job.id].is_planned {
            return Turn::Served;
        }
        match self.read_next(job.id, needs) {
            true => Turn::Served,
            false => Turn::Waits,
        }
    }

    pub(super) fn need_tag(&mut self, tag: &str, job: JobId, needs: &mut Needs) {
        if self.is_library_steady() && !self.state.strangers.contains_key(tag) {
            let when = self.state.job(job).map_or(When::NOW, When::next_of);
            needs.add(Need::Bring(tag.to_owned()), format!("job {job} waits for it"), when);
        }
    }

    /// Goes on with what runs and has no drive.
    pub(super) fn read_on(&mut self, needs: &mut Needs) {
        let runs = |id: &&JobId| self.state.job(**id).is_some_and(|j| j.state == JobState::Running);
        let running: Vec<JobId> = self.state.readings.keys().filter(runs).copied().collect();
        for id in running {
            // One that made way is gone.
            let is_idle = |reading: &Reading| reading.under_way.is_none();
            if self.state.readings.get(&id).is_some_and(is_idle) {
                self.read_next(id, needs);
            }
        }
    }

    /// Reads the next piece, if a drive can be had. False: it waits for a drive.
    pub(super) fn read_next(&mut self, id: JobId, needs: &mut Needs) -> bool {
        loop {
            let Some(reading) = self.state.readings.get(&id) else { return true };
            if reading.under_way.is_some() {
                return true;
            }
            match self.state.next_of(reading) {
                Next::Read(tag, pieces) => return self.read_on_tag(id, &tag, pieces, needs),
                Next::Gap(range, why) => self.gap(id, range, why, false),
                Next::Bring(tag) if self.is_verify(id) => self.skip(id, &tag),
                Next::Bring(tag) => {
                    self.need_tag(&tag, id, needs);
                    return true;
                }
                Next::Wait => return true,
                Next::Done => {
                    self.all_read(id);
                    return true;
                }
            }
        }
    }

    fn is_verify(&self, id: JobId) -> bool {
        self.state.job(id).is_some_and(|job| matches!(job.work, Work::Verify { .. }))
    }

    fn read_on_tag(&mut self, id: JobId, tag: &str, pieces: Vec<Piece>, needs: &mut Needs) -> bool {
        if self.is_being_fetched(tag) {
            return true;
        }
        if !self.state.is_at_hand(tag, None) {
            self.step_aside(id, tag);
            return false;
        }
        let Some(drive) = self.state.drive_for(tag) else {
            self.make_way();
            return false;
        };
        match self.state.drives[&drive].has_read(tag).cloned() {
            Some(Is::Volume { .. }) => self.send_reading(drive, id, pieces),
            Some(_) => self.cannot_be_read(id, tag, &pieces),
            None => {
                let Some(at) = self.state.place_of(tag) else { return true };
                let mounting = self.mount(drive, at, Purpose::default());
                self.note_mounting(Some(mounting), needs);
                if mounting == Mounting::NoSlot {
                    return true;
                }
            }
        }
        true
    }

    fn is_being_fetched(&self, tag: &str) -> bool {
        self.state.drives.values().any(|drive| {
            matches!(&drive.doing, Doing::Errand(_, Task::Mount { tag: Some(other), .. }) if other == tag)
        })
    }

    fn send_reading(&mut self, drive: DriveId, id: JobId, pieces: Vec<Piece>) {
        self.runs(id);
        if let Some(reading) = self.state.readings.get_mut(&id) {
            reading.under_way = Some(pieces.clone());
        }
        let errand = match self.is_verify(id) {
            true => self.send(drive, Errand::Verify { job: id, pieces }),
            false => self.send(drive, Errand::Read { job: id, pieces }),
        };
        let doing = Doing::Errand(errand, Task::Read(id));
        self.state.drives.entry(drive).and_modify(|drive| drive.doing = doing);
    }

    /// What is in the drive is not what these pieces are on.
    fn cannot_be_read(&mut self, id: JobId, tag: &str, pieces: &[Piece]) {
        let Some(reading) = self.state.readings.get_mut(&id) else { return };
        for piece in pieces {
            let range =
                Range { of: piece.of, from: piece.from, to: piece.to, copy: Some(piece.copy) };
            reading.bad.push((tag.to_owned(), range));
        }
    }

    /// A drive has read what it was sent for, or stopped before.
    pub(super) fn has_read(&mut self, drive: DriveId, id: JobId, stop: Option<Stop>) {
        let tag =
            self.state.drives.get(&drive).and_then(|d| d.tag()).unwrap_or_default().to_owned();
        let Some(reading) = self.state.readings.get_mut(&id) else { return };
        let Some(pieces) = reading.under_way.take() else { return };
        self.was_of_use(&tag);
        match stop {
            None => {
                if let Some(reading) = self.state.readings.get_mut(&id) {
                    reading.has_read_all(&pieces);
                }
                let now_s = self.state.now_s();
                self.change_medium(&tag, |m| m.verified_s = Some(now_s));
            }
            Some(stop) => self.stopped(drive, id, &tag, &pieces, &stop),
        }
    }

    fn stopped(&mut self, drive: DriveId, id: JobId, tag: &str, pieces: &[Piece], stop: &Stop) {
        let hit = |p: &Piece| {
            (p.of, p.copy) == (stop.of, stop.copy) && (p.from..p.to).contains(&stop.from)
        };
        let Some(at) = pieces.iter().position(hit) else {
            let why = format!("{drive} stopped where it was not reading: a defect");
            return self.reading_failed(id, &why);
        };
        let piece = &pieces[at];
        let Some(reading) = self.state.readings.get_mut(&id) else { return };
        reading.stops += 1;
        let to = if reading.stops > STOPS_MAX { piece.to } else { stop.to.max(stop.from + 1) };
        let to = to.min(piece.to);
        let bad = Range { of: stop.of, from: stop.from, to, copy: Some(piece.copy) };
        reading.has_read_all(&pieces[..at]);
        reading.has_read_to(stop.from);
        reading.bad.push((tag.to_owned(), bad));
        let words = format!("{drive}: bytes {}..{to} of job {}: {}", stop.from, stop.of, stop.why);
        self.ails(tag, &words);
        self.tell(Some(id), format!("{tag}: {words}"));
    }

    /// Nobody has these bytes.
    fn gap(&mut self, id: JobId, range: Range, why: String, is_elsewhere: bool) {
        if let Some(Work::Copy { .. }) = self.state.job(id).map(|job| &job.work) {
            let words = format!("bytes {}..{} of the first copy: {why}", range.from, range.to);
            self.state.readings.remove(&id);
            return self.cut(id, &words);
        }
        let Some(reading) = self.state.readings.get_mut(&id) else { return };
        reading.has_read_to(range.to);
        reading.not_at_hand += u64::from(is_elsewhere);
        reading.gaps.push((range.clone(), why.clone()));
        self.act(Action::Gap { job: id, of: range.of, from: range.from, to: range.to, why });
    }

    /// A verify leaves out what is elsewhere.
    fn skip(&mut self, id: JobId, tag: &str) {
        let Some(range) = self.state.readings.get(&id).and_then(|r| r.todo.front()).cloned() else {
            return;
        };
        self.gap(id, range, format!("{tag} is not in the library"), true);
    }

    fn all_read(&mut self, id: JobId) {
        let Some(job) = self.state.job(id).cloned() else { return };
        match &job.work {
            Work::Verify { of } => self.verified(id, *of),
            // The session says when all of it is recorded.
            Work::Copy { .. } => {
                self.state.readings.remove(&id);
                self.act(Action::EndStream { job: id, cut: None });
            }
            _ => {
                let gaps = self.state.readings.get(&id).map_or(0, |reading| reading.gaps.len());
                self.runs(id);
                self.over(
                    id,
                    if gaps == 0 { JobState::Done } else { JobState::DoneBut(gaps as u64) },
                );
            }
        }
    }

    /// Says which copies were read through, and what that means for the job.
    fn verified(&mut self, id: JobId, of: JobId) {
        let Some(reading) = self.state.readings.remove(&id) else { return };
        let now_s = self.state.now_s();
        let kept = self.state.job(of).map_or(Vec::new(), |job| job.kept.clone());
        let mut copies: Vec<u8> = kept.iter().map(|run| run.copy).collect();
        copies.dedup();
        let is_good = |copy: &u8| reading.gaps.iter().all(|(range, _)| range.copy != Some(*copy));
        let good: Vec<u8> = copies.into_iter().filter(is_good).collect();
        self.change_job(of, |job| job.verified_s.extend(good.iter().map(|copy| (*copy, now_s))));
        let bad = reading.gaps.len() as u64 - reading.not_at_hand;
        if bad > 0 {
            let whole = good.iter().any(|copy| is_complete(&kept, *copy, self.state.job(of)));
            self.bad_copies(of, whole, &reading.gaps);
        }
        self.over(
            id,
            match reading.gaps.len() as u64 {
                0 => JobState::Done,
                n => JobState::DoneBut(n),
            },
        );
    }

    fn bad_copies(&mut self, of: JobId, whole: bool, gaps: &[(Range, String)]) {
        let Some((range, why)) = gaps.first() else { return };
        let words = format!("bytes {}..{}: {why}", range.from, range.to);
        self.notify(super::action::Grade::Alarm, format!("job {of} was verified: {words}"));
        let is_over = self.state.job(of).is_some_and(|job| job.state.is_over());
        if !whole && is_over {
            self.change_job(of, |job| job.state = JobState::Damaged(words));
        }
    }

    /// A drive failed while it read for a job: nobody knows what was delivered.
    pub(super) fn reading_failed(&mut self, id: JobId, why: &str) {
        self.state.readings.remove(&id);
        let Some(job) = self.state.job(id).filter(|job| !job.state.is_over()) else { return };
        match job.work {
            Work::Verify { .. } => self.try_again(id, why),
            _ => self.cut(id, why),
        }
    }
}

fn is_complete(kept: &[Kept], copy: u8, job: Option<&Job>) -> bool {
    let runs: Vec<&Kept> = kept.iter().filter(|run| run.copy == copy).collect();
    super::agree::covers(&runs, job.map_or(u64::MAX, |job| job.recorded))
}
