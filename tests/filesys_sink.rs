//! `sink_filesys` against trees and archives of others: what comes back, what is left out, what a
//! cut leaves.

#![allow(clippy::unwrap_used, reason = "in tests it says what failed and where")]

mod common;
#[path = "common/restoring.rs"]
mod restoring;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::hard_tree;
use common::tree::{Kind, Node, assert_same, snapshot};
use restoring::{Archive, Receipts, begin, command, drafts_in, feed, frames, restore, run};
use tapioca::parts::sink::filesys::{Filesys, Options};
use tapioca::stream::{Begin, Block, End, Item, Sink};

fn made_by(program: &str, options: &[&str], dir: &Path) -> Vec<u8> {
    let output = Command::new(program).args(options).arg("-C").arg(dir).arg(".").output().unwrap();
    // Sockets are passed over with a word; what a format cannot hold too.
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn extracted_by(program: &str, options: &[&str], archive: &[u8], into: &Path) {
    fs::create_dir(into).unwrap();
    let mut extract = Command::new(program);
    extract.args(options).arg("-C").arg(into);
    let output = run(&mut extract, archive);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What an archive of GNU tar keeps of a tree: no sockets, and pipes and devices with two names
/// twice.
fn archived(tree: &[Node]) -> Vec<Node> {
    let keeps_links = |kind: &Kind| matches!(kind, Kind::File { .. } | Kind::Symlink { .. });
    let kept = tree.iter().filter(|node| node.kind != Kind::Socket).cloned();
    kept.map(|node| Node { link_to: node.link_to.filter(|_| keeps_links(&node.kind)), ..node })
        .collect()
}

/// bsdtar does not set the time of the target directory, and writes -1.5 s where it means -0.5 s.
fn without_bsdtars_times(mut tree: Vec<Node>) -> Vec<Node> {
    for node in tree.iter_mut().filter(|node| node.path.is_empty() || node.mtime.0 < 0) {
        node.mtime = (0, 0);
    }
    tree
}

fn with_devices() -> Options {
    Options { devices: true, ..Options::default() }
}

fn code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

fn words(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_pax_archive_of_gnu_tar_comes_back_identical() {
    if !hard_tree::is_root() {
        return;
    }
    let work = hard_tree::workspace();
    let (source, target) = (work.path().join("source"), work.path().join("target"));
    fs::create_dir(&source).unwrap();
    hard_tree::build(&source);
    let wanted = archived(&snapshot(&source));
    let options = ["-c", "--format=pax", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"];
    let archive = made_by("tar", &options, &source);
    let output = run(command(false).arg("-C").arg(&target).arg("--devices"), &frames(&archive));
    assert_eq!(code(&output), Some(0), "{}", words(&output));
    assert_same(&wanted, &snapshot(&target));
}

#[test]
fn other_formats_come_back_as_their_own_programs_restore_them() {
    if !hard_tree::is_root() {
        return;
    }
    let work = hard_tree::workspace();
    let source = work.path().join("source");
    fs::create_dir(&source).unwrap();
    hard_tree::build(&source);
    let gnu = ["-x", "-p", "--numeric-owner", "--delay-directory-restore"];
    let bsd = ["-x", "-p", "--numeric-owner", "--xattrs", "--acls"];
    for (name, program, make, extract) in [
        ("gnu", "tar", &["-c", "--format=gnu", "--sparse"][..], &gnu[..]),
        ("ustar", "tar", &["-c", "--format=ustar"], &gnu),
        ("v7", "tar", &["-c", "--format=v7"], &gnu),
        ("bsd", "bsdtar", &["-c", "--format=pax", "--xattrs", "--acls"], &bsd),
    ] {
        let archive = made_by(program, make, &source);
        let theirs = work.path().join(format!("{name}-theirs"));
        let ours = work.path().join(format!("{name}-ours"));
        extracted_by(program, extract, &archive, &theirs);
        let options = Options { numeric_owner: true, ..with_devices() };
        assert_eq!(restore(&ours, options, &archive), Ok(0), "{name}");
        let (mut wanted, mut got) = (snapshot(&theirs), snapshot(&ours));
        if name == "bsd" {
            (wanted, got) = (without_bsdtars_times(wanted), without_bsdtars_times(got));
        }
        assert_same(&wanted, &got);
    }
}

/// Runs a shell line in `work` with `tapioca` standing for the program; its words and status.
fn shell_line(work: &Path, line: &str) -> (String, Option<i32>) {
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", line]).current_dir(work);
    let path = Path::new(env!("CARGO_BIN_EXE_tapioca")).parent().unwrap();
    let rest = std::env::var("PATH").unwrap();
    let output = run(shell.env("PATH", format!("{}:{rest}", path.display())), b"");
    (words(&output), code(&output))
}

#[test]
fn what_src_filesys_takes_comes_back_identical() {
    let work = hard_tree::workspace();
    let source = work.path().join("source");
    fs::create_dir(&source).unwrap();
    hard_tree::build(&source);
    let line = "tapioca src_filesys -C source . | tapioca sink_filesys -C target --devices";
    let (words, code) = shell_line(work.path(), line);
    // The socket is named by the source, which then ends with 1; the sink has nothing to say.
    assert!(matches!(code, Some(0 | 1)) && !words.contains("sink_filesys"), "{code:?} {words}");
    let sockets_apart: Vec<Node> =
        snapshot(&source).into_iter().filter(|node| node.kind != Kind::Socket).collect();
    assert_same(&sockets_apart, &snapshot(&work.path().join("target")));
}

#[test]
fn a_foreign_archive_goes_through_a_whole_shell_line() {
    let work = hard_tree::workspace();
    fs::create_dir_all(work.path().join("source/d")).unwrap();
    fs::write(work.path().join("source/d/f"), [9; 100_000]).unwrap();
    symlink("d/f", work.path().join("source/l")).unwrap();
    let head =
        "tar -C source --format=pax -c . | tapioca src_stdin --kind pax | tapioca proc_compress";
    let tail = "tapioca sink_filesys -C target";
    let (words, code) = shell_line(work.path(), &format!("{head} | {tail}"));
    assert_eq!(code, Some(100));
    assert!(words.contains("still compressed (zstd): put proc_decompress before"), "{words}");
    let (words, code) =
        shell_line(work.path(), &format!("{head} | tapioca proc_decompress | {tail}"));
    assert_eq!((words.as_str(), code), ("", Some(0)));
    assert_same(&snapshot(&work.path().join("source")), &snapshot(&work.path().join("target")));
}

#[test]
fn any_split_of_the_stream_restores_the_same() {
    let work = hard_tree::workspace();
    let mut archive = Archive::default().dir(b"d").file(b"d/a", &[1; 3000]).hard_link(b"b", b"d/a");
    archive =
        archive.symlink(b"l", b"d").file(b"d/a", b"later wins").member(b'6', b"f", b"", 0o600);
    let archive = archive.end();
    let whole = work.path().join("whole");
    assert_eq!(restore(&whole, Options::default(), &archive), Ok(0));
    assert_eq!(fs::read(whole.join("d/a")).unwrap(), b"later wins");
    assert_eq!(fs::read(whole.join("b")).unwrap(), [1; 3000]);
    let wanted: Vec<Node> = snapshot(&whole).split_off(1);
    for piece in [1, 7, 511, 512, 513, 4096] {
        let target = work.path().join(piece.to_string());
        let up = &mut Receipts::default();
        assert_eq!(
            restoring::restore_with(&target, Options::default(), &archive, piece, up),
            Ok(0)
        );
        assert_same(&wanted, &snapshot(&target).split_off(1));
    }
}

/// What somebody who is not root gets of a tree: all of it, except the rights of others.
fn as_nobody(node: &Node) -> Node {
    let mut node = node.clone();
    if node.owner.0 != 65534 {
        node.mode &= !0o4000;
    }
    if node.owner != (65534, 65534) {
        node.mode &= !0o2000;
    }
    node.owner = (65534, 65534);
    node.xattrs.retain(|name, _| !name.starts_with("trusted.") && !name.starts_with("security."));
    node
}

#[test]
fn without_root_all_but_the_rights_of_others_comes_back() {
    if !hard_tree::is_root() {
        return;
    }
    let work = hard_tree::workspace();
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (source, target) = (work.path().join("source"), work.path().join("target"));
    fs::create_dir(&source).unwrap();
    hard_tree::build(&source);
    // A directory that its owner may not write to must not stop what is below it.
    fs::create_dir_all(source.join("closed/below")).unwrap();
    fs::write(source.join("closed/below/file"), b"in a closed directory").unwrap();
    for name in ["closed/below", "closed"] {
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(0o500)).unwrap();
    }
    let options = ["-c", "--format=pax", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"];
    let archive = made_by("tar", &options, &source);
    for round in ["fresh", "again, over what is there"] {
        let output = run(command(true).arg("-C").arg(&target), &frames(&archive));
        assert_eq!(code(&output), Some(1), "{round}: {}", words(&output));
        let told = words(&output);
        for line in [
            "left out ./nodes/null: a device node",
            "cannot set file capabilities (1,",
            "cannot set trusted.* attributes (3,",
            "note: owners not restored",
            "note: set-user-ID or set-group-ID dropped",
        ] {
            let line = line.replace("./", "");
            assert!(told.contains(&line), "{round}: {line:?} is not in {told}");
        }
        let device = |node: &&Node| {
            matches!(node.kind, Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Socket)
        };
        let wanted: Vec<Node> =
            archived(&snapshot(&source)).iter().filter(|n| !device(n)).map(as_nobody).collect();
        assert_same(&wanted, &snapshot(&target));
    }
}

/// Three members: new, replacing, new.
fn sample() -> (Vec<u8>, [Vec<u8>; 3]) {
    let contents = [vec![1; 700], vec![2; 2100], vec![3; 10]];
    let archive = Archive::default()
        .dir(b"d")
        .file(b"d/one", &contents[0])
        .file(b"d/two", &contents[1])
        .symlink(b"d/link", b"one")
        .file(b"three", &contents[2]);
    (archive.end(), contents)
}

#[test]
fn a_cut_anywhere_leaves_whole_members_only() {
    let (archive, contents) = sample();
    let work = hard_tree::workspace();
    let mut cuts: Vec<usize> = (0..=archive.len()).step_by(512).collect();
    let noise = hard_tree::noise(4711, 400);
    cuts.extend(noise.chunks(2).map(|b| usize::from(b[0]) << 8 | usize::from(b[1])));
    let mut replaced = 0;
    for cut in cuts.into_iter().map(|cut| cut % (archive.len() + 1)) {
        let target = work.path().join("target");
        fs::create_dir_all(target.join("d")).unwrap();
        fs::write(target.join("d/two"), b"the old one").unwrap();
        let up = &mut Receipts::default();
        let mut sink = Filesys::new(&target, Options::default());
        feed(&mut sink, begin(), &archive[..cut], 1000, up).unwrap();
        restoring::abort(&mut sink, up);
        drop(sink);
        assert!(up.0.is_empty(), "a receipt for half a stream");
        assert_eq!(drafts_in(&target), [""; 0], "cut at {cut}");
        for (name, content) in ["d/one", "d/two", "three"].iter().zip(&contents) {
            match fs::read(target.join(name)) {
                Ok(got) if got == *content => replaced += usize::from(*name == "d/two"),
                Ok(got) => assert!(*name == "d/two" && got == b"the old one", "{name} at {cut}"),
                Err(_) => assert_ne!(*name, "d/two", "gone at {cut}"),
            }
        }
        if cut >= 512 {
            let mtime = fs::metadata(target.join("d")).unwrap().mtime();
            assert_eq!(mtime, restoring::MTIME, "the directory's time at {cut}");
        }
        fs::remove_dir_all(&target).unwrap();
    }
    assert!(replaced > 20, "no cut came after the member that replaces");
}

#[test]
fn damage_in_the_middle_is_a_fault_and_leaves_no_half_file() {
    let (mut archive, contents) = sample();
    let work = hard_tree::workspace();
    // In the header of d/two: directory, one with two blocks, then this.
    archive[4 * 512 + 3] ^= 0x40;
    let fault = restore(work.path(), Options::default(), &archive).unwrap_err();
    assert_eq!(fault.exit_code(), 111);
    assert_eq!(fs::read(work.path().join("d/one")).unwrap(), contents[0]);
    assert!(!work.path().join("d/two").exists() && !work.path().join("three").exists());
    assert_eq!(drafts_in(work.path()), [""; 0]);
}

#[test]
fn a_killed_restore_leaves_no_half_file() {
    use std::io::Write;
    let work = hard_tree::workspace();
    let size = 6 << 20;
    let archive = Archive::default().file(b"whole", b"w").file(b"half", &vec![7; size]).end();
    let stream = frames(&archive);
    let mut child = command(false)
        .arg("-C")
        .arg(work.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // A pipe holds 1 MiB: when all this is written, most of it was taken.
    input.write_all(&stream[..stream.len() - (1 << 20)]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read(work.path().join("whole")).unwrap(), b"w");
    assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1);
}

#[test]
fn only_what_is_selected_comes_back_with_its_parents() {
    let work = hard_tree::workspace();
    let archive = Archive::default()
        .member(b'5', b"home", b"", 0o711)
        .member(b'5', b"home/alice", b"", 0o700)
        .file(b"home/alice/secret", b"s")
        .file(b"home/alice/other", b"o")
        .member(b'5', b"home/bob", b"", 0o700)
        .file(b"home/bob/x.txt", b"x")
        .hard_link(b"home/bob/twin.txt", b"home/alice/other")
        .file(b"top", b"t")
        .end();
    let only = |patterns: &[&str]| Options {
        only: patterns.iter().map(|p| p.as_bytes().to_vec()).collect(),
        ..Options::default()
    };
    let names = |dir: &str| -> Vec<String> {
        let nodes = snapshot(&work.path().join(dir));
        nodes.iter().map(|n| format!("{} {:o}", n.name(), n.mode)).skip(1).collect()
    };
    let into = |dir: &str| work.path().join(dir);
    assert_eq!(restore(&into("a"), only(&["home/alice/secret"]), &archive), Ok(0));
    assert_eq!(names("a"), ["home 711", "home/alice 700", "home/alice/secret 644"]);
    assert_eq!(restore(&into("b"), only(&["home/alice", "top"]), &archive), Ok(0));
    assert_eq!(names("b").len(), 5);
    assert_eq!(restore(&into("c"), only(&["**/*.txt", "nothing*"]), &archive), Ok(2));
    assert_eq!(names("c"), ["home 711", "home/bob 700", "home/bob/x.txt 644"]);
    // The first name is there from an earlier restore.
    assert_eq!(restore(&into("b"), only(&["home/bob/twin.txt"]), &archive), Ok(0));
    let inode = |name: &str| fs::metadata(into("b").join(name)).unwrap().ino();
    assert_eq!(inode("home/bob/twin.txt"), inode("home/alice/other"));
    // A file of that name which no restore made is not linked to.
    fs::create_dir_all(into("d/home/alice")).unwrap();
    fs::write(into("d/home/alice/other"), b"a stranger").unwrap();
    assert_eq!(restore(&into("d"), only(&["home/bob/twin.txt"]), &archive), Ok(1));
    let output = run(
        command(false).arg("-C").arg(into("e")).args(["--only", "home/bob/twin.txt", "none"]),
        &frames(&archive),
    );
    assert_eq!(code(&output), Some(1));
    assert!(words(&output).contains("home/alice/other, which is not restored here"));
    assert!(words(&output).contains("nothing in the stream matches --only none"));
}

#[test]
fn existing_files_are_replaced_or_kept_as_asked() {
    let work = hard_tree::workspace();
    let target = work.path();
    let archive = Archive::default()
        .file(b"file", b"new")
        .symlink(b"link", b"new")
        .dir(b"dir")
        .file(b"dir/fresh", b"new")
        .file(b"first", b"new")
        .hard_link(b"second", b"first")
        .end();
    let build = || {
        fs::write(target.join("file"), b"old").unwrap();
        symlink("old", target.join("link")).unwrap();
        fs::create_dir_all(target.join("dir")).unwrap();
    };
    build();
    let keep = Options { keep_existing: true, ..Options::default() };
    assert_eq!(restore(target, keep.clone(), &archive), Ok(0));
    assert_eq!(fs::read(target.join("file")).unwrap(), b"old");
    assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("old"));
    assert_ne!(fs::metadata(target.join("dir")).unwrap().mtime(), restoring::MTIME);
    assert_eq!(fs::read(target.join("dir/fresh")).unwrap(), b"new");
    // Again: the first names are those of the restore before.
    fs::remove_file(target.join("second")).unwrap();
    for _ in 0..2 {
        assert_eq!(restore(target, keep.clone(), &archive), Ok(0));
    }
    let inode = |name: &str| fs::metadata(target.join(name)).unwrap().ino();
    assert_eq!(inode("first"), inode("second"));
    assert_eq!(restore(target, Options::default(), &archive), Ok(0));
    assert_eq!(fs::read(target.join("file")).unwrap(), b"new");
    assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("new"));
    assert_eq!(fs::metadata(target.join("dir")).unwrap().mtime(), restoring::MTIME);
    assert_eq!(drafts_in(target), [""; 0]);
}

#[test]
fn replacing_a_file_leaves_its_other_names_alone() {
    let work = hard_tree::workspace();
    fs::write(work.path().join("file"), b"old").unwrap();
    fs::hard_link(work.path().join("file"), work.path().join("other name")).unwrap();
    let archive = Archive::default().file(b"file", b"new").end();
    assert_eq!(restore(work.path(), Options::default(), &archive), Ok(0));
    assert_eq!(fs::read(work.path().join("file")).unwrap(), b"new");
    assert_eq!(fs::read(work.path().join("other name")).unwrap(), b"old");
}

#[test]
fn what_is_in_the_way_is_replaced_or_named() {
    let work = hard_tree::workspace();
    let target = work.path();
    fs::create_dir_all(target.join("dir-here/full")).unwrap();
    fs::write(target.join("file-here"), b"old").unwrap();
    fs::create_dir(target.join("elsewhere")).unwrap();
    symlink("elsewhere", target.join("link-here")).unwrap();
    let archive = Archive::default()
        .file(b"dir-here", b"a file")
        .symlink(b"dir-here", b"x")
        .dir(b"file-here")
        .file(b"file-here/below", b"b")
        .dir(b"link-here")
        .file(b"link-here/below", b"b")
        .end();
    assert_eq!(restore(target, Options::default(), &archive), Ok(2));
    assert!(target.join("dir-here/full").is_dir());
    assert_eq!(fs::read(target.join("file-here/below")).unwrap(), b"b");
    assert!(fs::symlink_metadata(target.join("link-here")).unwrap().is_dir());
    assert_eq!(fs::read(target.join("link-here/below")).unwrap(), b"b");
    assert_eq!(fs::read_dir(target.join("elsewhere")).unwrap().count(), 0);
    assert_eq!(drafts_in(target), [""; 0]);
}

#[test]
fn a_whole_restore_is_receipted_and_a_lesser_one_is_not() {
    let work = hard_tree::workspace();
    let (archive, _) = sample();
    let up = &mut Receipts::default();
    let plain = Options::default;
    assert_eq!(restoring::restore_with(work.path(), plain(), &archive, 999, up), Ok(0));
    let [receipt] = &up.0[..] else { panic!("one receipt, not {:?}", up.0) };
    assert_eq!((receipt.from, receipt.to), (0, archive.len() as u64));
    assert_eq!(receipt.grade, "on disk");
    assert_eq!(receipt.place.medium, work.path().to_string_lossy());
    assert_eq!(receipt.digest, blake3::hash(&archive).to_hex().as_str());
    let only = Options { only: vec![b"three".to_vec()], ..plain() };
    let left_out = Archive::default().member(b'3', b"device", b"", 0o600).end();
    let keep = Options { keep_existing: true, ..plain() };
    for (options, archive, count) in
        [(only, archive.clone(), 0), (keep, archive, 0), (plain(), left_out, 1)]
    {
        let up = &mut Receipts::default();
        let done = restoring::restore_with(work.path(), options, &archive, 999, up);
        assert_eq!((done, up.0.len()), (Ok(count), 0));
    }
}

#[test]
fn a_partial_stream_may_jump_between_members_and_nowhere_else() {
    let work = hard_tree::workspace();
    let (archive, contents) = sample();
    let partial = || Begin { partial: true, ..begin() };
    let give = |ranges: &[(usize, usize)], dir: &str| {
        let up = &mut Receipts::default();
        let mut sink = Filesys::new(work.path().join(dir), Options::default());
        sink.item(Item::Begin(partial()), up)?;
        for &(from, to) in ranges {
            let block = Block::copy_of(&archive[from..to]);
            sink.item(Item::Data { offset: from as u64, block }, up)?;
        }
        sink.item(Item::End(End { bytes: 0, skipped: 0 }), up)?;
        assert!(up.0.is_empty(), "a receipt for a part");
        sink.finish()
    };
    // d/one is at block 1, d/two at 4, the link at 10, three at 11.
    assert_eq!(give(&[(512, 4 * 512), (11 * 512, 13 * 512)], "good"), Ok(0));
    assert_eq!(fs::read(work.path().join("good/d/one")).unwrap(), contents[0]);
    assert_eq!(fs::read(work.path().join("good/three")).unwrap(), contents[2]);
    assert!(!work.path().join("good/d/two").exists());
    assert!(give(&[(512, 3 * 512), (11 * 512, 13 * 512)], "bad").is_err());
    assert!(!work.path().join("bad/d/one").exists());
}

#[test]
fn streams_that_are_no_plain_file_tree_are_refused_before_anything_is_made() {
    let work = hard_tree::workspace();
    let target = work.path().join("target");
    for (kind, layers, words) in [
        ("pax", vec!["zstd"], "still compressed (zstd): put proc_decompress before"),
        ("pax", vec!["zstd", "age"], "still encrypted (age): put proc_decrypt before"),
        ("raw", vec![], "no file tree (its kind is raw)"),
    ] {
        let layers = layers.into_iter().map(String::from).collect();
        let begin = Begin { kind: kind.into(), layers, ..begin() };
        let mut sink = Filesys::new(&target, Options::default());
        let fault = sink.item(Item::Begin(begin), &mut Receipts::default()).unwrap_err();
        assert!(fault.what.contains(words), "{fault}");
        assert_eq!(fault.exit_code(), 100);
        assert!(!target.exists());
    }
}

#[test]
fn a_default_acl_in_the_target_is_not_inherited() {
    let work = hard_tree::workspace();
    let target = work.path().join("target");
    fs::create_dir(&target).unwrap();
    let set = Command::new("setfacl").args(["-m", "d:u:12:rwx"]).arg(&target).status().unwrap();
    assert!(set.success());
    let archive = Archive::default()
        .file(b"plain", b"x")
        .dir(b"d")
        .file(b"d/plain", b"x")
        .file(b"made/on/the/way", b"x")
        .member(b'6', b"fifo", b"", 0o640)
        .end();
    assert_eq!(restore(&target, Options::default(), &archive), Ok(0));
    for node in &snapshot(&target)[1..] {
        assert!(node.xattrs.is_empty(), "{}: {:?}", node.name(), node.xattrs.keys());
        if node.name().ends_with("plain") {
            assert_eq!(node.mode, 0o644);
        }
    }
}

#[test]
fn the_umask_takes_nothing_away() {
    let work = hard_tree::workspace();
    let archive = Archive::default()
        .member(b'0', b"open", b"", 0o666)
        .member(b'6', b"fifo", b"", 0o666)
        .member(b'5', b"dir", b"", 0o777)
        .end();
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_tapioca")]);
    let output = run(shell.arg("sink_filesys").arg("-C").arg(work.path()), &frames(&archive));
    assert_eq!(code(&output), Some(0), "{}", words(&output));
    for (name, mode) in [("open", 0o666), ("fifo", 0o666), ("dir", 0o777)] {
        let is = fs::symlink_metadata(work.path().join(name)).unwrap().mode() & 0o7777;
        assert_eq!(is, mode, "{name}");
    }
}

#[test]
fn a_cut_stream_ends_111_and_says_so() {
    let work = hard_tree::workspace();
    let (archive, _) = sample();
    let stream = frames(&archive);
    let output = run(command(false).arg("-C").arg(work.path()), &stream[..stream.len() - 1]);
    assert_eq!(code(&output), Some(111));
    assert!(words(&output).starts_with("sink_filesys: the stream is cut after byte"));
}

#[test]
fn a_full_disk_ends_111_and_keeps_what_was_whole() {
    if !hard_tree::is_root() {
        return;
    }
    let work = hard_tree::workspace();
    let archive = Archive::default().file(b"small", b"s").file(b"large", &vec![7; 3 << 20]).end();
    // A file system of 1 MiB, seen by this shell alone.
    let script = "mount -t tmpfs -o size=1m none \"$1\" || exit 77; shift; \"$@\"; \
                  echo \"$? $(ls -A \"$4\")\"";
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-c", script, "sh"]).arg(work.path());
    shell.arg(env!("CARGO_BIN_EXE_tapioca")).args(["sink_filesys", "-C"]).arg(work.path());
    let output = run(&mut shell, &frames(&archive));
    if matches!(code(&output), Some(77 | 1)) {
        eprintln!("no mounts here: {}", words(&output));
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout), "111 small\n", "{}", words(&output));
    assert!(words(&output).contains("cannot restore large: No space left on device"));
}
