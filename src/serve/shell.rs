//! The shell: makes events of the world and carries out what the authority decides.
//!
//! Owns the loop. One event after the other goes through [`step`], and the actions that follow are carried
//! out strictly in their order; what takes time is given to threads, whose answers come back as events. A
//! record that cannot be committed ends the process: it starts again from what was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedSender;

use super::devices::Devices;
use super::drive::{Owner, Say};
use super::due::Told as Due;
use super::events::Events;
use super::ingest::{self, CameIn, Expected};
use super::live::Live;
use super::pull::Pull;
use super::robot::Arm;
use super::session::{Gate, Room, Told};
use super::world::World;
use crate::authority::action::{Action, Errand, Grade, Reply};
use crate::authority::event::{
    Answered, CallId, ClientSide, DriveAtHand, DriveId, Ending, ErrandId, Event, RequestId, Said,
    Wanted,
};
use crate::authority::order::{Caller, Order};
use crate::authority::state::State;
use crate::authority::step;
use crate::catalogue::record::{Change, Job, JobId, Kept, Record, Seconds, Work};
use crate::catalogue::run::NewRun;
use crate::catalogue::{Commit, Keeper};
use crate::library::SyncEvery;
use crate::plumb::berths::Filler;
use crate::plumb::visit::Visit;
use crate::stream::{Blame, Fault, Receipt, StreamId};

/// Everything that reaches the loop.
pub enum Happening {
    /// An event of the authority's, as it is.
    Event(Event),
    /// Something became of a stream in a session.
    Told(DriveId, ErrandId, Told),
    /// A stream's source is over.
    CameIn(JobId, CameIn, Option<NewRun>, DriveId, Filler),
    /// A client brings or takes the stream of a job.
    Client(JobId, Box<Visit>),
    /// It is gone.
    Gone(JobId),
    /// What a restore needs, and the words that go with each stream.
    Planned(JobId, Result<Plan, String>),
    /// Somebody commands something.
    Ask(Caller, Box<Order>, Sender<Reply>),
    /// A person answers a request.
    Answer(RequestId, Caller, Answered),
    /// Somebody listens from now on.
    Listen(Sender<super::events::Listener>),
    /// Somebody wants to know something.
    Look(Box<dyn FnOnce(&View<'_>) + Send>),
    /// The service is to end.
    End,
}

/// What can be looked at.
pub struct View<'a> {
    /// What the authority knows.
    pub state: &'a State,
    /// Bytes each job has moved so far.
    pub moved: BTreeMap<JobId, u64>,
    /// What people hear.
    pub events: &'a Events,
    /// Since when the service runs.
    pub since_s: Seconds,
}

/// A restore's plan.
pub struct Plan {
    /// Ranges, in order.
    pub wanted: Vec<Wanted>,
    /// What is said with each stream.
    pub words: BTreeMap<JobId, super::outgo::Words>,
}

/// Sends happenings.
pub type Happen = UnboundedSender<Happening>;

/// Limits of the service.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What sessions take.
    pub room: Room,
    /// When they sync.
    pub sync: SyncEvery,
}

/// A drive and what goes on there.
struct Seat {
    owner: Owner,
    gate: Option<Gate>,
    session: ErrandId,
    /// Whose streams are in its session.
    streams: BTreeMap<StreamId, JobId>,
}

/// The service's own state: what is no decision.
pub struct Shell {
    pub(super) state: State,
    keeper: Keeper,
    spool: PathBuf,
    seats: BTreeMap<DriveId, Seat>,
    arm: Arm,
    pull: Pull,
    lives: BTreeMap<JobId, Live>,
    calls: BTreeMap<CallId, Sender<Reply>>,
    last_call: u64,
    pub(super) events: Events,
    world: World,
    due: Due,
    /// Jobs of which people were told that they are over.
    told_over: BTreeSet<JobId>,
    limits: Limits,
    happen: Happen,
    since_s: Seconds,
}

/// Seconds since the epoch.
pub fn now_s() -> Seconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Shell {
    /// Starts the drives' threads; nothing is done before [`start`](Shell::start).
    ///
    /// # Errors
    ///
    /// The devices, or this host.
    pub fn new(
        state: State,
        keeper: Keeper,
        devices: Arc<Devices>,
        (spool, pull): (PathBuf, Pull),
        (limits, world): (Limits, World),
        happen: Happen,
    ) -> Result<Shell, Fault> {
        let told = happen.clone();
        let say: Say = Arc::new(move |drive, errand, said| {
            send(&told, Happening::Event(Event::Drive { drive, errand, said }));
        });
        let mut seats = BTreeMap::new();
        for index in 0..devices.count() {
            let id = DriveId(u16::try_from(index + 1).unwrap_or(u16::MAX));
            let owner = Owner::start(devices.clone(), id, say.clone())?;
            let (session, streams) = (ErrandId(0), BTreeMap::new());
            seats.insert(id, Seat { owner, gate: None, session, streams });
        }
        let told = happen.clone();
        let arm = Arm::start(devices, move |event| send(&told, Happening::Event(event)))?;
        let mut events = Events::default();
        let people = world.clone();
        events.notify_by(move |grade, words| people.words(grade, words));
        Ok(Shell {
            state,
            keeper,
            spool,
            seats,
            arm,
            pull,
            lives: BTreeMap::new(),
            calls: BTreeMap::new(),
            last_call: 0,
            events,
            world,
            due: Due::default(),
            told_over: BTreeSet::new(),
            limits,
            happen,
            since_s: now_s(),
        })
    }

    /// Begins.
    ///
    /// # Errors
    ///
    /// What cannot be recorded.
    pub fn start(&mut self, has_changer: bool) -> Result<(), Fault> {
        let at_hand = |drive: &DriveId| DriveAtHand { drive: *drive, has_changer };
        let drives = self.seats.keys().map(at_hand).collect();
        self.event(Event::Started { drives })
    }

    /// Takes in what happened. False: the service is to end.
    ///
    /// # Errors
    ///
    /// What cannot be recorded: the process must end.
    pub fn happens(&mut self, happening: Happening) -> Result<bool, Fault> {
        match happening {
            Happening::Event(event) => self.world(event)?,
            Happening::Told(drive, errand, told) => self.told(drive, errand, told)?,
            Happening::CameIn(job, came, list, drive, place) => {
                self.came_in(job, came, list, drive, place)?;
            }
            Happening::Client(job, visit) => self.client_comes(job, *visit)?,
            Happening::Gone(job) => self.client_gone(job)?,
            Happening::Planned(job, planned) => self.planned(job, planned)?,
            Happening::Ask(by, order, answer) => self.ask(by, *order, answer)?,
            Happening::Look(look) => look(&self.view()),
            Happening::Listen(listener) => {
                if listener.send(self.events.listen()).is_err() {
                    tracing::debug!("a listener left before it heard anything");
                }
            }
            Happening::Answer(request, by, how) => {
                self.event(Event::Answer { request, by, how })?;
            }
            Happening::End => return Ok(false),
        }
        Ok(true)
    }

    fn view(&self) -> View<'_> {
        let moved = self.lives.iter().map(|(job, live)| (*job, live.meter.bytes())).collect();
        View { state: &self.state, moved, events: &self.events, since_s: self.since_s }
    }

    /// One event, and all that follows.
    fn event(&mut self, event: Event) -> Result<(), Fault> {
        for action in step(&mut self.state, now_s(), event) {
            self.act(action)?;
        }
        Ok(())
    }

    fn world(&mut self, event: Event) -> Result<(), Fault> {
        if let Event::Drive { drive, said: Said::SessionOver { .. } | Said::Lost(_), .. } = &event
            && let Some(seat) = self.seats.get_mut(drive)
        {
            (seat.gate, seat.streams) = (None, BTreeMap::new());
        }
        if let Event::Drive { drive, said: Said::Alerts(alerts), .. } = &event {
            self.events.alerted(*drive, alerts);
        }
        self.event(event)
    }

    fn ask(&mut self, by: Caller, order: Order, answer: Sender<Reply>) -> Result<(), Fault> {
        self.last_call += 1;
        let call = CallId(self.last_call);
        self.calls.insert(call, answer);
        self.event(Event::Asked { call, by, order })
    }

    // Actions.

    fn act(&mut self, action: Action) -> Result<(), Fault> {
        match action {
            Action::Record(changes) => return self.record(changes),
            Action::Answer { call, reply } => self.answer(call, reply),
            Action::Confirm { job, to } => {
                if let Some(live) = self.lives.get_mut(&job) {
                    live.confirm(to);
                }
                self.events.recorded(job, to);
            }
            Action::EndStream { job, cut } => self.end_stream(job, cut),
            Action::Drive { drive, errand, what } => self.send_drive(drive, errand, what),
            Action::Move { from, to } => self.arm.go(from, to),
            Action::TakeInventory => self.arm.look(),
            Action::Pull { job, machine } => self.pull(job, &machine),
            Action::Plan { job } => self.plan(job),
            Action::Gap { job, of, from, to, why } => {
                let line = format!("job {of}: bytes {from} to {to} are missing: {why}");
                if let Some(live) = self.lives.get_mut(&job) {
                    live.gap(&line);
                }
                self.events.tell(Some(job), Grade::Warning, &line);
            }
            Action::Ask { request, words } => self.events.ask(request, &words),
            Action::Withdraw(request) => self.events.withdraw(request),
            Action::Tell { job, line } => self.events.tell(job, Grade::Note, &line),
            Action::Notify { grade, words } => self.events.notify(grade, &words),
        }
        Ok(())
    }

    /// Commits; with a job that is over goes its file list.
    fn record(&mut self, changes: Vec<Change>) -> Result<(), Fault> {
        let mut commit = Commit { changes, ..Commit::default() };
        let mut over = Vec::new();
        for change in &commit.changes {
            if let Change::Put(record) = change
                && let Record::Job(job) = &**record
                && job.state.is_over()
                && job.ended_s.is_some_and(|ended_s| ended_s >= self.since_s)
            {
                if let Some(live) = self.lives.get_mut(&job.id) {
                    commit.runs.extend(live.list.take());
                }
                if self.told_over.insert(job.id) {
                    over.push(job.clone());
                }
            }
        }
        self.keeper.commit(commit)?;
        over.iter().for_each(|job| self.world.job_over(job, &self.state));
        Ok(())
    }

    fn answer(&mut self, call: CallId, reply: Reply) {
        let waits = self.calls.remove(&call);
        if waits.is_some_and(|waits| waits.send(reply).is_err()) {
            tracing::debug!(call = call.0, "nobody waits for the answer");
        }
    }

    fn end_stream(&mut self, job: JobId, cut: Option<String>) {
        let verdict = match cut {
            None => Ok(self.left_out(job)),
            Some(why) => Err(Fault::later(Blame::Operator, why)),
        };
        if let Some(live) = self.lives.get_mut(&job) {
            live.end(&verdict);
        }
        self.forget_if_over(job);
    }

    fn forget_if_over(&mut self, job: JobId) {
        if self.state.job(job).is_none_or(|job| job.state.is_over()) {
            self.lives.remove(&job);
        }
    }

    fn left_out(&self, job: JobId) -> u64 {
        match self.state.job(job).map(|job| &job.state) {
            Some(crate::catalogue::record::JobState::DoneBut(count)) => *count,
            _ => 0,
        }
    }

    fn send_drive(&mut self, drive: DriveId, id: ErrandId, what: Errand) {
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

    fn begin_session(
        &mut self,
        drive: DriveId,
        id: ErrandId,
        wanted: (uuid::Uuid, u64),
    ) -> Result<(), Fault> {
        let happen = self.happen.clone();
        let tell = Arc::new(move |told| send(&happen, Happening::Told(drive, id, told)));
        let Limits { room, sync } = self.limits;
        let seat = self.seats.get_mut(&drive).ok_or_else(no_drive)?;
        (seat.session, seat.streams) = (id, BTreeMap::new());
        seat.gate = Some(seat.owner.begin(id, wanted, sync, room, tell));
        Ok(())
    }

    /// A stream joins the session of a drive. What cannot join is cut at once.
    fn join(&mut self, drive: DriveId, job: JobId, from: u64) -> Result<(), Fault> {
        let seat = self.seats.get(&drive).ok_or_else(no_drive)?;
        let session = seat.session;
        if let Err(fault) = self.try_join(drive, job, from) {
            let said = Said::JobEnded { job, how: Ending::Cut(fault.to_string()) };
            send(&self.happen, Happening::Event(Event::Drive { drive, errand: session, said }));
        }
        Ok(())
    }

    fn try_join(&mut self, drive: DriveId, job: JobId, from: u64) -> Result<(), Fault> {
        let record = self.state.job(job).ok_or_else(|| Fault::usage(format!("no job {job}")))?;
        let expected = expected(&self.state, record)?;
        if from != 0 {
            return Err(Fault::never(Blame::Ours, "a stream cannot be taken up in its middle"));
        }
        let stream = expected.stream;
        let live = self.lives.entry(job).or_default();
        if matches!(record.work, Work::Copy { .. }) {
            live.join_drives()?;
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
        let way = ingest::Way {
            expected,
            list_of: keeps_list,
            spool: self.spool.clone(),
            meter: live.meter.clone(),
            entries: live.entries.clone(),
        };
        ingest::start(pipe, way, place, over)
    }

    fn read(
        &mut self,
        drive: DriveId,
        id: ErrandId,
        job: JobId,
        pieces: Vec<crate::authority::action::Piece>,
    ) -> Result<(), Fault> {
        let is_copy = self.state.job(job).is_some_and(|job| matches!(job.work, Work::Copy { .. }));
        let live = self.lives.entry(job).or_default();
        let out = match is_copy {
            true => live.join_drives()?,
            false => live.outgo().ok_or_else(|| Fault::neighbour("the client is not there"))?,
        };
        let seat = self.seats.get(&drive).ok_or_else(no_drive)?;
        seat.owner.read(id, pieces, out);
        Ok(())
    }

    fn pull(&mut self, job: JobId, machine: &str) {
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

    fn plan(&mut self, job: JobId) {
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
            let planned = super::plan::plan(&reader, &kept, &only, wants_lines);
            send(&happen, Happening::Planned(job, planned.map_err(|fault| fault.to_string())));
        };
        if let Err(error) = std::thread::Builder::new().name("plan".into()).spawn(plan) {
            let why = format!("cannot start a thread: {error}");
            send(&self.happen, Happening::Planned(job, Err(why)));
        }
    }

    fn planned(&mut self, job: JobId, planned: Result<Plan, String>) -> Result<(), Fault> {
        let wanted = planned.map(|plan| {
            self.lives.entry(job).or_default().words = plan.words;
            plan.wanted
        });
        self.event(Event::Planned { job, wanted })
    }

    // What happens to streams.

    fn client_comes(&mut self, job: JobId, visit: Visit) -> Result<(), Fault> {
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

    fn client_gone(&mut self, job: JobId) -> Result<(), Fault> {
        let Some(live) = self.lives.get_mut(&job).filter(|live| live.is_here()) else {
            return Ok(());
        };
        live.leaves();
        let side = ClientSide::Gone("the client is gone".into());
        self.event(Event::Client { job, side })
    }

    fn came_in(
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

    fn told(&mut self, drive: DriveId, errand: ErrandId, told: Told) -> Result<(), Fault> {
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

    fn on_tape(
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
    fn stream_ended(
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

    fn job_ended(
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

    /// Time passed.
    ///
    /// # Errors
    ///
    /// What cannot be recorded.
    pub fn tick(&mut self) -> Result<(), Fault> {
        let schedules = self.state.records.schedules.values();
        let due = self.due.due(schedules, (self.since_s, now_s()), self.world.zone());
        for schedule in due {
            let stream = StreamId(uuid::Uuid::new_v4());
            self.event(Event::Due { schedule, stream })?;
        }
        self.event(Event::Tick)
    }

    /// Ends: running streams come to a sync point, and are interrupted there.
    pub fn end(mut self, grace: Duration) {
        for seat in self.seats.values_mut() {
            if let Some(gate) = seat.gate.take() {
                gate.stop("the service ends");
            }
        }
        std::thread::sleep(grace.min(Duration::from_millis(500)));
        for (_, mut live) in std::mem::take(&mut self.lives) {
            live.end(&Err(Fault::later(Blame::Host, "the service ends")));
        }
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

/// Sends; the loop outlives all who send, but for the last moments.
pub fn send(happen: &Happen, happening: Happening) {
    if happen.send(happening).is_err() {
        tracing::debug!("the service has ended");
    }
}
