//! A catalogue that is lost comes back from cartridges and an export: the same jobs, lists and places.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tapioca::catalogue::check::check;
use tapioca::catalogue::plan::plan;
use tapioca::catalogue::record::{Job, JobId, JobState, Level, MediumState, Record, Work};
use tapioca::catalogue::{Catalogue, Snapshot};
use tapioca::list::{Entry, Line};

use crate::common::{All, commit, puts, records};

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
const DEVICES: &str = "--drive virtual:lib#drive0 --changer virtual:lib#changer";

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// Some backups of two machines: a full one, two that go on from it, and a compressed one that
    /// is longer than a cartridge.
    fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.ok("tapioca library create lib --drives 1 --slots 9 --media 8 --capacity 4MiB");
        bench.ok("mkdir -p www/sub; for n in $(seq 40); do head -c $((n * 997)) /dev/urandom > www/sub/f$n; done");
        bench.tape("src_filesys --name web/www www | proc_record --list 1.list");
        bench.ok("echo new > www/new; rm www/sub/f7; touch -d 2001-01-01 www/sub/f9");
        bench.since("www", "web/www", "--list 1.list", "2.list");
        bench.ok("echo newer > www/newer");
        bench.since("www", "web/www", "--list 1.list --list 2.list", "3.list");
        bench.ok("mkdir mail; for n in 1 2 3; do head -c 1700000 /dev/urandom > mail/m$n; done");
        bench.tape("src_filesys --name post/mail mail | proc_record --list 4.list | proc_compress");
        bench
    }

    fn sh(&self, line: &str) -> Output {
        let line = line.replace("DEVICES", DEVICES);
        let bin = self.dir.path().join("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin).unwrap();
            for name in [
                "tapioca",
                "src_filesys",
                "proc_list",
                "proc_since",
                "proc_record",
                "proc_compress",
                "sink_tape",
            ] {
                std::os::unix::fs::symlink(EXE, bin.join(name)).unwrap();
            }
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-c", &format!("set -o pipefail; {line}")]).current_dir(&self.dir);
        command.env("PATH", path).output().unwrap()
    }

    fn ok(&self, line: &str) -> String {
        let done = self.sh(line);
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn tape(&self, chain: &str) {
        self.ok(&format!("{chain} | sink_tape {DEVICES} --block-bytes 65536"));
    }

    fn since(&self, tree: &str, name: &str, lists: &str, to: &str) {
        self.tape(&format!(
            "proc_list {tree} | proc_since {lists} | src_filesys --name {name} --files-from - -0 | proc_record --list {to}"
        ));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Rebuilds with these words; returns what it printed, what it said, and its status.
    fn rebuild(&self, to: &str, words: &str) -> (String, String, i32) {
        let done = self.sh(&format!("tapioca catalogue rebuild DEVICES --to {to} {words}"));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(done.stdout), text(done.stderr), done.status.code().unwrap())
    }

    fn all(&self, name: &str) -> All {
        let catalogue = Catalogue::open(&self.at(name)).unwrap();
        All::of(&catalogue.reader().snapshot().unwrap()).unwrap()
    }
}

fn jobs(all: &All) -> Vec<Job> {
    let job = |record: &Record| match record {
        Record::Job(job) => Some(job.clone()),
        _ => None,
    };
    all.records.iter().filter_map(job).collect()
}

/// Entries of a list that proc_record kept, by path.
fn kept_entries(path: &Path) -> BTreeMap<Vec<u8>, Entry> {
    let bytes = std::fs::read(path).unwrap();
    let lines = tapioca::list::lines(&bytes).map(Result::unwrap);
    entries(lines.collect())
}

fn entries(lines: Vec<Line>) -> BTreeMap<Vec<u8>, Entry> {
    let entry = |line| match line {
        Line::Entry(entry) => Some((entry.path.clone(), entry)),
        _ => None,
    };
    lines.into_iter().filter_map(entry).collect()
}

fn is_clean(snapshot: &Snapshot) {
    assert_eq!(check(snapshot).unwrap().lines, [""; 0]);
}

#[test]
fn jobs_lists_and_places_come_back_from_cartridges_alone() {
    let bench = Bench::new();
    let (out, words, code) = bench.rebuild("c", "");
    assert_eq!((code, words.as_str()), (0, ""));
    let all = bench.all("c");
    let jobs = jobs(&all);
    let told: Vec<(u64, &str, &Level)> = jobs
        .iter()
        .map(|job| match &job.work {
            Work::Backup { name, level, .. } => (job.id.0, name.as_str(), level),
            other => panic!("{other:?}"),
        })
        .collect();
    let since = Level::Since;
    let mut expected =
        vec![(1, "www", &Level::Full), (2, "www", &since(JobId(1))), (3, "www", &since(JobId(2)))]
            .into_iter()
            .map(|(id, name, level)| (id, name.to_owned(), *level))
            .collect::<Vec<_>>();
    expected.push((4, "mail".into(), Level::Full));
    let told: Vec<(u64, String, Level)> =
        told.into_iter().map(|(id, name, level)| (id, name.to_owned(), *level)).collect();
    assert_eq!(told, expected, "{out}");
    assert!(jobs.iter().all(|job| job.state == JobState::Done && job.expires_s.is_some()));
    assert_eq!((jobs[0].machine.as_str(), jobs[3].machine.as_str()), ("web", "post"));
    for id in 1..=4 {
        let kept = kept_entries(&bench.at(&format!("{id}.list")));
        assert_eq!(entries(all.lists[&id].clone()), kept, "list {id}");
        assert_eq!(jobs[id as usize - 1].entries, kept.len() as u64);
    }
    let media: Vec<&str> = jobs[3].kept.iter().map(|kept| kept.medium.as_str()).collect();
    assert!(media.first() != media.last(), "{media:?}");
    let catalogue = Catalogue::open(&bench.at("c")).unwrap();
    is_clean(&catalogue.reader().snapshot().unwrap());
}

#[test]
fn a_plan_from_a_rebuilt_catalogue_names_the_right_blocks() {
    let bench = Bench::new();
    bench.rebuild("c", "");
    let catalogue = Catalogue::open(&bench.at("c")).unwrap();
    let snapshot = catalogue.reader().snapshot().unwrap();
    let wanted = [b"mail/m3".to_vec()];
    let plan = plan(&snapshot, &[JobId(4)], &wanted, &mut |_, _| Ok(())).unwrap();
    assert_eq!((plan.entries, &plan.lacking[..]), (1, &[][..]));
    let listed = bench.ok("tapioca library list DEVICES --files --only mail/m3");
    let row: Vec<&str> =
        listed.lines().find(|l| l.ends_with("mail/m3")).unwrap().split_whitespace().collect();
    let first = &plan.steps[0];
    assert!(row.contains(&first.medium.as_str()), "{listed}{first:?}");
    assert!(row.contains(&first.block.to_string().as_str()), "{listed}{first:?}");
    let laid = [JobId(1), JobId(2), JobId(3)];
    let mut paths = Vec::new();
    let plan = tapioca::catalogue::plan::plan(&snapshot, &laid, &[], &mut |_, entry| {
        paths.push(String::from_utf8(entry.path.clone()).unwrap());
        Ok(())
    });
    assert_eq!(plan.unwrap().lacking, []);
    paths.sort();
    let mut there: Vec<String> =
        bench.ok("find www -printf '%p\\n'").lines().map(str::to_owned).collect();
    there.sort();
    assert_eq!(paths, there);
}

#[test]
fn what_an_export_knows_is_kept_and_what_media_know_better_is_put_right() {
    let bench = Bench::new();
    bench.rebuild("first", "");
    // The catalogue as it was: numbers of its own, people and pools, and an expiry.
    let mut was = bench.all("first");
    let mut changes = records();
    changes.retain(|r| matches!(r, Record::User(_) | Record::Pool(_) | Record::Machine(_)));
    for record in &mut was.records {
        if let Record::Job(job) = record {
            job.id.0 += 40;
            job.user = "anna".into();
            job.expires_s = Some(1_900_000_000);
            if let Work::Backup { level: Level::Since(other), pool, .. } = &mut job.work {
                (other.0, *pool) = (other.0 + 40, "daily".into());
            }
        }
        changes.push(record.clone());
    }
    let mut catalogue = Catalogue::create(&bench.at("was")).unwrap();
    commit(&mut catalogue, puts(changes), Vec::new());
    drop(catalogue);
    bench.ok("tapioca catalogue export was --records-only --to records");
    // One backup more, that the export does not know.
    bench.tape("src_filesys --name web/etc www | proc_record --list 5.list");
    let (out, words, code) = bench.rebuild("c", "--records records");
    assert_eq!((code, words.as_str()), (0, ""), "{out}");
    let all = bench.all("c");
    let found = jobs(&all);
    assert_eq!(found.iter().map(|job| job.id.0).collect::<Vec<_>>(), [41, 42, 43, 44, 45]);
    let expected = jobs(&was);
    assert_eq!(found[..4], expected, "as they were");
    assert!(all.records.contains(&crate::common::user("anna")));
    assert_eq!(all.lists[&41], bench.all("first").lists[&1]);
    assert_eq!(
        (found[4].machine.as_str(), found[4].entries),
        ("web", all.lists[&45].len() as u64 - 2)
    );
    let catalogue = Catalogue::open(&bench.at("c")).unwrap();
    is_clean(&catalogue.reader().snapshot().unwrap());
    drop(catalogue);
    let (_, words, code) = bench.rebuild("c", "--records records");
    assert!(code == 100 && words.contains("c is there"), "{words}");
}

#[test]
fn what_is_not_on_the_media_any_more_is_said() {
    let bench = Bench::new();
    bench.rebuild("first", "");
    bench.ok("tapioca catalogue export first --records-only --to records");
    bench
        .ok("rm -r lib; tapioca library create lib --drives 1 --slots 9 --media 8 --capacity 4MiB");
    let (_, words, code) = bench.rebuild("c", "--records records");
    assert!(code == 1 && words.contains("job 1: it is not on the media"), "{words}");
    let all = bench.all("c");
    assert!(jobs(&all).iter().all(|job| matches!(job.state, JobState::Damaged(_))));
    let blank =
        |record: &Record| matches!(record, Record::Medium(m) if m.state == MediumState::Blank);
    assert_eq!(all.records.iter().filter(|r| blank(r)).count(), 8);
}

#[test]
fn the_commands_print_what_the_functions_find() {
    let bench = Bench::new();
    bench.rebuild("c", "--json");
    let text = bench.ok("tapioca catalogue check c");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(text.lines().any(|line| words(line) == ["job", "4"]), "{text}");
    let value: serde_json::Value =
        serde_json::from_str(&bench.ok("tapioca catalogue check c --json")).unwrap();
    assert_eq!((&value["wrong"], &value["records"]["job"]), (&0.into(), &4.into()));
    assert_eq!(bench.ok("tapioca catalogue export c"), bench.ok("tapioca catalogue export c"));
    let done = bench.sh("tapioca catalogue export c | (read -r line; echo \"$line\")");
    assert_eq!(
        (&done.stdout[..], &done.stderr[..]),
        (&b"{\"tapioca_catalogue\":1}\n"[..], &b""[..])
    );
    let mut catalogue = Catalogue::open(&bench.at("c")).unwrap();
    let mut lost = crate::common::job(9);
    lost.kept[0].medium = "GONE".into();
    commit(&mut catalogue, puts(vec![Record::Job(lost)]), Vec::new());
    drop(catalogue);
    let done = bench.sh("tapioca catalogue check c");
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(
        done.status.code() == Some(1) && words.contains("\"GONE\", which is not known"),
        "{words}"
    );
}
