//! A box with one drive, of which a test tells what happens.

use std::collections::BTreeSet;

use tapioca::authority::event::{
    CallId, ClientSide, Content, DriveAtHand, DriveId, Element, ErrandId, Event, Found, Said,
    Volume,
};
use tapioca::authority::{Action, Caller, Errand, Order, Reply, Settings, State, step};
use tapioca::catalogue::record::{
    Job, JobId, JobState, Kept, Level, Machine, Medium, MediumState, NewSet, Pool, Record, Right,
    Set, Work,
};
use tapioca::stream::StreamId;
use uuid::Uuid;

pub const NOW: i64 = 1_800_000_000;
pub const DAY: i64 = 86400;
pub const DRIVE: DriveId = DriveId(1);

/// A box with one drive and what is in its slots.
pub struct Scene {
    pub state: State,
    pub now: i64,
    pub errand: ErrandId,
    pub seen: Vec<Action>,
    /// What the changer finds.
    pub library: Vec<(Element, Content)>,
}

/// A volume of the pool `p`, alone in a set.
pub fn volume(tag: &str, n: u128, state: MediumState, expires_s: i64) -> (Medium, Set) {
    let set = Uuid::from_u128(100 + n);
    let medium = Medium {
        volume: Some(Uuid::from_u128(n)),
        set: Some((set, 1)),
        pool: Some("p".into()),
        valid_to: 50,
        bytes: 4000,
        expires_s: Some(expires_s),
        ..Medium::new(tag, state, String::new())
    };
    let volumes = vec![tag.to_owned()];
    (medium, Set { id: set, pool: "p".into(), created_s: NOW - DAY, volumes, closed: false })
}

pub fn found(medium: &Medium, end: u64) -> Found {
    Found::Ours(Volume {
        tag: medium.tag.clone(),
        volume: medium.volume.unwrap(),
        set: medium.set.unwrap().0,
        number: 1,
        end,
        is_empty: false,
        write_protected: false,
        worm: false,
        damage: None,
        ahead: Vec::new(),
    })
}

/// A backup that is done, all of which is on each of these media, for so long.
pub fn kept_on(media: &[&Medium], expires_s: i64) -> Job {
    let stream = StreamId(Uuid::from_u128(77));
    let (name, pool) = ("home".to_owned(), "p".to_owned());
    let kept = media.iter().zip(0..).map(|(medium, copy)| Kept {
        copy,
        from: 0,
        to: 4000,
        medium: medium.tag.clone(),
        volume: medium.volume,
        block: 10,
        stride: 100,
    });
    Job {
        id: JobId(1),
        work: Work::Backup { name, level: Level::Full, pool, stream },
        machine: "ada".into(),
        user: "ada".into(),
        priority: 0,
        state: JobState::Done,
        created_s: NOW - 600,
        started_s: Some(NOW - 600),
        ended_s: Some(NOW - 300),
        attempts: 1,
        recorded: 4000,
        kept: kept.collect(),
        entries: 3,
        expires_s: Some(expires_s),
        verified_s: Default::default(),
    }
}

pub fn caller(user: &str, rights: &[Right]) -> Caller {
    let rights: BTreeSet<Right> = rights.iter().copied().collect();
    Caller { user: user.into(), machine: "ada".into(), rights }
}

pub fn client() -> Caller {
    caller("ada", &[Right::BackUp, Right::Restore])
}

impl Scene {
    pub fn new(media: Vec<Medium>, sets: Vec<Set>) -> Scene {
        Scene::after(vec![], media, sets)
    }

    /// The same, where these jobs were.
    pub fn after(jobs: Vec<Job>, media: Vec<Medium>, sets: Vec<Set>) -> Scene {
        let machine = Machine { name: "ada".into(), address: None, quota_bytes: None, jobs_max: 9 };
        let pool = Pool {
            name: "p".into(),
            retention_s: 30 * DAY,
            new_set: NewSet::Never,
            takes_blank: true,
            copy_to: None,
        };
        let mut records = vec![Record::Machine(machine), Record::Pool(pool)];
        let tags: Vec<String> = media.iter().map(|medium| medium.tag.clone()).collect();
        records.extend(media.into_iter().map(Record::Medium));
        records.extend(jobs.into_iter().map(Record::Job));
        records.extend(sets.into_iter().map(Record::Set));
        let state = State::new(records, Settings::default());
        let (seen, library) = (Vec::new(), Vec::new());
        let mut scene = Scene { state, now: NOW, errand: ErrandId(0), seen, library };
        let drives = vec![DriveAtHand { drive: DRIVE, has_changer: true }];
        scene.happens(Event::Started { drives });
        let slot = |n: usize| Element::Slot(u16::try_from(n).unwrap() + 1);
        let mut elements = vec![(Element::Drive(DRIVE), Content::Empty)];
        elements.extend(tags.into_iter().enumerate().map(|(n, tag)| (slot(n), Content::Tag(tag))));
        elements.push((Element::Slot(99), Content::Empty));
        scene.library = elements.clone();
        scene.happens(Event::Library(elements));
        scene
    }

    pub fn happens(&mut self, event: Event) -> Vec<Action> {
        let actions = step(&mut self.state, self.now, event);
        for action in &actions {
            if let Action::Drive { errand, what, .. } = action
                && !matches!(what, Errand::Join { .. })
            {
                self.errand = *errand;
            }
        }
        self.seen.extend(actions.clone());
        actions
    }

    pub fn says(&mut self, said: Said) -> Vec<Action> {
        self.happens(Event::Drive { drive: DRIVE, errand: self.errand, said })
    }

    pub fn orders(&mut self, by: Caller, order: Order) -> Reply {
        let actions = self.happens(Event::Asked { call: CallId(7), by, order });
        let reply = actions.into_iter().find_map(|action| match action {
            Action::Answer { reply, .. } => Some(reply),
            _ => None,
        });
        reply.unwrap()
    }

    /// A backup whose client is here.
    pub fn backup(&mut self, stream: u128) -> JobId {
        let stream = StreamId(Uuid::from_u128(stream));
        let (name, pool) = ("home".to_owned(), "p".to_owned());
        let order = Order::Backup { name, incremental: true, pool, stream, priority: 0 };
        let Reply::Backup { job, .. } = self.orders(client(), order) else { panic!("refused") };
        let side = ClientSide::Came { stream, from: 0 };
        self.happens(Event::Client { job, side });
        job
    }

    /// What the drive was sent for last.
    pub fn sent(&self) -> Option<&Errand> {
        self.seen.iter().rev().find_map(|action| match action {
            Action::Drive { what, .. } => Some(what),
            _ => None,
        })
    }

    /// The cartridge that is fetched.
    pub fn fetched(&self) -> Option<&str> {
        match self.sent() {
            Some(Errand::Mount { tag, .. }) => tag.as_deref(),
            _ => None,
        }
    }

    pub fn job(&self, id: JobId) -> &JobState {
        &self.state.job(id).unwrap().state
    }

    pub fn medium(&self, tag: &str) -> &Medium {
        &self.state.records.media[tag]
    }

    pub fn is_asked(&self, words: &str) -> bool {
        self.state.requests.values().any(|request| request.words.contains(words))
    }

    pub fn was_alarmed(&self, words: &str) -> bool {
        self.seen.iter().any(|action| {
            matches!(action, Action::Notify { grade: tapioca::authority::Grade::Alarm, words: w }
                if w.contains(words))
        })
    }

    pub fn confirm(&mut self, job: JobId, from: u64, to: u64, tag: &str) -> Vec<Action> {
        let volume = self.medium(tag).volume;
        let medium = tag.to_owned();
        let kept = vec![Kept { copy: 0, from, to, medium, volume, block: 50, stride: 100 }];
        self.says(Said::Synced { job, from, to, kept, valid_to: 90, entries: 3 })
    }
}
