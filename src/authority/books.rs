//! Who people and machines are, what pools and schedules there are.
//!
//! Owns the changes of these records, and what makes one impossible: a ticket that can both back up and erase, the
//! last administrator gone, a pool that is in use, retention made shorter for what is kept.

use super::action::Reply;
use super::event::CallId;
use super::order::{Caller, Order};
use super::step::Step;
use crate::catalogue::record::{
    Change, Job, JobId, JobState, Machine, Pool, Receiver, Record, Right, Schedule, Ticket, User,
    Work,
};

impl Step<'_> {
    pub(super) fn asked_of_books(&mut self, call: CallId, by: &Caller, order: Order) {
        let done = match order {
            Order::PutUser(user) => self.put_user(user),
            Order::DropUser { name } => self.drop_user(&name),
            Order::PutTicket(ticket) => self.put_ticket(by, ticket),
            Order::DropTicket { id } => self.drop_ticket(by, id),
            Order::PutMachine(machine) => self.put_machine(machine),
            Order::DropMachine { name } => self.drop_machine(by, &name),
            Order::PutPool(pool) => self.put_pool(pool),
            Order::DropPool { name } => self.drop_pool(&name),
            Order::PutReceivers(receivers) => Ok(self.put_receivers(receivers)),
            Order::PutSchedule(schedule) => self.put_schedule(schedule),
            Order::DropSchedule { name } => self.drop_schedule(&name),
            other => Err((format!("{other:?} is nothing for the books"), "")),
        };
        match done {
            Ok(words) => {
                self.audit(&by.name(), words);
                self.answer(call, Reply::Done);
            }
            Err((why, hint)) => self.refuse(call, why, hint),
        }
    }

    fn put_user(&mut self, user: User) -> Booked {
        let is_admin = user.rights.contains(&Right::Administer) && !user.disabled;
        if user.name.is_empty() || user.name.starts_with("schedule ") {
            return Err((format!("{:?} is no name for a person", user.name), "take another"));
        }
        if !is_admin && self.is_last_admin(&user.name) {
            return Err(last_admin(&user.name));
        }
        let words = format!("user {} has the rights {:?}", user.name, user.rights);
        self.cut_tickets(&user);
        self.put(Record::User(user));
        Ok(words)
    }

    /// A ticket never allows more than its user has.
    fn cut_tickets(&mut self, user: &User) {
        let tickets = self.state.records.tickets.values().filter(|t| t.user == user.name);
        for mut ticket in tickets.cloned().collect::<Vec<_>>() {
            ticket.rights.retain(|right| user.rights.contains(right));
            match user.disabled || ticket.rights.is_empty() {
                true => self.forget(Change::DropTicket(ticket.id)),
                false => self.put(Record::Ticket(ticket)),
            }
        }
    }

    fn is_last_admin(&self, name: &str) -> bool {
        let is_admin = |user: &User| user.rights.contains(&Right::Administer) && !user.disabled;
        let users = self.state.records.users.values();
        let mut admins = users.filter(|user| is_admin(user)).map(|user| user.name.as_str());
        admins.next() == Some(name) && admins.next().is_none()
    }

    fn drop_user(&mut self, name: &str) -> Booked {
        if !self.state.records.users.contains_key(name) {
            return Err((format!("there is no user {name}"), "look at the users"));
        }
        if self.is_last_admin(name) {
            return Err(last_admin(name));
        }
        self.drop_tickets(|ticket| ticket.user == name);
        self.forget(Change::DropUser(name.to_owned()));
        Ok(format!("user {name} is gone"))
    }

    fn drop_tickets(&mut self, is_it: impl Fn(&Ticket) -> bool) {
        let tickets = self.state.records.tickets.values().filter(|ticket| is_it(ticket));
        for id in tickets.map(|ticket| ticket.id).collect::<Vec<_>>() {
            self.forget(Change::DropTicket(id));
        }
    }

    /// Whoever can write backups cannot destroy them, whatever tickets they get.
    fn put_ticket(&mut self, by: &Caller, ticket: Ticket) -> Booked {
        let rights = &ticket.rights;
        if rights.contains(&Right::BackUp) && rights.contains(&Right::Erase) {
            let why = "no ticket allows both to back up and to erase".to_owned();
            return Err((why, "log in for one of them"));
        }
        let user = self.state.records.users.get(&ticket.user);
        let may = user.is_some_and(|user| !user.disabled && rights.is_subset(&user.rights));
        if !may || ticket.user != by.user {
            return Err((format!("{} has not these rights", ticket.user), "ask for fewer"));
        }
        let words = format!("logs in at {}", ticket.machine);
        self.put(Record::Ticket(ticket));
        Ok(words)
    }

    fn drop_ticket(&mut self, by: &Caller, id: [u8; 16]) -> Booked {
        let ticket = self.state.records.tickets.get(&id);
        let may = |t: &&Ticket| t.user == by.user || by.may(Right::Administer);
        let Some(user) = ticket.filter(may).map(|ticket| ticket.user.clone()) else {
            return Err(("there is no such ticket".into(), "look at the tickets"));
        };
        self.forget(Change::DropTicket(id));
        Ok(format!("a ticket of {user} ends"))
    }

    fn put_machine(&mut self, machine: Machine) -> Booked {
        if machine.name.is_empty() {
            return Err(("a machine has a name".into(), ""));
        }
        let words = format!("machine {} is in the books", machine.name);
        self.put(Record::Machine(machine));
        Ok(words)
    }

    fn drop_machine(&mut self, by: &Caller, name: &str) -> Booked {
        if !self.state.records.machines.contains_key(name) {
            return Err((format!("there is no machine {name}"), "look at the machines"));
        }
        // Nobody is left who could give or take their streams.
        let is_its = |job: &&Job| match &job.work {
            Work::Backup { .. } => job.machine == name,
            Work::Restore { to, .. } => to == name,
            _ => false,
        };
        let open = self.state.open.iter().filter_map(|id| self.state.job(*id));
        let open: Vec<JobId> = open.filter(is_its).map(|job| job.id).collect();
        for id in open {
            self.over(id, JobState::Cancelled(by.name()));
        }
        self.drop_tickets(|ticket| ticket.machine == name);
        self.forget(Change::DropMachine(name.to_owned()));
        Ok(format!("machine {name} is gone"))
    }

    /// What is kept keeps the time it was promised: that stands in its own record.
    fn put_pool(&mut self, pool: Pool) -> Booked {
        if pool.name.is_empty() || pool.retention_s < 0 {
            return Err(("a pool has a name, and keeps for some time".into(), ""));
        }
        if pool.copy_to.as_ref() == Some(&pool.name) {
            let why = "a second copy goes to another pool".to_owned();
            return Err((why, "make a pool for second copies"));
        }
        let words = format!("pool {} keeps for {} s", pool.name, pool.retention_s);
        self.put(Record::Pool(pool));
        Ok(words)
    }

    fn drop_pool(&mut self, name: &str) -> Booked {
        let by_job = self.state.open.iter().filter_map(|id| self.state.job(*id)).any(|job| {
            matches!(&job.work, Work::Backup { pool, .. } | Work::Copy { pool, .. } if pool == name)
        });
        let records = &self.state.records;
        let by_medium = records.media.values().any(|m| m.pool.as_deref() == Some(name));
        let by_schedule = records.schedules.values().any(|s| s.pool == name);
        let by_pool = records.pools.values().any(|p| p.copy_to.as_deref() == Some(name));
        let in_session = |drive: &super::drives::Drive| {
            drive.session.as_ref().is_some_and(|session| session.pool == name)
        };
        let by_drive = self.state.drives.values().any(in_session);
        if by_job || by_medium || by_schedule || by_pool || by_drive {
            return Err((format!("{name} is in use"), "release its cartridges first"));
        }
        self.forget(Change::DropPool(name.to_owned()));
        Ok(format!("pool {name} is gone"))
    }

    fn put_schedule(&mut self, schedule: Schedule) -> Booked {
        let records = &self.state.records;
        let is_known = records.machines.contains_key(&schedule.machine)
            && records.pools.contains_key(&schedule.pool);
        if schedule.name.is_empty() || !is_known {
            let why = "a schedule has a name, a machine and a pool".to_owned();
            return Err((why, "look at the machines and pools"));
        }
        let before = records.schedules.get(&schedule.name);
        let (runs, last_s) = before.map_or((0, None), |before| (before.runs, before.last_s));
        let words = format!("schedule {} runs {}", schedule.name, schedule.when);
        self.put(Record::Schedule(Schedule { runs, last_s, ..schedule }));
        Ok(words)
    }

    fn put_receivers(&mut self, receivers: Vec<Receiver>) -> String {
        let is_left = |name: &&String| receivers.iter().all(|receiver| receiver.name != **name);
        let gone: Vec<String> =
            self.state.records.receivers.keys().filter(is_left).cloned().collect();
        gone.into_iter().for_each(|name| self.forget(Change::DropReceiver(name)));
        let names: Vec<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        let words = format!("who is told things by command: {}", names.join(", "));
        for receiver in receivers {
            if self.state.records.receivers.get(&receiver.name) != Some(&receiver) {
                self.put(Record::Receiver(receiver));
            }
        }
        words
    }

    fn drop_schedule(&mut self, name: &str) -> Booked {
        if !self.state.records.schedules.contains_key(name) {
            return Err((format!("there is no schedule {name}"), "look at the schedules"));
        }
        self.forget(Change::DropSchedule(name.to_owned()));
        Ok(format!("schedule {name} is gone"))
    }
}

/// What the trail says; or why not, and what to do.
type Booked = Result<String, (String, &'static str)>;

fn last_admin(name: &str) -> (String, &'static str) {
    (format!("{name} is the last administrator"), "make another first")
}
