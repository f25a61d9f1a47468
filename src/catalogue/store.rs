//! The file of the catalogue: opened, checked, changed.
//!
//! Owns the one way to change it: [`commit`](Catalogue::commit) puts everything into a single transaction,
//! in two phases and durable when it returns. Opening checks every page first, so that nothing damaged is
//! built upon. What redb cannot bear it may panic at; that is caught here and becomes a fault (in a build
//! that aborts on panic the process ends, which is as safe and less polite).

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, WriteTransaction};

use super::last::Last;
use super::record::{Change, JobId, Record};
use super::run::NewRun;
use super::snapshot::Snapshot;
use super::tables::{self, Kind, RUNS, SCHEMA, SEGMENTS};
use super::{envelope, migrate};
use crate::stream::{Blame, Fault};

/// Bytes of a run in one value: with its key and the store's own words it fills pages of 64 KiB.
pub const SEGMENT_BYTES: usize = (64 << 10) - 128;
/// Bytes of pages that are kept in memory.
const CACHE_BYTES: usize = 256 << 20;
const COMMITS: &[u8] = b"commits";
const IDENTITY: &[u8] = b"identity";

/// What becomes true at once, or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    /// Records.
    pub changes: Vec<Change>,
    /// File lists; each takes the place of the one its job had.
    pub runs: Vec<NewRun>,
    /// Jobs whose file lists are kept no longer.
    pub drop_runs: Vec<JobId>,
}

/// An open catalogue. There is one in a process, and it has one owner.
#[derive(Debug)]
pub struct Catalogue {
    database: Arc<Database>,
    /// Beside the file; a catalogue in memory has none.
    last: Option<Last>,
    path: PathBuf,
}

const HINT: &str = "keep the file as it is; catalogue rebuild makes a new one from the cartridges";

/// Turns what redb says into a fault.
pub(super) fn failed(what: &str) -> impl Fn(redb::Error) -> Fault {
    move |error| {
        let text = format!("catalogue: cannot {what}: {error}");
        match &error {
            redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) => {
                Fault::never(Blame::Host, text).hint(HINT)
            }
            redb::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                Fault::never(Blame::Host, text).hint(HINT)
            }
            redb::Error::Io(error) if error.kind() == ErrorKind::NotFound => {
                Fault::never(Blame::Operator, text)
            }
            redb::Error::DatabaseAlreadyOpen => {
                Fault::later(Blame::Operator, text).hint("another process has it open")
            }
            _ => Fault::later(Blame::Host, text),
        }
    }
}

/// Calls what may panic over damage that redb did not expect.
pub(super) fn guarded<T>(what: &str, call: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let what = format!("catalogue: cannot {what}: the store gave up over what it read");
        Err(Fault::never(Blame::Host, what).hint(HINT))
    })
}

/// Makes a name durable.
pub fn sync_folder_of(path: &Path) -> Result<(), Fault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let synced = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    synced.map_err(|e| Fault::host(format!("cannot sync the folder of {}", path.display()), &e))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_check_integrity_on_open(true).set_cache_size(CACHE_BYTES);
    builder
}

impl Catalogue {
    /// Makes a new one, which nobody else may read: it has what passwords are checked by. A file of this
    /// name must not be there.
    pub fn create(path: &Path) -> Result<Catalogue, Fault> {
        let what = format!("create {}", path.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let what = format!("catalogue: cannot {what}: there is such a file");
                Fault::never(Blame::Operator, what)
            }
            _ => Fault::host(format!("catalogue: cannot {what}"), &error),
        })?;
        let catalogue = guarded(&what, || {
            let database = builder().create(path).map_err(|e| failed(&what)(e.into()))?;
            Catalogue::begin(database, path)
        })?;
        sync_folder_of(path)?;
        Ok(catalogue)
    }

    /// Opens one, checking every page of it; brings it up to this version.
    pub fn open(path: &Path) -> Result<Catalogue, Fault> {
        let what = format!("open {}", path.display());
        guarded(&what, || {
            let database = builder().open(path).map_err(|e| failed(&what)(e.into()))?;
            Catalogue::begin(database, path)
        })
    }

    /// Opens or makes one that is kept elsewhere than in a file.
    pub fn on(backend: impl StorageBackend) -> Result<Catalogue, Fault> {
        guarded("open it", || {
            let database = builder().create_with_backend(backend);
            let database = database.map_err(|e| failed("open it")(e.into()))?;
            let catalogue = Catalogue { database: Arc::new(database), last: None, path: "".into() };
            catalogue.transact(&mut |transaction| migrate::to_current(transaction))?;
            Ok(catalogue)
        })
    }

    fn begin(database: Database, path: &Path) -> Result<Catalogue, Fault> {
        let database = Arc::new(database);
        let mut catalogue = Catalogue { database, last: None, path: path.to_owned() };
        catalogue.transact(&mut |transaction| {
            migrate::to_current(transaction)?;
            identity(transaction).map(|_| ())
        })?;
        let mut identity = uuid::Uuid::nil();
        let mut commits = 0;
        catalogue.look(&mut |transaction| {
            identity = self::identity(transaction)?;
            commits = self::commits(transaction)?;
            Ok(())
        })?;
        catalogue.last = Some(Last::beside(path, identity, commits)?);
        Ok(catalogue)
    }

    /// Everything of `commit`, or nothing. Durable when it returns.
    pub fn commit(&mut self, mut commit: Commit) -> Result<(), Fault> {
        let mut number = 0;
        guarded("commit", || {
            self.transact(&mut |transaction| {
                for change in &commit.changes {
                    apply(transaction, change)?;
                }
                for job in &commit.drop_runs {
                    drop_run(transaction, *job)?;
                }
                for run in &mut commit.runs {
                    put_run(transaction, run)?;
                }
                number = commits(transaction)? + 1;
                put_schema(transaction, COMMITS, &number)
            })
        })?;
        if let Some(last) = &mut self.last {
            last.is(number);
        }
        Ok(())
    }

    /// A transaction in two phases, durable when this returns.
    fn transact(
        &self,
        body: &mut dyn FnMut(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut transaction =
            self.database.begin_write().map_err(|e| failed("begin a transaction")(e.into()))?;
        // Durability is immediate unless it is said otherwise.
        transaction.set_two_phase_commit(true);
        match body(&transaction) {
            Ok(()) => transaction.commit().map_err(|e| failed("commit")(e.into())),
            Err(fault) => {
                transaction.abort().map_err(|e| failed("abort")(e.into()))?;
                Err(fault)
            }
        }
    }

    /// Looks at what only a writer can see, and changes nothing.
    fn look(
        &self,
        body: &mut dyn FnMut(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let transaction =
            self.database.begin_write().map_err(|e| failed("begin a transaction")(e.into()))?;
        let looked = body(&transaction);
        transaction.abort().map_err(|e| failed("abort")(e.into()))?;
        looked
    }

    /// What the authority goes on with: every record in order of kind and key, and the last entry of the audit
    /// trail. A damaged one is a fault that names it.
    pub fn load(&self) -> Result<Vec<Record>, Fault> {
        self.reader().snapshot()?.records_to_go_on()
    }

    /// What others read by, while this goes on changing.
    pub fn reader(&self) -> Reader {
        Reader { database: Arc::clone(&self.database) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Gives out snapshots; as many as there are readers.
#[derive(Debug, Clone)]
pub struct Reader {
    database: Arc<Database>,
}

impl Reader {
    /// All that is committed now, whatever is committed while it is read.
    pub fn snapshot(&self) -> Result<Snapshot, Fault> {
        guarded("read", || {
            let transaction = self.database.begin_read();
            Snapshot::of(transaction.map_err(|e| failed("read")(e.into()))?)
        })
    }
}

pub(super) fn put(
    transaction: &WriteTransaction,
    table: tables::Table,
    key: &[u8],
    value: &[u8],
) -> Result<bool, Fault> {
    let mut table = transaction.open_table(table).map_err(|e| failed("open a table")(e.into()))?;
    let before = table.insert(key, value).map_err(|e| failed("write")(e.into()))?;
    Ok(before.is_some())
}

pub(super) fn take(
    transaction: &WriteTransaction,
    table: tables::Table,
    key: &[u8],
) -> Result<bool, Fault> {
    let mut table = transaction.open_table(table).map_err(|e| failed("open a table")(e.into()))?;
    let before = table.remove(key).map_err(|e| failed("write")(e.into()))?;
    Ok(before.is_some())
}

pub(super) fn get(
    transaction: &WriteTransaction,
    table: tables::Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, Fault> {
    let table = transaction.open_table(table).map_err(|e| failed("open a table")(e.into()))?;
    let value = table.get(key).map_err(|e| failed("read")(e.into()))?;
    Ok(value.map(|value| value.value().to_vec()))
}

fn apply(transaction: &WriteTransaction, change: &Change) -> Result<(), Fault> {
    if let Some((kind, key)) = tables::dropped(change) {
        return take(transaction, kind.table(), &key).map(|_| ());
    }
    let Change::Put(record) = change else { return Ok(()) };
    let (kind, key) = tables::place(record);
    let bytes = tables::close(kind, &key, record)?;
    let replaced = put(transaction, kind.table(), &key, &bytes)?;
    match kind == Kind::Audit && replaced {
        true => {
            let name = envelope::name(kind.name(), &key);
            Err(Fault::never(Blame::Ours, format!("catalogue: {name} is there and never replaced")))
        }
        false => Ok(()),
    }
}

fn drop_run(transaction: &WriteTransaction, job: JobId) -> Result<(), Fault> {
    let mut number = 0;
    take(transaction, RUNS, &tables::number(job.0))?;
    while take(transaction, SEGMENTS, &tables::segment(job.0, number))? {
        number += 1;
    }
    Ok(())
}

fn put_run(transaction: &WriteTransaction, run: &mut NewRun) -> Result<(), Fault> {
    drop_run(transaction, run.job)?;
    let (job, head) = (run.job, run.head);
    let key = tables::number(job.0);
    let bytes = envelope::close("run", &key, &head)?;
    put(transaction, RUNS, &key, &bytes)?;
    let mut number = 0;
    run.each(SEGMENT_BYTES, |stretch| {
        put(transaction, SEGMENTS, &tables::segment(job.0, number), stretch)?;
        number += 1;
        Ok(())
    })
}

pub(super) fn put_schema(
    transaction: &WriteTransaction,
    key: &[u8],
    value: &impl serde::Serialize,
) -> Result<(), Fault> {
    let bytes = envelope::close("schema", key, value)?;
    put(transaction, SCHEMA, key, &bytes).map(|_| ())
}

pub(super) fn get_schema<T: serde::de::DeserializeOwned>(
    transaction: &WriteTransaction,
    key: &[u8],
) -> Result<Option<T>, Fault> {
    let bytes = get(transaction, SCHEMA, key)?;
    bytes.map(|bytes| envelope::open("schema", key, &bytes)).transpose()
}

fn commits(transaction: &WriteTransaction) -> Result<u64, Fault> {
    Ok(get_schema(transaction, COMMITS)?.unwrap_or(0))
}

/// Whose sibling the file with the last commit's number must be; made when there is none yet.
fn identity(transaction: &WriteTransaction) -> Result<uuid::Uuid, Fault> {
    if let Some(identity) = get_schema(transaction, IDENTITY)? {
        return Ok(identity);
    }
    let identity = uuid::Uuid::new_v4();
    put_schema(transaction, IDENTITY, &identity)?;
    Ok(identity)
}
