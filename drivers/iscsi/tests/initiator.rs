//! Initiators nobody here wrote (libiscsi's `iscsi-ls` and `iscsi-inq`), and bytes that no initiator sends.
#![allow(clippy::unwrap_used, reason = "in tests it says what failed and where")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use iscsi::{Units, converse};
use tempfile::TempDir;
use virt::{Library, MediumSpec, Shape};

fn library() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let media = (1..=4).map(|n| MediumSpec::data(&format!("TAP00{n}L9"), 1 << 20)).collect();
    Library::create(dir.path(), &Shape { media, ..Shape::default() }).unwrap();
    dir
}

/// The example's process, ended when it goes out of scope.
struct Target(Child, String);

impl Target {
    fn start(dir: &TempDir) -> Target {
        let exe = std::env::current_exe().unwrap();
        let example = exe.parent().unwrap().parent().unwrap().join("examples/library");
        let mut child = Command::new(example)
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built with the tests");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split(' ').next().unwrap().to_owned();
        Target(child, url)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn libiscsi_finds_the_target_and_all_its_units() {
    let dir = library();
    let target = Target::start(&dir);
    let portal = target.1.split('/').nth(2).unwrap();
    let list = run("iscsi-ls", &["-s", &format!("iscsi://{portal}")]);
    assert!(list.contains(iscsi::TARGET), "{list}");
    let drives = list.lines().filter(|line| line.contains("SEQUENTIAL_ACCESS")).count();
    let changers = list.lines().filter(|line| line.contains("MEDIA_CHANGER")).count();
    assert_eq!((drives, changers), (Shape::default().drives.into(), 1), "{list}");
}

#[test]
fn libiscsi_reads_who_a_unit_is_as_the_library_says() {
    let dir = library();
    let serial = Library::open(dir.path()).unwrap().drive_serials()[0].clone();
    let target = Target::start(&dir);
    let who = run("iscsi-inq", &[&format!("{}/1", target.1)]);
    assert!(who.contains("SEQUENTIAL_ACCESS"), "{who}");
    let page = run("iscsi-inq", &["-e", "1", "-c", "128", &format!("{}/1", target.1)]);
    assert!(page.contains(&serial), "{serial} is not in {page}");
}

/// What a conversation of these bytes comes to, and what was answered.
fn say(bytes: &[u8]) -> (Result<(), iscsi::Error>, Vec<u8>) {
    let dir = library();
    let units = Units::open(dir.path()).unwrap();
    let mut answers = Vec::new();
    let end = converse(bytes, &mut answers, &units, "127.0.0.1:3260");
    (end, answers)
}

/// A unit of the protocol: first bytes of the header, then words at places, then data.
fn unit(first: [u8; 2], words: &[(usize, u32)], data: &[u8]) -> Vec<u8> {
    let mut pdu = vec![0; 48];
    pdu[..2].copy_from_slice(&first);
    pdu[5..8].copy_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
    for (at, word) in words {
        pdu[*at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    pdu.extend(data);
    pdu.resize(pdu.len().next_multiple_of(4), 0);
    pdu
}

fn login() -> Vec<u8> {
    let text =
        format!("InitiatorName=iqn.test\0TargetName={}\0SessionType=Normal\0", iscsi::TARGET);
    unit([0x43, 0x87], &[(24, 7)], text.as_bytes())
}

#[test]
fn what_leaves_the_order_is_refused_in_words() {
    let cases: [(&[Vec<u8>], &str); 5] = [
        (&[unit([0x01, 0xc0], &[], &[])], "before its login"),
        (&[login(), unit([0x01, 0xc0], &[(24, 9)], &[])], "leaves out a command's number"),
        (&[login(), unit([0x01, 0xc0], &[(24, 7), (20, 1 << 25)], &[])], "more data than 16 MiB"),
        (
            &[login(), unit([0x01, 0xa0], &[(24, 7), (20, 2)], b"four")],
            "more with a command than it announced",
        ),
        (
            &[login(), unit([0x01, 0xa0], &[(24, 7), (20, 8)], b"four")],
            "leaves when its data are awaited",
        ),
    ];
    for (units, expected) in cases {
        let (end, _) = say(&units.concat());
        let said = end.unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    let mut long = login();
    long[5] = 0x10;
    assert!(say(&long).0.is_err(), "a data segment of a MiB was taken");
}

#[test]
fn another_target_is_not_here_and_an_unknown_unit_says_so() {
    let stranger = unit([0x43, 0x87], &[], b"InitiatorName=iqn.test\0TargetName=iqn.other\0");
    let (end, answers) = say(&stranger);
    assert!(end.is_ok());
    assert_eq!(answers[36..38], [2, 3], "target not found");

    let nobody = [login(), unit([0x01, 0x80], &[(8, 99 << 16), (24, 7)], &[])].concat();
    let (end, answers) = say(&nobody);
    assert!(end.is_ok());
    let length = u32::from_be_bytes([0, answers[5], answers[6], answers[7]]) as usize;
    let response = &answers[48 + length.next_multiple_of(4)..];
    assert_eq!((response[0], response[3]), (0x21, 0x02), "CHECK CONDITION");
    assert_eq!((response[50 + 2], response[50 + 12]), (0x05, 0x25), "logical unit not supported");
}
