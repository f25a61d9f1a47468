//! What must be so after every event, whatever the world did.

use std::collections::{BTreeMap, BTreeSet};

use tapioca::authority::Errand;
use tapioca::authority::action::Piece;
use tapioca::authority::event::{DriveId, ErrandId, Event, Found, Said, Volume, Wanted};
use tapioca::authority::records::Records;
use tapioca::catalogue::record::{Job, JobId, JobState, Kept, MediumState, Work};
use tapioca::stream::StreamId;
use uuid::Uuid;

use crate::things::{Cart, Damage, Kind, SimDrive, Tape, in_drive};
use crate::world::{Trouble, World};

/// What was promised, as an onlooker would write it down.
#[derive(Default)]
pub struct Oracle {
    pub now_s: i64,
    /// Clocks that jump make this much unsure.
    pub slack_s: i64,
    pub streams: BTreeMap<StreamId, u64>,
    /// Up to where clients were told that their streams are recorded.
    told: BTreeMap<JobId, (StreamId, u64)>,
    /// Until when what is on a volume must not be overwritten.
    promises: BTreeMap<Uuid, i64>,
    pub whole: BTreeSet<(JobId, u64)>,
    /// Jobs that an alarm has named.
    alarmed: BTreeSet<JobId>,
    pub denied: BTreeSet<String>,
    pub wanted: BTreeMap<JobId, Vec<Wanted>>,
    given: BTreeMap<JobId, Vec<(JobId, u64, u64, bool)>>,
    pending: BTreeMap<DriveId, ErrandId>,
    erased: BTreeSet<Uuid>,
    /// Volumes of which was told that their first files are damaged.
    damaged_first: BTreeSet<Uuid>,
    wrong: Option<String>,
    pub restored: u64,
    pub relabelled: u64,
    pub done: u64,
}

impl Oracle {
    pub fn new(slack_s: i64) -> Oracle {
        Oracle { slack_s, ..Oracle::default() }
    }

    pub fn restarts(&mut self) {
        self.pending.clear();
        self.given.clear();
    }

    pub fn alarm(&mut self, words: &str) {
        let words: Vec<&str> = words.split(|c: char| !c.is_alphanumeric()).collect();
        let named = words.windows(2).filter(|pair| pair[0] == "job");
        self.alarmed.extend(named.filter_map(|pair| pair[1].parse().ok().map(JobId)));
    }

    pub fn sends(&mut self, id: DriveId, errand: ErrandId) {
        self.pending.insert(id, errand);
    }

    /// What the authority is about to know. Tells which cartridge it knows then.
    pub fn hears(
        &mut self,
        event: &Event,
        carts: &[Cart],
        drives: &mut BTreeMap<DriveId, SimDrive>,
    ) -> Option<usize> {
        let Event::Drive { drive: id, errand, said } = event else { return None };
        let is_pending = self.pending.get(id) == Some(errand);
        let drive = drives.get_mut(id)?;
        match said {
            Said::Mounted(found) if is_pending => {
                self.pending.remove(id);
                drive.told = true;
                if let Found::Ours(Volume { damage: Some(_), volume, .. }) = found {
                    self.damaged_first.insert(*volume);
                }
                // Of one that is taken for somebody else, nothing is known.
                let is_it = |n: &usize| match found {
                    Found::Ours(volume) => carts[*n].barcode.as_ref() == Some(&volume.tag),
                    _ => false,
                };
                return in_drive(carts, *id).filter(is_it);
            }
            Said::Failed(_) if is_pending => drive.told = false,
            // In a session the drive's owner would know.
            Said::Changed if drive.session.as_ref().is_some_and(|s| !s.needs_medium) => {}
            Said::Changed | Said::Lost(_) => drive.told = false,
            _ => {}
        }
        None
    }

    /// A client was told; so the volumes are promised something.
    pub fn confirmed(&mut self, job: &Job, to: u64, committed: &Records) {
        let Work::Backup { stream, pool, .. } = &job.work else { return };
        let told = self.told.entry(job.id).or_insert((*stream, 0));
        if told.0 != *stream {
            *told = (*stream, 0);
        }
        if to <= told.1 {
            return;
        }
        told.1 = to;
        let retention_s = committed.pools.get(pool).map_or(0, |pool| pool.retention_s);
        // Only what is new is promised now; the rest was before.
        let Some(last) = job.kept.iter().filter(|run| run.copy == 0).max_by_key(|run| run.to)
        else {
            return;
        };
        if job.state == JobState::Running
            && let Some(volume) = last.volume
        {
            let until_s = self.promises.entry(volume).or_insert(0);
            *until_s = (*until_s).max(self.now_s + retention_s.min(job.expires_s.unwrap_or(0)));
        }
    }

    /// Whether a job may change so.
    pub fn job_changes(&mut self, job: &Job, before: Option<&Job>) -> Result<(), String> {
        if let Some(before) = before {
            let same_stream = stream(before) == stream(job);
            // An unfinished copy begins anew: what it copies is there.
            let is_dropped = matches!(job.work, Work::Copy { .. }) && job.recorded == 0;
            if same_stream && job.recorded < before.recorded && !is_dropped {
                return Err(format!("job {}: recorded goes back to {}", job.id, job.recorded));
            }
            if job.expires_s < before.expires_s {
                return Err(format!("job {}: retention is made shorter", job.id));
            }
            if let Some(copy) = half_a_copy(job, before) {
                return Err(format!("I6: job {}: copy {copy} is read, and is not whole", job.id));
            }
        }
        let is_done = matches!(job.state, JobState::Done | JobState::DoneBut(_));
        if !is_done || before.is_some_and(|before| before.state == job.state) {
            return Ok(());
        }
        self.done += 1;
        match &job.work {
            Work::Backup { stream, .. } => self.backup_done(job, *stream),
            _ => Ok(()),
        }
    }

    fn backup_done(&self, job: &Job, stream: StreamId) -> Result<(), String> {
        let total = self.streams.get(&stream).copied();
        let is_whole = self.whole.contains(&(job.id, job.recorded));
        match is_whole && total == Some(job.recorded) {
            true => Ok(()),
            false => Err(format!("I5: job {} is done with {} of {total:?}", job.id, job.recorded)),
        }
    }

    /// What was given and what was named as missing is all that was wanted, in its order.
    pub fn restore_done(&mut self, job: &Job) -> Result<(), String> {
        self.restored += 1;
        let given = self.given.remove(&job.id).unwrap_or_default();
        let gaps = given.iter().filter(|(.., is_gap)| *is_gap).count() as u64;
        let named = if let JobState::DoneBut(n) = job.state { n } else { 0 };
        if gaps != named {
            return Err(format!("I6: job {}: {gaps} gaps, {named} named", job.id));
        }
        let mut parts = given.iter().filter(|(_, from, to, _)| from < to).peekable();
        for wanted in self.wanted.get(&job.id).cloned().unwrap_or_default() {
            let mut at = wanted.from;
            while at < wanted.to {
                match parts.next() {
                    Some((of, from, to, _)) if *of == wanted.of && *from == at => at = *to,
                    other => {
                        return Err(format!(
                            "I6: job {}: at {at} of {wanted:?}: {other:?}",
                            job.id
                        ));
                    }
                }
            }
        }
        match parts.next() {
            None => Ok(()),
            Some(more) => Err(format!("I6: job {}: {more:?} was not wanted", job.id)),
        }
    }

    /// A client that comes again is given everything again.
    pub fn begins_anew(&mut self, job: JobId) {
        self.given.remove(&job);
    }

    pub fn delivered(&mut self, job: JobId, of: JobId, from: u64, to: u64) {
        self.given.entry(job).or_default().push((of, from, to, false));
    }

    pub fn gap(&mut self, job: JobId, of: JobId, from: u64, to: u64) {
        self.given.entry(job).or_default().push((of, from, to, true));
    }

    /// What is read is what the record says.
    pub fn reads(&mut self, piece: &Piece, tape: &Tape, to: u64, committed: &Records) {
        let kept = committed.jobs.get(&piece.of).map_or(&[][..], |job| &job.kept);
        let is_it = |run: &&Kept| {
            run.volume == Some(tape.volume) && run.from <= piece.from && piece.to <= run.to
        };
        let right = kept.iter().find(is_it);
        let holds = right.is_some_and(|run| tape.holds(piece.stream, piece.from, to, run));
        if piece.from < to && !holds {
            self.wrong = Some(format!("I6: {piece:?} is read on {} {}", tape.tag, tape.volume));
        }
    }

    /// Whether a cartridge may be written so.
    pub fn may_write(
        &mut self,
        what: &Errand,
        tag: &str,
        cart: Option<&Cart>,
        committed: &Records,
        now_s: i64,
    ) -> Result<(), String> {
        let Some(medium) = committed.media.get(tag) else {
            return Err(format!("{tag} is not known"));
        };
        let Some(cart) = cart else { return Ok(()) };
        let is_right = match what {
            Errand::Begin { .. } => medium.state == MediumState::Appendable,
            _ => medium.state == MediumState::Blank,
        };
        if !is_right || cart.write_protected || matches!(cart.kind, Kind::Foreign | Kind::Cleaning)
        {
            return Err(format!("I2: {what:?} on {:?}", medium.state));
        }
        let Some(tape) = cart.tape() else { return Ok(()) };
        if cart.worm && !matches!(what, Errand::Begin { .. }) {
            return Err(format!("I2: {what:?} on a WORM cartridge that holds {}", tape.tag));
        }
        if let Errand::Begin { volume, .. } = what
            && self.damaged_first.contains(volume)
        {
            return Err(format!("I2: {what:?}, whose first file is damaged"));
        }
        if let Errand::Begin { end, volume, .. } = what {
            return match tape.tag == *tag && tape.volume == *volume && *end >= tape.end {
                true => Ok(()),
                false => Err(format!("I3: {what:?} on {}, which ends at {}", tape.tag, tape.end)),
            };
        }
        let until_s = self.promises.get(&tape.volume).copied().unwrap_or(0);
        let is_kept = until_s > now_s + self.slack_s && tape.tag == *tag;
        if matches!(what, Errand::Erase { .. }) {
            self.erased.insert(tape.volume);
            let wish = committed.wishes.values().find(|wish| wish.tag == tag);
            let agreed = wish.is_some_and(|w| w.second.as_ref().is_some_and(|s| *s != w.first));
            let waited = wish.is_some_and(|w| w.asked_s + 3600 <= now_s + self.slack_s);
            return match agreed && waited {
                true => Ok(()),
                false => Err(format!("{tag} is erased without two people: {wish:?}")),
            };
        }
        self.relabelled += 1;
        match is_kept && !self.erased.contains(&tape.volume) {
            false => Ok(()),
            true => Err(format!("I3: {tag} is labelled, and kept until {until_s}, now {now_s}")),
        }
    }
}

/// A copy that is new, and not all of what is recorded.
fn half_a_copy(job: &Job, before: &Job) -> Option<u8> {
    let is_new = |run: &&Kept| run.copy > 0 && before.kept.iter().all(|old| old.copy != run.copy);
    let is_whole =
        matches!(job.state, JobState::Done | JobState::DoneBut(_)) && stream(job).is_some();
    let copy = job.kept.iter().find(is_new).filter(|_| is_whole)?.copy;
    let runs = job.kept.iter().filter(|run| run.copy == copy);
    let reached = runs.fold(0, |at, run| if run.from <= at { at.max(run.to) } else { at });
    (reached < job.recorded).then_some(copy)
}

fn stream(job: &Job) -> Option<StreamId> {
    match job.work {
        Work::Backup { stream, .. } => Some(stream),
        _ => None,
    }
}

impl World {
    /// All that must be so now.
    pub fn check(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.oracle.wrong.take() {
            return Err(wrong);
        }
        self.nothing_promised_is_lost()?;
        self.nothing_is_ahead_of_its_tape()?;
        self.copies_lie_apart()?;
        self.everything_is_in_one_place()
    }

    /// I1.
    fn nothing_promised_is_lost(&mut self) -> Result<(), String> {
        let mut over = Vec::new();
        for (id, (stream_told, to)) in &self.oracle.told {
            let Some(job) = self.committed.jobs.get(id) else {
                return Err(format!("job {id} is gone"));
            };
            let is_expired = job.expires_s.is_none_or(|at_s| at_s <= self.state.now_s());
            if stream(job) != Some(*stream_told) {
                continue;
            }
            if is_expired {
                // What was given up then does not come back when the clock is set back.
                if job.expires_s.is_some() && self.first_lost(job, *stream_told, *to).is_some() {
                    over.push(*id);
                }
                continue;
            }
            if matches!(job.state, JobState::Damaged(_)) {
                if !self.oracle.alarmed.contains(id) {
                    return Err(format!("I1: job {id} is damaged, and nobody was told"));
                }
                continue;
            }
            if let Some(at) = self.first_lost(job, *stream_told, *to) {
                return Err(format!("I1: byte {at} of job {id} ({:?}) is lost", job.state));
            }
        }
        over.iter().for_each(|id| _ = self.oracle.told.remove(id));
        Ok(())
    }

    fn first_lost(&self, job: &Job, stream: StreamId, to: u64) -> Option<u64> {
        let mut at = 0;
        while at < to {
            let has_it = |run: &&Kept| {
                run.from <= at && at < run.to && self.is_there(stream, at, run.to.min(to), run)
            };
            match job.kept.iter().find(has_it) {
                Some(run) => at = run.to,
                None => return Some(at),
            }
        }
        None
    }

    fn is_there(&self, stream: StreamId, from: u64, to: u64, run: &Kept) -> bool {
        let tapes = self.carts.iter().filter_map(Cart::tape);
        let tape = tapes.into_iter().find(|tape| Some(tape.volume) == run.volume);
        tape.is_some_and(|tape| tape.lost_unseen || tape.holds(stream, from, to, run))
    }

    /// I4.
    fn nothing_is_ahead_of_its_tape(&self) -> Result<(), String> {
        for tape in self.carts.iter().filter_map(Cart::tape) {
            let medium = self.committed.media.get(&tape.tag);
            let Some(medium) = medium.filter(|m| m.volume == Some(tape.volume)) else { continue };
            if medium.valid_to > tape.end && !tape.lost_unseen {
                return Err(format!(
                    "I4: {}: valid to {}, {}",
                    tape.tag, medium.valid_to, tape.end
                ));
            }
        }
        Ok(())
    }

    /// I9.
    fn copies_lie_apart(&self) -> Result<(), String> {
        for job in self.committed.jobs.values() {
            let mut copy_on: BTreeMap<&str, u8> = BTreeMap::new();
            for run in job.kept.iter().filter(|_| matches!(job.work, Work::Backup { .. })) {
                if *copy_on.entry(&run.medium).or_insert(run.copy) != run.copy {
                    return Err(format!("I9: job {}: two copies on {}", job.id, run.medium));
                }
            }
        }
        Ok(())
    }

    fn everything_is_in_one_place(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for cartridge in self.state.elements.values().flatten() {
            if let Some(tag) = &cartridge.tag
                && !seen.insert(tag)
            {
                return Err(format!("{tag} is in two places"));
            }
        }
        Ok(())
    }

    /// I8, when all has been calm for long.
    pub fn everything_is_over(&self) -> Result<(), String> {
        for job in self.committed.jobs.values().filter(|job| !job.state.is_over()) {
            let by_hand = self.by_hand.len();
            let can_copy = by_hand >= 2 || self.drives.len() - by_hand >= 2;
            let lacks_drive = matches!(job.work, Work::Copy { .. }) && !can_copy;
            if !lacks_drive {
                let asked = &self.state.requests;
                return Err(format!("I8: job {} waits: {job:?}; asked: {asked:?}", job.id));
            }
        }
        if let Some((call, waiting)) = self.waiting.iter().next() {
            return Err(format!("I8: no answer to {call:?} {waiting:?}"));
        }
        Ok(())
    }

    /// A gap is one only if nobody has the bytes.
    pub fn is_gap_real(&self, job: JobId, of: JobId, at: u64) -> bool {
        let is_restore = self.committed.jobs.get(&job);
        let is_restore = is_restore.is_some_and(|j| matches!(j.work, Work::Restore { .. }));
        if !is_restore || self.troubles.contains(&Trouble::Unreadable) {
            return true;
        }
        let Some(job) = self.committed.jobs.get(&of) else { return true };
        let Some(stream) = stream(job) else { return true };
        let can = |run: &&Kept| {
            let is_here = |cart: &&Cart| {
                cart.tape().is_some_and(|tape| {
                    Some(tape.volume) == run.volume
                        && tape.damage != Some(Damage::Label)
                        && tape.holds(stream, at, at + 1, run)
                        && tape.unreadable(stream, at, at + 1).is_none()
                })
            };
            run.from <= at
                && at < run.to
                && !self.oracle.denied.contains(&run.medium)
                && !self.is_taken_for(&run.medium)
                && self.carts.iter().any(|cart| is_here(&cart))
        };
        !job.kept.iter().any(|run| can(&run))
    }

    /// Whether another bears its barcode, and nobody can tell by its label.
    fn is_taken_for(&self, tag: &str) -> bool {
        let hides = |cart: &Cart| {
            let tape = cart.tape().filter(|tape| tape.damage == Some(Damage::Label));
            cart.barcode.as_deref() == Some(tag) && tape.is_some_and(|tape| tape.tag != tag)
        };
        self.carts.iter().any(hides)
    }
}
