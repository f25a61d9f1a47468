//! One of each: commands, answers, events. Their bytes are golden, so none of them is ever changed; what is new
//! goes to the end.

use std::collections::{BTreeMap, BTreeSet};

use tapioca::catalogue::record::{
    Alerted, Audit, Counted, Health, Job, JobId, JobState, Kept, Level, Machine, Medium,
    MediumState, NewSet, Patient, Pool, Right, Schedule, Set, Ticket, Wish, Work,
};
use tapioca::stream::StreamId;
use tapioca::tapicom::frame::{Body, Frame};
use tapioca::tapicom::message::*;
use tapioca::update::{Image, State, Told};
use uuid::Uuid;

pub const ID: [u8; 16] = [0xa1; 16];

fn s(text: &str) -> String {
    text.to_owned()
}

fn rights(rights: &[Right]) -> BTreeSet<Right> {
    rights.iter().copied().collect()
}

fn page() -> Page {
    Page { after: Some(s("17")), most: 50 }
}

fn tree() -> Tree {
    Tree { machine: Some(s("db")), backup: Some(s("home")), at: At::Latest }
}

fn wanted() -> RestoreWanted {
    let tree = Tree { machine: None, backup: None, at: At::Time(1_700_000_000) };
    RestoreWanted { tree, only: vec![s("www/*")], to: Some(s("web")), priority: -1 }
}

fn pool() -> Pool {
    Pool {
        name: s("daily"),
        retention_s: 2_592_000,
        new_set: NewSet::After(86_400),
        takes_blank: true,
        copy_to: Some(s("vault")),
    }
}

fn schedule() -> Schedule {
    Schedule {
        name: s("nightly"),
        when: s("0 2 * * *"),
        machine: s("web"),
        backup: s("home"),
        paths: vec![s("/home")],
        pool: s("daily"),
        full_every: 7,
        priority: 5,
        window_s: 3600,
        retries: 2,
        enabled: true,
        runs: 300,
        last_s: Some(1_700_000_000),
    }
}

fn machine() -> Machine {
    let address = Some(s("web.example:7420"));
    Machine { name: s("web"), address, quota_bytes: Some(1 << 40), jobs_max: 2 }
}

/// Every command, in the order of their numbers.
pub fn commands() -> Vec<Command> {
    [of_jobs(), of_restores(), of_media(), of_pools(), of_people(), of_others(), later()].concat()
}

fn of_jobs() -> Vec<Command> {
    let job = JobId(300);
    vec![
        Command::Version,
        Command::Login {
            user: s("alice"),
            password: Secret::new("correct horse"),
            rights: rights(&Right::ALL),
            life_s: Some(3600),
        },
        Command::Logout,
        Command::WhoAmI,
        Command::Status,
        Command::Backup(BackupWanted {
            machine: Some(s("db")),
            name: s("home"),
            level: LevelWanted::Since(job),
            paths: vec![Bytes(vec![b'/', 0xff])],
            pool: s("daily"),
            sealed: true,
            compressed: false,
            priority: 3,
            bytes: Some(1 << 33),
        }),
        Command::JobState { job },
        Command::JobCancel { job },
        Command::JobHold { job },
        Command::JobResume { job },
        Command::JobPriority { job, priority: -7 },
        Command::Jobs {
            filter: JobFilter {
                machine: Some(s("web")),
                user: Some(s("alice")),
                name: Some(s("home")),
                kind: Some(WorkKind::Verify),
                over: Some(true),
                bad: Some(false),
                since_s: Some(1),
                before_s: None,
            },
            page: page(),
        },
        Command::JobReport { job, kept_from: 5 },
    ]
}

fn of_restores() -> Vec<Command> {
    let job = JobId(300);
    vec![
        Command::FileList { job, offset: 1 << 20 },
        Command::List { tree: tree(), path: "www".into(), page: page() },
        Command::Find { tree: tree(), pattern: s("*.rs"), page: page() },
        Command::Versions { machine: None, path: "www/a".into(), page: page() },
        Command::RestorePlan(wanted()),
        Command::Restore(wanted()),
    ]
}

fn of_media() -> Vec<Command> {
    let tag = s("TAP001L9");
    vec![
        Command::Media {
            filter: MediumFilter { pool: Some(s("daily")), inside: Some(true), bad: None },
            page: page(),
        },
        Command::Medium { tag: tag.clone() },
        Command::MediumAssign { tag: tag.clone(), pool: Some(s("daily")) },
        Command::MediumRetire { tag: tag.clone(), why: s("old") },
        Command::MediumRelease { tag: tag.clone() },
        Command::Inventory { again: false, page: page() },
        Command::Move { from: s("slot 3"), to: s("drive 1") },
        Command::Import,
        Command::Export { tag: tag.clone() },
        Command::Label { tag: tag.clone(), pool: s("daily") },
        Command::Identify { tag },
        Command::Clean { drive: 2 },
        Command::Drives,
        Command::DriveUse { drive: 1, used: true },
    ]
}

fn of_pools() -> Vec<Command> {
    let job = JobId(300);
    vec![
        Command::Pools { page: page() },
        Command::PoolPut(pool()),
        Command::PoolDrop { name: s("daily") },
        Command::Sets { pool: None, page: page() },
        Command::Forecast { days: 30 },
        Command::Verify { of: job, copy: Some(1) },
        Command::Copy { of: job, pool: s("vault") },
        Command::Schedules { page: page() },
        Command::SchedulePut(schedule()),
        Command::ScheduleDrop { name: s("nightly") },
        Command::ScheduleEnable { name: s("nightly"), enabled: true },
        Command::ScheduleRun { name: s("nightly") },
    ]
}

fn of_people() -> Vec<Command> {
    let name = s("web");
    vec![
        Command::Users { page: page() },
        Command::UserPut(UserWanted {
            name: s("bob"),
            checked_by: CheckedBy::Machine,
            rights: rights(&[Right::Look, Right::BackUp]),
            machines: [s("web")].into(),
            disabled: false,
        }),
        Command::UserDrop { name: s("bob") },
        Command::Password {
            user: None,
            old: Some(Secret::new("correct horse")),
            new: Secret::new("battery staple"),
        },
        Command::Machines { page: page() },
        Command::MachinePut(machine()),
        Command::MachineDrop { name: name.clone() },
        Command::EnrolCode { machine: name.clone() },
        Command::MachineRevoke { name },
        Command::Tickets { user: None, page: page() },
        Command::TicketRevoke { id: ID },
    ]
}

fn of_others() -> Vec<Command> {
    let (job, tag) = (JobId(300), s("TAP001L9"));
    vec![
        Command::Wishes { page: page() },
        Command::WishErase { tag, why: s("it was sold") },
        Command::WishAgree { number: 9 },
        Command::WishCancel { number: 9 },
        Command::Requests { page: page() },
        Command::RequestAnswer { number: 4, done: true, words: s("in slot 1") },
        Command::Events(EventFilter {
            job: Some(job),
            machine: None,
            from: Some(Severity::Warning),
        }),
        Command::Audit { after: 1000, most: 10 },
        Command::Health,
        Command::Metrics,
        Command::CatalogueCheck,
        Command::CatalogueExport,
        Command::Notifications,
        Command::NotificationsPut { all: vec![notification()] },
    ]
}

fn later() -> Vec<Command> {
    let job = JobId(300);
    vec![
        Command::RestoreGaps { job, page: page() },
        Command::RestoreOutlook(wanted()),
        Command::BackupResume { job },
        Command::Conditions { medium: Some(s("TAP001L9")) },
        Command::Quotas { page: page() },
        Command::Update(UpdateWanted::Piece { offset: 48, bytes: "piece".into() }),
    ]
}

fn notification() -> Notification {
    let (name, to) = (s("post"), s("mailto:ops@example"));
    Notification { name, to, from: Severity::Alarm, requests: true }
}

fn work() -> Work {
    let stream = StreamId(Uuid::from_bytes([0x5e; 16]));
    Work::Backup { name: s("home"), level: Level::Full, pool: s("daily"), stream }
}

pub fn job() -> Job {
    Job {
        id: JobId(17),
        work: work(),
        machine: s("web"),
        user: s("alice"),
        priority: 0,
        state: JobState::DoneBut(2),
        created_s: 1_700_000_000,
        started_s: Some(1_700_000_001),
        ended_s: None,
        attempts: 1,
        recorded: 1 << 30,
        kept: vec![kept()],
        entries: 12,
        expires_s: Some(1_800_000_000),
        verified_s: BTreeMap::from([(0, 1_700_000_100)]),
    }
}

fn kept() -> Kept {
    let volume = Some(Uuid::from_bytes([0x70; 16]));
    let medium = s("TAP001L9");
    Kept { copy: 0, from: 0, to: 1 << 30, medium, volume, block: 12, stride: 524_192 }
}

fn ticket() -> Ticket {
    Ticket {
        id: ID,
        hash: [9; 32],
        user: s("alice"),
        machine: s("web"),
        rights: rights(&[Right::Look]),
        created_s: 1,
        expires_s: None,
    }
}

fn medium() -> Medium {
    Medium {
        tag: s("TAP001L9"),
        volume: Some(Uuid::from_bytes([0x70; 16])),
        set: Some((Uuid::from_bytes([0x71; 16]), 1)),
        pool: Some(s("daily")),
        state: MediumState::Cleaning(Some(40)),
        valid_to: 99,
        bytes: 1 << 40,
        expires_s: None,
        loads: 7,
        health: vec![s("fine")],
        location: s("slot 3"),
        write_protected: false,
        worm: false,
        verified_s: Some(2),
    }
}

fn drive() -> DriveView {
    DriveView {
        number: 1,
        what: s("IBM ULT3580-TD9 123"),
        used: true,
        does: s("idle"),
        medium: Some(s("TAP001L9")),
        rate: 400_000_000,
        alerts: vec![s("clean now")],
    }
}

fn paged<T>(item: T) -> Paged<T> {
    Paged { items: vec![item], next: Some(s("next")) }
}

fn to_do() -> ToDo {
    ToDo { number: 4, asked_s: 5, what: s("put TAP007L9 into a mail slot"), job: Some(JobId(17)) }
}

fn wish() -> Wish {
    Wish {
        number: 9,
        tag: s("TAP001L9"),
        first: s("alice"),
        asked_s: 1,
        second: Some(s("bob")),
        not_before_s: 86_401,
    }
}

fn refusal() -> Refusal {
    Refusal { why: Why::NoRight, what: s("no"), hint: Some(s("ask")) }
}

/// Every answer, in the order of their numbers.
pub fn replies() -> Vec<Reply> {
    [of_backups(), of_tables(), of_news(), of_later()].concat()
}

fn of_later() -> Vec<Reply> {
    let lost = LostFile {
        path: Bytes(vec![b'a', 0xff]),
        size: 5000,
        from: 100,
        to: 612,
        of: JobId(17),
        medium: s("TAP001L9"),
        block: 40,
        why: s("it cannot be read on TAP001L9"),
    };
    let stop = Stop {
        medium: s("TAP001L9"),
        place: s("slot 3"),
        inside: true,
        copy: 1,
        bytes: 1 << 30,
        locates: 2,
        seconds: 300,
    };
    let plan = Plan {
        jobs: vec![JobId(17)],
        media: Vec::new(),
        entries: 3,
        bytes: 1 << 30,
        missing: Vec::new(),
    };
    let (stops, drives) = (vec![stop], vec![1, 2]);
    let (seconds, rate, measured) = (300, 150_000_000, true);
    let counted = Counted { bytes: 1 << 30, ms: 7000, corrected: 12, hard: 1 };
    let health = Health {
        of: Patient::Drive(s("HU1")),
        mounts: 9,
        last_s: 1_700_000_000,
        written: counted,
        read: Counted::default(),
        last_written: counted,
        last_read: Counted::default(),
        alerts: BTreeMap::from([(3, Alerted { times: 2, last_s: 1_700_000_000 })]),
        cleaned: 3,
    };
    let (words, severity) = (vec![s("cleaned 3 times")], Some(Severity::Warning));
    let quota = Quota {
        machine: s("web"),
        quota: Some(1 << 40),
        used: 5,
        left: Some((1 << 40) - 5),
        renews_s: 1_700_006_400,
    };
    vec![
        Reply::LostFiles(Paged { items: vec![lost], next: Some(s("1")) }),
        Reply::Outlook(Outlook { plan, stops, drives, seconds, rate, measured }),
        Reply::Conditions(vec![Condition { health, drive: Some(1), words, severity }]),
        Reply::Quotas(Paged { items: vec![quota], next: None }),
        Reply::Update(update()),
    ]
}

fn update() -> State {
    State {
        version: s("0.2.0"),
        board: s("standalone"),
        security_floor: 1,
        waits_for: Some(s("it does not see drive A")),
        left_s: 90,
        images: vec![Image { version: s("0.2.0"), standing: s("runs"), bytes: 1 << 24 }],
        doing: s("testing 0.3.0"),
        told: vec![Told { at_s: 1_700_000_000, words: s("0.2.0 is in its place") }],
    }
}

fn of_backups() -> Vec<Reply> {
    let view = JobView::of(&job());
    let entry = Entry {
        job: JobId(17),
        kind: 'f',
        path: "www/a".into(),
        bytes: 5,
        modified_s: 6,
        digest: Some([3; 32]),
    };
    let plan = Plan {
        jobs: vec![JobId(16), JobId(17)],
        media: vec![MediumNeeded { tag: s("TAP001L9"), location: s("slot 3"), bytes: 7 }],
        entries: 1,
        bytes: 7,
        missing: vec![s("TAP002L9 is damaged")],
    };
    let backup = BackupGiven {
        job: JobId(17),
        stream: StreamId(Uuid::from_bytes([0x5e; 16])),
        level: Level::Since(JobId(16)),
        base: vec![JobId(15), JobId(16)],
        words: vec![s("take"), s("17")],
    };
    let status = Status {
        now_s: 10,
        since_s: 1,
        queued: 2,
        running: 1,
        bad: 0,
        requests: 1,
        writable: 9,
        alarms: vec![s("clock")],
        drives: vec![drive()],
    };
    vec![
        Reply::Refused(refusal()),
        Reply::Done,
        Reply::Accepted { job: JobId(17) },
        Reply::Version { software: s("0.1.0"), messages: 1 },
        Reply::Login { ticket: Secret::new("tap1-x"), view: TicketView::of(&ticket()) },
        Reply::Ticket(TicketView::of(&ticket())),
        Reply::Status(status),
        Reply::Backup(backup),
        Reply::Job(view.clone()),
        Reply::Jobs(paged(view.clone())),
        Reply::JobReport {
            job: view,
            kept: vec![kept()],
            kept_next: Some(1),
            words: vec![s("began")],
        },
        Reply::Chunk { bytes: "abc".into(), next: Some(3) },
        Reply::Entries(paged(entry)),
        Reply::Plan(plan),
        Reply::Restore { job: JobId(18), words: vec![s("give"), s("18")] },
    ]
}

fn of_tables() -> Vec<Reply> {
    let place = Place { place: s("slot 3"), tag: Some(s("TAP001L9")), trouble: None };
    let set = Set {
        id: Uuid::from_bytes([0x71; 16]),
        pool: s("daily"),
        created_s: 1,
        volumes: vec![s("TAP001L9")],
        closed: false,
    };
    let forecast =
        PoolForecast { pool: s("daily"), coming: 1, room: 2, wants: 3, expiring: vec![s("T")] };
    let user = UserView {
        name: s("alice"),
        checked_by: CheckedBy::Here,
        has_password: true,
        rights: rights(&[Right::Look]),
        machines: BTreeSet::new(),
        disabled: false,
    };
    vec![
        Reply::Media(paged(medium())),
        Reply::Medium(medium()),
        Reply::Inventory(paged(place)),
        Reply::Drives(vec![drive()]),
        Reply::Pools(paged(pool())),
        Reply::Sets(paged(set)),
        Reply::Forecast(vec![forecast]),
        Reply::Schedules(paged((schedule(), Some(1_700_000_000)))),
        Reply::Users(paged(user)),
        Reply::Machines(paged(machine())),
    ]
}

fn of_news() -> Vec<Reply> {
    let audit = Audit { number: 1, at_s: 2, who: s("a@b"), what: s("did"), before: [0; 32] };
    let well = Wellness { what: s("clock"), severity: Some(Severity::Note), words: s("2 s ahead") };
    vec![
        Reply::EnrolCode { code: Secret::new("ABCD"), until_s: 900 },
        Reply::Tickets(paged(TicketView::of(&ticket()))),
        Reply::Wishes(paged(wish())),
        Reply::Wish(wish()),
        Reply::Requests(paged(to_do())),
        Reply::Subscribed,
        Reply::Audit { entries: vec![audit], more: true },
        Reply::Health(vec![well]),
        Reply::Metrics(vec![(s("jobs{state=\"done\"}"), 5)]),
        Reply::Check { records: 100, wrong: vec![s("job 5")] },
        Reply::Send { words: vec![s("catalogue")] },
        Reply::Notifications(vec![notification()]),
    ]
}

/// Every event, in the order of their numbers.
pub fn events() -> Vec<Event> {
    let progress = Progress {
        job: JobId(17),
        received: 3,
        on_tape: 2,
        recorded: 1,
        expected: Some(9),
        rate: 4,
        does: s("writes"),
    };
    let state = JobState::Interrupted(s("power"));
    let damaged = MediumState::Damaged(s("block 5"));
    vec![
        Event::Lost { count: 44 },
        Event::Job { job: JobId(17), machine: s("web"), state },
        Event::Progress(progress),
        Event::Medium { tag: s("TAP001L9"), state: damaged, location: s("drive 1") },
        Event::Drive(drive()),
        Event::Asked(to_do()),
        Event::Answered { number: 4 },
        Event::News { severity: Severity::Alarm, what: s("hot") },
    ]
}

/// Every frame, each with a name.
pub fn frames() -> Vec<(String, Frame)> {
    let named = |prefix: &str, n: usize| format!("{prefix} {n}");
    let greeting = Greeting { from: 1, to: 1, software: s("tapicli 0.1.0") };
    let mut all = vec![
        (s("greeting"), Frame { number: 0, body: Body::Greeting(greeting) }),
        (s("enough"), Frame { number: 3, body: Body::Enough }),
    ];
    for refusal in [None, Some(refusal())] {
        let body = Body::Ended(Box::new(Ended { refusal }));
        all.push((s("ended"), Frame { number: 3, body }));
    }
    for (n, command) in commands().into_iter().enumerate() {
        let ticket = (n > 1).then(|| Secret::new("tap1-x"));
        let body = Body::Command(Box::new(Request { ticket, command }));
        all.push((named("command", n), Frame { number: 70_000, body }));
    }
    for (n, reply) in replies().into_iter().enumerate() {
        all.push((named("reply", n), Frame { number: 2, body: Body::Reply(Box::new(reply)) }));
    }
    for (n, event) in events().into_iter().enumerate() {
        all.push((named("event", n), Frame { number: 3, body: Body::Event(300, Box::new(event)) }));
    }
    all
}
