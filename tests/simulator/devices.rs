//! Drives that do what they are sent for: slowly, or not at all, or with something lost.

use tapioca::authority::Errand;
use tapioca::authority::action::Piece;
use tapioca::authority::event::{
    DriveId, Element, Ending, ErrandId, Event, Found, Said, Stop, Volume,
};
use tapioca::catalogue::record::{JobId, JobState, Work};
use tapioca::stream::StreamId;

use crate::things::{FIRST, Kind, Run, STRIDE, Session, Tape, Writing, in_drive, in_element};
use crate::world::{Todo, Trouble, World};

impl World {
    /// The authority sends a drive.
    pub fn sent(&mut self, id: DriveId, errand: ErrandId, what: Errand) -> Result<(), String> {
        self.may_be_sent(id, &what)?;
        if self.drives[&id].is_lost {
            // Every errand is answered, as the shell does: that the drive is back may have been said too late.
            self.drive_says(id, errand, Said::Lost("no answer".into()));
            return Ok(());
        }
        match what {
            Errand::Begin { volume, end, .. } => self.begin(id, errand, volume, end),
            Errand::Join { job, from } => self.with_session(id, |session| {
                session.jobs.insert(job, Writing { synced: from, written: from, is_cut: false });
            }),
            Errand::GoOn => self.with_session(id, |session| session.needs_medium = false),
            Errand::EndSession => self.with_session(id, |session| session.ends = true),
            Errand::NoMedium(why) => self.session_over(id, Some(why)),
            Errand::Stop => {
                if let Some((errand, _)) = self.drives.get_mut(&id).and_then(|d| d.busy.take()) {
                    self.drive_says(id, errand, Said::Failed("stopped".into()));
                }
            }
            what => {
                if matches!(
                    what,
                    Errand::Mount { .. } | Errand::Unload { .. } | Errand::Clean { .. }
                ) {
                    self.drives.entry(id).and_modify(|drive| drive.told = false);
                }
                self.oracle.sends(id, errand);
                if self.now_s < self.in_use_to_s {
                    let why = "it is in use by another process".into();
                    self.drive_says(id, errand, Said::Failed(why));
                    return Ok(());
                }
                self.drives.entry(id).and_modify(|drive| drive.busy = Some((errand, what)));
                let slow = if self.has(Trouble::Slowness, 200) { 40 } else { 1 };
                let delay_s = self.dice.seconds(5, 180) * slow;
                self.after(delay_s, Todo::Errand(id, errand));
            }
        }
        Ok(())
    }

    /// What must never be sent, whatever the world does.
    fn may_be_sent(&mut self, id: DriveId, what: &Errand) -> Result<(), String> {
        let drive = &self.drives[&id];
        let in_session = matches!(
            what,
            Errand::Join { .. } | Errand::GoOn | Errand::NoMedium(_) | Errand::EndSession
        );
        if drive.busy.is_some() && !in_session && *what != Errand::Stop {
            return Err(format!("{id} has two owners: {:?} and {what:?}", drive.busy));
        }
        if in_session && drive.session.is_none() && !drive.is_lost {
            // It may have ended a moment ago.
            return Ok(());
        }
        let tag = match what {
            Errand::Label { tag, .. } | Errand::Begin { tag, .. } | Errand::Erase { tag, .. } => {
                tag
            }
            _ => return Ok(()),
        };
        if !drive.told {
            return Err(format!("I2: {what:?} goes to {id}, where nobody looked who it is"));
        }
        let cart = in_drive(&self.carts, id);
        self.oracle.may_write(what, tag, cart.map(|n| &self.carts[n]), &self.committed, self.now_s)
    }

    fn with_session(&mut self, id: DriveId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.drives.get_mut(&id).and_then(|d| d.session.as_mut()) {
            change(session);
        }
    }

    fn begin(&mut self, id: DriveId, errand: ErrandId, volume: uuid::Uuid, end: u64) {
        let cart = in_drive(&self.carts, id);
        let tape = cart.and_then(|n| self.carts[n].tape());
        if tape.is_none_or(|tape| tape.volume != volume || tape.end != end) {
            let fault = Some("it is not the volume it should be".into());
            return self.drive_says(id, errand, Said::SessionOver { fault, end: 0 });
        }
        let session = Session {
            errand,
            jobs: Default::default(),
            buffer: Vec::new(),
            needs_medium: false,
            ends: false,
        };
        self.drives.entry(id).and_modify(|drive| drive.session = Some(session));
        let delay_s = self.dice.seconds(5, 60);
        self.after(delay_s, Todo::Beat(id, errand));
    }

    /// An errand's time is over.
    pub fn errand_due(&mut self, id: DriveId, errand: ErrandId) {
        let Some((number, what)) = self.drives[&id].busy.clone() else { return };
        if number != errand || self.drives[&id].is_lost {
            return;
        }
        self.drives.entry(id).and_modify(|drive| drive.busy = None);
        if self.has(Trouble::Refusals, 60) {
            self.half_done(id, &what);
            return self.drive_says(id, errand, Said::Failed("it did not work".into()));
        }
        let said = match what {
            Errand::Mount { put_back, from, known_to, .. } => {
                match self.fetch(id, put_back, from) {
                    Ok(()) => Said::Mounted(self.look(id, known_to)),
                    Err(why) => Said::Failed(why),
                }
            }
            Errand::Label { tag, set, number, over } => self.label(id, tag, set, number, over),
            Errand::Read { job, pieces } => self.read(id, job, &pieces, true),
            Errand::Verify { job, pieces } => self.read(id, job, &pieces, false),
            Errand::Clean { put_back, from, .. } => self.clean(id, put_back, from),
            Errand::Erase { volume, .. } => self.erase(id, volume),
            Errand::Unload { to } => self.unload(id, to),
            _ => return,
        };
        self.drive_says(id, errand, said);
    }

    /// A robot that jams has perhaps moved something all the same.
    fn half_done(&mut self, id: DriveId, what: &Errand) {
        if let Errand::Label { tag, set, number, over } = what
            && self.dice.permille(500)
        {
            let _ = self.label(id, tag.clone(), *set, *number, *over);
        }
        if let Errand::Mount { put_back, from, .. } = what
            && self.dice.permille(500)
        {
            let from = if self.dice.permille(500) { *from } else { None };
            // It is the point that nobody knows what became of it.
            let _ = self.fetch(id, *put_back, from);
        }
    }

    fn fetch(
        &mut self,
        id: DriveId,
        put_back: Option<Element>,
        from: Option<Element>,
    ) -> Result<(), String> {
        let bay = Element::Drive(id);
        if let Some(to) = put_back
            && let Some(cart) = in_drive(&self.carts, id)
        {
            if in_element(&self.carts, to).is_some() {
                return Err(format!("{to} is full"));
            }
            self.carts[cart].at = Some(to);
        }
        let Some(from) = from else { return Ok(()) };
        let Some(cart) = in_element(&self.carts, from) else {
            return Err(format!("{from} is empty"));
        };
        if in_drive(&self.carts, id).is_some() {
            return Err(format!("{id} is full"));
        }
        self.carts[cart].at = Some(bay);
        Ok(())
    }

    fn look(&mut self, id: DriveId, known_to: Option<u64>) -> Found {
        let Some(cart) = in_drive(&self.carts, id) else { return Found::Nothing };
        if self.has(Trouble::Unreadable, 60) {
            return Found::Unreadable("it is dirty".into());
        }
        let tells_ahead = self.dice.permille(700);
        self.carts[cart].found(known_to, tells_ahead)
    }

    fn label(
        &mut self,
        id: DriveId,
        tag: String,
        set: Option<uuid::Uuid>,
        number: u32,
        over: Option<uuid::Uuid>,
    ) -> Said {
        let Some(cart) = in_drive(&self.carts, id) else {
            return Said::Failed("nothing is there".into());
        };
        let may = match &self.carts[cart].kind {
            Kind::Blank => true,
            Kind::Ours(_) if self.carts[cart].worm => false,
            Kind::Ours(tape) => over == Some(tape.volume) || tape.end == FIRST,
            _ => false,
        };
        if !may || self.carts[cart].write_protected {
            return Said::Failed("it must not be labelled".into());
        }
        let set = set.unwrap_or_else(|| self.dice.uuid());
        let volume = self.dice.uuid();
        let tape = Tape {
            tag: tag.clone(),
            volume,
            set,
            number,
            end: FIRST,
            runs: Vec::new(),
            lost_unseen: false,
            damage: None,
        };
        self.carts[cart].kind = Kind::Ours(tape);
        let worm = self.carts[cart].worm;
        if self.by_hand.contains(&id) {
            // Somebody writes it on it.
            self.carts[cart].barcode = Some(tag.clone());
        }
        Said::Labelled(Volume {
            tag,
            volume,
            set,
            number,
            end: FIRST,
            is_empty: true,
            write_protected: false,
            worm,
            damage: None,
            ahead: Vec::new(),
        })
    }

    fn read(&mut self, id: DriveId, job: JobId, pieces: &[Piece], delivers: bool) -> Said {
        let Some(cart) = in_drive(&self.carts, id) else {
            return Said::Failed("nothing is there".into());
        };
        let Kind::Ours(tape) = self.carts[cart].kind.clone() else {
            return Said::Failed("it is no volume".into());
        };
        for piece in pieces {
            let stop = tape.unreadable(piece.stream, piece.from, piece.to);
            let to = stop.map_or(piece.to, |(from, _)| from);
            if delivers {
                self.oracle.delivered(job, piece.of, piece.from, to);
                if let Some(feed) = self.feeds.get_mut(&job) {
                    feed.0 = feed.0.max(to);
                } else if self.is_copy(job) {
                    self.feeds.insert(job, (to, false));
                }
            }
            self.oracle.reads(piece, &tape, to, &self.committed);
            if let Some((from, to)) = stop {
                let (of, copy) = (piece.of, piece.copy);
                let stop = Stop { of, copy, from, to, why: "medium error (03/11/00)".into() };
                return Said::HasRead { stop: Some(stop) };
            }
        }
        Said::HasRead { stop: None }
    }

    pub fn is_copy(&self, job: JobId) -> bool {
        self.committed.jobs.get(&job).is_some_and(|j| matches!(j.work, Work::Copy { .. }))
    }

    /// What a copy reads comes to an end that is none.
    pub fn cut_copy(&mut self, job: JobId) {
        let sessions = self.drives.values_mut().filter_map(|drive| drive.session.as_mut());
        for writing in sessions.filter_map(|session| session.jobs.get_mut(&job)) {
            writing.is_cut = true;
        }
    }

    fn clean(&mut self, id: DriveId, put_back: Option<Element>, from: Element) -> Said {
        if let Err(why) = self.fetch(id, put_back, Some(from)) {
            return Said::Failed(why);
        }
        if let Some(cart) = in_drive(&self.carts, id) {
            self.carts[cart].at = Some(from);
        }
        Said::Cleaned { left: None }
    }

    fn erase(&mut self, id: DriveId, volume: uuid::Uuid) -> Said {
        let cart = in_drive(&self.carts, id);
        match cart.filter(|n| self.carts[*n].tape().is_some_and(|tape| tape.volume == volume)) {
            Some(cart) => {
                self.carts[cart].kind = Kind::Blank;
                Said::Erased
            }
            None => Said::Failed("it is another volume".into()),
        }
    }

    fn unload(&mut self, id: DriveId, to: Option<Element>) -> Said {
        let Some(cart) = in_drive(&self.carts, id) else {
            return Said::Failed("nothing is there".into());
        };
        if to.is_some_and(|to| in_element(&self.carts, to).is_some()) {
            return Said::Failed("there is no room".into());
        }
        self.carts[cart].at = to;
        Said::Unloaded
    }

    /// A session goes on: some bytes, perhaps a sync, perhaps an end.
    pub fn beat(&mut self, id: DriveId, errand: ErrandId) {
        let is_it = self.drives[&id].session.as_ref().is_some_and(|s| s.errand == errand);
        if !is_it || self.drives[&id].is_lost {
            return;
        }
        if !self.drives[&id].session.as_ref().is_some_and(|s| s.needs_medium) {
            self.beat_once(id);
        }
        if self.drives[&id].session.is_some() {
            let delay_s = self.dice.seconds(20, 200);
            self.after(delay_s, Todo::Beat(id, errand));
        }
    }

    fn beat_once(&mut self, id: DriveId) {
        if self.has(Trouble::Refusals, 10) {
            return self.session_over(id, Some("hardware error (04/44/00)".into()));
        }
        let Some(session) = self.drives[&id].session.clone() else { return };
        if session.ends && session.jobs.is_empty() {
            return self.session_over(id, None);
        }
        let jobs: Vec<JobId> = session.jobs.keys().copied().collect();
        let Some(job) = self.dice.pick(&jobs).copied() else { return };
        // Whoever's turn it was is confirmed before the next has its turn.
        if session.buffer.first().is_some_and(|(other, _)| *other != job) {
            self.sync(id);
        }
        self.write_some(id, job);
    }

    fn write_some(&mut self, id: DriveId, job: JobId) {
        let Some(session) = self.drives[&id].session.clone() else { return };
        let Some(writing) = session.jobs.get(&job).cloned() else { return };
        let (stream, most, is_whole) = match self.source(job).filter(|_| !writing.is_cut) {
            Some(source) => source,
            None => return self.leave(id, job, Ending::Cut("its client is gone".into())),
        };
        let room = self.room(id);
        let want = self.dice.within(STRIDE, 40 * STRIDE).min(most - writing.written.min(most));
        let bytes = want.min(room * STRIDE);
        if bytes > 0 {
            let block = self.next_block(id);
            let run = Run {
                block,
                stream,
                from: writing.written,
                to: writing.written + bytes,
                bad: None,
            };
            self.with_session(id, |session| {
                session.buffer.push((job, run));
                if let Some(writing) = session.jobs.get_mut(&job) {
                    writing.written += bytes;
                }
            });
        }
        let written = writing.written + bytes;
        if bytes < want || self.has(Trouble::FullEarly, 60) {
            return self.full(id);
        }
        if is_whole && written >= most {
            self.sync(id);
            return self.leave(id, job, Ending::Whole { bytes: written, left_out: 0 });
        }
        if self.dice.permille(400) {
            self.sync(id);
        }
    }

    /// What there is to write for a job: its stream, up to where, and whether that is its end.
    fn source(&self, job: JobId) -> Option<(StreamId, u64, bool)> {
        if let Some(client) = self.clients.get(&job)
            && client.total > 0
        {
            return client.is_here.then_some((client.stream, client.total, true));
        }
        let record = self.committed.jobs.get(&job)?;
        let Work::Copy { of, .. } = record.work else { return None };
        let Work::Backup { stream, .. } = self.committed.jobs.get(&of)?.work else { return None };
        if record.state != JobState::Running {
            return None;
        }
        let (to, is_whole) = self.feeds.get(&job).copied().unwrap_or((0, false));
        Some((stream, to, is_whole))
    }

    fn next_block(&self, id: DriveId) -> u64 {
        let tape = in_drive(&self.carts, id).and_then(|n| self.carts[n].tape());
        let end = tape.map_or(FIRST, |tape| tape.end);
        let buffer = self.drives[&id].session.as_ref().map(|s| &s.buffer);
        buffer.and_then(|b| b.last()).map_or(end, |(_, run)| run.end()).max(end)
    }

    fn room(&self, id: DriveId) -> u64 {
        let room = in_drive(&self.carts, id).map_or(0, |n| self.carts[n].room);
        room.saturating_sub(self.next_block(id) + 2)
    }

    /// What is in the drive's buffer is on the medium now, and confirmed.
    fn sync(&mut self, id: DriveId) {
        let Some(cart) = in_drive(&self.carts, id) else { return };
        let Some(session) = self.drives.get_mut(&id).and_then(|d| d.session.as_mut()) else {
            return;
        };
        let buffer = std::mem::take(&mut session.buffer);
        let errand = session.errand;
        let Some(job) = buffer.first().map(|(job, _)| *job) else { return };
        let from = buffer[0].1.from;
        let to = buffer[buffer.len() - 1].1.to;
        if let Some(writing) = session.jobs.get_mut(&job) {
            writing.synced = to;
        }
        let bad = self.has(Trouble::BadBlocks, 100);
        let Some(tape) = self.carts[cart].tape_mut() else { return };
        let mut kept = Vec::new();
        for (_, mut run) in buffer {
            kept.push(run.kept(&tape.tag, tape.volume));
            if bad {
                run.bad = Some((run.from, run.from + (run.to - run.from).min(STRIDE)));
            }
            // A sync record and a filemark follow the last.
            tape.end = run.end() + 2;
            tape.runs.push(run);
        }
        let valid_to = tape.end;
        let said = Said::Synced { job, from, to, kept, valid_to, entries: to / 1000 };
        self.drive_says(id, errand, said);
    }

    /// The end of the medium: what is in the buffer is confirmed, or comes again on the next.
    fn full(&mut self, id: DriveId) {
        let is_worse = self.has(Trouble::FullEarly, 300);
        match is_worse {
            false => self.sync(id),
            true => self.with_session(id, |session| {
                session.buffer.clear();
                session.jobs.values_mut().for_each(|w| w.written = w.synced);
            }),
        }
        self.with_session(id, |session| session.needs_medium = true);
        let errand = self.drives[&id].session.as_ref().map(|s| s.errand).unwrap_or_default();
        let fault = is_worse.then(|| "it cannot be written any more (03/0C/00)".into());
        self.drive_says(id, errand, Said::NeedsMedium { fault });
    }

    fn leave(&mut self, id: DriveId, job: JobId, how: Ending) {
        let Some(session) = self.drives[&id].session.clone() else { return };
        if session.buffer.iter().any(|(other, _)| *other == job) {
            self.sync(id);
        }
        self.with_session(id, |session| _ = session.jobs.remove(&job));
        if let Ending::Whole { bytes, .. } = how {
            self.oracle.whole.insert((job, bytes));
        }
        self.drive_says(id, session.errand, Said::JobEnded { job, how });
    }

    pub fn session_over(&mut self, id: DriveId, fault: Option<String>) {
        if fault.is_none() {
            self.sync(id);
        }
        let end = in_drive(&self.carts, id).and_then(|n| self.carts[n].tape()).map_or(0, |t| t.end);
        let Some(session) = self.drives.get_mut(&id).and_then(|d| d.session.take()) else { return };
        self.drive_says(id, session.errand, Said::SessionOver { fault, end });
    }

    /// Buffers are gone; sometimes more is, if a drive lied.
    pub fn lose_power_in_drives(&mut self) {
        let ids: Vec<DriveId> = self.drives.keys().copied().collect();
        for id in ids {
            let had_session = self.drives[&id].session.is_some();
            self.drives.entry(id).and_modify(|drive| {
                drive.busy = None;
                drive.session = None;
                drive.told = false;
                drive.said_at = 0;
            });
            if had_session && self.has(Trouble::LostBuffers, 250) {
                self.lose_tail(id);
            }
        }
    }

    fn lose_tail(&mut self, id: DriveId) {
        let Some(cart) = in_drive(&self.carts, id) else { return };
        let Some(tape) = self.carts[cart].tape_mut() else { return };
        let Some(last) = tape.runs.pop() else { return };
        tape.end = last.block;
        tape.lost_unseen = true;
        self.note("lost", || format!("the tail of a tape, from block {}", last.block));
    }

    /// Unit attention: nobody knows any more what is in a drive.
    pub fn attention(&mut self, id: DriveId) {
        if self.drives[&id].session.is_none() && !self.drives[&id].is_lost {
            self.say(0, Event::Drive { drive: id, errand: ErrandId(0), said: Said::Changed });
        }
    }
}
