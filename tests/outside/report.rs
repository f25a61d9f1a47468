//! Reports as they are read. `BLESS=1` writes the texts anew; read the difference before you keep it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use tapioca::catalogue::record::{
    Job, JobId, JobState, Kept, Level, Medium, MediumState, Seconds, Work,
};
use tapioca::serve::calendar;
use tapioca::serve::notify::Kind;
use tapioca::serve::report::{Around, COLUMNS, job_span, note, report, subject};
use tapioca::stream::StreamId;
use uuid::Uuid;

use crate::receiver::Log;

/// Tuesday, 24 November 2026, 01:30:00 UTC.
const ASKED_S: Seconds = 1_795_483_800;

fn work() -> Work {
    let (name, pool) = ("tree".to_owned(), "daily".to_owned());
    Work::Backup { name, level: Level::Full, pool, stream: StreamId(Uuid::nil()) }
}

/// A backup of 212 GB that took a little more than an hour, of which nothing is recorded.
pub fn job(state: JobState) -> Job {
    Job {
        id: JobId(17),
        work: work(),
        machine: "web".to_owned(),
        user: "schedule nightly".to_owned(),
        priority: 0,
        ended_s: state.is_over().then_some(ASKED_S + 4360),
        state,
        created_s: ASKED_S,
        started_s: Some(ASKED_S + 30),
        attempts: 1,
        recorded: 0,
        kept: Vec::new(),
        entries: 0,
        expires_s: None,
        verified_s: BTreeMap::new(),
    }
}

pub fn medium(tag: &str) -> Medium {
    Medium {
        tag: tag.to_owned(),
        volume: Some(Uuid::nil()),
        set: None,
        pool: Some("daily".to_owned()),
        state: MediumState::Appendable,
        valid_to: 500_000,
        bytes: 1 << 40,
        expires_s: None,
        loads: 3,
        health: Vec::new(),
        location: format!("slot {}", tag.as_bytes()[5] - b'0'),
        write_protected: false,
        worm: false,
        verified_s: None,
    }
}

fn kept(copy: u8, from: u64, to: u64, medium: &str) -> Kept {
    let (block, stride) = (81_233 * (u64::from(copy) + 1), 512 << 10);
    Kept { copy, from, to, medium: medium.to_owned(), volume: Some(Uuid::nil()), block, stride }
}

/// A job with all of it in one copy, on two cartridges.
fn whole(state: JobState) -> Job {
    let recorded = 212_456_789_012;
    let expires_s = Some(ASKED_S + 30 * 86400);
    let half = recorded / 2;
    let kept = vec![kept(0, 0, half, "TAP001L9"), kept(0, half, recorded, "TAP002L9")];
    Job { recorded, entries: 18_203, kept, expires_s, ..job(state) }
}

fn two_copies(state: JobState) -> Job {
    let mut two = whole(state);
    two.kept.push(kept(1, 0, two.recorded, "TAP003L9"));
    two.verified_s.insert(1, ASKED_S + 90_000);
    two
}

fn told(job: &Job, media: &[Medium], left_out: &[&str], waits_for: Option<&str>) -> String {
    let left_out: Vec<String> = left_out.iter().map(|name| (*name).to_owned()).collect();
    let zone = calendar::zone("Europe/Berlin").unwrap();
    let around = Around { media, left_out: &left_out, waits_for, zone: &zone };
    report(job, &around, ASKED_S + 4000)
}

/// Every kind of report, by name.
fn all() -> Vec<(&'static str, String)> {
    let mut texts = backups();
    texts.extend(troubles());
    texts
}

fn media() -> [Medium; 3] {
    ["TAP001L9", "TAP002L9", "TAP003L9"].map(medium)
}

/// A backup of which 3.2 GB are recorded.
fn some(state: JobState) -> Job {
    let kept = vec![kept(0, 0, 3_200_000_000, "TAP001L9")];
    Job { recorded: 3_200_000_000, kept, entries: 1, ..job(state) }
}

/// What goes as it should, and what merely waits.
fn backups() -> Vec<(&'static str, String)> {
    let (media, of) = (media(), JobId(17));
    let names = [
        "srv/www/session.lock: it changed while it was read",
        "srv/db/socket: a socket cannot be kept",
        "srv/archive/2019/projects/a very long name of a folder/and another one/that goes on/and on/letter.odt: permission denied",
    ];
    let work = Work::Verify { of };
    let verified = Job { work, user: "anna".to_owned(), id: JobId(18), ..job(JobState::Done) };
    let not_begun = |state| Job { started_s: None, ..job(state) };
    let blank = "cartridge TAP004L9, or any blank one for pool daily";
    vec![
        ("done", told(&whole(JobState::Done), &media, &[], None)),
        ("done-two-copies", told(&two_copies(JobState::Done), &media, &[], None)),
        ("done-but", told(&whole(JobState::DoneBut(5)), &media, &names, None)),
        ("running", told(&some(JobState::Running), &media, &[], None)),
        ("waiting-for-medium", told(&some(JobState::Running), &media, &[], Some(blank))),
        ("queued", told(&not_begun(JobState::Queued), &[], &[], None)),
        ("held", told(&not_begun(JobState::Held), &[], &[], None)),
        ("verified", told(&verified, &[], &[], None)),
    ]
}

/// What does not.
fn troubles() -> Vec<(&'static str, String)> {
    let (media, mut worn) = (media(), media());
    let why = "block 90412 cannot be read: medium error (03/11/00)".to_owned();
    worn[1].state = MediumState::Damaged(why);
    let lost = || JobState::Damaged("cartridge TAP002L9 lost what was promised".to_owned());
    let cut = some(JobState::Interrupted("the link to web is cut".to_owned()));
    let refused = JobState::Failed("cannot read /srv: permission denied".to_owned());
    let failed = Job { attempts: 3, ..job(refused) };
    let cancelled = job(JobState::Cancelled("anna@console".to_owned()));
    let work = Work::Restore { of: vec![JobId(3), JobId(17)], only: vec![], to: "web".to_owned() };
    let missing = JobState::Failed("cartridge TAP001L9 is not here".to_owned());
    let restore = Job { work, user: "anna".to_owned(), id: JobId(18), ..job(missing) };
    vec![
        ("interrupted", told(&cut, &media, &[], None)),
        ("failed", told(&failed, &[], &[], None)),
        ("cancelled", told(&cancelled, &[], &[], None)),
        ("damaged", told(&whole(lost()), &worn, &[], None)),
        ("damaged-with-a-copy", told(&two_copies(lost()), &worn, &[], None)),
        ("restore-failed", told(&restore, &[], &[], None)),
    ]
}

#[test]
fn reports_are_what_they_were() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/reports");
    let mut wrong = Vec::new();
    for (name, text) in all() {
        let path = dir.join(format!("{name}.txt"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if kept != text {
            wrong.push(format!("{name}:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), all().len(), "a text without a report");
}

/// Anything anywhere: long, strange, and of other alphabets.
fn hostile() -> Job {
    let long = "ü\u{1b}[31m\r\n".repeat(60);
    let mut job = two_copies(JobState::Damaged(format!("a {long} b")));
    (job.user, job.machine) = (long.clone(), "x".repeat(300));
    job.kept.iter_mut().for_each(|kept| kept.medium = long.clone());
    job.kept = job.kept.iter().cycle().take(1000).cloned().collect();
    (job.started_s, job.ended_s, job.created_s) = (Some(i64::MIN), Some(i64::MAX), i64::MAX);
    (job.recorded, job.expires_s) = (u64::MAX, Some(i64::MIN));
    job
}

#[test]
fn lines_have_eighty_columns_and_nothing_that_moves_the_cursor() {
    let names = vec!["/\u{7}\u{9b}".repeat(100); 1000];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut texts = all();
    texts.push(("hostile", told(&hostile(), &[], &names, None)));
    texts.push((
        "waits",
        told(&Job { state: JobState::Running, ..hostile() }, &[], &names, Some(&"y".repeat(500))),
    ));
    for (name, text) in texts {
        for line in text.lines() {
            assert!(line.chars().count() <= COLUMNS, "{name}: {line}");
            assert!(
                !line.chars().any(char::is_control) && line == line.trim_end(),
                "{name}: {line:?}"
            );
        }
        assert!(text.lines().count() < 600, "{name} has {} lines", text.lines().count());
        assert!(text.contains("What to do now\n  - "), "{name}");
    }
}

#[test]
fn what_happened_stands_in_the_first_line() {
    for (name, text) in all() {
        let first = text.split("\n\n").next().unwrap().replace('\n', " ");
        assert!(
            first.ends_with('.') && (first.contains("web") || first.contains("job")),
            "{name}: {first}"
        );
    }
    assert_eq!(
        subject(&job(JobState::DoneBut(1)), None),
        "Backup tree of web is done, but 1 thing was left out"
    );
    // Who waits for a person while it is over waits no more.
    assert!(subject(&job(JobState::Done), Some("a cartridge")).contains("is done"));
}

#[test]
fn nothing_is_called_whole_that_is_not() {
    let media = &media()[..2];
    let mut gap = whole(JobState::Done);
    gap.kept[1].from += 1;
    let text = told(&gap, media, &[], None);
    assert!(text.contains("only the first 106.2 GB in one piece"), "{text}");
    // That something is damaged is known, but not on which cartridge.
    let vague = told(&whole(JobState::Damaged("x".to_owned())), media, &[], None);
    assert!(vague.contains("verify every copy") && !vague.contains("is whole"), "{vague}");
    // A copy on a cartridge that nobody knows is not offered in place of a damaged one.
    let damaged = told(&two_copies(JobState::Damaged("x".to_owned())), media, &[], None);
    assert!(damaged.contains("TAP003L9, which the catalogue does not know"));
    assert!(
        damaged.contains("Copy 1 is whole") && !damaged.contains("Copy 2 is whole"),
        "{damaged}"
    );
    assert!(!damaged.contains("copy 2      whole"), "{damaged}");
    let sound = told(&two_copies(JobState::Damaged("x".to_owned())), &media[..1], &[], None);
    assert!(sound.contains("No copy of it is whole"), "{sound}");
}

#[test]
fn a_note_of_a_job_says_the_same_to_people_and_programs() {
    let zone = calendar::zone("Europe/Berlin").unwrap();
    let (media, left_out) = (media(), ["srv/x: gone".to_owned()]);
    let around = Around { media: &media, left_out: &left_out, waits_for: None, zone: &zone };
    let one = note(&two_copies(JobState::DoneBut(1)), &around, ASKED_S + 9000);
    assert_eq!(one.kind, Kind::Problem);
    assert_eq!(one.subject, "Backup tree of web is done, but 1 thing was left out");
    assert!(one.text.starts_with(&one.subject) && one.text.contains("srv/x: gone"));
    let expected = serde_json::json!({
        "job": 17, "machine": "web", "backup": "tree", "state": "done-but",
        "asked_s": ASKED_S, "started_s": ASKED_S + 30, "ended_s": ASKED_S + 4360,
        "recorded_bytes": 212_456_789_012u64, "entries": 18_203, "left_out": 1,
        "media": ["TAP001L9", "TAP002L9", "TAP003L9"], "waits_for": null,
    });
    assert_eq!(one.json, expected);
    for (state, kind) in [
        (JobState::Done, Kind::Done),
        (JobState::Interrupted("x".to_owned()), Kind::Problem),
        (JobState::Failed("x".to_owned()), Kind::Problem),
        (JobState::Cancelled("x".to_owned()), Kind::Problem),
        (JobState::Damaged("x".to_owned()), Kind::Alarm),
    ] {
        assert_eq!(note(&job(state), &around, 0).kind, kind);
    }
    let waits = Around { waits_for: Some("cartridge TAP009L9"), ..around };
    let request = note(&job(JobState::Running), &waits, 0);
    assert_eq!(
        (request.kind, &request.json["waits_for"]),
        (Kind::Request, &"cartridge TAP009L9".into())
    );
    // Who waits no more asks for nothing.
    assert_eq!(note(&job(JobState::Done), &waits, 0).kind, Kind::Done);
}

#[test]
fn times_are_told_by_the_clocks_of_the_zone() {
    let around = Around { media: &[], left_out: &[], waits_for: None, zone: &TimeZone::UTC };
    assert!(report(&job(JobState::Done), &around, 0).contains("Tue 2026-11-24 01:30:00 +00:00"));
    assert!(told(&job(JobState::Done), &[], &[], None).contains("Tue 2026-11-24 02:30:00 +01:00"));
}

#[test]
fn lines_of_the_log_say_whose_they_are() {
    let log = Log::start();
    job_span(&job(JobState::Running)).in_scope(|| tracing::info!("drive 0 is ours"));
    let verify = Job { work: Work::Verify { of: JobId(3) }, ..job(JobState::Running) };
    job_span(&verify).in_scope(|| tracing::warn!("block 7 is read again"));
    tracing::info!("nobody's");
    let lines = log.lines();
    assert_eq!(
        lines,
        [
            " INFO job{job=17 machine=web name=tree}: drive 0 is ours\n",
            " WARN job{job=17 machine=web name=verification of job 3}: block 7 is read again\n",
            " INFO nobody's\n",
        ]
    );
}
