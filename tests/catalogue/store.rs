//! Commits, snapshots, the keeper's thread, the check and the export.

use tapioca::catalogue::check::check;
use tapioca::catalogue::export::{export, records as exported};
use tapioca::catalogue::record::{Change, JobId, Record};
use tapioca::catalogue::{Catalogue, Commit, Keeper, Kind};

use crate::common::{All, commit, full, job, list, puts, records, run, sorted, user};

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    let all = full(&path, 3000);
    assert_eq!(all.lists[&1], sorted(list(3000, 1)));
    let mut expected = records();
    expected.insert(2, user("carl"));
    assert_eq!(all.records, expected);
    let catalogue = Catalogue::open(&path).unwrap();
    assert_eq!(catalogue.reader().snapshot().unwrap().records().unwrap(), expected);
    assert_eq!(All::of(&catalogue.reader().snapshot().unwrap()).unwrap(), all);
    let fault = Catalogue::open(&path).unwrap_err();
    assert_eq!(fault.hint.as_deref(), Some("another process has it open"));
}

#[test]
fn of_the_trail_only_the_last_entry_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    let all = full(&path, 10);
    let (trail, rest): (Vec<Record>, Vec<Record>) =
        all.records.into_iter().partition(|record| matches!(record, Record::Audit(_)));
    assert!(trail.len() > 1, "a trail of one entry shows nothing");
    let loaded = Catalogue::open(&path).unwrap().load().unwrap();
    assert_eq!(loaded, [rest, trail[trail.len() - 1..].to_vec()].concat());
}

#[test]
fn a_commit_is_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    let before = full(&path, 100);
    let mut catalogue = Catalogue::open(&path).unwrap();
    let again = records().into_iter().filter(|record| matches!(record, Record::Audit(_)));
    let mut changes = vec![Change::DropUser("anna".into())];
    changes.extend(puts(again.collect()));
    let runs = vec![run(1, list(5, 9))];
    let fault = catalogue.commit(Commit { changes, runs, ..Commit::default() }).unwrap_err();
    assert_eq!(fault.what, "catalogue: audit 1 is there and never replaced");
    assert_eq!(All::of(&catalogue.reader().snapshot().unwrap()).unwrap(), before);
}

#[test]
fn what_is_dropped_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    full(&path, 3000);
    let mut catalogue = Catalogue::open(&path).unwrap();
    let changes = vec![
        Change::DropUser("anna".into()),
        Change::DropTicket([7; 16]),
        Change::DropMachine("web".into()),
        Change::DropPool("daily".into()),
        Change::DropSchedule("nightly".into()),
        Change::DropWish(3),
        Change::DropWish(4),
        Change::DropReceiver("night".into()),
    ];
    let drop_runs = vec![JobId(1)];
    catalogue.commit(Commit { changes, drop_runs, ..Commit::default() }).unwrap();
    let snapshot = catalogue.reader().snapshot().unwrap();
    let all = All::of(&snapshot).unwrap();
    assert_eq!(all.lists.keys().collect::<Vec<_>>(), [&300]);
    assert_eq!(all.records.len(), records().len() + 1 - 7);
    assert_eq!(check(&snapshot).unwrap().lines, [""; 0]);
}

#[test]
fn a_reader_sees_one_moment_while_the_keeper_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue");
    let before = full(&path, 3000);
    let (keeper, thread) = Keeper::start(Catalogue::open(&path).unwrap()).unwrap();
    let snapshot = keeper.reader().snapshot().unwrap();
    let mut answers = Vec::new();
    for n in 0..20 {
        let changes = puts(vec![user(&format!("user-{n}")), Record::Job(job(1000 + n))]);
        let runs = vec![run(1, list(500 + n, n))];
        answers.push(keeper.commit_later(Commit { changes, runs, ..Commit::default() }).unwrap());
    }
    assert_eq!(All::of(&snapshot).unwrap(), before);
    answers.into_iter().for_each(|answer| answer.recv().unwrap().unwrap());
    assert_eq!(All::of(&snapshot).unwrap(), before);
    drop(snapshot);
    let now = All::of(&keeper.reader().snapshot().unwrap()).unwrap();
    assert_eq!(now.lists[&1], sorted(list(519, 19)));
    assert_eq!(now.records.len(), before.records.len() + 40);
    let key = 1019u64.to_be_bytes();
    let one = keeper.reader().snapshot().unwrap().record(Kind::Job, &key).unwrap();
    assert_eq!(one, Some(Record::Job(job(1019))));
    drop(keeper);
    thread.join().unwrap();
    assert!(Catalogue::open(&path).is_ok(), "it is closed");
}

#[test]
fn a_check_names_what_does_not_agree() {
    let folder = tempfile::tempdir().unwrap();
    let mut catalogue = Catalogue::create(&folder.path().join("c")).unwrap();
    // Of one that was copied the first place may be gone.
    let mut copied = job(2);
    copied.kept[0].copy = 1;
    let all = [records(), vec![Record::Job(copied)]].concat();
    commit(&mut catalogue, puts(all), vec![run(1, list(3000, 1)), run(300, list(10, 1))]);
    let checked = check(&catalogue.reader().snapshot().unwrap()).unwrap();
    assert_eq!((checked.lines, checked.wrong), (Vec::new(), 0));
    assert_eq!((checked.runs, checked.rows, checked.records["audit"]), (2, 3014, 3));

    let mut lost = job(5);
    lost.kept[0].medium = "TAP999L9".into();
    lost.recorded += 1;
    let mut audit = crate::common::audit(6);
    audit.remove(4);
    let Record::Audit(entry) = &mut audit[3] else { panic!("an entry") };
    entry.what = "something else".into();
    let mut changes = puts(vec![Record::Job(lost), crate::common::medium("TAP001L9", None)]);
    changes.extend(puts(audit.split_off(3)));
    commit(&mut catalogue, changes, vec![run(6, list(3, 1))]);
    let checked = check(&catalogue.reader().snapshot().unwrap()).unwrap();
    assert_eq!(
        checked.lines,
        [
            "audit 5 is missing",
            "job 5: bytes 0 to 10000000 are on \"TAP999L9\", which is not known",
            "job 5: 10000001 bytes are recorded, and places of 10000000",
            "run 6: there is no such job",
        ]
    );
}

#[test]
fn an_export_is_the_same_for_the_same_content_and_its_records_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let all = full(&one, 1000);
    let mut catalogue = Catalogue::create(&other).unwrap();
    for n in 0..3 {
        commit(&mut catalogue, puts(vec![user("bert")]), vec![run(1, list(50, n))]);
    }
    let mut turned = list(1000, 1);
    turned.reverse();
    let mut changes = puts(all.records.clone());
    changes.reverse();
    commit(&mut catalogue, changes, vec![run(300, list(500, 2)), run(1, turned)]);
    let text = |catalogue: &Catalogue| {
        let mut text = Vec::new();
        export(&catalogue.reader().snapshot().unwrap(), true, &mut text).unwrap();
        text
    };
    let written = text(&catalogue);
    assert!(written == text(&Catalogue::open(&one).unwrap()));
    assert_eq!(exported(&mut &written[..], "E").unwrap(), all.records);
    let cut = &written[..written.len() - 1];
    assert!(exported(&mut &cut[..], "E").unwrap_err().what.contains("it is cut"));
    let changed = String::from_utf8(written).unwrap().replacen("bert", "brat", 1);
    let fault = exported(&mut changed.as_bytes(), "E").unwrap_err();
    assert!(fault.what.contains("was changed"), "{fault}");
}
