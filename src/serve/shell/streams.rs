//! What happens to streams, between clients and drives.

use std::collections::BTreeMap;

use super::{Happening, Seat, Shell, now_s, send};
use crate::authority::action::Reply;
use crate::authority::event::{ClientSide, DriveId, Ending, ErrandId, Event, Said};
use crate::authority::order::{Caller, Order};
use crate::catalogue::record::{JobId, Kept, Right, Work};
use crate::catalogue::run::NewRun;
use crate::plumb::berths::Filler;
use crate::plumb::visit::Visit;
use crate::serve::ingest::CameIn;
use crate::serve::live::Live;
use crate::serve::own;
use crate::serve::session::Told;
use crate::serve::talk::USUAL_POOL;
use crate::stream::{Blame, Fault, Receipt, StreamId};
use crate::tapicom::door::CONSOLE;

impl Shell {
    pub(super) fn client_comes(&mut self, job: JobId, visit: Visit) -> Result<(), Fault> {
        let record = self.state.job(job);
        let machine = record.map(|job| match &job.work {
            Work::Restore { to, .. } => to,
            _ => &job.machine,
        });
        let expected = ["sink_job", "src_job"]
            [usize::from(matches!(record.map(|job| &job.work), Some(Work::Restore { .. })))];
        let is_its_own = machine.is_some_and(|machine| *machine == visit.hello.machine);
        let is_right = visit.hello.words.first().is_some_and(|word| word == expected);
        let is_open = record.is_some_and(|job| !job.state.is_over());
        let live = self.lives.get(&job);
        if !(is_its_own && is_right && is_open) || live.is_some_and(Live::is_here) {
            let why = match record {
                Some(job) if is_its_own && !is_open => format!("job {}: {:?}", job.id, job.state),
                Some(_) if is_its_own && is_right => format!("job {job} has its client already"),
                // Whether others have such a job is nobody's business.
                _ => format!("{} has no job {job}", visit.hello.machine),
            };
            visit.end(&Err(Fault::never(Blame::Peer, why)));
            return Ok(());
        }
        let stream = match record.map(|job| &job.work) {
            Some(Work::Backup { stream, .. }) => *stream,
            _ => StreamId::default(),
        };
        let happen = self.happen.clone();
        let gone = move || send(&happen, Happening::Gone(job));
        self.lives.entry(job).or_default().comes(visit, gone)?;
        self.event(Event::Client { job, side: ClientSide::Came { stream, from: 0 } })
    }

    pub(super) fn client_gone(&mut self, job: JobId) -> Result<(), Fault> {
        let Some(live) = self.lives.get_mut(&job).filter(|live| live.is_here()) else {
            return Ok(());
        };
        live.leaves();
        let side = ClientSide::Gone("the client is gone".into());
        self.event(Event::Client { job, side })
    }

    pub(super) fn came_in(
        &mut self,
        job: JobId,
        came: CameIn,
        list: Option<NewRun>,
        drive: DriveId,
        place: Filler,
    ) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(&drive) else { return Ok(()) };
        if let Some(gate) = &mut seat.gate {
            gate.leave(place);
        }
        let session = seat.session;
        if let Err(fault) = &came {
            tracing::info!(%job, %fault, "a stream came to an early end");
        }
        let Some(live) = self.lives.get_mut(&job) else { return Ok(()) };
        let mut ended = live.came_in(list);
        // One that never began is told of by nobody else.
        if let (None, Err(fault)) = (&ended, &came) {
            ended = Some(Ending::Cut(fault.to_string()));
        }
        ended.map_or(Ok(()), |how| self.job_ended(drive, session, job, how))
    }

    pub(super) fn told(
        &mut self,
        drive: DriveId,
        errand: ErrandId,
        told: Told,
    ) -> Result<(), Fault> {
        let job_of = |seats: &BTreeMap<DriveId, Seat>, stream: &StreamId| {
            seats.get(&drive).and_then(|seat| seat.streams.get(stream).copied())
        };
        match told {
            Told::OnTape(receipt) => {
                let Some(job) = job_of(&self.seats, &receipt.stream) else { return Ok(()) };
                self.on_tape(drive, errand, job, receipt)
            }
            Told::Whole(stream, bytes, left_out) => {
                let Some(job) = job_of(&self.seats, &stream) else { return Ok(()) };
                self.stream_ended(drive, errand, job, Ending::Whole { bytes, left_out })
            }
            Told::GaveUp(stream, why) => {
                let Some(job) = job_of(&self.seats, &stream) else { return Ok(()) };
                self.stream_ended(drive, errand, job, Ending::Cut(why))
            }
        }
    }

    pub(super) fn on_tape(
        &mut self,
        drive: DriveId,
        errand: ErrandId,
        job: JobId,
        receipt: Receipt,
    ) -> Result<(), Fault> {
        let kept = receipt.extents.iter().map(|extent| Kept {
            copy: 0,
            from: extent.from,
            to: extent.to,
            medium: receipt.place.medium.clone(),
            volume: receipt.place.volume,
            block: extent.block,
            stride: extent.stride,
        });
        let kept: Vec<Kept> = kept.collect();
        let behind = |kept: &Kept| kept.block + (kept.to - kept.from).div_ceil(kept.stride.max(1));
        let valid_to = kept.iter().map(behind).max().unwrap_or(0);
        let (from, to) = (receipt.from, receipt.to);
        let live = self.lives.entry(job).or_default();
        let entries = live.entries.bytes();
        live.on_tape(receipt);
        let said = Said::Synced { job, from, to, kept, valid_to, entries };
        self.event(Event::Drive { drive, errand, said })
    }

    /// The drive's side of a stream is over.
    pub(super) fn stream_ended(
        &mut self,
        drive: DriveId,
        errand: ErrandId,
        job: JobId,
        how: Ending,
    ) -> Result<(), Fault> {
        let live = self.lives.entry(job).or_default();
        let both = match how {
            // Whatever its source still says, this one is over.
            Ending::Cut(_) => Some(how),
            Ending::Whole { .. } => live.ended(how),
        };
        both.map_or(Ok(()), |how| self.job_ended(drive, errand, job, how))
    }

    pub(super) fn job_ended(
        &mut self,
        drive: DriveId,
        errand: ErrandId,
        job: JobId,
        how: Ending,
    ) -> Result<(), Fault> {
        if let Some(seat) = self.seats.get_mut(&drive) {
            seat.streams.retain(|_, of| *of != job);
        }
        self.event(Event::Drive { drive, errand, said: Said::JobEnded { job, how } })?;
        self.forget_if_over(job);
        Ok(())
    }

    /// A backup of the records, which the box gives itself.
    pub(super) fn copy_records(&mut self) -> Result<(), Fault> {
        let rights = [Right::Look, Right::BackUp].into();
        let by = Caller { user: "tapioca".into(), machine: CONSOLE.into(), rights };
        let stream = StreamId(uuid::Uuid::new_v4());
        let (name, pool) = (own::NAME.to_owned(), USUAL_POOL.to_owned());
        let order = Order::Backup { name, incremental: false, pool, stream, priority: 0 };
        let (answer, answered) = std::sync::mpsc::channel();
        self.ask(by, order, answer)?;
        match answered.try_recv() {
            Ok(Reply::Backup { job, .. }) => {
                let pipe = own::stream(self.keeper.reader(), stream, now_s())?;
                self.lives.entry(job).or_default().gives(pipe);
                let side = ClientSide::Came { stream, from: 0 };
                self.event(Event::Client { job, side })
            }
            other => {
                tracing::warn!(?other, "the records are not copied");
                Ok(())
            }
        }
    }
}
