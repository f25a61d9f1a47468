//! Long answers come in parts: what the next one is asked with.

use crate::tapicom::message::{Command, Page, Reply};

/// What the next part of a long answer is asked with.
pub(super) fn after(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Jobs(part) => part.next.clone(),
        Reply::Media(part) => part.next.clone(),
        Reply::Inventory(part) => part.next.clone(),
        Reply::Pools(part) => part.next.clone(),
        Reply::Sets(part) => part.next.clone(),
        Reply::Schedules(part) => part.next.clone(),
        Reply::Users(part) => part.next.clone(),
        Reply::Machines(part) => part.next.clone(),
        Reply::Tickets(part) => part.next.clone(),
        Reply::Wishes(part) => part.next.clone(),
        Reply::Requests(part) => part.next.clone(),
        Reply::Audit { entries, more: true } => {
            entries.last().map(|entry| entry.number.to_string())
        }
        _ => None,
    }
}

/// The same command for the next part.
pub(super) fn with_page(command: Command, next: String) -> Option<Command> {
    let page = Page { after: Some(next.clone()), most: 0 };
    Some(match command {
        Command::Jobs { filter, .. } => Command::Jobs { filter, page },
        Command::Media { filter, .. } => Command::Media { filter, page },
        Command::Inventory { .. } => Command::Inventory { again: false, page },
        Command::Pools { .. } => Command::Pools { page },
        Command::Sets { pool, .. } => Command::Sets { pool, page },
        Command::Schedules { .. } => Command::Schedules { page },
        Command::Users { .. } => Command::Users { page },
        Command::Machines { .. } => Command::Machines { page },
        Command::Tickets { user, .. } => Command::Tickets { user, page },
        Command::Wishes { .. } => Command::Wishes { page },
        Command::Requests { .. } => Command::Requests { page },
        Command::Audit { most, .. } => Command::Audit { after: next.parse().ok()?, most },
        _ => return None,
    })
}
