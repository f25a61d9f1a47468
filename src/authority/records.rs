//! What is recorded, in memory.
//!
//! Owns every durable record but the audit trail, of which it knows the last entry; in orders that are the same
//! at each run. What is here and not yet committed stands in the same step's
//! [`Record`](super::Action::Record), before anything that follows from it.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::catalogue::record::{
    Change, Gaps, Health, Job, JobId, Machine, Medium, Patient, Pool, Record, Schedule, Seconds,
    Set, Ticket, User, Wish,
};

/// All records, by key.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// People.
    pub users: BTreeMap<String, User>,
    /// Logins.
    pub tickets: BTreeMap<[u8; 16], Ticket>,
    /// Clients.
    pub machines: BTreeMap<String, Machine>,
    /// Pools.
    pub pools: BTreeMap<String, Pool>,
    /// Cartridges.
    pub media: BTreeMap<String, Medium>,
    /// Sets.
    pub sets: BTreeMap<Uuid, Set>,
    /// Jobs, ended ones as well.
    pub jobs: BTreeMap<JobId, Job>,
    /// Schedules.
    pub schedules: BTreeMap<String, Schedule>,
    /// Wishes.
    pub wishes: BTreeMap<u64, Wish>,
    /// What restores could not give back, by job.
    pub gaps: BTreeMap<JobId, Gaps>,
    /// How cartridges and drives are.
    pub health: BTreeMap<Patient, Health>,
    /// Number and hash of the last entry of the audit trail; 0 and zeros: there is none.
    pub audit: (u64, [u8; 32]),
    /// The newest time that is recorded.
    pub newest_s: Seconds,
}

impl Records {
    /// Of everything the catalogue holds, in any order.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Records {
        let mut all = Records::default();
        for record in records {
            all.put(record);
        }
        all
    }

    /// As if these were committed.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(record) => self.put(*record),
            Change::DropUser(name) => drop(self.users.remove(&name)),
            Change::DropTicket(id) => drop(self.tickets.remove(&id)),
            Change::DropMachine(name) => drop(self.machines.remove(&name)),
            Change::DropPool(name) => drop(self.pools.remove(&name)),
            Change::DropSchedule(name) => drop(self.schedules.remove(&name)),
            Change::DropWish(number) => drop(self.wishes.remove(&number)),
        }
    }

    fn put(&mut self, record: Record) {
        match record {
            Record::User(user) => drop(self.users.insert(user.name.clone(), user)),
            Record::Ticket(ticket) => drop(self.tickets.insert(ticket.id, ticket)),
            Record::Machine(machine) => drop(self.machines.insert(machine.name.clone(), machine)),
            Record::Pool(pool) => drop(self.pools.insert(pool.name.clone(), pool)),
            Record::Medium(medium) => drop(self.media.insert(medium.tag.clone(), medium)),
            Record::Set(set) => drop(self.sets.insert(set.id, set)),
            Record::Job(job) => {
                let times = [Some(job.created_s), job.started_s, job.ended_s];
                self.newest_s = times.into_iter().flatten().fold(self.newest_s, i64::max);
                self.jobs.insert(job.id, job);
            }
            Record::Schedule(schedule) => {
                drop(self.schedules.insert(schedule.name.clone(), schedule));
            }
            Record::Wish(wish) => drop(self.wishes.insert(wish.number, wish)),
            Record::Gaps(gaps) => drop(self.gaps.insert(gaps.job, gaps)),
            Record::Health(health) => drop(self.health.insert(health.of.clone(), health)),
            Record::Audit(entry) => {
                self.newest_s = self.newest_s.max(entry.at_s);
                if entry.number > self.audit.0 {
                    self.audit = (entry.number, entry.digest());
                }
            }
        }
    }
}

/// Whether two records are kept under one key, so that the later one replaces the other.
pub fn same_key(one: &Record, other: &Record) -> bool {
    match (one, other) {
        (Record::Job(a), Record::Job(b)) => a.id == b.id,
        (Record::Medium(a), Record::Medium(b)) => a.tag == b.tag,
        (Record::Set(a), Record::Set(b)) => a.id == b.id,
        (Record::Schedule(a), Record::Schedule(b)) => a.name == b.name,
        (Record::Wish(a), Record::Wish(b)) => a.number == b.number,
        (Record::Gaps(a), Record::Gaps(b)) => a.job == b.job,
        (Record::Health(a), Record::Health(b)) => a.of == b.of,
        _ => false,
    }
}
