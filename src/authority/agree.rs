//! Whether label, barcode and catalogue agree about a cartridge, and what follows if not.
//!
//! Owns the judgement after each mount. A tape that is ahead of the catalogue is adopted. One that is behind lost
//! what was promised: an alarm, and nothing is written on it any more. One that is somebody else is not touched,
//! and a person is asked.

use std::collections::BTreeSet;

use super::action::Grade;
use super::drives::Is;
use super::event::{Ahead, DriveId, Found, Volume};
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, Kept, Medium, MediumState, Record, Work};

/// Drives that must have failed to read a cartridge before it is called damaged …
const SECOND_OPINIONS: usize = 2;
/// … unless one failed so often.
const ATTEMPTS: usize = 3;

impl Step<'_> {
    /// Judges what was found in a drive under the tag it should have. None: it is looked at again.
    pub(super) fn agree(&mut self, id: DriveId, tag: &str, found: &Found) -> Option<Is> {
        if !self.state.records.media.contains_key(tag) {
            self.put(Record::Medium(Medium::new(tag, MediumState::Unknown, id.to_string())));
        }
        let medium = self.state.records.media[tag].clone();
        if !matches!(found, Found::Unreadable(_)) {
            self.state.unreadable_in.remove(tag);
        }
        Some(match found {
            Found::Nothing => Is::Other,
            Found::Blank { write_protected, worm } => {
                self.agree_blank(&medium, *write_protected, *worm)
            }
            Found::Ours(volume) => self.agree_volume(&medium, volume),
            Found::Foreign(what) => {
                self.agree_other(&medium, MediumState::Foreign(what.clone()), what)
            }
            Found::Cleaning => {
                let is_known = matches!(medium.state, MediumState::Cleaning(_));
                let state =
                    if is_known { medium.state.clone() } else { MediumState::Cleaning(None) };
                self.agree_other(&medium, state, "a cleaning cartridge")
            }
            Found::Unreadable(why) => return self.agree_unreadable(id, &medium, why),
        })
    }

    fn agree_blank(&mut self, medium: &Medium, write_protected: bool, worm: bool) -> Is {
        if holds_data(medium) {
            return self.stranger(&medium.tag, "blank");
        }
        let keeps_state =
            matches!(medium.state, MediumState::ReadOnly(_) | MediumState::Damaged(_));
        self.change_medium(&medium.tag, |m| {
            (m.write_protected, m.worm) = (write_protected, worm);
            (m.volume, m.set, m.valid_to, m.bytes, m.expires_s) = (None, None, 0, 0, None);
            if !keeps_state {
                m.state = MediumState::Blank;
            }
        });
        if keeps_state { Is::Other } else { Is::Blank }
    }

    fn agree_volume(&mut self, medium: &Medium, volume: &Volume) -> Is {
        let tag = &medium.tag;
        let is_same = medium.volume == Some(volume.volume);
        if volume.tag != *tag || (!is_same && holds_data(medium)) {
            let what = format!("volume {} ({})", volume.tag, volume.volume);
            return self.stranger(tag, &what);
        }
        self.change_medium(tag, |m| {
            (m.write_protected, m.worm) = (volume.write_protected, volume.worm);
        });
        match is_same {
            true => self.agree_same(volume, tag),
            false => self.agree_new(medium, volume),
        }
    }

    /// A volume of ours that the catalogue does not know under this tag.
    fn agree_new(&mut self, medium: &Medium, volume: &Volume) -> Is {
        if volume.is_empty && !volume.worm {
            return self.agree_blank(medium, volume.write_protected, volume.worm);
        }
        let why =
            "it holds a volume that the catalogue does not know: rebuild it from the cartridge";
        self.change_medium(&medium.tag, |m| {
            m.state = MediumState::ReadOnly(why.to_owned());
            m.volume = Some(volume.volume);
            m.set = Some((volume.set, volume.number));
            m.valid_to = volume.end;
        });
        self.notify(Grade::Warning, format!("{}: {why}", medium.tag));
        Is::Other
    }

    /// The volume that the catalogue knows under this tag.
    fn agree_same(&mut self, volume: &Volume, tag: &str) -> Is {
        let medium = self.state.records.media[tag].clone();
        if volume.end < medium.valid_to && medium.state != MediumState::Blank {
            let why = format!("it ends at block {}, not {}", volume.end, medium.valid_to);
            self.behind(&medium, volume.end, &why);
        }
        if volume.end > medium.valid_to && medium.state != MediumState::Blank {
            self.adopt(tag, volume);
        }
        if let Some(damage) = &volume.damage
            && self.state.records.media[tag].state == MediumState::Appendable
        {
            self.change_medium(tag, |m| m.state = MediumState::ReadOnly(damage.clone()));
            self.notify(Grade::Warning, format!("{tag} is only read from now on: {damage}"));
        }
        Is::Volume { volume: volume.volume, end: volume.end }
    }

    /// The tape is ahead: what is whole there belongs to us.
    fn adopt(&mut self, tag: &str, volume: &Volume) {
        for ahead in &volume.ahead {
            self.adopt_piece(tag, ahead);
        }
        self.change_medium(tag, |m| m.valid_to = volume.end);
        let pieces = volume.ahead.len();
        self.tell(None, format!("{tag} is ahead of the catalogue: {pieces} pieces adopted"));
    }

    fn adopt_piece(&mut self, tag: &str, ahead: &Ahead) {
        let jobs = self.state.records.jobs.values();
        let mut of_stream = jobs.filter(|job| stream_of(job) == Some(ahead.stream));
        let is_it = |job: &&Job| can_go_on(job) && self.state.has_all(job);
        let Some(job) = of_stream.find(is_it) else { return };
        let (id, recorded) = (job.id, job.recorded);
        if ahead.from <= recorded && recorded < ahead.to {
            self.keep(id, tag, &ahead.kept, ahead.to);
            self.act(super::Action::Confirm { job: id, to: ahead.to });
        }
    }

    /// Something that was promised is not there.
    fn behind(&mut self, medium: &Medium, end: u64, why: &str) {
        self.damaged(&medium.tag, end, &format!("it lost what was promised: {why}"));
        self.change_medium(&medium.tag, |m| m.valid_to = end);
    }

    /// A cartridge is damaged: what lies from block `end` on is lost.
    pub(super) fn damaged(&mut self, tag: &str, end: u64, why: &str) {
        self.change_medium(tag, |m| m.state = MediumState::Damaged(why.to_owned()));
        self.ails(tag, why);
        self.notify(Grade::Alarm, format!("{tag} is damaged: {why}"));
        let lost = |kept: &Kept| kept.medium == tag && is_lost(kept, end);
        let jobs = self.state.records.jobs.values();
        let hit: Vec<JobId> = jobs.filter(|j| j.kept.iter().any(lost)).map(|j| j.id).collect();
        for id in hit {
            self.job_lost(id, tag, end, why);
        }
    }

    fn job_lost(&mut self, id: JobId, tag: &str, end: u64, why: &str) {
        let Some(job) = self.state.job(id) else { return };
        let good = |k: &&Kept| {
            let is_damaged = |m: &Medium| matches!(m.state, MediumState::Damaged(_));
            let elsewhere = self.state.records.media.get(&k.medium).is_some_and(|m| !is_damaged(m));
            if k.medium == tag { !is_lost(k, end) } else { elsewhere }
        };
        let runs: Vec<&Kept> = job.kept.iter().filter(good).collect();
        if covers(&runs, job.recorded) || !keeps_bytes(job) {
            // What is whole elsewhere is all there is now.
            return self.keep_media_of(id);
        }
        let was_open = !job.state.is_over();
        let words = format!("some of it is lost: {tag}: {why}");
        self.change_job(id, |job| job.state = JobState::Damaged(words.clone()));
        self.notify(Grade::Alarm, format!("job {id}: {words}"));
        if was_open {
            self.left(id, &words);
        }
    }

    fn agree_other(&mut self, medium: &Medium, state: MediumState, what: &str) -> Is {
        if holds_data(medium) {
            return self.stranger(&medium.tag, what);
        }
        self.change_medium(&medium.tag, |m| {
            m.state = state;
            (m.volume, m.set, m.valid_to, m.bytes, m.expires_s) = (None, None, 0, 0, None);
        });
        Is::Other
    }

    /// Somebody else under a tag of ours: nothing is done to it.
    fn stranger(&mut self, tag: &str, what: &str) -> Is {
        if self.state.strangers.insert(tag.to_owned(), what.to_owned()).is_none() {
            self.notify(Grade::Alarm, format!("the cartridge with the barcode {tag} is {what}"));
        }
        Is::Other
    }

    fn agree_unreadable(&mut self, id: DriveId, medium: &Medium, why: &str) -> Option<Is> {
        let tag = &medium.tag;
        self.ails(tag, &format!("{id}: cannot be read: {why}"));
        let failed_in = self.state.unreadable_in.entry(tag.clone()).or_default();
        failed_in.push(id);
        let opinions = failed_in.iter().collect::<BTreeSet<_>>().len();
        let attempts = failed_in.len();
        if opinions < SECOND_OPINIONS && attempts < ATTEMPTS {
            self.rest_long(tag);
            self.state.to_check.insert(tag.clone());
            return None;
        }
        match holds_data(medium) {
            true => self.damaged(tag, 0, why),
            false => {
                let state = MediumState::Foreign(format!("cannot be read: {why}"));
                self.change_medium(tag, |m| m.state = state);
            }
        }
        Some(Is::Other)
    }
}

/// Whether the catalogue says that there is a volume on it that may not be overwritten yet. One that is as good
/// as blank still has its old volume.
fn holds_data(medium: &Medium) -> bool {
    medium.volume.is_some() && medium.state != MediumState::Blank
}

/// Whether a run reaches block `end` or lies behind it. Of one that does not say how long it is, nobody knows.
fn is_lost(kept: &Kept, end: u64) -> bool {
    if kept.stride == 0 {
        return true;
    }
    kept.block.saturating_add((kept.to - kept.from).div_ceil(kept.stride)) > end
}

/// Whether the job's own record says where bytes of a stream are.
pub(super) fn keeps_bytes(job: &Job) -> bool {
    matches!(job.work, Work::Backup { .. } | Work::Copy { .. })
}

fn stream_of(job: &Job) -> Option<crate::stream::StreamId> {
    match job.work {
        Work::Backup { stream, .. } => Some(stream),
        _ => None,
    }
}

fn can_go_on(job: &Job) -> bool {
    matches!(job.state, JobState::Interrupted(_) | JobState::Queued | JobState::Held)
}

/// Whether all bytes before `to` are in one of these runs.
pub(super) fn covers(runs: &[&Kept], to: u64) -> bool {
    let mut at = 0;
    while at < to {
        match runs.iter().filter(|k| k.from <= at && at < k.to).map(|k| k.to).max() {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}
