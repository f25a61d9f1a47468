//! Everything the authority knows at a moment.
//!
//! Owns the records and what is known of the world beside them: drives and what is in them, the elements of the
//! library, who is connected, what people were asked. Only the records survive; all the rest is asked for anew
//! at a start.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::clock::Clock;
use super::drives::Drive;
use super::event::{CallId, DriveId, Element};
use super::people::{Need, Request};
use super::reading::Reading;
use super::records::Records;
use crate::catalogue::record::{Job, JobId, JobState, Record, Seconds};

/// A day, seconds.
const DAY_S: Seconds = 86_400;

/// Numbers an operator may want otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Streams that take turns on one drive.
    pub streams_max: usize,
    /// Drives that one pool writes on at once.
    pub drives_per_pool: usize,
    /// Jobs that are not over.
    pub open_jobs_max: usize,
    /// How long a job waits for its client.
    pub client_wait_s: Seconds,
    /// Wait before the first new try of a scheduled job; doubles up to 64 times as long.
    pub retry_s: Seconds,
    /// How long a cartridge or drive is left alone that failed once; doubles with each failure …
    pub rest_first_s: Seconds,
    /// … up to this. So long is left alone what is of no use as it is.
    pub rest_s: Seconds,
    /// Wait between an agreed wish and the erasing.
    pub wish_wait_s: Seconds,
    /// The same, where the cartridge holds nothing.
    pub wish_wait_empty_s: Seconds,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            streams_max: 8,
            drives_per_pool: 2,
            open_jobs_max: 10_000,
            client_wait_s: 600,
            retry_s: 60,
            rest_first_s: 5,
            rest_s: 1800,
            wish_wait_s: 24 * 3600,
            wish_wait_empty_s: 3600,
        }
    }
}

impl Settings {
    /// How long to leave alone what failed so often in a row.
    pub(super) fn rest_after(&self, failures: u32) -> Seconds {
        let doublings = failures.saturating_sub(1).min(20);
        self.rest_first_s.saturating_mul(1 << doublings).min(self.rest_s)
    }
}

/// What is in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cartridge {
    /// Its tag, by its barcode or, where that cannot be read, by its label.
    pub tag: Option<String>,
    /// Its barcode was read when the library was last looked at. Else the tag is only believed.
    pub is_read: bool,
    /// Looked at since it is here, and to no avail.
    pub is_nobody: bool,
}

impl Cartridge {
    /// One of which nothing is known yet.
    pub const UNKNOWN: Cartridge = Cartridge { tag: None, is_read: false, is_nobody: false };
}

/// How well the elements are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inventory {
    /// Not, or not any more. To be asked for when nothing moves, from then on.
    Wanted(Seconds),
    /// Asked for.
    Asked,
    /// As they are.
    Fresh,
}

/// A move that somebody commanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// From here.
    pub from: Element,
    /// To there.
    pub to: Element,
    /// Who waits for it.
    pub call: CallId,
    /// Then a person should take it out.
    pub take_out: Option<String>,
}

/// A job's place in the queue: priority, then age.
pub type Place = (Reverse<i32>, JobId);

/// Everything.
#[derive(Debug, Clone)]
pub struct State {
    /// What is recorded. Read it; only [`step`](super::step) changes it.
    pub records: Records,
    /// Numbers an operator may want otherwise.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// Drives.
    pub drives: BTreeMap<DriveId, Drive>,
    /// Elements of the library, with what is in them.
    pub elements: BTreeMap<Element, Option<Cartridge>>,
    /// How well those are known.
    pub inventory: Inventory,
    /// What people are asked for now.
    pub requests: BTreeMap<Need, Request>,
    /// Queued jobs, in their order.
    pub queue: BTreeSet<Place>,
    /// Jobs that are not over.
    pub open: BTreeSet<JobId>,
    /// Jobs whose client's side is connected.
    pub clients: BTreeSet<JobId>,
    /// Since when a job waits for its client.
    pub(super) client_since: BTreeMap<JobId, Seconds>,
    /// Jobs whose machine was asked to begin.
    pub(super) pulled: BTreeSet<JobId>,
    /// Restores, verifies and copies at work.
    pub(super) readings: BTreeMap<JobId, Reading>,
    /// Scheduled jobs that failed, with when they are tried again.
    pub(super) retries: BTreeMap<JobId, Seconds>,
    /// Cartridges that are left alone for a while.
    pub(super) resting: BTreeMap<String, Seconds>,
    /// Errands that failed with a cartridge since it was of use.
    pub(super) failures: BTreeMap<String, u32>,
    /// Cartridges that are not who they should be: what was found.
    pub(super) strangers: BTreeMap<String, String>,
    /// Drives in which a cartridge could not be read.
    pub(super) unreadable_in: BTreeMap<String, Vec<DriveId>>,
    /// Cartridges a person said cannot be brought.
    pub(super) unobtainable: BTreeSet<String>,
    /// Needs a person said no to: until when they are not asked again.
    pub(super) denied: BTreeMap<Need, Seconds>,
    /// Cartridges to be looked at because something may have happened to them.
    pub(super) to_check: BTreeSet<String>,
    /// Moves to be made, the first under way if `is_moving`.
    pub(super) moves: VecDeque<Ordered>,
    pub(super) is_moving: bool,
    /// Who waits until what lies in the mail slots is taken in; it is looked first.
    pub(super) imports: Vec<CallId>,
    /// Why the library does not answer, and how often it did not.
    pub(super) library_trouble: Option<(String, u32)>,
    /// Cartridges people should take out of mail slots.
    pub(super) take_out: BTreeSet<String>,
    /// Day and bytes a machine gave on it.
    pub(super) given: BTreeMap<String, (Seconds, u64)>,
    pub(super) last_errand: u64,
    pub(super) last_request: u64,
    pub(super) last_job: u64,
    pub(super) last_wish: u64,
}

impl State {
    /// At a start, of what the catalogue holds. The first event is then [`Started`](super::Event::Started).
    pub fn new(records: impl IntoIterator<Item = Record>, settings: Settings) -> State {
        let mut state = State {
            records: Records::default(),
            settings,
            clock: Clock::default(),
            drives: BTreeMap::new(),
            elements: BTreeMap::new(),
            inventory: Inventory::Wanted(0),
            requests: BTreeMap::new(),
            queue: BTreeSet::new(),
            open: BTreeSet::new(),
            clients: BTreeSet::new(),
            client_since: BTreeMap::new(),
            pulled: BTreeSet::new(),
            readings: BTreeMap::new(),
            retries: BTreeMap::new(),
            resting: BTreeMap::new(),
            failures: BTreeMap::new(),
            strangers: BTreeMap::new(),
            unreadable_in: BTreeMap::new(),
            unobtainable: BTreeSet::new(),
            denied: BTreeMap::new(),
            to_check: BTreeSet::new(),
            moves: VecDeque::new(),
            is_moving: false,
            imports: Vec::new(),
            library_trouble: None,
            take_out: BTreeSet::new(),
            given: BTreeMap::new(),
            last_errand: 0,
            last_request: 0,
            last_job: 0,
            last_wish: 0,
        };
        state.records = Records::new(records);
        state.last_job = state.records.jobs.keys().next_back().map_or(0, |id| id.0);
        state.last_wish = state.records.wishes.keys().next_back().copied().unwrap_or(0);
        let jobs: Vec<Job> =
            state.records.jobs.values().filter(|j| !j.state.is_over()).cloned().collect();
        jobs.iter().for_each(|job| state.index(job));
        state
    }

    /// Keeps queue and open jobs as the records have them.
    pub(super) fn index(&mut self, job: &Job) {
        if let Some(before) = self.records.jobs.get(&job.id).map(place) {
            self.queue.remove(&before);
        }
        match job.state.is_over() {
            true => _ = self.open.remove(&job.id),
            false => _ = self.open.insert(job.id),
        }
        if job.state == JobState::Queued {
            self.queue.insert(place(job));
        }
    }

    /// The job, if there is one.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.records.jobs.get(&id)
    }

    /// Where a cartridge is in the library, if it is there.
    pub fn place_of(&self, tag: &str) -> Option<Element> {
        let holds =
            |c: &Option<Cartridge>| c.as_ref().is_some_and(|c| c.tag.as_deref() == Some(tag));
        self.elements.iter().find(|(_, content)| holds(content)).map(|(element, _)| *element)
    }

    /// Whether a cartridge may be in an element: it is known to be in no other.
    pub(super) fn may_be_in(&self, tag: &str, at: Element) -> bool {
        self.place_of(tag).is_none_or(|known| known == at)
    }

    /// The tag of what is in an element.
    pub fn tag_in(&self, element: Element) -> Option<&str> {
        self.elements.get(&element)?.as_ref()?.tag.as_deref()
    }

    /// Bytes a machine gave today, and when the day is over.
    pub fn given_today(&self, machine: &str) -> (u64, Seconds) {
        let today = self.now_s().div_euclid(DAY_S);
        let given = self.given.get(machine).filter(|(day, _)| *day == today);
        (given.map_or(0, |(_, bytes)| *bytes), (today + 1) * DAY_S)
    }

    /// What passed since the start, seconds: by which waits end.
    pub(super) fn passed_s(&self) -> Seconds {
        self.clock.passed_s
    }

    /// The time by which things expire.
    pub fn now_s(&self) -> Seconds {
        self.clock.now_s
    }
}

/// The place of a job in the queue.
pub(super) fn place(job: &Job) -> Place {
    (Reverse(job.priority), job.id)
}
