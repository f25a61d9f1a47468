//! What the authority sends drives, clients and planners for.
//!
//! Owns the way from an action to whoever carries it out. What cannot even begin comes back as an event, as
//! everything does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Happening, Limits, Plan, Shell, send};
use crate::authority::action::{Errand, Piece};
use crate::authority::event::{ClientSide, DriveId, Ending, ErrandId, Event, Said};
use crate::authority::state::State;
use crate::catalogue::record::{Job, JobId, Work};
use crate::serve::held::Held;
use crate::serve::ingest::{self, Expected};
use crate::serve::session::Gate;
use crate::stream::{Blame, Fault};

impl Shell {
    pub(super) fn send_drive(&mut self, drive: DriveId, id: ErrandId, what: Errand) {
        let sent = match what {
            Errand::Begin { volume, end, .. } => self.begin_session(drive, id, (volume, end)),
            Errand::Join { job, from } => self.join(drive, job, from),
            Errand::EndSession => {
                self.seats.get_mut(&drive).map(|seat| seat.gate = None).ok_or_else(no_drive)
            }
            Errand::Read { job, pieces } => self.read(drive, id, job, pieces),
            Errand::Stop => {
                self.seats.get(&drive).map(|seat| seat.owner.stop()).ok_or_else(no_drive)
            }
            other => {
                self.seats.get(&drive).map(|seat| seat.owner.go(id, other)).ok_or_else(no_drive)
            }
        };
        if let Err(fault) = sent {
            let said = Said::Failed(fault.to_string());
            send(&self.happen, Happening::Event(Event::Drive { drive, errand: id, said }));
        }
    }

    pub(super) fn begin_session(
        &mut self,
        drive: DriveId,
        id: ErrandId,
        wanted: (uuid::Uuid, u64),
    ) -> Result<(), Fault> {
        let happen = self.happen.clone();
        let tell = Arc::new(move |told| send(&happen, Happening::Told(drive, id, told)));
        let Limits { room, sync, .. } = self.limits;
        let seat = self.seats.get_mut(&drive).ok_or_else(no_drive)?;
        (seat.session, seat.streams) = (id, BTreeMap::new());
        seat.gate = Some(seat.owner.begin(id, wanted, sync, room, tell));
        Ok(())
    }

    /// A stream joins the session of a drive. What cannot join is cut at once.
    pub(super) fn join(&mut self, drive: DriveId, job: JobId, from: u64) -> Result<(), Fault> {
        let seat = self.seats.get(&drive).ok_or_else(no_drive)?;
        let session = seat.session;
        if let Err(fault) = self.try_join(drive, job, from) {
            let said = Said::JobEnded { job, how: Ending::Cut(fault.to_string()) };
            send(&self.happen, Happening::Event(Event::Drive { drive, errand: session, said }));
        }
        Ok(())
    }

    pub(super) fn try_join(&mut self, drive: DriveId, job: JobId, from: u64) -> Result<(), Fault> {
        let record = self.state.job(job).ok_or_else(|| Fault::usage(format!("no job {job}")))?;
        let expected = expected(&self.state, record)?;
        if from != 0 {
            return Err(Fault::never(Blame::Ours, "a stream cannot be taken up in its middle"));
        }
        let stream = expected.stream;
        let live = self.lives.entry(job).or_default();
        if matches!(record.work, Work::Copy { .. }) {
            live.join_drives(self.keeper.reader())?;
        }
        let pipe = live.incoming();
        let pipe = pipe.ok_or_else(|| Fault::neighbour("the client is not there"))?;
        let seat = self.seats.get_mut(&drive).ok_or_else(no_drive)?;
        let full = || Fault::later(Blame::Ours, "the drive's session takes no more streams");
        let place = seat.gate.as_mut().and_then(Gate::enter).ok_or_else(full)?;
        seat.streams.insert(stream, job);
        live.begins();
        let happen = self.happen.clone();
        let keeps_list = matches!(record.work, Work::Backup { .. }).then_some(job);
        let over = move |came, list, place| {
            send(&happen, Happening::CameIn(job, came, list, drive, place));
        };
        let held = keeps_list.map(|job| Held::new(job, &self.spool)).transpose()?;
        live.held = held.map(|held| Arc::new(Mutex::new(held)));
        let way = ingest::Way {
            held: live.held.clone(),
            expected,
            list_of: keeps_list,
            spool: self.spool.clone(),
            meter: live.meter.clone(),
            entries: live.entries.clone(),
        };
        ingest::start(pipe, way, place, over)
    }

    pub(super) fn read(
        &mut self,
        drive: DriveId,
        id: ErrandId,
        job: JobId,
        pieces: Vec<Piece>,
    ) -> Result<(), Fault> {
        let is_copy = self.state.job(job).is_some_and(|job| matches!(job.work, Work::Copy { .. }));
        let live = self.lives.entry(job).or_default();
        let out = match is_copy {
            true => live.join_drives(self.keeper.reader())?,
            false => live
                .outgo(self.keeper.reader())
                .ok_or_else(|| Fault::neighbour("the client is not there"))?,
        };
        let seat = self.seats.get(&drive).ok_or_else(no_drive)?;
        seat.owner.read(id, pieces, out);
        Ok(())
    }

    pub(super) fn pull(&mut self, job: JobId, machine: &str) {
        let record = self.state.records.machines.get(machine);
        let address = record.and_then(|machine| machine.address.clone());
        let paths = self.state.job(job).and_then(|job| {
            let name = job.user.strip_prefix("schedule ")?;
            self.state.records.schedules.get(name).map(|schedule| schedule.paths.clone())
        });
        let happen = self.happen.clone();
        let failed = move |why: String| {
            let side = ClientSide::Gone(why);
            send(&happen, Happening::Event(Event::Client { job, side }));
        };
        self.pull.ask(job, address, paths.unwrap_or_default(), failed);
    }

    pub(super) fn plan(&mut self, job: JobId) {
        let Some(record) = self.state.job(job).cloned() else { return };
        let (of, only) = match &record.work {
            Work::Restore { of, only, .. } => (of.clone(), only.clone()),
            Work::Copy { of, .. } | Work::Verify { of } => (vec![*of], Vec::new()),
            Work::Backup { .. } | Work::Identify { .. } | Work::Erase { .. } => return,
        };
        let kept: Vec<Job> = of.iter().filter_map(|of| self.state.job(*of).cloned()).collect();
        let wants_lines = matches!(record.work, Work::Copy { .. });
        let (reader, happen) = (self.keeper.reader().clone(), self.happen.clone());
        let plan = move || {
            let planned = crate::serve::plan::plan(&reader, &kept, &only, wants_lines);
            send(&happen, Happening::Planned(job, planned.map_err(|fault| fault.to_string())));
        };
        if let Err(error) = std::thread::Builder::new().name("plan".into()).spawn(plan) {
            let why = format!("cannot start a thread: {error}");
            send(&self.happen, Happening::Planned(job, Err(why)));
        }
    }

    pub(super) fn planned(
        &mut self,
        job: JobId,
        planned: Result<Plan, String>,
    ) -> Result<(), Fault> {
        let wanted = planned.map(|plan| {
            self.lives.entry(job).or_default().words = plan.words;
            plan.wanted
        });
        self.event(Event::Planned { job, wanted })
    }
}

fn no_drive() -> Fault {
    Fault::never(Blame::Ours, "there is no such drive")
}

/// What the stream of a job has to be.
fn expected(state: &State, job: &Job) -> Result<Expected, Fault> {
    match &job.work {
        Work::Backup { name, stream, .. } => Ok(Expected {
            stream: *stream,
            name: format!("{}/{name}", job.machine),
            bytes_max: state
                .records
                .machines
                .get(&job.machine)
                .and_then(|machine| machine.quota_bytes),
        }),
        Work::Copy { of, .. } => {
            let of = state.job(*of).ok_or_else(|| Fault::usage(format!("no job {of}")))?;
            expected(state, of).map(|expected| Expected { bytes_max: None, ..expected })
        }
        _ => Err(Fault::never(Blame::Ours, format!("job {} has no stream to write", job.id))),
    }
}
