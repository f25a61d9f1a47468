//! A catalogue in memory, for the door.

use std::collections::{BTreeMap, BTreeSet};

use tapioca::catalogue::record::{Change, Credential, JobId, Record, Right, Ticket, User};
use tapioca::tapicom::rights::Books;

#[derive(Default)]
pub struct Shelf {
    pub users: BTreeMap<String, User>,
    pub tickets: BTreeMap<[u8; 16], Ticket>,
    pub jobs: BTreeMap<u64, (String, String)>,
    pub audit: Vec<String>,
}

impl Shelf {
    pub fn commit(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put(record) => match *record {
                    Record::Ticket(ticket) => _ = self.tickets.insert(ticket.id, ticket),
                    Record::User(user) => _ = self.users.insert(user.name.clone(), user),
                    other => panic!("the door does not change {other:?}"),
                },
                Change::DropTicket(id) => _ = self.tickets.remove(&id),
                other => panic!("the door does not change {other:?}"),
            }
        }
    }

    pub fn user(&mut self, name: &str, credential: Credential, rights: &[Right]) {
        let user = User {
            name: name.into(),
            credential,
            rights: rights.iter().copied().collect(),
            machines: BTreeSet::new(),
            disabled: false,
        };
        self.users.insert(name.into(), user);
    }
}

impl Books for Shelf {
    fn user(&self, name: &str) -> Option<User> {
        self.users.get(name).cloned()
    }

    fn ticket(&self, id: &[u8; 16]) -> Option<Ticket> {
        self.tickets.get(id).cloned()
    }

    fn job(&self, id: JobId) -> Option<(String, String)> {
        self.jobs.get(&id.0).cloned()
    }
}
