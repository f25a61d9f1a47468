//! One run: a storm, then a calm, and what must be so at its end.

use std::collections::{BTreeMap, BTreeSet};

use tapioca::authority::event::{ClientSide, DriveId, Element, ErrandId, Event, Said, Wanted};
use tapioca::authority::records::Records;
use tapioca::authority::{Order, Settings, State};
use tapioca::catalogue::record::{JobId, JobState, Machine, NewSet, Record, Schedule, Work};
use tapioca::stream::StreamId;

use crate::check::Oracle;
use crate::dice::Dice;
use crate::people::{caller, pool};
use crate::sabotage::Sabotage;
use crate::things::{Cart, Damage, Kind, SimDrive, in_drive};
use crate::world::{Client, TROUBLES, Todo, Trouble, Waiting, World};

/// When a run begins.
const BEGIN_S: i64 = 1_700_000_000;
const STORM_S: i64 = 36 * 3600;
const CALM_S: i64 = 72 * 3600;

/// What a run, or many, came to.
#[derive(Debug, Default)]
pub struct End {
    pub events: u64,
    pub power_cuts: u64,
    pub done: u64,
    pub restored: u64,
    pub relabelled: u64,
}

impl End {
    pub fn add(&mut self, other: &End) {
        self.events += other.events;
        self.power_cuts += other.power_cuts;
        self.done += other.done;
        self.restored += other.restored;
        self.relabelled += other.relabelled;
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let End { events, power_cuts, done, restored, relabelled } = self;
        write!(f, "{events} events, {power_cuts} power cuts, {done} jobs done, ")?;
        write!(f, "{restored} restores, {relabelled} relabelled")
    }
}

pub fn run(seed: u64) -> Result<End, String> {
    let mut world = world(seed);
    let (by_hand, drives) = (world.by_hand.len(), world.drives.len());
    go(&mut world).map_err(|why| format!("{by_hand} of {drives} drives by hand: {why}"))
}

pub fn run_with(seed: u64, sabotage: Sabotage) -> Result<End, String> {
    let mut world = world(seed);
    world.sabotage = Some(sabotage);
    go(&mut world)
}

pub fn run_with_log(seed: u64) -> (String, Result<End, String>) {
    let mut world = world(seed);
    world.log = Some(String::new());
    let end = go(&mut world);
    (world.log.take().unwrap_or_default(), end)
}

fn go(world: &mut World) -> Result<End, String> {
    world.start()?;
    for _ in 0..3 {
        world.after(0, Todo::Idea);
    }
    world.after(300, Todo::Mishap);
    world.after(1, Todo::Tick);
    world.pass(BEGIN_S + STORM_S)?;
    world.is_calm = true;
    world.note("calm", || "from now on".into());
    world.calm_down();
    for event in world.calm_orders() {
        world.deliver(event)?;
    }
    world.pass(BEGIN_S + STORM_S + CALM_S)?;
    world.everything_is_over()?;
    Ok(End {
        events: world.events,
        power_cuts: world.power_cuts,
        done: world.oracle.done,
        restored: world.oracle.restored,
        relabelled: world.oracle.relabelled,
    })
}

fn world(seed: u64) -> World {
    let mut dice = Dice::new(seed);
    let troubles: BTreeSet<Trouble> = TROUBLES.into_iter().filter(|_| dice.permille(350)).collect();
    let drives = dice.within(1, 4) as u16;
    let slots = dice.within(10, 20) as u16;
    let mut elements: Vec<Element> = (1..=drives).map(|n| Element::Drive(DriveId(n))).collect();
    let by_hand = by_hand(&mut dice, &troubles, drives);
    if by_hand.len() < elements.len() {
        elements.extend((1..=slots).map(Element::Slot));
        elements.extend([Element::MailSlot(101), Element::MailSlot(102)]);
    }
    let mut committed = Records::default();
    for record in books(&mut dice) {
        committed.apply(tapioca::catalogue::record::Change::Put(Box::new(record)));
    }
    let slack_s = if troubles.contains(&Trouble::ClockSteps) { 13 * 3600 } else { 600 };
    let settings = Settings::default();
    let mut world = World {
        dice,
        now_s: BEGIN_S,
        clock_off_s: 0,
        is_calm: false,
        has_office: seed.is_multiple_of(4),
        troubles,
        carts: Vec::new(),
        elements,
        drives: (1..=drives).map(|n| (DriveId(n), SimDrive::default())).collect(),
        by_hand,
        in_use_to_s: 0,
        todo: BTreeMap::new(),
        clients: BTreeMap::new(),
        feeds: BTreeMap::new(),
        waiting: BTreeMap::new(),
        state: State::new([], settings.clone()),
        committed,
        last_audit: None,
        settings: settings.clone(),
        oracle: Oracle::new(slack_s),
        sabotage: None,
        log: None,
        events: 0,
        last_call: 0,
        last_todo: 0,
        last_cart: 0,
        power_cuts: 0,
    };
    let blanks = world.dice.within(2, 7);
    for _ in 0..blanks {
        world.bring_new(Kind::Blank, "");
    }
    world.bring_new(Kind::Cleaning, "");
    world.state = State::new(world.all_records(), settings);
    world
}

/// No drive, the last, or all of them.
fn by_hand(dice: &mut Dice, troubles: &BTreeSet<Trouble>, drives: u16) -> BTreeSet<DriveId> {
    let from = match (troubles.contains(&Trouble::Hands), dice.permille(500)) {
        (false, _) => return BTreeSet::new(),
        (true, true) => 1,
        (true, false) => drives,
    };
    (from..=drives).map(DriveId).collect()
}

fn books(dice: &mut Dice) -> Vec<Record> {
    let machine = |name: &str, jobs_max| {
        Record::Machine(Machine { name: name.into(), address: None, quota_bytes: None, jobs_max })
    };
    let retention_s = dice.seconds(3600, 100_000);
    vec![
        machine("ada", 3),
        machine("bob", 1),
        machine("cyd", 9),
        Record::Pool(pool("a", retention_s, NewSet::Never, Some("d"))),
        Record::Pool(pool("b", 20_000, NewSet::Always, None)),
        Record::Pool(pool("c", 7200, NewSet::After(40_000), None)),
        Record::Pool(pool("d", 150_000, NewSet::Never, None)),
        Record::Schedule(Schedule {
            name: "nightly".into(),
            when: "daily".into(),
            machine: "cyd".into(),
            backup: "night".into(),
            paths: vec!["/".into()],
            pool: "b".into(),
            full_every: 3,
            priority: 1,
            window_s: 20_000,
            retries: 3,
            enabled: true,
            runs: 0,
            last_s: None,
        }),
    ]
}

impl World {
    /// Lets time pass.
    fn pass(&mut self, until_s: i64) -> Result<(), String> {
        while let Some(entry) = self.todo.first_entry() {
            if entry.key().0 > until_s {
                break;
            }
            let ((at_s, _), todo) = entry.remove_entry();
            self.now_s = self.now_s.max(at_s);
            self.oracle.now_s = self.now_s;
            self.happen(todo)?;
        }
        self.now_s = self.now_s.max(until_s);
        Ok(())
    }

    fn happen(&mut self, todo: Todo) -> Result<(), String> {
        match todo {
            Todo::Say(event) => return self.say_now(*event),
            Todo::Errand(id, errand) => self.errand_due(id, errand),
            Todo::Beat(id, errand) => self.beat(id, errand),
            Todo::Person(request) => {
                if let Some(event) = self.person(request) {
                    return self.deliver(event);
                }
            }
            Todo::Idea => return self.have_idea(),
            Todo::Mishap => self.mishap(),
            Todo::Resume(job) => return self.client_resumes(job),
            Todo::ClockRight => self.clock_off_s = 0,
            Todo::Back(id) => self.back(id),
            Todo::Tick => {
                self.after(600, Todo::Tick);
                return self.deliver(Event::Tick);
            }
        }
        Ok(())
    }

    /// A client that comes is here from then on.
    fn say_now(&mut self, event: Event) -> Result<(), String> {
        match &event {
            Event::Client { job, side: ClientSide::Came { .. } } => {
                self.clients.entry(*job).and_modify(|client| client.is_here = true);
            }
            // Told late or twice of a drive that is well: what it did is cut, and that it is well will be told.
            Event::Drive { drive, said: Said::Lost(_), .. } if !self.drives[drive].is_lost => {
                self.after(300, Todo::Back(*drive));
                self.cut_drive(*drive);
            }
            _ => {}
        }
        self.deliver(event)
    }

    fn have_idea(&mut self) -> Result<(), String> {
        if self.is_calm {
            return Ok(());
        }
        let delay_s = self.dice.seconds(300, 9000);
        self.after(delay_s, Todo::Idea);
        let is_of_office = self.has_office && self.dice.permille(300);
        let idea = match is_of_office {
            true => self.enrols().or_else(|| self.office_idea()),
            false => self.idea(),
        };
        match idea {
            Some(event) => self.deliver(event),
            None => Ok(()),
        }
    }

    fn client_resumes(&mut self, job: JobId) -> Result<(), String> {
        let Some(client) = self.clients.get(&job).filter(|client| !client.is_here) else {
            return Ok(());
        };
        if client.total == 0 {
            return Ok(());
        }
        let Some(record) = self.committed.jobs.get(&job) else { return Ok(()) };
        if record.user.starts_with("schedule") {
            return Ok(());
        }
        let by = caller("ada", &record.machine, &[tapioca::catalogue::record::Right::BackUp]);
        let call = self.call(Waiting::Resume(job));
        self.deliver(Event::Asked { call, by, order: Order::Resume { job } })
    }

    /// A machine is asked to begin a job.
    pub fn pulled(&mut self, job: JobId) {
        let delay_s = self.dice.seconds(1, 100);
        if self.has(Trouble::Vanishing, 300) {
            let side = ClientSide::Gone("nobody answers".into());
            return self.after(delay_s, Todo::Say(Box::new(Event::Client { job, side })));
        }
        let record = &self.committed.jobs[&job];
        let is_restore = matches!(record.work, Work::Restore { .. });
        let stream = StreamId(self.dice.uuid());
        let total = if is_restore { 0 } else { self.dice.within(1, 20_000) };
        self.oracle.streams.insert(stream, total);
        self.clients.insert(job, Client { stream, total, is_here: false, tries: 0 });
        let side = ClientSide::Came { stream, from: 0 };
        self.after(delay_s, Todo::Say(Box::new(Event::Client { job, side })));
    }

    /// What a restore wants: all, or some.
    pub fn plan(&mut self, job: JobId) {
        let Some(Work::Restore { of, .. }) = self.committed.jobs.get(&job).map(|j| j.work.clone())
        else {
            return;
        };
        let mut wanted = Vec::new();
        for of in of {
            let to = self.committed.jobs[&of].recorded;
            let middle = self.dice.within(0, to + 1);
            match self.dice.within(0, 3) {
                0 => wanted.push(Wanted { of, from: middle, to }),
                1 => {
                    wanted.push(Wanted { of, from: 0, to: middle / 2 });
                    wanted.push(Wanted { of, from: middle, to });
                }
                _ => wanted.push(Wanted { of, from: 0, to }),
            }
        }
        wanted.retain(|wanted| wanted.from < wanted.to);
        let wanted = match self.oracle.wanted.get(&job) {
            Some(known) => known.clone(),
            None => wanted,
        };
        self.oracle.wanted.insert(job, wanted.clone());
        self.say(1, Event::Planned { job, wanted: Ok(wanted) });
    }

    /// Something breaks.
    fn mishap(&mut self) {
        if self.is_calm {
            return;
        }
        let delay_s = self.dice.seconds(600, 12_000);
        self.after(delay_s, Todo::Mishap);
        let Some(trouble) = self.dice.pick(&TROUBLES).copied() else { return };
        if !self.troubles.contains(&trouble) {
            return;
        }
        self.note("mishap", || format!("{trouble:?}"));
        let drives: Vec<DriveId> = self.drives.keys().copied().collect();
        let Some(drive) = self.dice.pick(&drives).copied() else { return };
        match trouble {
            Trouble::LostDrives => self.lose_drive(drive),
            Trouble::Attention => self.attention(drive),
            Trouble::Swaps => self.swap(),
            Trouble::Hands => self.meddle(drive),
            Trouble::Damage => self.damage_first_file(),
            Trouble::InUse => self.in_use_to_s = self.now_s + self.dice.seconds(3, 90),
            Trouble::Barcodes => self.scratch(),
            Trouble::Vanishing => self.vanish(),
            Trouble::ClockSteps => self.step_clock(),
            Trouble::Slowness => {
                self.drive_says(drive, ErrandId(0), Said::WantsCleaning);
                self.drive_says(drive, ErrandId(0), Said::Alerts(vec!["clean now".into()]));
            }
            _ => {}
        }
    }

    fn lose_drive(&mut self, id: DriveId) {
        if self.drives[&id].is_lost {
            return;
        }
        self.cut_drive(id);
        self.drives.entry(id).and_modify(|drive| drive.is_lost = true);
        self.drive_says(id, ErrandId(0), Said::Lost("no answer".into()));
        let delay_s = self.dice.seconds(600, 40_000);
        self.after(delay_s, Todo::Back(id));
    }

    fn cut_drive(&mut self, id: DriveId) {
        self.drives.entry(id).and_modify(|drive| (drive.busy, drive.session) = (None, None));
    }

    fn back(&mut self, id: DriveId) {
        self.drives.entry(id).and_modify(|drive| drive.is_lost = false);
        self.drive_says(id, ErrandId(0), Said::Back);
    }

    /// Somebody puts another cartridge with the same barcode where ours was, or takes one away.
    fn swap(&mut self) {
        let in_slot: Vec<usize> = (0..self.carts.len())
            .filter(|n| matches!(self.carts[*n].at, Some(Element::Slot(_))))
            .collect();
        let Some(cart) = self.dice.pick(&in_slot).copied() else { return };
        if self.dice.permille(300) {
            return self.exchange_barcodes(&in_slot, cart);
        }
        let at = self.carts[cart].at.take();
        if self.dice.permille(500) {
            return;
        }
        let other = Cart { kind: Kind::Foreign, at, ..self.carts[cart].clone() };
        self.carts.push(other);
    }

    /// Somebody sticks two barcodes on the wrong cartridges.
    fn exchange_barcodes(&mut self, of: &[usize], cart: usize) {
        let Some(other) = self.dice.pick(of).copied() else { return };
        if other != cart {
            let barcode = self.carts[cart].barcode.take();
            self.carts[cart].barcode = std::mem::replace(&mut self.carts[other].barcode, barcode);
        }
    }

    /// Somebody takes a cartridge out of a drive.
    fn meddle(&mut self, id: DriveId) {
        let drive = &self.drives[&id];
        let is_idle = drive.busy.is_none() && drive.session.is_none() && !drive.is_lost;
        if let Some(cart) = in_drive(&self.carts, id).filter(|_| is_idle)
            && self.by_hand.contains(&id)
        {
            self.carts[cart].at = None;
            self.attention(id);
        }
    }

    fn some_cart(&mut self) -> Option<usize> {
        let all: Vec<usize> = (0..self.carts.len()).collect();
        self.dice.pick(&all).copied()
    }

    fn damage_first_file(&mut self) {
        let damage = if self.dice.permille(700) { Damage::Kit } else { Damage::Label };
        if let Some(tape) = self.some_cart().and_then(|n| self.carts[n].tape_mut()) {
            // What is damaged stays so.
            tape.damage = tape.damage.filter(|before| *before == Damage::Label).or(Some(damage));
        }
    }

    fn scratch(&mut self) {
        if let Some(n) = self.some_cart() {
            self.carts[n].can_be_scanned = !self.carts[n].can_be_scanned;
        }
    }

    fn vanish(&mut self) {
        let here: Vec<JobId> =
            self.clients.iter().filter(|(_, client)| client.is_here).map(|(id, _)| *id).collect();
        let Some(job) = self.dice.pick(&here).copied() else { return };
        self.clients.entry(job).and_modify(|client| client.is_here = false);
        let side = ClientSide::Gone("the connection is cut".into());
        self.say(1, Event::Client { job, side });
        let delay_s = self.dice.seconds(60, 4000);
        self.after(delay_s, Todo::Resume(job));
    }

    fn step_clock(&mut self) {
        let far = self.dice.permille(700);
        let most = if far { 20 * 86400 } else { 1500 };
        self.clock_off_s = self.dice.seconds(-most, most);
        let delay_s = self.dice.seconds(600, 30_000);
        self.after(delay_s, Todo::ClockRight);
    }

    /// What was broken is mended, and whoever waits comes.
    fn calm_down(&mut self) {
        self.clock_off_s = 0;
        let ids: Vec<DriveId> = self.drives.keys().copied().collect();
        for id in ids {
            if self.drives[&id].is_lost {
                self.back(id);
            }
        }
        let jobs: Vec<JobId> = self.clients.keys().copied().collect();
        for job in jobs {
            let is_open = self.committed.jobs.get(&job).is_some_and(|job| {
                matches!(job.state, JobState::Interrupted(_) | JobState::Queued | JobState::Held)
            });
            if is_open {
                self.after(600, Todo::Resume(job));
            }
        }
        // Requests that nobody has heeded are heeded now.
        let requests: Vec<_> = self.state.requests.values().map(|request| request.id).collect();
        for request in requests {
            self.after(600, Todo::Person(request));
        }
    }
}
