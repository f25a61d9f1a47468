//! Records and lists to be kept, and a store in memory that remembers how it came to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use tapioca::catalogue::record::{
    Alerted, Audit, Change, Counted, Credential, Gaps, Health, Job, JobId, JobState, Kept, Level,
    Lost, Machine, Medium, MediumState, NewSet, Patient, Pool, Receiver, Record, Right, Schedule,
    Set, Ticket, User, Wish, Work,
};
use tapioca::catalogue::run::{NewRun, RunWriter};
use tapioca::catalogue::{Catalogue, Commit, Snapshot};
use tapioca::list::Line;
use tapioca::stream::{Fault, StreamId};
use uuid::Uuid;

pub fn user(name: &str) -> Record {
    Record::User(User {
        name: name.into(),
        credential: Credential::Here("$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into()),
        rights: BTreeSet::from([Right::Look, Right::BackUp]),
        machines: BTreeSet::new(),
        disabled: false,
    })
}

pub fn job(id: u64) -> Job {
    Job {
        id: JobId(id),
        work: Work::Backup {
            name: "srv".into(),
            level: Level::Full,
            pool: "daily".into(),
            stream: StreamId(Uuid::from_u128(u128::from(id))),
        },
        machine: "web".into(),
        user: "anna".into(),
        priority: 0,
        state: JobState::Done,
        created_s: 1_700_000_000,
        started_s: Some(1_700_000_001),
        ended_s: None,
        attempts: 1,
        recorded: 10_000_000,
        kept: vec![Kept {
            copy: 0,
            from: 0,
            to: 10_000_000,
            medium: "TAP001L9".into(),
            volume: None,
            block: 5,
            stride: 1000,
        }],
        entries: 0,
        expires_s: Some(1_800_000_000),
        verified_s: BTreeMap::from([(0, 5)]),
    }
}

pub fn medium(tag: &str, set: Option<(Uuid, u32)>) -> Record {
    Record::Medium(Medium {
        tag: tag.into(),
        volume: None,
        set,
        pool: Some("daily".into()),
        state: MediumState::Appendable,
        valid_to: 77,
        bytes: 1 << 40,
        expires_s: Some(1_800_000_000),
        loads: 3,
        health: vec!["fine".into()],
        location: "slot 3".into(),
        write_protected: false,
        worm: false,
        verified_s: None,
    })
}

/// Entries of the audit trail, each after the one before.
pub fn audit(count: u64) -> Vec<Record> {
    let mut before = [0; 32];
    let entry = |number| {
        let (who, what) = ("anna@web".into(), format!("did thing {number}"));
        let audit = Audit { number, at_s: 1_700_000_000, who, what, before };
        before = audit.digest();
        Record::Audit(audit)
    };
    (1..=count).map(entry).collect()
}

/// At least one record of each kind, in order of kind and key; they agree with each other.
pub fn records() -> Vec<Record> {
    [first_records(), later_records()].concat()
}

/// Of the kinds that there were at first.
pub fn first_records() -> Vec<Record> {
    let set = Uuid::from_u128(9);
    let mut all = vec![
        user("anna"),
        user("bert"),
        Record::Ticket(Ticket {
            id: [7; 16],
            hash: [8; 32],
            user: "anna".into(),
            machine: "web".into(),
            rights: BTreeSet::from([Right::Look]),
            created_s: 5,
            expires_s: None,
        }),
        Record::Machine(Machine {
            name: "web".into(),
            address: Some("web:99".into()),
            quota_bytes: None,
            jobs_max: 2,
        }),
        Record::Pool(Pool {
            name: "daily".into(),
            retention_s: 86400,
            new_set: NewSet::After(604_800),
            takes_blank: true,
            copy_to: None,
        }),
        medium("TAP001L9", Some((set, 1))),
        Record::Set(Set {
            id: set,
            pool: "daily".into(),
            created_s: 5,
            volumes: vec!["TAP001L9".into()],
            closed: false,
        }),
        Record::Job(job(1)),
        Record::Job(job(300)),
        Record::Schedule(Schedule {
            name: "nightly".into(),
            when: "0 3 * * *".into(),
            machine: "web".into(),
            backup: "srv".into(),
            paths: vec!["/srv".into()],
            pool: "daily".into(),
            full_every: 7,
            priority: 0,
            window_s: 3600,
            retries: 2,
            enabled: true,
            runs: 9,
            last_s: None,
        }),
        Record::Wish(Wish {
            number: 3,
            tag: "TAP001L9".into(),
            first: "anna".into(),
            asked_s: 5,
            second: None,
            not_before_s: 99,
        }),
    ];
    all.extend(audit(3));
    all
}

/// Of the kinds that came later.
pub fn later_records() -> Vec<Record> {
    let lost = |from, why: &str| Lost {
        of: JobId(1),
        from,
        to: from + 1000,
        medium: "TAP001L9".into(),
        block: 5 + from / 1000,
        why: why.into(),
    };
    let counted = |bytes| Counted { bytes, ms: bytes / 300_000, corrected: 7, hard: 1 };
    let health = |of| {
        Record::Health(Health {
            of,
            mounts: 3,
            last_s: 1_700_000_000,
            written: counted(1 << 40),
            read: counted(1 << 30),
            last_written: counted(1 << 20),
            last_read: Counted::default(),
            alerts: BTreeMap::from([(20, Alerted { times: 2, last_s: 1_700_000_000 })]),
            cleaned: 0,
        })
    };
    vec![
        Record::Gaps(Gaps {
            job: JobId(300),
            lost: vec![lost(0, "medium error (03/11/00)"), lost(4000, "TAP001L9 is elsewhere")],
        }),
        health(Patient::Drive("DRV0001".into())),
        health(Patient::Medium("TAP001L9".into())),
        Record::Receiver(Receiver {
            name: "night".into(),
            to: "mailto:night@example.org".into(),
            from: 1,
            requests: true,
        }),
    ]
}

pub fn puts(records: Vec<Record>) -> Vec<Change> {
    records.into_iter().map(|record| Change::Put(Box::new(record))).collect()
}

/// The lines of a tree of so many files; `salt` changes what is in them.
pub fn list(files: u64, salt: u64) -> Vec<Line> {
    let mut text = String::from("d 0 512 0 1.000000000 - .\ni 2 .\n");
    for n in 0..files {
        let digest = blake3::hash(&[n, salt].map(u64::to_le_bytes).concat()).to_hex();
        let (offset, size) = (512 + n * 1536, n % 1000 + 1);
        text.push_str(&format!(
            "f {offset} 1536 {size} {}.{:09} {digest} d{:03}/file-{n}.txt\n",
            1_700_000_000 + n,
            (n * 7919 + salt) % 1_000_000_000,
            n / 50
        ));
    }
    lines(&text)
}

pub fn lines(text: &str) -> Vec<Line> {
    tapioca::list::lines(text.as_bytes()).map(Result::unwrap).collect()
}

pub fn run(job: u64, lines: Vec<Line>) -> NewRun {
    let folder = std::env::temp_dir();
    let mut run = RunWriter::new(JobId(job), &folder).unwrap();
    lines.into_iter().for_each(|line| run.line(line).unwrap());
    run.finish().unwrap()
}

/// The same in the order in which runs keep them.
pub fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    let key = |line: &Line| {
        let row = tapioca::catalogue::run::Row::of(line.clone()).unwrap();
        (row.key.clone(), row.rank())
    };
    lines.sort_by_cached_key(key);
    lines
}

/// Everything that can be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct All {
    pub records: Vec<Record>,
    pub lists: BTreeMap<u64, Vec<Line>>,
}

impl All {
    pub fn of(snapshot: &Snapshot) -> Result<All, Fault> {
        let mut lists = BTreeMap::new();
        for job in snapshot.jobs_with_runs()? {
            let run = snapshot.run_of(job)?;
            let mut lines = run.aside()?;
            for row in run.rows_from(b"") {
                lines.push(run.line(&row?)?);
            }
            lists.insert(job.0, lines);
        }
        Ok(All { records: snapshot.records()?, lists })
    }
}

pub fn commit(catalogue: &mut Catalogue, changes: Vec<Change>, runs: Vec<NewRun>) {
    catalogue.commit(Commit { changes, runs, ..Commit::default() }).unwrap();
}

/// What is told to a store.
#[derive(Debug, Clone)]
pub enum Told {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

/// Does what was told to an image.
pub fn tell(image: &mut Vec<u8>, told: &Told) {
    match told {
        Told::Write(at, bytes) => {
            let end = *at as usize + bytes.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*at as usize..end].copy_from_slice(bytes);
        }
        Told::Length(length) => image.resize(*length as usize, 0),
        Told::Sync => {}
    }
}

/// A store in memory that keeps all that it is told.
#[derive(Debug, Clone, Default)]
pub struct Recorder(pub Arc<Mutex<(Vec<u8>, Vec<Told>)>>);

impl Recorder {
    pub fn of(image: Vec<u8>) -> Recorder {
        Recorder(Arc::new(Mutex::new((image, Vec::new()))))
    }

    pub fn told(&self) -> usize {
        self.0.lock().unwrap().1.len()
    }

    fn take(&self, told: Told) {
        let (image, all) = &mut *self.0.lock().unwrap();
        tell(image, &told);
        all.push(told);
    }
}

impl StorageBackend for Recorder {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.0.lock().unwrap().0.len() as u64)
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let there = &self.0.lock().unwrap().0;
        let bytes = there.get(at as usize..at as usize + out.len());
        let bytes = bytes.ok_or_else(|| std::io::Error::other("behind the end"))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), std::io::Error> {
        self.take(Told::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.take(Told::Sync);
        Ok(())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), std::io::Error> {
        self.take(Told::Write(at, bytes.to_vec()));
        Ok(())
    }
}

/// A catalogue file with everything in it, and what that is.
pub fn full(path: &Path, files: u64) -> All {
    let mut catalogue = Catalogue::create(path).unwrap();
    commit(&mut catalogue, puts(records()), vec![run(1, list(files, 1))]);
    commit(&mut catalogue, puts(vec![user("carl")]), vec![run(300, list(files / 2, 2))]);
    All::of(&catalogue.reader().snapshot().unwrap()).unwrap()
}
