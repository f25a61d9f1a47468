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

use crate::authority::action::{Action, Grade, Reply};
use crate::authority::event::{
    Answered, CallId, DriveAtHand, DriveId, ErrandId, Event, RequestId, Said, Wanted,
};
use crate::authority::order::{Caller, Order};
use crate::authority::state::State;
use crate::authority::step;
use crate::catalogue::record::{Change, JobId, Record, Right, Seconds, Work};
use crate::catalogue::run::NewRun;
use crate::catalogue::{Commit, Keeper};
use crate::library::SyncEvery;
use crate::plumb::berths::Filler;
use crate::plumb::visit::Visit;
use crate::serve::devices::Devices;
use crate::serve::doors::Doors;
use crate::serve::drive::{Owner, Say};
use crate::serve::due::Told as Due;
use crate::serve::events::Events;
use crate::serve::held;
use crate::serve::ingest::CameIn;
use crate::serve::live::Live;
use crate::serve::own;
use crate::serve::pull::Pull;
use crate::serve::report::job_span;
use crate::serve::robot::Arm;
use crate::serve::scrub;
use crate::serve::session::{Gate, Room, Told};
use crate::serve::world::World;
use crate::stream::{Blame, Fault, StreamId};
use crate::tapicom::door::CONSOLE;

mod doors;
mod errands;
mod streams;

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
    Listen(Sender<crate::serve::events::Listener>),
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
    /// Serial numbers of the drives.
    pub serials: &'a BTreeMap<String, DriveId>,
    /// Keys of drives that others hold.
    pub keys: BTreeMap<DriveId, String>,
    /// What tells people elsewhere.
    pub world: &'a World,
}

/// A restore's plan.
pub struct Plan {
    /// Ranges, in order.
    pub wanted: Vec<Wanted>,
    /// What is said with each stream.
    pub words: BTreeMap<JobId, crate::serve::outgo::Words>,
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
    /// How often the records are copied to tape, seconds; 0: never.
    pub records_copy_s: Seconds,
    /// How old a proof may be until a backup is read back, seconds; 0: none is.
    pub verify_after_s: Seconds,
}

/// A drive and what goes on there.
struct Seat {
    owner: Owner,
    gate: Option<Gate>,
    session: ErrandId,
    /// Whose streams are in its session.
    streams: BTreeMap<StreamId, JobId>,
}

impl Seat {
    fn new(devices: &Arc<Devices>, id: DriveId, say: &Say) -> Result<Seat, Fault> {
        let owner = Owner::start(devices.clone(), id, say.clone())?;
        Ok(Seat { owner, gate: None, session: ErrandId(0), streams: BTreeMap::new() })
    }
}

/// The service's own state: what is no decision.
pub struct Shell {
    state: State,
    keeper: Keeper,
    spool: PathBuf,
    seats: BTreeMap<DriveId, Seat>,
    devices: Arc<Devices>,
    doors: Option<Doors>,
    say: Say,
    arm: Arm,
    pull: Pull,
    lives: BTreeMap<JobId, Live>,
    calls: BTreeMap<CallId, Sender<Reply>>,
    last_call: u64,
    events: Events,
    world: World,
    due: Due,
    /// Jobs of which people were told that they are over.
    told_over: BTreeSet<JobId>,
    limits: Limits,
    happen: Happen,
    since_s: Seconds,
    /// Serial numbers of drives, as they said them.
    serials: BTreeMap<String, DriveId>,
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
        (devices, doors): (Arc<Devices>, Option<Doors>),
        (spool, pull): (PathBuf, Pull),
        (limits, world): (Limits, World),
        happen: Happen,
    ) -> Result<Shell, Fault> {
        let told = happen.clone();
        let say: Say = Arc::new(move |drive, errand, said| {
            send(&told, Happening::Event(Event::Drive { drive, errand, said }));
        });
        let mut seats = BTreeMap::new();
        // What comes through doors takes its seat when it comes.
        let count = if doors.is_none() { devices.count() } else { 0 };
        for index in 0..count {
            let id = DriveId::of(index);
            seats.insert(id, Seat::new(&devices, id, &say)?);
        }
        let told = happen.clone();
        let arm = Arm::start(devices.clone(), move |event| send(&told, Happening::Event(event)))?;
        let mut events = Events::default();
        let people = world.clone();
        events.notify_by(move |grade, words| people.words(grade, words));
        Ok(Shell {
            state,
            keeper,
            spool,
            seats,
            devices,
            doors,
            say,
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
            serials: BTreeMap::new(),
        })
    }

    /// Begins.
    ///
    /// # Errors
    ///
    /// What cannot be recorded.
    pub fn start(&mut self) -> Result<(), Fault> {
        self.keep_cut_lists()?;
        self.world.name(&self.state.records.receivers);
        let has_changer = self.devices.has_changer();
        let at_hand = |drive: &DriveId| DriveAtHand { drive: *drive, has_changer };
        let drives = self.seats.keys().map(at_hand).collect();
        self.event(Event::Started { drives })
    }

    /// Tells people what happened before the start.
    pub fn tell(&mut self, words: &[String]) {
        words.iter().for_each(|line| self.events.notify(Grade::Alarm, line));
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
        let (state, events, serials) = (&self.state, &self.events, &self.serials);
        let (since_s, world) = (self.since_s, &self.world);
        let keys = self.doors.iter().flat_map(Doors::keys).collect();
        View { state, moved, events, since_s, serials, keys, world }
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
        if let Event::Drive { drive, said: Said::Counted(count), .. } = &event {
            self.serials.insert(count.serial.clone(), *drive);
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
                    live.gap((of, from, to), self.keeper.reader());
                }
                self.events.tell(Some(job), Grade::Warning, &line);
            }
            Action::Ask { request, words } => self.events.ask(request, &words),
            Action::Withdraw(request) => self.events.withdraw(request),
            Action::Tell { job, line } => {
                let span = job.and_then(|job| self.state.job(job)).map(job_span);
                let _in_job = span.as_ref().map(tracing::Span::enter);
                self.events.tell(job, Grade::Note, &line);
            }
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
                let whole = self.lives.get_mut(&job.id).and_then(|live| live.list.take());
                let list = match (whole, &job.work) {
                    (None, Work::Backup { .. }) if job.recorded > 0 => self.cut_list(job.id),
                    (whole, _) => whole,
                };
                commit.runs.extend(list);
                if self.told_over.insert(job.id) {
                    over.push(job.clone());
                }
            }
        }
        let is_about_receivers = commit.changes.iter().any(|change| match change {
            Change::Put(record) => matches!(**record, Record::Receiver(_)),
            change => matches!(change, Change::DropReceiver(_)),
        });
        self.keeper.commit(commit)?;
        if is_about_receivers {
            self.world.name(&self.state.records.receivers);
        }
        over.iter().for_each(|job| held::forget(job.id, &self.spool));
        over.iter().for_each(|job| self.world.job_over(job, &self.state));
        Ok(())
    }

    /// The list of what is recorded of a backup that was cut.
    fn cut_list(&self, job: JobId) -> Option<NewRun> {
        held::list(job, &self.spool).unwrap_or_else(|fault| {
            tracing::warn!(%job, %fault, "a backup that was cut has no list");
            None
        })
    }

    /// Of what was cut when the service ended, the lists are kept now.
    fn keep_cut_lists(&mut self) -> Result<(), Fault> {
        for job in held::jobs(&self.spool)? {
            let has_list = self.keeper.reader().snapshot()?.run_head(job)?.is_some();
            let is_known = self.state.job(job).is_some_and(|job| job.recorded > 0);
            if !has_list && is_known {
                let runs = self.cut_list(job).into_iter().collect();
                self.keeper.commit(Commit { runs, ..Commit::default() })?;
            }
            held::forget(job, &self.spool);
        }
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

    /// Time passed.
    ///
    /// # Errors
    ///
    /// What cannot be recorded.
    pub fn tick(&mut self) -> Result<(), Fault> {
        self.look_for_doors()?;
        let schedules = self.state.records.schedules.values();
        let due = self.due.due(schedules, (self.since_s, now_s()), self.world.zone());
        for schedule in due {
            let stream = StreamId(uuid::Uuid::new_v4());
            self.event(Event::Due { schedule, stream })?;
        }
        if own::is_due(&self.state, (self.since_s, now_s()), self.limits.records_copy_s) {
            self.copy_records()?;
        }
        if let Some(of) = scrub::next(&self.state, now_s(), self.limits.verify_after_s) {
            let (user, machine) = ("tapioca".into(), CONSOLE.into());
            let by = Caller { user, machine, rights: [Right::Look, Right::Operate].into() };
            let (call, order) = (CallId(0), Order::Verify { of });
            self.event(Event::Asked { call, by, order })?;
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

/// Sends; the loop outlives all who send, but for the last moments.
pub fn send(happen: &Happen, happening: Happening) {
    if happen.send(happening).is_err() {
        tracing::debug!("the service has ended");
    }
}
