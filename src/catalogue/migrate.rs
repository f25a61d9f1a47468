//! Versions of the catalogue, and the way from each to the next.
//!
//! Owns the version number, which is what is read first, and the chain of steps. All steps that a file
//! needs are one transaction: it is of the old version or of the new one. A file of a later version is
//! refused, as nobody here knows what is in it.

use redb::WriteTransaction;

use super::store::{get_schema, put_schema};
use crate::stream::{Blame, Fault};

const KEY: &[u8] = b"version";
/// The version that is written.
pub const CURRENT: u32 = 1;

/// From one version to the next.
pub struct Step {
    /// The version it starts from.
    pub from: u32,
    /// What it does.
    pub run: fn(&WriteTransaction) -> Result<(), Fault>,
}

/// Every step there is, in order. Version 1 is the first.
const STEPS: &[Step] = &[];

/// Brings a file to this version; an empty one is of it.
pub fn to_current(transaction: &WriteTransaction) -> Result<(), Fault> {
    along(transaction, STEPS, CURRENT)
}

fn along(transaction: &WriteTransaction, steps: &[Step], current: u32) -> Result<(), Fault> {
    let Some(mut version) = get_schema::<u32>(transaction, KEY)? else {
        return put_schema(transaction, KEY, &current);
    };
    if version > current {
        let what = format!("catalogue: its version is {version}, and {current} is known here");
        return Err(Fault::never(Blame::Operator, what).hint("run the tapioca that wrote it"));
    }
    while version < current {
        let Some(step) = steps.iter().find(|step| step.from == version) else {
            let what = format!("catalogue: no way leads on from version {version}");
            return Err(Fault::never(Blame::Ours, what));
        };
        (step.run)(transaction)?;
        version += 1;
        put_schema(transaction, KEY, &version)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use redb::{Database, backends::InMemoryBackend};
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::catalogue::envelope;
    use crate::catalogue::store::{get, put};
    use crate::catalogue::tables::Kind;

    /// A user as a version that never was had it.
    #[derive(Serialize, Deserialize)]
    struct OldUser {
        login: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct NewUser {
        name: String,
        disabled: bool,
    }

    fn users_may_be_disabled(transaction: &WriteTransaction) -> Result<(), Fault> {
        let (table, key) = (Kind::User.table(), b"anna");
        let bytes = get(transaction, table, key)?.expect("the test put it there");
        let old: OldUser = envelope::open("user", key, &bytes)?;
        let new = NewUser { name: old.login, disabled: false };
        put(transaction, table, key, &envelope::close("user", key, &new)?).map(|_| ())
    }

    const MADE_UP: &[Step] = &[
        Step { from: 7, run: users_may_be_disabled },
        Step { from: 8, run: |transaction| put_schema(transaction, b"extra", &1u8) },
    ];

    fn old() -> Database {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        put_schema(&transaction, KEY, &7u32).unwrap();
        let user = envelope::close("user", b"anna", &OldUser { login: "anna".into() }).unwrap();
        put(&transaction, Kind::User.table(), b"anna", &user).unwrap();
        transaction.commit().unwrap();
        database
    }

    #[test]
    fn an_old_file_goes_all_the_way() {
        let database = old();
        let transaction = database.begin_write().unwrap();
        along(&transaction, MADE_UP, 9).unwrap();
        let bytes = get(&transaction, Kind::User.table(), b"anna").unwrap().unwrap();
        let user: NewUser = envelope::open("user", b"anna", &bytes).unwrap();
        assert_eq!(user, NewUser { name: "anna".into(), disabled: false });
        assert_eq!(get_schema::<u32>(&transaction, KEY).unwrap(), Some(9));
        assert_eq!(get_schema::<u8>(&transaction, b"extra").unwrap(), Some(1));
        along(&transaction, MADE_UP, 9).unwrap();
    }

    #[test]
    fn a_file_without_a_way_and_one_of_a_later_version_are_refused() {
        let database = old();
        let transaction = database.begin_write().unwrap();
        assert!(along(&transaction, &MADE_UP[1..], 9).is_err());
        let fault = along(&transaction, MADE_UP, 6).unwrap_err();
        assert_eq!(fault.what, "catalogue: its version is 7, and 6 is known here");
    }

    #[test]
    fn every_version_has_its_step() {
        let from: Vec<u32> = STEPS.iter().map(|step| step.from).collect();
        assert_eq!(from, (1..CURRENT).collect::<Vec<_>>());
    }
}
