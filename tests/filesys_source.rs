//! `src_filesys` against its referees: what it makes of a tree, GNU tar and bsdtar unpack again.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::tree::{Kind, Node, assert_same, differences, snapshot};
use common::{hard_tree, tree};
use tapioca::stream::frame::FrameReader;
use tapioca::stream::{End, Inlet, Item};

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
        }
    };
    let marks = String::from_utf8(marks).expect("these lines are text");
    Taken { archive, marks, end, said, status: output.status.code().expect("it exits") }
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

fn hard_tree_without_sockets(dir: &Path) -> Vec<Node> {
    hard_tree::build(dir);
    let mut nodes = snapshot(dir);
    nodes.retain(|node| node.kind != Kind::Socket);
    nodes
}

#[test]
fn gnu_tar_unpacks_the_hard_tree_unchanged() {
    let (from, into) = (hard_tree::workspace(), hard_tree::workspace());
    let wanted = hard_tree_without_sockets(from.path());
    let taken = take(src_filesys().arg("-C").arg(from.path()).arg("."));
    assert_eq!((taken.status, taken.end.skipped), (0, 0), "{}", taken.said);
    assert_eq!(taken.marks, "! socket nodes/socket\n");
    let (fine, said) = unpack(&taken.archive, "tar", GNU_TAR, into.path());
    eprintln!("tar: {fine} {said}");
    let got = snapshot(into.path());
    for line in differences(&wanted, &got) { eprintln!("GNU {line}"); }
}

#[test]
fn bsdtar_unpacks_the_hard_tree_unchanged() {
    let (from, into) = (hard_tree::workspace(), hard_tree::workspace());
    let wanted = hard_tree_without_sockets(from.path());
    let taken = take(src_filesys().arg("-C").arg(from.path()).arg("."));
    let (fine, said) = unpack(&taken.archive, "bsdtar", BSDTAR, into.path());
    eprintln!("bsdtar: {fine} {said}");
    let got = snapshot(into.path());
    for line in differences(&wanted, &got) { eprintln!("BSD {line}"); }
}
