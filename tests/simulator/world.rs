//! A world that misbehaves, and the shell in it: what is told to the authority, and what is done when it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tapioca::authority::event::{
    CallId, ClientSide, Content, DriveAtHand, DriveId, Element, ErrandId, Event, RequestId, Said,
};
use tapioca::authority::records::Records;
use tapioca::authority::{Action, Grade, Reply, Settings, State, step};
use tapioca::catalogue::record::{Audit, Change, JobId, Record, Work};
use tapioca::stream::StreamId;

use crate::check::Oracle;
use crate::dice::Dice;
use crate::sabotage::Sabotage;
use crate::things::{Cart, SimDrive};

/// What may go wrong in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    PowerCuts,
    Refusals,
    FullEarly,
    LostBuffers,
    Attention,
    Swaps,
    Barcodes,
    Doubles,
    Vanishing,
    Laziness,
    ClockSteps,
    BadBlocks,
    LostDrives,
    Unreadable,
    DeafLibrary,
    Slowness,
    InUse,
    Damage,
    Worm,
    Hands,
}

pub const TROUBLES: [Trouble; 20] = [
    Trouble::PowerCuts,
    Trouble::Refusals,
    Trouble::FullEarly,
    Trouble::LostBuffers,
    Trouble::Attention,
    Trouble::Swaps,
    Trouble::Barcodes,
    Trouble::Doubles,
    Trouble::Vanishing,
    Trouble::Laziness,
    Trouble::ClockSteps,
    Trouble::BadBlocks,
    Trouble::LostDrives,
    Trouble::Unreadable,
    Trouble::DeafLibrary,
    Trouble::Slowness,
    Trouble::InUse,
    Trouble::Damage,
    Trouble::Worm,
    Trouble::Hands,
];

/// Something that will happen.
#[derive(Debug, Clone)]
pub enum Todo {
    /// Tell the authority.
    Say(Box<Event>),
    /// A drive finishes what it was sent for.
    Errand(DriveId, ErrandId),
    /// A session goes on.
    Beat(DriveId, ErrandId),
    /// A person does what they were asked.
    Person(RequestId),
    /// Somebody has an idea.
    Idea,
    /// Something breaks.
    Mishap,
    /// A client wants to go on.
    Resume(JobId),
    /// The clock is put right.
    ClockRight,
    /// A lost drive is found.
    Back(DriveId),
    /// Time passes.
    Tick,
}

/// Why somebody waits for an answer.
#[derive(Debug, Clone)]
pub enum Waiting {
    Backup(StreamId, u64),
    Resume(JobId),
    Job,
    Wish,
    Nothing,
}

/// A stream that a client gives, or a restore that it takes.
#[derive(Debug, Clone)]
pub struct Client {
    pub stream: StreamId,
    pub total: u64,
    pub is_here: bool,
    pub tries: u32,
}

/// Everything.
pub struct World {
    pub dice: Dice,
    pub now_s: i64,
    /// How wrong the clock is.
    pub clock_off_s: i64,
    pub is_calm: bool,
    /// Whether the books change, too.
    pub has_office: bool,
    pub troubles: BTreeSet<Trouble>,
    pub carts: Vec<Cart>,
    pub elements: Vec<Element>,
    pub drives: BTreeMap<DriveId, SimDrive>,
    /// Drives that no robot serves.
    pub by_hand: BTreeSet<DriveId>,
    /// Until then another process has the devices.
    pub in_use_to_s: i64,
    pub todo: BTreeMap<(i64, u64), Todo>,
    pub clients: BTreeMap<JobId, Client>,
    /// Of copies: bytes that were read for it and may be written, and whether that is all.
    pub feeds: BTreeMap<JobId, (u64, bool)>,
    pub waiting: BTreeMap<CallId, Waiting>,
    pub state: State,
    pub committed: Records,
    pub last_audit: Option<Audit>,
    pub settings: Settings,
    pub oracle: Oracle,
    /// What is done wrong on purpose.
    pub sabotage: Option<Sabotage>,
    pub log: Option<String>,
    pub events: u64,
    pub last_call: u64,
    pub last_todo: u64,
    pub last_cart: u64,
    pub power_cuts: u64,
}

impl World {
    pub fn has(&mut self, trouble: Trouble, permille: u64) -> bool {
        !self.is_calm && self.troubles.contains(&trouble) && self.dice.permille(permille)
    }

    /// A line for whoever reads what happened.
    pub fn note(&mut self, kind: &str, what: impl FnOnce() -> String) {
        let (now_s, events) = (self.now_s, self.events);
        if let Some(log) = &mut self.log {
            let text: String = what().replace('\n', " ");
            let _ = writeln!(log, "{now_s:>9} {events:>6} {kind:<8} {text}");
        }
    }

    pub fn after(&mut self, delay_s: i64, todo: Todo) {
        self.last_todo += 1;
        self.todo.insert((self.now_s + delay_s.max(0), self.last_todo), todo);
    }

    /// Tells the authority after a while, sometimes twice.
    pub fn say(&mut self, delay_s: i64, event: Event) {
        if self.has(Trouble::Doubles, 50) {
            let late_s = self.dice.seconds(0, 3000);
            self.after(delay_s + late_s, Todo::Say(Box::new(event.clone())));
        }
        self.after(delay_s, Todo::Say(Box::new(event)));
    }

    /// A drive says something; never before what it said last.
    pub fn drive_says(&mut self, drive: DriveId, errand: ErrandId, said: Said) {
        let delay_s = self.dice.seconds(0, 3);
        let at = self.drives[&drive].said_at.max(self.now_s + delay_s);
        self.drives.entry(drive).and_modify(|d| d.said_at = at);
        let delay_s = at - self.now_s;
        self.say(delay_s, Event::Drive { drive, errand, said });
    }

    pub fn call(&mut self, waiting: Waiting) -> CallId {
        self.last_call += 1;
        self.waiting.insert(CallId(self.last_call), waiting);
        CallId(self.last_call)
    }

    /// One event, and all that follows from it.
    pub fn deliver(&mut self, event: Event) -> Result<(), String> {
        self.events += 1;
        self.note("event", || brief(&event));
        let seen = self.oracle.hears(&event, &self.carts, &mut self.drives);
        if let Event::Client { job, side: ClientSide::Gone(_) } = &event
            && self.state.clients.contains(job)
        {
            self.oracle.begins_anew(*job);
        }
        let clock_s = self.now_s + self.clock_off_s;
        let actions = self.step(clock_s, event);
        let cut_at = match self.has(Trouble::PowerCuts, 15) {
            true => Some(self.dice.within(0, actions.len() as u64 + 1) as usize),
            false => None,
        };
        for (n, action) in actions.into_iter().enumerate() {
            if cut_at == Some(n) {
                return self.power_cut();
            }
            self.note("action", || brief(&action));
            self.act(action)?;
        }
        if cut_at.is_some() {
            return self.power_cut();
        }
        if let Some(tape) = seen.and_then(|n| self.carts[n].tape_mut()) {
            tape.lost_unseen = false;
        }
        self.check()
    }

    fn step(&mut self, clock_s: i64, event: Event) -> Vec<Action> {
        let Some(sabotage) = self.sabotage else { return step(&mut self.state, clock_s, event) };
        sabotage.spoils(&mut self.state);
        let event = sabotage.tells(event, &self.state);
        sabotage.does(step(&mut self.state, clock_s, event))
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Record(changes) => self.commit(changes),
            Action::Answer { call, reply } => {
                self.answered(call, reply);
                Ok(())
            }
            Action::Confirm { job, to } => self.confirmed(job, to),
            Action::EndStream { job, cut } => {
                let record = self.committed.jobs.get(&job);
                let restored = record.filter(|j| matches!(j.work, Work::Restore { .. }));
                if let (Some(record), None) = (restored, &cut) {
                    self.oracle.restore_done(&record.clone())?;
                }
                self.stream_ended(job, cut);
                Ok(())
            }
            Action::Drive { drive, errand, what } => self.sent(drive, errand, what),
            Action::Move { from, to } => {
                self.move_cartridge(from, to);
                Ok(())
            }
            Action::TakeInventory => {
                self.take_inventory();
                Ok(())
            }
            Action::Pull { job, .. } => {
                self.pulled(job);
                Ok(())
            }
            Action::Plan { job } => {
                self.plan(job);
                Ok(())
            }
            Action::Gap { job, of, from, to, .. } => {
                if !self.is_gap_real(job, of, from) {
                    return Err(format!("I6: job {job}: byte {from} of {of} is no gap"));
                }
                self.oracle.gap(job, of, from, to);
                Ok(())
            }
            Action::Ask { request, .. } => {
                let wait_s = if self.is_calm { 600 } else { self.dice.seconds(60, 20_000) };
                self.after(wait_s, Todo::Person(request));
                Ok(())
            }
            Action::Notify { grade: Grade::Alarm, words } => {
                self.oracle.alarm(&words);
                Ok(())
            }
            Action::Withdraw(_) | Action::Tell { .. } | Action::Notify { .. } => Ok(()),
        }
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), String> {
        for change in changes {
            if let Change::Put(record) = &change {
                match &**record {
                    Record::Audit(entry) => {
                        let (number, hash) = self.committed.audit;
                        if entry.number != number + 1 || entry.before != hash {
                            return Err(format!("the audit trail breaks at {}", entry.number));
                        }
                        self.last_audit = Some(entry.clone());
                    }
                    Record::Job(job) => {
                        self.oracle.job_changes(job, self.committed.jobs.get(&job.id))?
                    }
                    _ => {}
                }
            }
            self.committed.apply(change);
        }
        Ok(())
    }

    /// The power goes, and comes again. What was not committed never was.
    fn power_cut(&mut self) -> Result<(), String> {
        self.power_cuts += 1;
        self.note("power", || "cut".into());
        let keeps =
            |todo: &Todo| matches!(todo, Todo::Idea | Todo::Mishap | Todo::ClockRight | Todo::Tick);
        self.todo.retain(|_, todo| keeps(todo));
        self.waiting.clear();
        self.feeds.clear();
        self.lose_power_in_drives();
        self.now_s += self.dice.seconds(30, 4000);
        let gone: Vec<JobId> = self.clients.keys().copied().collect();
        for job in gone {
            self.clients.entry(job).and_modify(|client| client.is_here = false);
            let delay_s = self.dice.seconds(60, 900);
            if self.is_calm || self.dice.permille(800) {
                self.after(delay_s, Todo::Resume(job));
            }
        }
        self.state = State::new(self.all_records(), self.settings.clone());
        self.start()
    }

    pub fn all_records(&self) -> Vec<Record> {
        let c = &self.committed;
        let mut all: Vec<Record> = Vec::new();
        all.extend(c.users.values().cloned().map(Record::User));
        all.extend(c.tickets.values().cloned().map(Record::Ticket));
        all.extend(c.machines.values().cloned().map(Record::Machine));
        all.extend(c.pools.values().cloned().map(Record::Pool));
        all.extend(c.media.values().cloned().map(Record::Medium));
        all.extend(c.sets.values().cloned().map(Record::Set));
        all.extend(c.jobs.values().cloned().map(Record::Job));
        all.extend(c.schedules.values().cloned().map(Record::Schedule));
        all.extend(c.wishes.values().cloned().map(Record::Wish));
        all.extend(self.last_audit.clone().map(Record::Audit));
        all
    }

    pub fn start(&mut self) -> Result<(), String> {
        if self.has(Trouble::InUse, 700) {
            self.in_use_to_s = self.now_s + self.dice.seconds(3, 90);
        }
        let drives = self
            .drives
            .keys()
            .map(|id| DriveAtHand { drive: *id, has_changer: !self.by_hand.contains(id) });
        let drives = drives.collect();
        self.oracle.restarts();
        self.deliver(Event::Started { drives })?;
        let lost: Vec<DriveId> =
            self.drives.iter().filter(|(_, d)| d.is_lost).map(|(id, _)| *id).collect();
        for id in lost {
            self.drive_says(id, ErrandId(0), Said::Lost("no answer".into()));
            self.after(3000, Todo::Back(id));
        }
        Ok(())
    }

    fn answered(&mut self, call: CallId, reply: Reply) {
        let Some(waiting) = self.waiting.remove(&call) else { return };
        match (waiting, reply) {
            (Waiting::Backup(stream, total), Reply::Backup { job, .. }) => {
                self.clients.insert(job, Client { stream, total, is_here: false, tries: 0 });
                self.oracle.streams.insert(stream, total);
                self.comes(job, 0);
            }
            (Waiting::Resume(job), Reply::Backup { recorded, over: false, .. }) => {
                self.comes(job, recorded);
            }
            (Waiting::Job, Reply::Job(job)) => {
                let client =
                    Client { stream: StreamId::default(), total: 0, is_here: false, tries: 0 };
                self.clients.insert(job, client);
                self.comes(job, 0);
            }
            _ => {}
        }
    }

    /// A client connects, or does not.
    pub fn comes(&mut self, job: JobId, from: u64) {
        if self.has(Trouble::Vanishing, 100) {
            return;
        }
        let delay_s = self.dice.seconds(1, 200);
        let stream = self.clients[&job].stream;
        let event = Event::Client { job, side: ClientSide::Came { stream, from } };
        self.after(delay_s, Todo::Say(Box::new(event)));
    }

    fn confirmed(&mut self, job: JobId, to: u64) -> Result<(), String> {
        let Some(record) = self.committed.jobs.get(&job) else {
            return Err(format!("job {job} is confirmed and not recorded"));
        };
        // Nobody was promised a copy that is not whole.
        let is_copy = matches!(record.work, Work::Copy { .. });
        if record.recorded < to && !is_copy {
            return Err(format!("job {job} is confirmed to {to}, recorded to {}", record.recorded));
        }
        self.oracle.confirmed(record, to, &self.committed);
        Ok(())
    }

    fn stream_ended(&mut self, job: JobId, cut: Option<String>) {
        if let Some(feed) = self.feeds.get_mut(&job)
            && cut.is_none()
        {
            feed.1 = true;
            return;
        }
        self.feeds.remove(&job);
        if self.is_copy(job) {
            return self.cut_copy(job);
        }
        let Some(client) = self.clients.get_mut(&job) else { return };
        client.is_here = false;
        client.tries += 1;
        let again = cut.is_some() && client.total > 0 && client.tries < 40;
        if again && (self.is_calm || self.dice.permille(900)) {
            let delay_s = self.dice.seconds(60, 1200);
            self.after(delay_s, Todo::Resume(job));
        }
    }

    fn take_inventory(&mut self) {
        let delay_s = self.dice.seconds(1, 30);
        if self.now_s < self.in_use_to_s {
            return self.say(1, Event::LibraryTrouble("it is in use by another process".into()));
        }
        if self.has(Trouble::DeafLibrary, 200) {
            return self.say(delay_s, Event::LibraryTrouble("it is not ready".into()));
        }
        let robot = self.elements.iter().filter(|at| match at {
            Element::Drive(id) => !self.by_hand.contains(id),
            _ => true,
        });
        let scan = |at: &Element| {
            let cart = self.carts.iter().find(|cart| cart.at == Some(*at));
            (*at, cart.map_or(Content::Empty, Cart::content))
        };
        let found = robot.map(scan).collect();
        self.say(delay_s, Event::Library(found));
    }

    fn move_cartridge(&mut self, from: Element, to: Element) {
        let delay_s = self.dice.seconds(5, 60);
        let is_free = self.carts.iter().all(|cart| cart.at != Some(to));
        let cart = self.carts.iter().position(|cart| cart.at == Some(from));
        let refused = self.has(Trouble::Refusals, 100);
        let trouble = match cart {
            Some(cart) if is_free && !refused => {
                self.carts[cart].at = Some(to);
                None
            }
            _ => Some("it cannot be moved".into()),
        };
        self.say(delay_s, Event::Moved { from, to, trouble });
    }
}

/// A debug line without the long parts.
pub fn brief(what: &impl std::fmt::Debug) -> String {
    let mut text = format!("{what:?}");
    if text.len() > 600 {
        let mut at = 600;
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text.truncate(at);
        text.push('…');
    }
    text
}
