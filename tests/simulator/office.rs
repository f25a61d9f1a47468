//! The office: machines come and go, people get and lose rights, pools and schedules change while jobs run.

use std::collections::BTreeSet;

use tapioca::authority::Order;
use tapioca::authority::event::Event;
use tapioca::catalogue::record::{
    Credential, Machine, NewSet, Pool, Right, Schedule, Ticket, User, Work,
};
use tapioca::stream::StreamId;

use crate::people::{CLIENT, MACHINES, caller, operator};
use crate::world::{Waiting, World};

const DAY_S: i64 = 86_400;
const PEOPLE: [&str; 3] = ["pia", "quinn", "root"];

impl World {
    /// A machine that went is enrolled again, sooner than anything else.
    pub fn enrols(&mut self) -> Option<Event> {
        let known = &self.committed.machines;
        let name = MACHINES.iter().find(|name| !known.contains_key(**name))?;
        Some(self.puts_machine((*name).to_owned()))
    }

    /// Something in the books changes.
    pub fn office_idea(&mut self) -> Option<Event> {
        match self.dice.within(0, 12) {
            0 => {
                let name = self.some_machine();
                Some(self.orders(Order::DropMachine { name }))
            }
            1 | 2 => {
                let name = self.some_machine();
                Some(self.puts_machine(name))
            }
            3 => Some(self.puts_user()),
            4 => {
                let name = self.some_person();
                Some(self.orders(Order::DropUser { name }))
            }
            5 => self.logs_in(),
            6 => self.logs_out(),
            7 => Some(self.puts_pool()),
            8 => {
                let name = ["a", "b", "e"][self.dice.within(0, 3) as usize].to_owned();
                Some(self.orders(Order::DropPool { name }))
            }
            9 => Some(self.puts_schedule()),
            10 => Some(self.orders(Order::DropSchedule { name: "weekly".into() })),
            _ => self.goes_on(),
        }
    }

    fn orders(&mut self, order: Order) -> Event {
        self.ask(Waiting::Nothing, operator(), order)
    }

    fn some_person(&mut self) -> String {
        PEOPLE[self.dice.within(0, 3) as usize].into()
    }

    fn puts_machine(&mut self, name: String) -> Event {
        let quota_bytes = self.dice.permille(300).then(|| self.dice.within(1, 60_000));
        let jobs_max = self.dice.within(1, 4) as u32;
        self.orders(Order::PutMachine(Machine { name, address: None, quota_bytes, jobs_max }))
    }

    fn puts_user(&mut self) -> Event {
        let rights =
            [Right::Look, Right::BackUp, Right::Restore, Right::Operate, Right::Administer];
        let mut had = BTreeSet::new();
        for right in rights {
            if self.dice.permille(600) {
                had.insert(right);
            }
        }
        let user = User {
            name: self.some_person(),
            credential: Credential::Machine,
            rights: had,
            machines: BTreeSet::new(),
            disabled: self.dice.permille(200),
        };
        self.orders(Order::PutUser(user))
    }

    /// Whoever is known gets a ticket, for at most what they may.
    fn logs_in(&mut self) -> Option<Event> {
        let users: Vec<User> = self.committed.users.values().cloned().collect();
        let user = self.dice.pick(&users)?.clone();
        let machine = self.some_machine();
        let expires_s = self.dice.permille(500).then_some(self.now_s + DAY_S);
        let ticket = Ticket {
            id: *self.dice.uuid().as_bytes(),
            hash: [7; 32],
            user: user.name.clone(),
            machine: machine.clone(),
            rights: user.rights.iter().copied().filter(|right| *right != Right::Erase).collect(),
            created_s: self.now_s,
            expires_s,
        };
        let by = caller(&user.name, &machine, CLIENT);
        Some(self.ask(Waiting::Nothing, by, Order::PutTicket(ticket)))
    }

    fn logs_out(&mut self) -> Option<Event> {
        let ids: Vec<[u8; 16]> = self.committed.tickets.keys().copied().collect();
        let id = *self.dice.pick(&ids)?;
        Some(self.orders(Order::DropTicket { id }))
    }

    fn puts_pool(&mut self) -> Event {
        let name = ["a", "b", "e"][self.dice.within(0, 3) as usize].to_owned();
        let new_set = match self.dice.within(0, 3) {
            0 => NewSet::Always,
            _ => NewSet::Never,
        };
        let pool = Pool {
            name,
            retention_s: DAY_S * self.dice.within(1, 30) as i64,
            new_set,
            // Nobody here would give one to a pool by its name.
            takes_blank: true,
            copy_to: self.dice.permille(300).then(|| "d".to_owned()),
        };
        self.orders(Order::PutPool(pool))
    }

    fn puts_schedule(&mut self) -> Event {
        let schedule = Schedule {
            name: "weekly".into(),
            when: "every sunday at 3:00".into(),
            machine: self.some_machine(),
            backup: "home".into(),
            paths: vec!["/home".into()],
            pool: "a".into(),
            full_every: self.dice.within(1, 4) as u32,
            priority: 0,
            window_s: DAY_S,
            retries: self.dice.within(0, 3) as u32,
            enabled: self.dice.permille(800),
            runs: 0,
            last_s: None,
        };
        self.orders(Order::PutSchedule(schedule))
    }

    /// A client that was cut goes on with another stream.
    fn goes_on(&mut self) -> Option<Event> {
        let job = self.some_job(|job| {
            matches!(job.work, Work::Backup { .. })
                && job.state.is_over()
                && job.recorded > 0
                && !job.user.starts_with("schedule")
        })?;
        let stream = StreamId(self.dice.uuid());
        let total = self.dice.within(1, 20_000);
        let machine = self.committed.jobs[&job].machine.clone();
        let by = caller("ada", &machine, CLIENT);
        Some(self.ask(Waiting::Backup(stream, total), by, Order::Continue { job, stream }))
    }
}
