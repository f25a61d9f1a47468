//! People: what they want, and what they do when they are asked.

use std::collections::BTreeSet;

use tapioca::authority::event::{Answered, DriveId, Element, ErrandId, Event, RequestId, Said};
use tapioca::authority::people::Need;
use tapioca::authority::{Caller, Order};
use tapioca::catalogue::record::{JobId, JobState, NewSet, Pool, Right, Work};
use tapioca::stream::StreamId;

use crate::things::{Cart, Kind, in_element};
use crate::world::{Todo, Trouble, Waiting, World};

pub fn caller(user: &str, machine: &str, rights: &[Right]) -> Caller {
    let rights: BTreeSet<Right> = rights.iter().copied().collect();
    Caller { user: user.into(), machine: machine.into(), rights }
}

pub fn operator() -> Caller {
    caller(
        "olga",
        "console",
        &[Right::Look, Right::Operate, Right::Administer, Right::RestoreElsewhere],
    )
}

pub const MACHINES: [&str; 3] = ["ada", "bob", "cyd"];
pub const CLIENT: &[Right] = &[Right::Look, Right::BackUp, Right::Restore];
const ERASER: &[Right] = &[Right::Look, Right::Erase];

impl World {
    pub fn ask(&mut self, waiting: Waiting, by: Caller, order: Order) -> Event {
        let call = self.call(waiting);
        Event::Asked { call, by, order }
    }

    pub fn some_job(
        &mut self,
        is_it: impl Fn(&tapioca::catalogue::record::Job) -> bool,
    ) -> Option<JobId> {
        let jobs: Vec<JobId> =
            self.committed.jobs.values().filter(|job| is_it(job)).map(|job| job.id).collect();
        self.dice.pick(&jobs).copied()
    }

    fn some_tag(&mut self) -> String {
        let tags: Vec<String> = self.committed.media.keys().cloned().collect();
        self.dice.pick(&tags).cloned().unwrap_or_else(|| "T99".into())
    }

    pub fn some_machine(&mut self) -> String {
        MACHINES[self.dice.within(0, 3) as usize].into()
    }

    /// Somebody has an idea.
    pub fn idea(&mut self) -> Option<Event> {
        match self.dice.within(0, 100) {
            0..45 => Some(self.wants_backup()),
            45..57 => self.wants_back(),
            57..60 => {
                Some(Event::Due { schedule: "nightly".into(), stream: StreamId(self.dice.uuid()) })
            }
            60..67 => self.minds_job(),
            67..75 => self.checks_job(),
            75..82 => Some(self.minds_medium()),
            82..90 => Some(self.minds_library()),
            90..94 => self.wishes(),
            94..97 => Some(self.minds_drive()),
            _ => Some(self.minds_pool()),
        }
    }

    fn wants_backup(&mut self) -> Event {
        let stream = StreamId(self.dice.uuid());
        let total = self.dice.within(1, 30_000);
        let machine = self.some_machine();
        let pool = ["a", "b", "c"][self.dice.within(0, 3) as usize].to_owned();
        let order = Order::Backup {
            name: ["home", "etc"][self.dice.within(0, 2) as usize].into(),
            incremental: self.dice.permille(500),
            pool,
            stream,
            priority: self.dice.within(0, 3) as i32 - 1,
        };
        self.ask(Waiting::Backup(stream, total), caller("ada", &machine, CLIENT), order)
    }

    fn wants_back(&mut self) -> Option<Event> {
        let of =
            self.some_job(|job| matches!(job.work, Work::Backup { .. }) && job.recorded > 0)?;
        let machine = self.committed.jobs[&of].machine.clone();
        let to = if self.dice.permille(200) { self.some_machine() } else { machine.clone() };
        let rights = [Right::Look, Right::Restore, Right::RestoreElsewhere];
        let order = Order::Restore { of: vec![of], only: Vec::new(), to, priority: 1 };
        Some(self.ask(Waiting::Job, caller("ada", &machine, &rights), order))
    }

    fn minds_job(&mut self) -> Option<Event> {
        let job = self.some_job(|job| !job.state.is_over())?;
        let order = match self.dice.within(0, 4) {
            0 => Order::Cancel { job },
            1 => Order::Hold { job },
            2 => Order::LetGo { job },
            _ => Order::Priority { job, priority: 3 },
        };
        Some(self.ask(Waiting::Nothing, operator(), order))
    }

    fn checks_job(&mut self) -> Option<Event> {
        let of =
            self.some_job(|job| matches!(job.work, Work::Backup { .. }) && job.recorded > 0)?;
        let order = match self.dice.permille(500) {
            true => Order::Verify { of },
            false => Order::Copy { of, pool: "d".into() },
        };
        Some(self.ask(Waiting::Nothing, operator(), order))
    }

    fn minds_medium(&mut self) -> Event {
        let tag = self.some_tag();
        let order = match self.dice.within(0, 4) {
            0 => Order::Identify { tag },
            1 => Order::Assign { tag, pool: "a".into() },
            2 => Order::Release { tag },
            _ if self.dice.permille(100) => Order::Retire { tag, why: "old".into() },
            _ => Order::Identify { tag },
        };
        self.ask(Waiting::Nothing, operator(), order)
    }

    fn minds_library(&mut self) -> Event {
        let tag = self.some_tag();
        let order = match self.dice.within(0, 4) {
            0 => Order::Export { tag },
            1 => Order::Import,
            2 => Order::Inventory,
            _ => {
                let from = Element::Slot(self.dice.within(1, 15) as u16);
                Order::Move { from, to: Element::Slot(self.dice.within(1, 15) as u16) }
            }
        };
        self.ask(Waiting::Nothing, operator(), order)
    }

    fn minds_drive(&mut self) -> Event {
        let drive = DriveId(self.dice.within(1, 4) as u16);
        let order = match self.dice.within(0, 4) {
            0 => Order::Clean { drive },
            1 => Order::Unload { drive },
            2 => Order::Use { drive, on: false },
            _ => Order::Use { drive, on: true },
        };
        self.ask(Waiting::Nothing, operator(), order)
    }

    fn minds_pool(&mut self) -> Event {
        let retention_s = self.dice.seconds(3600, 200_000);
        let pool = pool("a", retention_s, NewSet::After(50_000), Some("d"));
        self.ask(Waiting::Nothing, operator(), Order::PutPool(pool))
    }

    /// Two people with the right to erase; sometimes one tries alone.
    fn wishes(&mut self) -> Option<Event> {
        let wishes: Vec<u64> = self.committed.wishes.keys().copied().collect();
        if let Some(wish) = self.dice.pick(&wishes).copied() {
            let who = if self.dice.permille(500) { "eve" } else { "eli" };
            let order = match self.dice.permille(850) {
                true => Order::Agree { wish },
                false => Order::DropWish { wish },
            };
            return Some(self.ask(Waiting::Nothing, caller(who, "console", ERASER), order));
        }
        let tag = self.some_tag();
        Some(self.ask(Waiting::Wish, caller("eve", "console", ERASER), Order::Wish { tag }))
    }

    /// A person does what they were asked: late, wrongly, or not.
    pub fn person(&mut self, id: RequestId) -> Option<Event> {
        let asked = self.state.requests.iter().find(|(_, request)| request.id == id);
        let (need, words) = asked.map(|(need, request)| (need.clone(), request.words.clone()))?;
        if need == Need::Drive {
            return None;
        }
        if self.has(Trouble::Laziness, 400) {
            self.after(20_000, Todo::Person(id));
            return None;
        }
        let how = match self.does(&need, &words) {
            true => Answered::Done,
            false => Answered::No("it is not here".into()),
        };
        if how != Answered::Done
            && let Need::Bring(tag) | Need::Stranger(tag) = &need
        {
            self.oracle.denied.insert(tag.clone());
        }
        Some(Event::Answer { request: id, by: operator(), how })
    }

    fn does(&mut self, need: &Need, words: &str) -> bool {
        let is_wrong = self.has(Trouble::Laziness, 200);
        match need {
            Need::Clock => self.clock_off_s = 0,
            Need::Library | Need::Drive => {}
            Need::Slot => self.make_room(words),
            Need::Medium(_) if is_wrong => self.bring_new(Kind::Foreign, words),
            Need::Medium(_) => self.bring_writable(words),
            Need::Cleaning => self.bring_new(Kind::Cleaning, words),
            Need::Bring(tag) | Need::Stranger(tag) => return !is_wrong && self.bring(tag, words),
            Need::TakeOut(tag) => self.take_out(tag),
        }
        true
    }

    fn is_free(&self, at: Element) -> bool {
        self.carts.iter().all(|cart| cart.at != Some(at))
    }

    /// Where something goes, by the words; what was there is taken out if they say so. None: it cannot be done so
    /// any more.
    fn place(&mut self, words: &str) -> Option<Element> {
        let is_place = |at: &&Element| !matches!(at, Element::Drive(_)) && self.is_free(**at);
        if let Some(Element::Drive(id)) = element_behind(words, "into ") {
            return self.hand_to(id);
        }
        let Some(at) = element_behind(words, "into ") else {
            return self.elements.iter().rev().find(is_place).copied();
        };
        if let Some(cart) = in_element(&self.carts, at) {
            let who = words.split(" in place of ").nth(1)?;
            if !is_called(&self.carts[cart], who) {
                return None;
            }
            self.carts[cart].at = None;
        }
        Some(at)
    }

    /// Makes place in a drive that people serve. None: it is at work, or there is none.
    fn hand_to(&mut self, id: DriveId) -> Option<Element> {
        let drive = self.drives.get_mut(&id).filter(|_| self.by_hand.contains(&id))?;
        let waits = drive.session.as_ref().is_none_or(|session| session.needs_medium);
        if drive.busy.is_some() || !waits {
            return None;
        }
        drive.told = false;
        let at = Element::Drive(id);
        if let Some(cart) = in_element(&self.carts, at) {
            self.carts[cart].at = None;
        }
        if self.dice.permille(500) {
            self.say(0, Event::Drive { drive: id, errand: ErrandId(0), said: Said::Changed });
        }
        Some(at)
    }

    /// What would do, or a blank.
    fn bring_writable(&mut self, words: &str) {
        let named = words.strip_suffix(" would do").and_then(|words| words.rsplit(' ').next());
        let is_it = |cart: &Cart| cart.at.is_none() && cart.barcode.as_deref() == named;
        match self.carts.iter().position(is_it).filter(|_| self.dice.permille(700)) {
            Some(cart) => self.carts[cart].at = self.place(words),
            None => self.bring_new(Kind::Blank, words),
        }
    }

    /// Takes out what they are told; else what they think themselves.
    fn make_room(&mut self, words: &str) {
        let useless = |cart: &Cart| {
            matches!(cart.at, Some(Element::Slot(_))) && !matches!(cart.kind, Kind::Ours(_))
        };
        let cart = match element_behind(words, " out of ") {
            Some(at) => in_element(&self.carts, at),
            None => self.carts.iter().position(useless),
        };
        let told = words.strip_prefix("take ").unwrap_or_default();
        if let Some(cart) = cart
            && (told.starts_with("a cartridge") || is_called(&self.carts[cart], told))
        {
            self.carts[cart].at = None;
        }
    }

    pub fn bring_new(&mut self, kind: Kind, words: &str) {
        let Some(at) = self.place(words) else { return };
        self.last_cart += 1;
        let prefix = if matches!(kind, Kind::Cleaning) { "CLN" } else { "T" };
        let barcode = Some(format!("{prefix}{:03}", self.last_cart));
        let room = self.dice.within(40, 300);
        let write_protected = self.has(Trouble::Laziness, 100);
        let worm = matches!(kind, Kind::Blank) && self.has(Trouble::Worm, 300);
        let at = Some(at);
        let cart = Cart { barcode, can_be_scanned: true, kind, at, write_protected, worm, room };
        self.carts.push(cart);
    }

    /// Brings the cartridge with the right content; whoever has its barcode goes. False: there is none.
    fn bring(&mut self, tag: &str, words: &str) -> bool {
        let is_right = |cart: &Cart| cart.tape().is_some_and(|tape| tape.tag == tag);
        let Some(right) = self.carts.iter().position(is_right) else { return false };
        for cart in &mut self.carts {
            let in_drive = matches!(cart.at, Some(Element::Drive(_)));
            if cart.barcode.as_deref() == Some(tag) && !is_right(cart) && !in_drive {
                cart.at = None;
                cart.barcode = Some(format!("X{tag}"));
            }
        }
        self.carts[right].barcode = Some(tag.to_owned());
        self.carts[right].can_be_scanned = true;
        if self.carts[right].at.is_none() {
            let place = self.place(words);
            self.carts[right].at = place;
        }
        true
    }

    fn take_out(&mut self, tag: &str) {
        let hit = |cart: &&mut Cart| {
            cart.barcode.as_deref() == Some(tag) && matches!(cart.at, Some(Element::MailSlot(_)))
        };
        if let Some(cart) = self.carts.iter_mut().find(hit) {
            cart.at = None;
        }
    }

    /// What is held is let go, and drives are used, once all is calm.
    pub fn calm_orders(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let held = |job: &&tapioca::catalogue::record::Job| job.state == JobState::Held;
        let held: Vec<JobId> =
            self.committed.jobs.values().filter(held).map(|job| job.id).collect();
        for job in held {
            events.push(self.ask(Waiting::Nothing, operator(), Order::LetGo { job }));
        }
        let drives: Vec<DriveId> = self.drives.keys().copied().collect();
        for drive in drives {
            events.push(self.ask(Waiting::Nothing, operator(), Order::Use { drive, on: true }));
        }
        events
    }
}

/// The element that is named behind these words.
fn element_behind(words: &str, behind: &str) -> Option<Element> {
    let rest = words.split(behind).nth(1)?;
    let number = |kind: &str| -> Option<u16> {
        let digits: String =
            rest.strip_prefix(kind)?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let slot = number("slot ").map(Element::Slot);
    let mail_slot = || number("mail slot ").map(Element::MailSlot);
    slot.or_else(mail_slot).or_else(|| number("drive ").map(|n| Element::Drive(DriveId(n))))
}

/// Whether the words begin with what stands on a cartridge. What cannot be read on it is believed.
fn is_called(cart: &Cart, words: &str) -> bool {
    let name = words.split([' ', ':', ';']).next().unwrap_or_default();
    let is_it = cart.barcode.as_deref() == Some(name);
    is_it || !cart.can_be_scanned || words.starts_with("the cartridge without a barcode")
}

pub fn pool(name: &str, retention_s: i64, new_set: NewSet, copy_to: Option<&str>) -> Pool {
    Pool {
        name: name.into(),
        retention_s,
        new_set,
        takes_blank: true,
        copy_to: copy_to.map(str::to_owned),
    }
}
