//! Tables: which records are kept where, under which key.
//!
//! Owns the names of tables and the form of keys: names as they are, numbers as eight bytes, big-endian,
//! so that they sort as numbers, identities as their bytes.

use redb::TableDefinition;

use super::envelope;
use super::record::{Change, Patient, Record};
use crate::stream::Fault;

/// Any table: bytes to bytes.
pub type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What is known of the catalogue itself: its version, its identity, how many commits it had.
pub const SCHEMA: Table = TableDefinition::new("schema");
/// Heads of runs, by job.
pub const RUNS: Table = TableDefinition::new("run");
/// Bytes of runs, in segments, by job and number.
pub const SEGMENTS: Table = TableDefinition::new("run data");

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// People.
    User,
    /// Logins.
    Ticket,
    /// Clients.
    Machine,
    /// Pools.
    Pool,
    /// Cartridges.
    Medium,
    /// Sets.
    Set,
    /// Jobs.
    Job,
    /// Schedules.
    Schedule,
    /// Wishes.
    Wish,
    /// The audit trail.
    Audit,
    /// What restores could not give back.
    Gaps,
    /// How cartridges and drives are.
    Health,
    /// Who is told things.
    Receiver,
}

impl Kind {
    /// All of them, in the order in which they are loaded and exported.
    pub const ALL: [Kind; 13] = [
        Kind::User,
        Kind::Ticket,
        Kind::Machine,
        Kind::Pool,
        Kind::Medium,
        Kind::Set,
        Kind::Job,
        Kind::Schedule,
        Kind::Wish,
        Kind::Audit,
        Kind::Gaps,
        Kind::Health,
        Kind::Receiver,
    ];

    /// The name of its table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Ticket => "ticket",
            Kind::Machine => "machine",
            Kind::Pool => "pool",
            Kind::Medium => "medium",
            Kind::Set => "set",
            Kind::Job => "job",
            Kind::Schedule => "schedule",
            Kind::Wish => "wish",
            Kind::Audit => "audit",
            Kind::Gaps => "gaps",
            Kind::Health => "health",
            Kind::Receiver => "receiver",
        }
    }

    /// Its table.
    pub fn table(self) -> Table {
        TableDefinition::new(self.name())
    }

    /// Takes a record of this kind out of its envelope. One that says it has another key is damaged.
    pub fn open(self, key: &[u8], bytes: &[u8]) -> Result<Record, Fault> {
        let name = self.name();
        let record = match self {
            Kind::User => Record::User(envelope::open(name, key, bytes)?),
            Kind::Ticket => Record::Ticket(envelope::open(name, key, bytes)?),
            Kind::Machine => Record::Machine(envelope::open(name, key, bytes)?),
            Kind::Pool => Record::Pool(envelope::open(name, key, bytes)?),
            Kind::Medium => Record::Medium(envelope::open(name, key, bytes)?),
            Kind::Set => Record::Set(envelope::open(name, key, bytes)?),
            Kind::Job => Record::Job(envelope::open(name, key, bytes)?),
            Kind::Schedule => Record::Schedule(envelope::open(name, key, bytes)?),
            Kind::Wish => Record::Wish(envelope::open(name, key, bytes)?),
            Kind::Audit => Record::Audit(envelope::open(name, key, bytes)?),
            Kind::Gaps => Record::Gaps(envelope::open(name, key, bytes)?),
            Kind::Health => Record::Health(envelope::open(name, key, bytes)?),
            Kind::Receiver => Record::Receiver(envelope::open(name, key, bytes)?),
        };
        match place(&record) == (self, key.to_vec()) {
            true => Ok(record),
            false => {
                let what = format!(
                    "catalogue: {}: it says that its key is another",
                    envelope::name(name, key)
                );
                Err(Fault::never(crate::stream::Blame::Host, what))
            }
        }
    }
}

/// Where a record is kept.
pub fn place(record: &Record) -> (Kind, Vec<u8>) {
    match record {
        Record::User(user) => (Kind::User, user.name.clone().into_bytes()),
        Record::Ticket(ticket) => (Kind::Ticket, ticket.id.to_vec()),
        Record::Machine(machine) => (Kind::Machine, machine.name.clone().into_bytes()),
        Record::Pool(pool) => (Kind::Pool, pool.name.clone().into_bytes()),
        Record::Medium(medium) => (Kind::Medium, medium.tag.clone().into_bytes()),
        Record::Set(set) => (Kind::Set, set.id.as_bytes().to_vec()),
        Record::Job(job) => (Kind::Job, number(job.id.0)),
        Record::Schedule(schedule) => (Kind::Schedule, schedule.name.clone().into_bytes()),
        Record::Wish(wish) => (Kind::Wish, number(wish.number)),
        Record::Audit(audit) => (Kind::Audit, number(audit.number)),
        Record::Gaps(gaps) => (Kind::Gaps, number(gaps.job.0)),
        Record::Health(health) => (Kind::Health, patient(&health.of)),
        Record::Receiver(receiver) => (Kind::Receiver, receiver.name.clone().into_bytes()),
    }
}

/// A record in its envelope.
pub fn close(kind: Kind, key: &[u8], record: &Record) -> Result<Vec<u8>, Fault> {
    let name = kind.name();
    match record {
        Record::User(value) => envelope::close(name, key, value),
        Record::Ticket(value) => envelope::close(name, key, value),
        Record::Machine(value) => envelope::close(name, key, value),
        Record::Pool(value) => envelope::close(name, key, value),
        Record::Medium(value) => envelope::close(name, key, value),
        Record::Set(value) => envelope::close(name, key, value),
        Record::Job(value) => envelope::close(name, key, value),
        Record::Schedule(value) => envelope::close(name, key, value),
        Record::Wish(value) => envelope::close(name, key, value),
        Record::Audit(value) => envelope::close(name, key, value),
        Record::Gaps(value) => envelope::close(name, key, value),
        Record::Health(value) => envelope::close(name, key, value),
        Record::Receiver(value) => envelope::close(name, key, value),
    }
}

/// Which record a change takes away; none if it puts one.
pub fn dropped(change: &Change) -> Option<(Kind, Vec<u8>)> {
    let name = |name: &String| name.clone().into_bytes();
    match change {
        Change::Put(_) => None,
        Change::DropUser(user) => Some((Kind::User, name(user))),
        Change::DropTicket(id) => Some((Kind::Ticket, id.to_vec())),
        Change::DropMachine(machine) => Some((Kind::Machine, name(machine))),
        Change::DropPool(pool) => Some((Kind::Pool, name(pool))),
        Change::DropSchedule(schedule) => Some((Kind::Schedule, name(schedule))),
        Change::DropReceiver(receiver) => Some((Kind::Receiver, name(receiver))),
        Change::DropWish(wish) => Some((Kind::Wish, number(*wish))),
    }
}

/// Cartridges and drives may have the same name.
fn patient(of: &Patient) -> Vec<u8> {
    match of {
        Patient::Medium(tag) => format!("medium {tag}").into_bytes(),
        Patient::Drive(serial) => format!("drive {serial}").into_bytes(),
    }
}

/// A number as a key.
pub fn number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The key of a segment.
pub fn segment(job: u64, segment: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&job.to_be_bytes());
    key[8..].copy_from_slice(&segment.to_be_bytes());
    key
}
