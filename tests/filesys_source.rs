//! `src_filesys` against its referees: what it makes of a tree, GNU tar and bsdtar unpack again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use common::hard_tree;
use common::tree::{Kind, Node, assert_same, snapshot};
use rustix::fs::{Mode, OFlags, futimens, mkdirat, openat};
use tapioca::parts::source::filesys::{Filesys, Plan};
use tapioca::pax::{Event, Member, Reader, Time};
use tapioca::stream::frame::FrameReader;
use tapioca::stream::{Begin, End, Fault, Inlet, Item, Outlet, Source};

/// What came out of a source: the payload, the index lines, the end.
struct Taken {
    archive: Vec<u8>,
    marks: String,
    end: End,
    said: String,
    status: i32,
}

fn src_filesys() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapioca"));
    command.arg("src_filesys");
    command
}

fn take(command: &mut Command) -> Taken {
    let output = command.output().expect("it starts");
    let mut inlet = FrameReader::new(&output.stdout[..]);
    let (mut archive, mut marks) = (Vec::new(), Vec::new());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let end = loop {
        match inlet.take().unwrap_or_else(|e| panic!("{e}; it said: {said}")) {
            Item::Begin(begin) => assert_eq!(begin.kind, "pax"),
            Item::Data { block, .. } => archive.extend_from_slice(block.data()),
            Item::Mark(lines) => marks.extend(lines),
            Item::End(end) => break end,
            Item::Abort(abort) => panic!("aborted: {}", abort.why),
            Item::Turn(id) => panic!("a turn of {id}"),
        }
    };
    let marks = but_for_inodes(marks);
    Taken { archive, marks, end, said, status: output.status.code().expect("it exits") }
}

/// Index lines but those about inodes, which no test knows beforehand.
fn but_for_inodes(marks: Vec<u8>) -> String {
    let lines = marks.split_inclusive(|&b| b == b'\n').filter(|line| !line.starts_with(b"i "));
    String::from_utf8(lines.flatten().copied().collect()).expect("these lines are text")
}

/// Unpacks an archive with a program that reads it from its standard input.
fn unpack(archive: &[u8], program: &str, options: &[&str], into: &Path) -> (bool, String) {
    let mut child = Command::new(program)
        .args(options)
        .arg("-C")
        .arg(into)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C.UTF-8")
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        scope.spawn(move || std::io::Write::write_all(&mut input, archive).expect("it reads all"));
        let output = child.wait_with_output().expect("it ends");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    })
}

const GNU_TAR: &[&str] =
    &["-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-f", "-"];
const BSDTAR: &[&str] = &["-x", "-p", "--numeric-owner", "--xattrs", "--acls", "-f", "-"];

/// The tree as a backup keeps it: without sockets.
fn hard_tree_without_sockets(dir: &Path) -> Vec<Node> {
    hard_tree::build(dir);
    let mut nodes = snapshot(dir);
    nodes.retain(|node| node.kind != Kind::Socket);
    nodes
}

fn take_hard_tree(dir: &Path) -> Taken {
    let taken = take(src_filesys().arg("-C").arg(dir).arg("."));
    assert_eq!((taken.status, taken.end.skipped), (0, 0), "{}", taken.said);
    assert_eq!(taken.marks, "! socket nodes/socket\n");
    assert_eq!(taken.said, "src_filesys: nodes/socket is a socket, not taken\n");
    assert_eq!(taken.end.bytes, taken.archive.len() as u64);
    // 60 GiB of holes and a dozen MiB of data.
    assert!(taken.archive.len() < 16 << 20, "{} bytes", taken.archive.len());
    taken
}

#[test]
fn gnu_tar_unpacks_the_hard_tree_unchanged() {
    let (from, into) = (hard_tree::workspace(), hard_tree::workspace());
    let wanted = hard_tree_without_sockets(from.path());
    let taken = take_hard_tree(from.path());
    let (fine, said) = unpack(&taken.archive, "tar", GNU_TAR, into.path());
    assert!(fine, "{said}");
    assert_same(&wanted, &snapshot(into.path()));
}

#[test]
fn bsdtar_unpacks_the_hard_tree_but_for_its_own_limits() {
    let (from, into) = (hard_tree::workspace(), hard_tree::workspace());
    let mut wanted = hard_tree_without_sockets(from.path());
    let taken = take_hard_tree(from.path());
    let (fine, said) = unpack(&taken.archive, "bsdtar", BSDTAR, into.path());
    assert!(fine, "{said}");
    let mut got = snapshot(into.path());
    // The next test shows that these two are bsdtar's.
    wanted.iter_mut().for_each(|node| node.mtime = as_bsdtar_reads(node.mtime));
    got[0].mtime = wanted[0].mtime;
    assert_same(&wanted, &got);
}

/// bsdtar 3.6 takes the sign of a negative time for its seconds only.
fn as_bsdtar_reads((s, ns): (i64, i64)) -> (i64, i64) {
    if s < 0 && ns > 0 { (s + 1, 1_000_000_000 - ns) } else { (s, ns) }
}

#[test]
fn what_bsdtar_gets_wrong_it_gets_wrong_in_other_archives_too() {
    let (from, into) = (hard_tree::workspace(), hard_tree::workspace());
    std::fs::write(from.path().join("old"), b"old").unwrap();
    hard_tree::set_mtime(&from.path().join("old"), -5, 250_000_000);
    hard_tree::set_mtime(from.path(), 1_600_000_000, 0);
    let wanted = snapshot(from.path());
    for program in ["tar", "bsdtar"] {
        let output = Command::new(program)
            .args(["--format=pax", "-cf", "-", "-C"])
            .args([from.path(), Path::new(".")])
            .output()
            .unwrap();
        let (fine, said) = unpack(&output.stdout, "bsdtar", BSDTAR, into.path());
        assert!(fine, "{said}");
        let got = snapshot(into.path());
        assert_ne!(got[0].mtime, wanted[0].mtime, "it sets the time of `.` after all");
        let read =
            if program == "tar" { as_bsdtar_reads(wanted[1].mtime) } else { wanted[1].mtime };
        assert_eq!(got[1].mtime, read, "from {program}");
    }
}

#[test]
fn the_same_tree_gives_the_same_archive() {
    let from = hard_tree::workspace();
    hard_tree::build(from.path());
    let one = take_hard_tree(from.path());
    let two = take_hard_tree(from.path());
    assert!(one.archive == two.archive, "two archives of one tree differ");
}

#[test]
fn a_shell_line_with_tar_at_its_end_works_without_a_word() {
    let (from, into) = (hard_tree::workspace(), hard_tree::workspace());
    std::fs::create_dir(from.path().join("b")).unwrap();
    std::fs::write(from.path().join("b/c"), hard_tree::noise(1, 300_000)).unwrap();
    let line = r#"set -o pipefail; "$0" src_filesys -C "$1" . | "$0" sink_stdout | tar -x -C "$2""#;
    let output = Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_tapioca")])
        .args([from.path(), into.path()])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_same(&snapshot(from.path()), &snapshot(into.path()));
}

/// Members of an archive in their order.
fn members(archive: &[u8]) -> Vec<Member> {
    let mut members = Vec::new();
    let mut reader = Reader::new();
    let mut visit = |event: Event<'_>| {
        if let Event::Member { member, .. } = event {
            members.push(member.clone());
        }
        Ok(())
    };
    reader.feed(archive, &mut visit).unwrap();
    reader.finish().unwrap();
    members
}

fn paths(archive: &[u8]) -> Vec<String> {
    let path = |member: Member| String::from_utf8_lossy(&member.path).into_owned();
    members(archive).into_iter().map(path).collect()
}

#[test]
fn names_come_in_the_order_of_their_bytes() {
    let from = hard_tree::workspace();
    for path in ["b/2", "b/10", "b.c", "a/x/y", "Z", "\u{e4}"] {
        let path = from.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    let taken = take(src_filesys().arg("-C").arg(from.path()).arg("."));
    let wanted = [".", "Z", "a", "a/x", "a/x/y", "b", "b/10", "b/2", "b.c", "\u{e4}"];
    assert_eq!(paths(&taken.archive), wanted);
    let taken =
        take(src_filesys().arg("-C").arg(from.path()).args(["./b//", "a/x", "--name", "n"]));
    assert_eq!(paths(&taken.archive), ["b", "b/10", "b/2", "a/x", "a/x/y"]);
    let absolute = take(src_filesys().arg(from.path().join("b.c")));
    let stored = format!("{}/b.c", from.path().display());
    assert_eq!(paths(&absolute.archive), [stored.trim_start_matches('/')]);
}

#[test]
fn excluded_and_listed_names() {
    let from = hard_tree::workspace();
    for path in ["keep/a.o", "keep/a.c", "home/ann/.cache/x", "home/ann/x", "new\nline"] {
        let path = from.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    let excludes = ["--exclude", "*.o", "--exclude", "/home/*/.cache"];
    let taken = take(src_filesys().arg("-C").arg(from.path()).args(excludes).arg("."));
    let wanted = [".", "home", "home/ann", "home/ann/x", "keep", "keep/a.c", "new\nline"];
    assert_eq!(paths(&taken.archive), wanted);
    let list = from.path().join("list");
    std::fs::write(&list, b"keep\0./keep/a.o\0new\nline\0gone\0../x\0").unwrap();
    let taken =
        take(src_filesys().arg("-C").arg(from.path()).arg("-0").arg("--files-from").arg(&list));
    assert_eq!(paths(&taken.archive), ["keep", "keep/a.o", "new\nline"], "not what is in `keep`");
    assert_eq!(taken.marks, "! vanished gone\n! unreadable ../x\n");
    assert_eq!((taken.status, taken.end.skipped), (1, 2));
    // Links on the way to a listed name are not followed.
    std::os::unix::fs::symlink("keep", from.path().join("way")).unwrap();
    std::fs::write(&list, b"way\nway/a.c\n").unwrap();
    let taken = take(src_filesys().arg("-C").arg(from.path()).arg("--files-from").arg(&list));
    assert_eq!(paths(&taken.archive), ["way"]);
    assert_eq!(taken.marks, "! unreadable way/a.c\n");
}

#[test]
fn wrong_usage_is_told_apart() {
    for arguments in [&[".."][..], &["a/../../b"], &[], &["-0", "."], &["--no-such", "."]] {
        let output = src_filesys().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let output = src_filesys().args(["-C", "/no/such/place", "."]).output().unwrap();
    assert_eq!(output.status.code(), Some(111));
}

#[test]
fn deep_trees_need_few_descriptors_and_no_short_paths() {
    const LEVELS: usize = 1500;
    let from = hard_tree::workspace();
    let name = "level-name"; // 16 KiB of path at the bottom
    let mut here =
        rustix::fs::open(from.path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for level in 0..LEVELS {
        mkdirat(&here, name, Mode::from_raw_mode(0o755)).unwrap();
        let file = openat(&here, "z", OFlags::CREATE | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
            .unwrap();
        futimens(&file, &hard_tree::times(level as i64, 5)).unwrap();
        here = openat(&here, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
    let shell = r#"ulimit -n 90; exec "$0" src_filesys -C "$1" ."#;
    let taken = take(
        Command::new("sh").args(["-c", shell, env!("CARGO_BIN_EXE_tapioca")]).arg(from.path()),
    );
    assert_eq!(taken.status, 0, "{}", taken.said);
    let members = members(&taken.archive);
    assert_eq!(members.len(), 1 + 2 * LEVELS);
    assert_eq!(members[LEVELS].path.len(), LEVELS * (name.len() + 1) - 1);
    // On the way back each level's file is found again in its own directory.
    for (level, member) in members[LEVELS + 1..].iter().rev().enumerate() {
        assert_eq!(member.mtime, Time { s: level as i64, ns: 5 });
        assert_eq!(member.path.len(), level * (name.len() + 1) + 1);
    }
    assert!(Command::new("rm").arg("-r").arg(from.path().join(name)).status().unwrap().success());
}

#[test]
fn other_file_systems_are_entered_only_when_asked() {
    if !hard_tree::is_root() {
        return;
    }
    let from = hard_tree::workspace();
    std::fs::create_dir_all(from.path().join("a/mnt")).unwrap();
    std::fs::write(from.path().join("b"), b"").unwrap();
    let shell = r#"mount -t tmpfs none "$1/a/mnt" && : > "$1/a/mnt/f" && exec "$0" src_filesys -C "$1" "$2" ."#;
    let take_mounted = |option: &str| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", shell, env!("CARGO_BIN_EXE_tapioca")]);
        take(command.arg(from.path()).arg(option))
    };
    let taken = take_mounted("--one-file-system");
    assert_eq!(paths(&taken.archive), [".", "a", "a/mnt", "b"]);
    assert_eq!((taken.status, &taken.marks[..]), (0, "! excluded a/mnt\n"));
    let taken = take_mounted("--cross-mounts");
    assert_eq!(paths(&taken.archive), [".", "a", "a/mnt", "a/mnt/f", "b"]);
    assert_eq!(taken.marks, "");
}

#[test]
fn what_may_not_be_read_is_named_and_the_rest_is_taken() {
    if !hard_tree::is_root() {
        return;
    }
    let from = hard_tree::workspace();
    for name in ["a", "closed/x", "secret", "z"] {
        let path = from.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    for (name, mode) in [("", 0o755), ("closed", 0), ("secret", 0)] {
        std::fs::set_permissions(from.path().join(name), Permissions::from_mode(mode)).unwrap();
    }
    // The program is copied to where anybody may run it.
    let place = hard_tree::workspace();
    let program = place.path().join("tapioca");
    std::fs::copy(env!("CARGO_BIN_EXE_tapioca"), &program).unwrap();
    std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    let taken = take(command.arg("src_filesys").arg("-C").arg(from.path()).arg("."));
    assert_eq!(paths(&taken.archive), [".", "a", "z"]);
    assert_eq!(taken.marks, "! unreadable closed\n! unreadable secret\n");
    assert_eq!(
        taken.said,
        "src_filesys: cannot open closed: Permission denied\n\
         src_filesys: cannot open secret: Permission denied\n\
         src_filesys: done, but 2 left out (named above)\n"
    );
    assert_eq!((taken.status, taken.end.skipped), (1, 2));
}

/// An outlet that changes the tree when the first data comes.
struct Meddler<F: FnMut()> {
    meddle: Option<F>,
    archive: Vec<u8>,
    marks: Vec<u8>,
}

impl<F: FnMut()> Outlet for Meddler<F> {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Data { block, .. } => {
                self.archive.extend_from_slice(block.data());
                if let Some(mut meddle) = self.meddle.take() {
                    meddle();
                }
            }
            Item::Mark(lines) => self.marks.extend(lines),
            Item::Begin(_) | Item::End(_) | Item::Abort(_) | Item::Turn(_) => {}
        }
        Ok(())
    }
}

/// Takes a tree that is changed while its first file, `a`, is read. Returns the archive, the marks
/// and the count of what was left out.
fn take_meddled(dir: &Path, meddle: impl FnMut()) -> (Vec<u8>, String, u64) {
    let plan = Plan { directory: dir.into(), paths: vec![".".into()], ..Plan::default() };
    let mut out = Meddler { meddle: Some(meddle), archive: Vec::new(), marks: Vec::new() };
    let left_out = Filesys::new(Begin::default(), plan, None).run(&mut out).unwrap();
    assert!(out.meddle.is_none(), "no data came");
    (out.archive, but_for_inodes(out.marks), left_out)
}

#[test]
fn files_that_change_keep_the_archive_whole() {
    let (from, outside) = (hard_tree::workspace(), hard_tree::workspace());
    let at = |name: &str| from.path().join(name);
    let content = hard_tree::noise(1, 1 << 20);
    std::fs::write(outside.path().join("inner"), b"outside").unwrap();
    for name in ["a", "gone", "dir/inner", "file", "z"] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), &content).unwrap();
    }
    let (archive, marks, left_out) = take_meddled(from.path(), || {
        File::options().write(true).open(at("a")).unwrap().set_len(300_000).unwrap();
        std::fs::remove_file(at("gone")).unwrap();
        std::fs::remove_dir_all(at("dir")).unwrap();
        symlink(outside.path(), at("dir")).unwrap();
        std::fs::remove_file(at("file")).unwrap();
        symlink(outside.path().join("inner"), at("file")).unwrap();
    });
    assert_eq!(marks, "! changed a\n! changed dir\n! changed file\n! vanished gone\n");
    assert_eq!(left_out, 4);
    assert_eq!(paths(&archive), [".", "a", "z"]);
    let into = hard_tree::workspace();
    assert!(unpack(&archive, "tar", GNU_TAR, into.path()).0);
    let padded = std::fs::read(into.path().join("a")).unwrap();
    assert!(padded[..300_000] == content[..300_000] && padded.len() == 1 << 20);
    assert!(std::fs::read(into.path().join("z")).unwrap() == content);
}

#[test]
fn a_file_that_grows_or_is_written_is_told() {
    for grow in [true, false] {
        let from = hard_tree::workspace();
        let path = from.path().join("a");
        std::fs::write(&path, hard_tree::noise(1, 1 << 20)).unwrap();
        hard_tree::set_mtime(&path, 1_000_000_000, 0);
        let (archive, marks, left_out) = take_meddled(from.path(), || {
            let file = File::options().append(grow).write(true).open(&path).unwrap();
            std::io::Write::write_all(&mut &file, b"more").unwrap();
        });
        assert_eq!((&marks[..], left_out), ("! changed a\n", 1));
        assert_eq!(members(&archive)[1].size, 1 << 20);
    }
}

#[test]
fn a_branch_that_is_moved_away_leads_nowhere_else() {
    // Deeper than directories are kept open, so the way back goes by `..`.
    const LEVELS: usize = 100;
    let (from, outside) = (hard_tree::workspace(), hard_tree::workspace());
    let level = |number: usize| from.path().join("d/".repeat(number));
    std::fs::create_dir_all(level(LEVELS)).unwrap();
    (0..LEVELS).for_each(|number| std::fs::write(level(number).join("z"), b"").unwrap());
    std::fs::write(level(LEVELS).join("a"), hard_tree::noise(1, 1 << 20)).unwrap();
    std::fs::write(outside.path().join("z"), b"outside").unwrap();
    let (archive, marks, left_out) = take_meddled(from.path(), || {
        std::fs::rename(level(20), outside.path().join("moved")).unwrap();
    });
    let paths = paths(&archive);
    // Levels 20 and deeper are still reached, above them `..` is another directory.
    assert!(paths.contains(&format!("{}z", "d/".repeat(20))));
    assert!(!paths.contains(&format!("{}z", "d/".repeat(19))));
    assert_eq!(left_out, 20);
    assert!(marks.lines().all(|line| line.starts_with("! vanished ")), "{marks}");
    assert!(members(&archive).iter().all(|member| member.size == 0 || member.size == 1 << 20));
}

#[test]
fn a_stream_of_a_tree_is_whole_for_the_next_component() {
    let from = hard_tree::workspace();
    hard_tree::build(from.path());
    let mut source =
        src_filesys().arg("-C").arg(from.path()).arg(".").stdout(Stdio::piped()).spawn().unwrap();
    let output = source.stdout.take().unwrap();
    let sink = Command::new(env!("CARGO_BIN_EXE_tapioca")).arg("sink_null").stdin(output).status();
    assert!(sink.unwrap().success() && source.wait().unwrap().success());
}
