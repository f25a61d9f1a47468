//! Who gets which drive.
//!
//! Owns the order: sessions that wait for a medium, then what is being read, then the queue by priority and age. A
//! job joins a session of its pool, or gets a drive of its own as long as there are some that nobody waits for. When
//! a job waits for a drive nobody behind it may take one or join a session: so sessions come to their end.
//! Everything here is decided anew at each event from what is so then; nothing is promised to anybody.

use std::collections::BTreeMap;

use super::copies::Apart;
use super::drives::{Doing, Is, Task};
use super::event::{DriveId, Element};
use super::jobs::far_end;
use super::media::{Mounting, Purpose};
use super::people::{Need, Needs};
use super::room::When;
use super::state::{Inventory, State};
use super::step::Step;
use crate::catalogue::record::{Job, JobId, JobState, MediumState, Pool, Work};

/// What became of a job in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It began, or something was begun for it, or it waits for something that is no drive.
    Served,
    /// It waits for a drive.
    Waits,
}

/// Sessions that are, or are about to be: their pool, and how many streams have or want a place there.
pub(super) type Loads = BTreeMap<DriveId, (String, usize)>;

/// Where a stream can be written.
pub(super) enum Place {
    /// In this session.
    Join(DriveId),
    /// In a session that is about to be.
    Soon,
    /// Nowhere: no drive.
    NoDrive,
    /// Nowhere: no medium.
    NoMedium,
}

impl Step<'_> {
    /// Begins whatever can begin.
    pub(super) fn deal(&mut self) {
        if self.state.drives.is_empty() {
            return;
        }
        let mut needs = Needs::default();
        self.wake();
        self.look_around(&mut needs);
        self.move_next();
        self.time_out();
        self.pull();
        self.clean(&mut needs);
        self.change_media(&mut needs);
        self.read_on(&mut needs);
        let is_all = self.begin_jobs(&mut needs);
        self.end_sessions();
        self.put_away_strangers(&mut needs);
        self.look_at_cartridges(&mut needs);
        self.standing_needs(&mut needs);
        self.ask(needs, is_all && self.state.inventory == Inventory::Fresh);
    }

    fn standing_needs(&mut self, needs: &mut Needs) {
        if self.state.clock.is_doubted {
            needs.insert(Need::Clock, String::new());
        }
        // Nobody gets at what is in a drive, and the right one might come where the wrong one is to be put.
        let is_stuck = |tag: &str| {
            let holds = |drive: &super::drives::Drive| {
                drive.tag() == Some(tag) && (drive.is_idle() || drive.waits_for_medium())
            };
            self.state.drives.values().any(holds)
        };
        for (tag, what) in self.state.strangers.iter().filter(|(tag, _)| !is_stuck(tag)) {
            needs.insert(Need::Stranger(tag.clone()), what.clone());
        }
        self.ask_to_take_out(needs);
    }

    /// Gives sessions whose medium is full another one.
    fn change_media(&mut self, needs: &mut Needs) {
        let waits = |drive: &super::drives::Drive| {
            let session = drive.session.as_ref().filter(|s| s.needs_medium && !s.is_ending)?;
            (drive.doing == Doing::Nothing).then(|| session.clone())
        };
        let drives = self.state.drives.iter();
        let waiting: Vec<_> = drives.filter_map(|(id, d)| Some((*id, waits(d)?))).collect();
        for (id, session) in waiting {
            let Some(pool) = self.state.records.pools.get(&session.pool).cloned() else { continue };
            match self.state.choose_next(&pool, &session, id) {
                Some(choice) => {
                    let approached = self.approach(id, &choice, &pool.name);
                    self.note_mounting(approached.err(), needs);
                }
                None => self.fetch_for(id, &pool, needs),
            }
        }
    }

    /// Nothing is at hand for a session: perhaps something is in a drive that does nothing.
    fn fetch_for(&mut self, id: DriveId, pool: &Pool, needs: &mut Needs) {
        let by_hand = |id| self.state.drives.get(&id).is_some_and(|drive| !drive.has_changer);
        if by_hand(id) {
            return self.need_medium_in(id, pool, needs);
        }
        let elsewhere = self.state.choose_new(pool, None, None, &Apart::default());
        let at = elsewhere.and_then(|choice| self.state.place_of(choice.tag()));
        match at {
            // Both it and what is full need a slot.
            Some(Element::Drive(other))
                if other != id && !by_hand(other) && self.state.free_slots() < 2 =>
            {
                self.note_mounting(Some(Mounting::NoSlot), needs);
            }
            Some(Element::Drive(other)) if other != id => _ = self.unload(other),
            _ => self.need_medium_in(id, pool, needs),
        }
    }

    /// A medium is needed some time.
    pub(super) fn need_medium(&self, pool: &Pool, when: When, needs: &mut Needs) {
        if self.lacks_medium(pool) {
            needs.add(Need::Medium(pool.name.clone()), String::new(), when);
        }
    }

    /// A medium is needed at once, by the session of a drive.
    fn need_medium_in(&self, id: DriveId, pool: &Pool, needs: &mut Needs) {
        if self.lacks_medium(pool) {
            needs.for_drive(id, Need::Medium(pool.name.clone()), String::new());
        }
    }

    fn lacks_medium(&self, pool: &Pool) -> bool {
        let rests = |tag: &str| self.state.resting.contains_key(tag);
        let waits = self.state.forecast(pool).into_iter().any(|(tag, _)| rests(&tag));
        self.is_library_steady() && !waits
    }

    pub(super) fn note_mounting(&self, mounting: Option<Mounting>, needs: &mut Needs) {
        if mounting == Some(Mounting::NoSlot) {
            needs.insert(Need::Slot, String::new());
        }
    }

    /// True: none was left waiting behind one that waits for a drive.
    fn begin_jobs(&mut self, needs: &mut Needs) -> bool {
        let queue: Vec<JobId> = self.state.queue.iter().map(|(_, id)| *id).collect();
        let mut loads = self.loads();
        for id in queue {
            let Some(job) = self.state.job(id).cloned() else { continue };
            if self.begin_job(&job, &mut loads, needs) == Turn::Waits {
                return false;
            }
        }
        true
    }

    fn loads(&self) -> Loads {
        let mut loads = Loads::new();
        for (id, drive) in &self.state.drives {
            match (&drive.session, &drive.doing) {
                (Some(session), _) if !session.is_ending && !session.needs_medium => {
                    loads.insert(*id, (session.pool.clone(), session.jobs.len()));
                }
                (
                    None,
                    Doing::Errand(
                        _,
                        Task::Mount { pool: Some(pool), .. } | Task::Label { pool, .. },
                    ),
                ) => {
                    loads.insert(*id, (pool.clone(), 0));
                }
                _ => {}
            }
        }
        loads
    }

    fn begin_job(&mut self, job: &Job, loads: &mut Loads, needs: &mut Needs) -> Turn {
        // Its last stream has yet to leave the session it was in.
        if self.is_in_session(job.id).is_some() || !self.state.may_run(job) {
            return Turn::Served;
        }
        match &job.work {
            Work::Backup { pool, .. } | Work::Copy { pool, .. } => {
                self.begin_writing(job, pool, loads, needs)
            }
            Work::Restore { .. } | Work::Verify { .. } => self.begin_reading(job, needs),
            Work::Identify { tag } => self.begin_identify(job.id, tag, needs),
            Work::Erase { tag } => self.begin_erase(job.id, tag, needs),
        }
    }

    /// A stream that is to be written, of a client or of what is copied.
    fn begin_writing(
        &mut self,
        job: &Job,
        pool: &str,
        loads: &mut Loads,
        needs: &mut Needs,
    ) -> Turn {
        let Some(pool) = self.state.records.pools.get(pool).cloned() else {
            self.over(job.id, JobState::Failed(format!("there is no pool {pool}")));
            return Turn::Served;
        };
        let is_copy = matches!(job.work, Work::Copy { .. });
        let apart = match is_copy {
            true => self.begin_copy(job, &pool, needs),
            false => Some(Apart::default()),
        };
        let Some(apart) = apart else { return Turn::Served };
        match self.place_to_write(&pool, &apart, loads, needs) {
            Place::Join(drive) => {
                self.join(drive, job.id);
                if is_copy {
                    self.read_next(job.id, needs);
                }
            }
            Place::NoMedium => self.need_medium(&pool, When::next_of(job), needs),
            // Nobody waits behind a copy for two drives at once.
            Place::NoDrive if !is_copy => return Turn::Waits,
            Place::NoDrive | Place::Soon => {}
        }
        Turn::Served
    }

    /// Finds a place for a stream; brings a drive nearer to being one.
    pub(super) fn place_to_write(
        &mut self,
        pool: &Pool,
        apart: &Apart,
        loads: &mut Loads,
        needs: &mut Needs,
    ) -> Place {
        let most = self.state.settings.streams_max;
        let ours = loads.iter().filter(|(_, (of, _))| *of == pool.name);
        let sessions = ours.clone().count();
        let least = ours.filter(|(id, _)| !self.state.is_beside(**id, apart));
        let least = least.map(|(id, (_, load))| (*load, *id)).min();
        if let Some((0, id)) = least {
            return self.take_place(id, loads);
        }
        if sessions < self.state.settings.drives_per_pool
            && let Some(place) = self.open_drive(pool, apart, loads, needs)
        {
            return place;
        }
        match least {
            Some((load, id)) if load < most => self.take_place(id, loads),
            Some(_) => Place::NoDrive,
            None if !self.is_a_drive_free(apart.drive) => Place::NoDrive,
            None if self.state.choose(pool, apart).is_some() => Place::NoDrive,
            None => Place::NoMedium,
        }
    }

    fn is_a_drive_free(&self, but: Option<DriveId>) -> bool {
        let passed_s = self.state.passed_s();
        self.state.drives.iter().any(|(id, drive)| Some(*id) != but && drive.is_free(passed_s))
    }

    fn take_place(&mut self, id: DriveId, loads: &mut Loads) -> Place {
        loads.entry(id).and_modify(|(_, load)| *load += 1);
        match self.state.drives.get(&id).is_some_and(|drive| drive.session.is_some()) {
            true => Place::Join(id),
            false => Place::Soon,
        }
    }

    /// Opens a session on a drive that is free, if a medium is at hand.
    fn open_drive(
        &mut self,
        pool: &Pool,
        apart: &Apart,
        loads: &mut Loads,
        needs: &mut Needs,
    ) -> Option<Place> {
        let choice = self.state.choose(pool, apart)?;
        let id = self.state.drive_but(choice.tag(), apart.drive)?;
        let approached = self.approach(id, &choice, &pool.name);
        self.note_mounting(approached.err(), needs);
        let drive = &self.state.drives[&id];
        if drive.is_idle() {
            return Some(Place::Soon);
        }
        loads.insert(id, (pool.name.clone(), 1));
        Some(if drive.session.is_some() { Place::Join(id) } else { Place::Soon })
    }

    /// Sessions that nobody is in come to their end.
    fn end_sessions(&mut self) {
        let is_empty = |drive: &super::drives::Drive| {
            let session = drive.session.as_ref();
            session.is_some_and(|s| s.jobs.is_empty() && !s.is_ending && !s.needs_medium)
        };
        let drives = self.state.drives.iter();
        let empty: Vec<DriveId> = drives.filter(|(_, d)| is_empty(d)).map(|(id, _)| *id).collect();
        for id in empty {
            if let Some(session) = self.drive(id).and_then(|drive| drive.session.as_mut()) {
                session.is_ending = true;
            }
            self.send(id, super::Errand::EndSession);
        }
    }

    /// Drives that want it are cleaned as soon as they do nothing.
    fn clean(&mut self, needs: &mut Needs) {
        let wanting = self.state.drives.iter().filter(|(_, drive)| drive.wants_cleaning);
        let wanting: Vec<DriveId> = wanting.map(|(id, _)| *id).collect();
        for id in wanting {
            let is_by_hand = !self.state.drives[&id].has_changer;
            if is_by_hand {
                needs.for_drive(id, Need::Cleaning, format!("{id} wants it"));
            }
            let Some((tag, from)) = self.cleaning_cartridge().filter(|_| !is_by_hand) else {
                if self.is_library_steady() && !self.state.has_other_cleaning("") && !is_by_hand {
                    needs.insert(Need::Cleaning, format!("{id} wants it"));
                }
                continue;
            };
            let drive = &self.state.drives[&id];
            if !drive.is_idle() || !drive.is_used || !drive.has_changer || !self.is_library_steady()
            {
                continue;
            }
            let is_full = self.state.elements.get(&Element::Drive(id)).is_some_and(Option::is_some);
            let home = drive.medium.as_ref().and_then(|medium| medium.home);
            let put_back = if is_full { self.state.slot_for(home) } else { None };
            if is_full && put_back.is_none() {
                self.note_mounting(Some(Mounting::NoSlot), needs);
                continue;
            }
            let errand = self.send(id, super::Errand::Clean { put_back, tag: tag.clone(), from });
            let doing = Doing::Errand(errand, Task::Clean(tag));
            self.state.drives.entry(id).and_modify(|drive| drive.doing = doing);
        }
    }

    fn cleaning_cartridge(&self) -> Option<(String, Element)> {
        let is_good = |tag: &str| {
            let used = |drive: &super::drives::Drive| matches!(&drive.doing, Doing::Errand(_, Task::Clean(other)) if other == tag);
            !self.state.resting.contains_key(tag) && !self.state.drives.values().any(used)
        };
        let media = self.state.records.media.values();
        let mut cleaning = media.filter(|m| {
            matches!(m.state, MediumState::Cleaning(left) if left != Some(0)) && is_good(&m.tag)
        });
        cleaning.find_map(|m| {
            let at = self.state.place_of(&m.tag)?;
            matches!(at, Element::Slot(_) | Element::MailSlot(_)).then(|| (m.tag.clone(), at))
        })
    }

    /// Whoever looks for the right one must get at the wrong one.
    fn put_away_strangers(&mut self, needs: &mut Needs) {
        let is_it = |drive: &super::drives::Drive| {
            drive.is_idle() && drive.tag().is_some_and(|tag| self.state.strangers.contains_key(tag))
        };
        let drives = self.state.drives.iter().filter(|(_, drive)| is_it(drive));
        let drives: Vec<DriveId> = drives.map(|(id, _)| *id).collect();
        for id in drives {
            if !self.unload(id) && self.is_library_steady() {
                self.note_mounting(Some(Mounting::NoSlot), needs);
            }
        }
    }

    /// With nothing better to do, drives look at cartridges that something may have happened to, and at those
    /// nobody has looked at.
    fn look_at_cartridges(&mut self, needs: &mut Needs) {
        while let Some((at, id)) = self.worth_a_look() {
            let mounting = self.mount(id, at, Purpose::default());
            self.note_mounting(Some(mounting), needs);
            if mounting != Mounting::Begun {
                return;
            }
        }
    }

    fn worth_a_look(&self) -> Option<(Element, DriveId)> {
        let unknown = |tag: &str| {
            let medium = self.state.records.media.get(tag);
            medium.is_some_and(|m| m.state == MediumState::Unknown)
        };
        let is_worth = |tag: &str| {
            (self.state.to_check.contains(tag) || unknown(tag)) && self.state.is_at_hand(tag, None)
        };
        let reader = |at: Element, tag: &str| {
            let id = self.state.drive_for(tag)?;
            // What lies in another drive is looked at there.
            matches!(at, Element::Drive(other) if other != id)
                .then_some(())
                .map_or(Some(id), |()| None)
        };
        self.state.elements.iter().find_map(|(at, content)| {
            let cartridge = content.as_ref()?;
            match &cartridge.tag {
                Some(tag) if is_worth(tag) => Some((*at, reader(*at, tag)?)),
                Some(_) => None,
                None if cartridge.is_nobody => None,
                None => Some((*at, self.drive_for_nobody(*at)?)),
            }
        })
    }

    /// A drive for a cartridge without a tag, unless one has it already.
    fn drive_for_nobody(&self, at: Element) -> Option<DriveId> {
        let fetched = |drive: &super::drives::Drive| matches!(&drive.doing, Doing::Errand(_, Task::Mount { from, .. }) if *from == Some(at));
        if self.state.drives.values().any(fetched) {
            return None;
        }
        match at {
            Element::Drive(id) => {
                let drive = self.state.drives.get(&id)?;
                let is_read = drive.medium.as_ref().is_some_and(|m| m.is == Some(Is::Other));
                let is_free = drive.is_free(self.state.passed_s()) || drive.waits_for_medium();
                (is_free && !is_read).then_some(id)
            }
            _ => self.state.drive_for(""),
        }
    }
}

impl State {
    /// Whether a job's client is here, and its machine may run another.
    pub(super) fn may_run(&self, job: &Job) -> bool {
        let needs_client = matches!(job.work, Work::Backup { .. } | Work::Restore { .. });
        if !needs_client {
            return true;
        }
        let machine = far_end(job);
        let runs = |id: &&JobId| {
            let other = self.job(**id);
            other.is_some_and(|o| o.state == JobState::Running && far_end(o) == machine)
        };
        let running = self.open.iter().filter(runs).count();
        let machine = self.records.machines.get(machine);
        let most = machine.map_or(0, |machine| machine.jobs_max.max(1) as usize);
        self.clients.contains(&job.id) && running < most
    }
}
