//! Lookups and restore plans, held against the obvious way to do them.

use std::collections::BTreeMap;

use tapioca::catalogue::Catalogue;
use tapioca::catalogue::find::{Wanted, directory, search, versions};
use tapioca::catalogue::plan::{Step, plan};
use tapioca::catalogue::record::{JobId, Kept, Record};
use tapioca::list::{Entry, Line};
use tapioca::only::Only;

use crate::common::{commit, job, lines, list, puts, run};

struct Kitchen {
    catalogue: Catalogue,
    _folder: tempfile::TempDir,
}

impl Kitchen {
    fn new(lists: &[(u64, Vec<Line>)]) -> Kitchen {
        let folder = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::create(&folder.path().join("c")).unwrap();
        let jobs = lists.iter().map(|(id, _)| Record::Job(job(*id))).collect();
        let runs = lists.iter().map(|(id, lines)| run(*id, lines.clone())).collect();
        commit(&mut catalogue, puts(jobs), runs);
        Kitchen { catalogue, _folder: folder }
    }

    fn names(&self, path: &str, after: Option<&str>, limit: usize) -> (Vec<String>, bool) {
        let snapshot = self.catalogue.reader().snapshot().unwrap();
        let after = after.map(str::as_bytes);
        let found = directory(&snapshot, JobId(1), path.as_bytes(), after, limit).unwrap();
        let name = |child: &tapioca::catalogue::find::Child| {
            format!("{}:{}", String::from_utf8_lossy(&child.name), child.lines.len())
        };
        (found.found.iter().map(name).collect(), found.more)
    }

    fn found(&self, wanted: &Wanted, limit: usize) -> (Vec<(u64, Line)>, bool) {
        let snapshot = self.catalogue.reader().snapshot().unwrap();
        let jobs = snapshot.jobs_with_runs().unwrap();
        let found = search(&snapshot, &jobs, wanted, limit).unwrap();
        (found.found.into_iter().map(|(job, line)| (job.0, line)).collect(), found.more)
    }

    fn planned(&self, jobs: &[u64], only: &[&str]) -> (Vec<(u64, String)>, Vec<Step>) {
        let snapshot = self.catalogue.reader().snapshot().unwrap();
        let jobs: Vec<JobId> = jobs.iter().copied().map(JobId).collect();
        let only: Vec<Vec<u8>> = only.iter().map(|p| p.as_bytes().to_vec()).collect();
        let mut entries = Vec::new();
        let plan = plan(&snapshot, &jobs, &only, &mut |job, entry| {
            entries.push((job.0, String::from_utf8_lossy(&entry.path).into_owned()));
            Ok(())
        });
        let plan = plan.unwrap();
        assert_eq!(plan.entries, entries.len() as u64);
        assert_eq!(plan.lacking, []);
        (entries, plan.steps)
    }
}

#[test]
fn a_directory_is_listed_name_by_name() {
    let text = "d 0 512 0 1.000000000 - .\nf 1 1 1 1.000000000 - a\nd 2 1 0 1.000000000 - b\ni 9 b\n\
        f 3 1 1 1.000000000 - b/x\nf 4 1 1 1.000000000 - b/y/z\nf 5 1 1 1.000000000 - b.c\n\
        f 6 1 1 1.000000000 - c/d/e/f\n";
    let kitchen = Kitchen::new(&[(1, lines(text))]);
    let listed = |path, after, limit| kitchen.names(path, after, limit);
    let strings = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(".", None, 9), (strings(&["a:1", "b:2", "b.c:1", "c:0"]), false));
    assert_eq!(listed("", Some("b"), 1), (strings(&["b.c:1"]), true));
    assert_eq!(listed("b/", None, 9), (strings(&["x:1", "y:0"]), false));
    assert_eq!(listed("c/d", None, 9), (strings(&["e:0"]), false));
    assert_eq!(listed("nowhere", None, 9), (Vec::new(), false));
}

#[test]
fn a_large_directory_is_listed_in_pages() {
    let kitchen = Kitchen::new(&[(1, list(20_000, 1))]);
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let (names, more) = kitchen.names(".", after.as_deref(), 7);
        after = names.last().map(|name| name.split(':').next().unwrap().to_owned());
        all.extend(names);
        if !more {
            break;
        }
    }
    let expected: Vec<String> = (0..400).map(|n| format!("d{n:03}:0")).collect();
    assert_eq!(all, expected);
    assert_eq!(kitchen.names("d123", None, 100).0.len(), 50);
}

#[test]
fn a_path_is_found_in_every_job_that_has_it() {
    let gone = "- d001/file-77.txt\nf 5 1 1 1.000000000 - d001/file-77.txt\n";
    let kitchen =
        Kitchen::new(&[(1, list(3000, 1)), (2, list(70, 2)), (3, lines(gone)), (4, list(2000, 4))]);
    let snapshot = kitchen.catalogue.reader().snapshot().unwrap();
    let jobs = snapshot.jobs_with_runs().unwrap();
    let found = versions(&snapshot, &jobs, b"./d001/file-77.txt").unwrap();
    let counts: Vec<(u64, usize)> = found.iter().map(|(job, l)| (job.0, l.len())).collect();
    assert_eq!(counts, [(1, 1), (3, 2), (4, 1)]);
    let is = |line: &&Line| matches!(line, Line::Entry(e) if e.path == b"d001/file-77.txt");
    assert_eq!(found[0].1.first(), list(3000, 1).iter().find(is));
}

/// What a search must give, found by looking at every line.
fn every(lists: &[(u64, Vec<Line>)], is: &mut dyn FnMut(&[u8]) -> bool) -> Vec<(u64, Line)> {
    let mut all = Vec::new();
    for (job, lines) in lists {
        for line in crate::common::sorted(lines.clone()) {
            let path = match &line {
                Line::Entry(entry) => &entry.path,
                Line::Gone { path } | Line::Missing { path, .. } | Line::Inode { path, .. } => path,
                _ => continue,
            };
            if is(path) {
                all.push((*job, line));
            }
        }
    }
    all
}

#[test]
fn searches_find_what_is_there_and_nothing_else() {
    let lists = [(1, list(9000, 1)), (2, list(50, 2)), (7, list(4000, 7))];
    let kitchen = Kitchen::new(&lists);
    for text in ["file-123", "d07", "8.txt", "x", "", "/file-49", "nowhere", "d001/file-5"] {
        let mut is = |path: &[u8]| String::from_utf8_lossy(path).contains(text);
        let expected = match text {
            // The root has no name that could have it.
            "" => every(&lists, &mut |_| true),
            _ => every(&lists, &mut is),
        };
        let found = kitchen.found(&Wanted::Text(text.into()), 100_000);
        assert!(found == (expected, false), "{text}");
    }
    for pattern in ["**/file-12?.txt", "d0[1-3]*/*9.txt", "d001", "d*/file-7", "*/file-*5*5*", "."]
    {
        let mut only = Only::new(&[pattern.into()]);
        let expected = every(&lists, &mut |path| only.selects(path));
        let found = kitchen.found(&Wanted::Pattern(pattern.into()), 100_000);
        assert!(found == (expected, false), "{pattern}");
    }
    let (found, more) = kitchen.found(&Wanted::Text("file".into()), 10);
    assert_eq!((found.len(), more), (10, true));
    let (found, more) = kitchen.found(&Wanted::Text("file-8999".into()), 1);
    assert_eq!((found.len(), more), (1, false));
}

fn paths(entries: &[(u64, String)]) -> Vec<String> {
    entries.iter().map(|(job, path)| format!("{job} {path}")).collect()
}

#[test]
fn later_jobs_win_and_what_is_gone_is_gone() {
    let f = |offset: u64, path: &str| format!("f {offset} 10 1 1.000000000 - {path}\n");
    let d = |offset: u64, path: &str| format!("d {offset} 10 0 1.000000000 - {path}\n");
    let full = [
        d(0, "."),
        f(10, "a"),
        d(20, "b"),
        f(30, "b/x"),
        f(40, "b/y"),
        d(50, "c"),
        f(60, "c/x"),
        f(70, "d"),
        d(80, "e"),
        f(90, "e/x"),
    ];
    let second = [
        "- b/x\n- c/x\n- c\n- e\n".to_owned(),
        f(0, "a"),
        f(10, "b/z"),
        f(20, "c"),
        "! changed d\n".into(),
    ];
    let third = [
        "- c\n".to_owned(),
        d(0, "c"),
        f(10, "c/new"),
        "h 20 10 0 1.000000000 - link c/new\n".into(),
    ];
    let lists =
        [(1, lines(&full.concat())), (2, lines(&second.concat())), (3, lines(&third.concat()))];
    let kitchen = Kitchen::new(&lists);
    let laid = |jobs: &[u64], only: &[&str]| paths(&kitchen.planned(jobs, only).0);
    assert_eq!(laid(&[1, 2], &[]), ["1 .", "2 a", "1 b", "1 b/y", "2 b/z", "2 c", "1 d"]);
    assert_eq!(
        laid(&[1, 2, 3], &[]),
        ["1 .", "2 a", "1 b", "1 b/y", "2 b/z", "3 c", "3 c/new", "1 d", "3 link"]
    );
    assert_eq!(laid(&[1, 2, 3], &["c"]), ["3 c", "3 c/new"]);
    assert_eq!(laid(&[1, 2], &["c/x"]), [""; 0], "what is above it is a file now");
    assert_eq!(laid(&[1, 2, 3], &["b/[xz]", "a"]), ["2 a", "2 b/z"]);
    assert_eq!(laid(&[1, 2], &["e/x"]), [""; 0], "what it is in is gone");
    assert_eq!(laid(&[1], &["e"]), ["1 e", "1 e/x"]);
    // The target of a hard link comes along, though it is no entry that was asked for.
    let (entries, steps) = kitchen.planned(&[1, 2, 3], &["link"]);
    assert_eq!(paths(&entries), ["3 link"]);
    assert_eq!(steps.iter().map(|s| (s.from, s.to)).collect::<Vec<_>>(), [(10, 30)]);
}

#[test]
fn a_plan_of_many_is_what_laying_them_by_hand_gives() {
    let mut lists = vec![(1, list(5000, 1))];
    for id in 2..6u64 {
        let is_taken = |line: &Line| match line {
            Line::Entry(entry) => entry.offset / 512 % (id + 7) == 0,
            _ => false,
        };
        let mut changed: Vec<Line> = list(5000, id).into_iter().filter(is_taken).collect();
        for n in (0..5000).filter(|n| n % 97 == id) {
            changed.push(Line::Gone { path: format!("d{:03}/file-{n}.txt", n / 50).into() });
        }
        lists.push((id, changed));
    }
    let kitchen = Kitchen::new(&lists);
    let mut expected: BTreeMap<Vec<u8>, (u64, Entry)> = BTreeMap::new();
    for (job, lines) in &lists {
        for line in crate::common::sorted(lines.clone()) {
            match line {
                Line::Gone { path } => _ = expected.remove(&path),
                Line::Entry(entry) => _ = expected.insert(entry.path.clone(), (*job, entry)),
                _ => {}
            }
        }
    }
    for only in [&[][..], &["d01?/*7.txt"], &["d003", "d04*"]] {
        let patterns: Vec<Vec<u8>> = only.iter().map(|p| p.as_bytes().to_vec()).collect();
        let mut chosen = Only::new(&patterns);
        let wanted: Vec<String> = expected
            .values()
            .filter(|(_, entry)| chosen.selects(&entry.path))
            .map(|(job, entry)| format!("{job} {}", String::from_utf8_lossy(&entry.path)))
            .collect();
        let mut found = paths(&kitchen.planned(&[1, 2, 3, 4, 5], only).0);
        found.sort_by_key(|line| line.split_once(' ').unwrap().1.to_owned());
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_plan_says_which_blocks_of_which_media() {
    let mut text = String::from("~ 1 0 100\n~ 1 5000 2000\n~ 1 9000 4000\n");
    text.push_str("f 0 1000 1 1.000000000 - a\nf 1000 4000 1 1.000000000 - b\n");
    text.push_str("f 6000 100 1 1.000000000 - c\nf 9500 100 1 1.000000000 - d\n");
    let mut kitchen = Kitchen::new(&[(1, lines(&text))]);
    let kept = |copy, from, to, medium: &str, block, stride| {
        let (medium, volume) = (medium.into(), None);
        Kept { copy, from, to, medium, volume, block, stride }
    };
    let mut placed = job(1);
    placed.recorded = 6000;
    placed.kept = vec![
        kept(0, 0, 3000, "A", 10, 500),
        kept(0, 3000, 6000, "B", 2, 500),
        kept(1, 0, 6000, "C", 7, 0),
    ];
    commit(&mut kitchen.catalogue, puts(vec![Record::Job(placed)]), Vec::new());
    let steps = |kitchen: &Kitchen, only| {
        let told = |s: &Step| (s.copy, s.medium.clone(), s.from, s.to, s.block, s.last);
        kitchen.planned(&[1], only).1.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(
        steps(&kitchen, &["a"]),
        [(0, "A".into(), 100, 2000, 10, Some(13)), (1, "C".into(), 100, 2000, 7, None)]
    );
    assert_eq!(
        steps(&kitchen, &["c"])[..2],
        [(0, "A".into(), 2000, 3000, 14, Some(15)), (0, "B".into(), 3000, 4000, 2, Some(3))]
    );
    assert_eq!(steps(&kitchen, &["d"])[0], (0, "B".into(), 4000, 6000, 4, Some(7)));
}

#[test]
fn what_is_not_on_any_medium_is_said() {
    let text = "~ 1 0 100\n~ 1 5000 2000\n~ 1 9000 4000\nf 6000 100 1 1.000000000 - c\n\
        f 9500 100 1 1.000000000 - d\n";
    let plain = "f 0 500 1 1.000000000 - a\nf 9999900 200 1 1.000000000 - b\n";
    let mut kitchen = Kitchen::new(&[(1, lines(text)), (2, lines(plain))]);
    let lacking = |kitchen: &Kitchen, job, path: &str| {
        let snapshot = kitchen.catalogue.reader().snapshot().unwrap();
        let plan = plan(&snapshot, &[JobId(job)], &[path.into()], &mut |_, _| Ok(())).unwrap();
        plan.lacking.iter().map(|s| (s.from, s.to)).collect::<Vec<_>>()
    };
    assert_eq!(lacking(&kitchen, 1, "c"), []);
    assert_eq!(lacking(&kitchen, 2, "a"), []);
    assert_eq!(lacking(&kitchen, 2, "b"), [(10_000_000, 10_000_100)]);
    let mut cut = job(1);
    (cut.recorded, cut.kept[0].to) = (3000, 3000);
    commit(&mut kitchen.catalogue, puts(vec![Record::Job(cut)]), Vec::new());
    assert_eq!(lacking(&kitchen, 1, "c"), [(3000, 4000)]);
    assert_eq!(lacking(&kitchen, 1, "d"), [(4000, u64::MAX)]);
}

#[test]
fn of_a_sealed_list_all_is_to_be_read() {
    let kitchen = Kitchen::new(&[(1, lines("+ 1 aGVhZA==\n% 1 0 last AAECAw==\n"))]);
    let snapshot = kitchen.catalogue.reader().snapshot().unwrap();
    let plan = plan(&snapshot, &[JobId(1)], &[b"a".to_vec()], &mut |_, _| Ok(())).unwrap();
    assert_eq!((plan.sealed, plan.entries), (vec![JobId(1)], 0));
    assert_eq!((plan.steps[0].from, plan.steps[0].to), (0, 10_000_000));
}
