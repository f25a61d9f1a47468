//! What was committed at one moment, to be read at leisure.
//!
//! Owns reading: records by kind, runs by job. Readers never wait for the writer, nor it for them.

use redb::{ReadOnlyTable, ReadTransaction, TableError};

use super::envelope;
use super::record::{JobId, Record};
use super::run::{Run, RunHead, Shelf};
use super::store::{SEGMENT_BYTES, failed, guarded};
use super::tables::{self, Kind, RUNS, SEGMENTS};
use crate::stream::{Blame, Fault};

type Open = Option<ReadOnlyTable<&'static [u8], &'static [u8]>>;

/// A moment.
pub struct Snapshot {
    transaction: ReadTransaction,
    runs: Open,
    segments: Open,
}

fn open(transaction: &ReadTransaction, table: tables::Table) -> Result<Open, Fault> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        // Nothing was put there yet.
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed("open a table")(error.into())),
    }
}

impl Snapshot {
    pub(super) fn of(transaction: ReadTransaction) -> Result<Snapshot, Fault> {
        let (runs, segments) = (open(&transaction, RUNS)?, open(&transaction, SEGMENTS)?);
        Ok(Snapshot { transaction, runs, segments })
    }

    /// Calls `each` for every record of a kind, in order of key; a damaged one comes as a fault.
    pub fn each(
        &self,
        kind: Kind,
        each: &mut dyn FnMut(Result<Record, Fault>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        guarded("read", || {
            let Some(table) = open(&self.transaction, kind.table())? else { return Ok(()) };
            let unread = |e: redb::StorageError| failed("read")(e.into());
            for pair in table.range::<&[u8]>(..).map_err(unread)? {
                let (key, value) = pair.map_err(unread)?;
                each(kind.open(key.value(), value.value()))?;
            }
            Ok(())
        })
    }

    /// Every record, in order of kind and key.
    pub fn records(&self) -> Result<Vec<Record>, Fault> {
        self.of_kinds(&Kind::ALL)
    }

    /// The same, but of the audit trail, which grows for ever, only the last entry: what follows needs no more.
    pub fn records_to_go_on(&self) -> Result<Vec<Record>, Fault> {
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Audit).collect();
        let mut all = self.of_kinds(&kinds)?;
        all.extend(self.last(Kind::Audit)?);
        Ok(all)
    }

    fn of_kinds(&self, kinds: &[Kind]) -> Result<Vec<Record>, Fault> {
        let mut all = Vec::new();
        for kind in kinds {
            self.each(*kind, &mut |record| {
                all.push(record?);
                Ok(())
            })?;
        }
        Ok(all)
    }

    /// The record of a kind with the largest key.
    fn last(&self, kind: Kind) -> Result<Option<Record>, Fault> {
        guarded("read", || {
            let Some(table) = open(&self.transaction, kind.table())? else { return Ok(None) };
            let last = table.range::<&[u8]>(..).map_err(|e| failed("read")(e.into()))?.next_back();
            let Some(pair) = last else { return Ok(None) };
            let (key, value) = pair.map_err(|e| failed("read")(e.into()))?;
            kind.open(key.value(), value.value()).map(Some)
        })
    }

    /// One record.
    pub fn record(&self, kind: Kind, key: &[u8]) -> Result<Option<Record>, Fault> {
        guarded("read", || {
            let Some(table) = open(&self.transaction, kind.table())? else { return Ok(None) };
            let value = table.get(key).map_err(|e| failed("read")(e.into()))?;
            value.map(|value| kind.open(key, value.value())).transpose()
        })
    }

    /// Jobs with a run, in order.
    pub fn jobs_with_runs(&self) -> Result<Vec<JobId>, Fault> {
        guarded("read", || {
            let Some(table) = &self.runs else { return Ok(Vec::new()) };
            let unread = |e: redb::StorageError| failed("read")(e.into());
            let mut jobs = Vec::new();
            for pair in table.range::<&[u8]>(..).map_err(unread)? {
                let (key, _) = pair.map_err(unread)?;
                let number = <[u8; 8]>::try_from(key.value()).map_err(|_| {
                    let name = envelope::name("run", key.value());
                    Fault::never(Blame::Host, format!("catalogue: {name}: its key is no job"))
                })?;
                jobs.push(JobId(u64::from_be_bytes(number)));
            }
            Ok(jobs)
        })
    }

    /// What is known of a job's run; `None` where it has none.
    pub fn run_head(&self, job: JobId) -> Result<Option<RunHead>, Fault> {
        guarded("read", || {
            let Some(table) = &self.runs else { return Ok(None) };
            let key = tables::number(job.0);
            let value = table.get(key.as_slice()).map_err(|e| failed("read")(e.into()))?;
            value.map(|value| envelope::open("run", &key, value.value())).transpose()
        })
    }

    /// The run of a job; `None` where it has none.
    pub fn run(&self, job: JobId) -> Result<Option<Run<'_>>, Fault> {
        let head = self.run_head(job)?;
        head.map(|head| Run::open(job, head, self)).transpose()
    }

    /// The run of a job that must have one.
    pub fn run_of(&self, job: JobId) -> Result<Run<'_>, Fault> {
        self.run(job)?.ok_or_else(|| {
            Fault::never(Blame::Operator, format!("catalogue: no file list of job {job} is kept"))
        })
    }

    /// Calls `each` for every segment, with the job and the number that its key says and its length.
    pub(super) fn each_segment(&self, each: &mut dyn FnMut(&[u8], usize)) -> Result<(), Fault> {
        guarded("read", || {
            let Some(table) = &self.segments else { return Ok(()) };
            let unread = |e: redb::StorageError| failed("read")(e.into());
            for pair in table.range::<&[u8]>(..).map_err(unread)? {
                let (key, value) = pair.map_err(unread)?;
                each(key.value(), value.value().len());
            }
            Ok(())
        })
    }
}

impl Shelf for Snapshot {
    fn bytes(&self, job: JobId, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        guarded("read", || {
            let mut bytes = Vec::with_capacity(length.min(SEGMENT_BYTES));
            let Some(table) = &self.segments else { return Ok(bytes) };
            let mut at = offset;
            while bytes.len() < length {
                let (number, inside) = (at / SEGMENT_BYTES as u64, at % SEGMENT_BYTES as u64);
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let key = tables::segment(job.0, number);
                let value = table.get(key.as_slice()).map_err(|e| failed("read")(e.into()))?;
                let Some(value) = value else { break };
                let there = value.value().get(inside as usize..).unwrap_or_default();
                let taken = &there[..there.len().min(length - bytes.len())];
                if taken.is_empty() {
                    break;
                }
                bytes.extend_from_slice(taken);
                at += taken.len() as u64;
            }
            Ok(bytes)
        })
    }
}
