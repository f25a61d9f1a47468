//! Incremental backups: a full one and those after it give back the tree of each day, exactly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::hard_tree;
use common::meddling::{Dice, Meddler, small_tree};
use common::tree::{Kind, Node, assert_same, snapshot};
use tapioca::list::Line;
use tapioca::list::file::{ListReader, ListWriter};

/// A folder with a tree in it and the backups of its days.
struct Days {
    dir: tempfile::TempDir,
    count: usize,
    /// What makes a stream kept in `$KEPT` of what comes in, and the way back.
    keep: String,
    play: String,
}

impl Days {
    fn new() -> Days {
        let (keep, play) = ("$T sink_file $KEPT", "$T src_file $KEPT");
        Days { dir: hard_tree::workspace(), count: 0, keep: keep.into(), play: play.into() }
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn try_sh(&self, day: usize, script: &str) -> Output {
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.dir.path())
            .env("T", env!("CARGO_BIN_EXE_tapioca"))
            .env("KEPT", format!("day{day}.kept"))
            .output()
            .unwrap()
    }

    fn sh(&self, day: usize, script: &str) -> String {
        let output = self.try_sh(day, script);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{}: {told}", output.status);
        told
    }

    /// Backs the tree up, all of it on the first day. Returns what proc_since said.
    fn back_up(&mut self) -> String {
        let day = self.count;
        let lists: String = (0..day).map(|earlier| format!(" --list day{earlier}.list")).collect();
        let source = match day {
            0 => "$T src_filesys -C tree .".to_owned(),
            _ => format!(
                "$T proc_list -C tree . | $T proc_since -v{lists} | $T src_filesys -C tree --files-from - -0"
            ),
        };
        let told = self
            .sh(day, &format!("{source} | $T proc_record --list day{day}.list | {}", self.keep));
        self.settle(day);
        self.count += 1;
        told
    }

    /// Makes the list say that the walk began now, when all changes before have an older time than
    /// all changes after. (A second is allowed for clocks; a day of this test takes less.)
    fn settle(&self, day: usize) {
        let probe = self.dir.path().join("probe");
        let ctime = || {
            fs::write(&probe, b"").unwrap();
            let meta = probe.metadata().unwrap();
            (meta.ctime(), meta.ctime_nsec() as u32)
        };
        let before = ctime();
        let now = std::iter::repeat_with(ctime).find(|now| *now > before).unwrap();
        set_began(&self.dir.path().join(format!("day{day}.list")), (now.0 + 1, now.1));
    }

    /// Restores a day into a new directory.
    fn restore(&self, day: usize) -> Vec<Node> {
        let target = self.dir.path().join("back");
        if target.exists() {
            fs::remove_dir_all(&target).unwrap();
        }
        for day in 0..=day {
            self.sh(day, &format!("{} | $T sink_filesys -C back --devices", self.play));
        }
        snapshot(&target)
    }
}

fn set_began(path: &Path, began: (i64, u32)) {
    let text = fs::read(path).unwrap();
    let mut reader = ListReader::open(&text[..], "list").unwrap();
    let mut head = Vec::new();
    Line::Head(tapioca::list::Head { began, ..reader.head().clone() }).write(&mut head);
    let mut writer = ListWriter::new(Vec::new());
    writer.write_all(&head).unwrap();
    while let Some(line) = reader.next_line().unwrap() {
        let mut text = Vec::new();
        line.write(&mut text);
        writer.write_all(&text).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

/// The tree as backups keep it: without sockets.
fn tree_of(root: &Path) -> Vec<Node> {
    let mut nodes = snapshot(root);
    nodes.retain(|node| node.kind != Kind::Socket);
    nodes
}

/// `N` of "of M names N are taken".
fn taken_and_names(told: &str) -> (u64, u64) {
    let line = told.lines().find(|line| line.starts_with("proc_since: of ")).unwrap();
    let numbers: Vec<u64> =
        line.split(' ').filter_map(|word| word.trim_matches(',').parse().ok()).collect();
    (numbers[1], numbers[0])
}

/// Goes through some days; every day is restored. Returns how many names were taken, of how many.
fn live(days: &mut Days, dice: Dice, count: usize, things: usize) -> (u64, u64) {
    let mut totals = (0, 0);
    let tree = days.tree();
    let mut meddler = Meddler { root: &tree, dice };
    days.back_up();
    for day in 1..=count {
        let things = 1 + meddler.dice.below(things);
        meddler.work(things);
        let wanted = tree_of(&tree);
        let (taken, names) = taken_and_names(&days.back_up());
        totals = (totals.0 + taken, totals.1 + names);
        assert_same(&wanted, &days.restore(day));
    }
    totals
}

#[test]
fn every_day_comes_back_from_the_full_backup_and_those_after_it() {
    let long = std::env::var_os("TAPIOCA_LONG").is_some();
    let (seeds, days) = if long { (1..=400, 6) } else { (1..=5, 4) };
    let (mut taken, mut names) = (0, 0);
    for seed in seeds.clone() {
        eprintln!("seed {seed} of {seeds:?}");
        let mut dice = Dice(seed);
        let mut here = Days::new();
        small_tree(&here.tree(), &mut dice);
        let (some, of) = live(&mut here, dice, days, 14);
        (taken, names) = (taken + some, names + of);
    }
    eprintln!("of {names} names {taken} were taken");
    assert!(taken * 10 < names * 7, "a backup that takes {taken} of {names} is not incremental");
}

#[test]
fn the_days_of_a_tree_with_everything_in_it_come_back() {
    let mut days = Days::new();
    fs::create_dir(days.tree()).unwrap();
    hard_tree::build(&days.tree());
    let (taken, names) = live(&mut days, Dice(77), 2, 30);
    assert!(taken < names / 2, "{taken} of {names}");
}

#[test]
fn a_day_on_which_nothing_happens_is_empty() {
    let mut days = Days::new();
    small_tree(&days.tree(), &mut Dice(3));
    days.back_up();
    assert_eq!(taken_and_names(&days.back_up()).0, 0);
    assert_same(&tree_of(&days.tree()), &days.restore(1));
}

#[test]
fn what_is_gone_comes_through_layers() {
    let mut days = Days::new();
    days.sh(0, "$T key new key >key.pub 2>/dev/null");
    days.keep =
        "$T proc_compress | $T proc_encrypt --to $(cat key.pub) | $T sink_file $KEPT".into();
    days.play = "$T src_file $KEPT | $T proc_decrypt --identity key | $T proc_decompress | $T proc_verify --list ${KEPT%kept}list".into();
    small_tree(&days.tree(), &mut Dice(9));
    live(&mut days, Dice(9), 3, 20);
}

#[test]
fn what_is_gone_comes_from_tape() {
    let mut days = Days::new();
    days.sh(0, "$T library create lib >/dev/null");
    let drive = "--drive virtual:lib#drive0 --changer virtual:lib#changer";
    days.keep = format!("$T sink_tape {drive} --sync-mib 1");
    days.play = format!(
        "$T src_tape {drive} --stream $(head -1 ${{KEPT%kept}}list | cut -d' ' -f2) | $T proc_verify"
    );
    small_tree(&days.tree(), &mut Dice(5));
    live(&mut days, Dice(5), 3, 20);
    // The reader on the volumes sees as much.
    days.sh(0, "$T drive dump --drive virtual:lib#drive0 --to dump >/dev/null");
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/src/volume/kit/reader.py");
    days.sh(0, &format!("python3 {reader} check dump >/dev/null"));
    let script =
        format!("python3 {reader} list dump | grep -c '^- '; cat day*.list | grep -c '^- '");
    let counts = String::from_utf8(days.try_sh(0, &script).stdout).unwrap();
    let counts: Vec<&str> = counts.lines().collect();
    assert_eq!(counts[0], counts[1]);
    // The lists can be lost: those that are made anew from the tape do as well.
    let gone = "grep -h '^- ' day*.list | sort";
    let before = days.try_sh(0, gone).stdout;
    assert!(!before.is_empty(), "nothing was gone");
    days.sh(
        0,
        "$T library rebuild --changer virtual:lib#changer --drive virtual:lib#drive0 --to anew",
    );
    let rename = "for l in day*.list; do s=$(head -1 $l | cut -d' ' -f2); mv anew/$s.list $l; done";
    days.sh(0, rename);
    assert_eq!(days.try_sh(0, gone).stdout, before);
    (0..days.count).for_each(|day| days.settle(day));
    let (taken, names) = taken_and_names(&days.back_up());
    assert_eq!(taken, 0, "of {names} names");
}

#[test]
fn tar_programs_still_unpack_a_stream_with_what_is_gone() {
    let mut days = Days::new();
    small_tree(&days.tree(), &mut Dice(4));
    days.back_up();
    fs::remove_dir_all(days.tree().join("twin1")).unwrap();
    fs::write(days.tree().join("new"), b"new").unwrap();
    days.back_up();
    for tar in ["tar", "bsdtar"] {
        let script =
            format!("mkdir {tar}; $T src_file $KEPT | $T sink_stdout | {tar} -x -f - -C {tar}");
        days.sh(1, &script);
        assert_eq!(fs::read(days.dir.path().join(tar).join("new")).unwrap(), b"new");
    }
}
