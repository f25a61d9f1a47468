//! Manifests: inheritance, and that nothing wrong passes unnamed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::Path;

use board::{Board, Error};

/// Writes manifests into a new directory.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn load(dir: &Path, name: &str) -> Result<Board, Error> {
    Board::load(dir.join(name).to_str().unwrap())
}

fn refusal(text: &str) -> String {
    let dir = folder(&[("mine.toml", text)]);
    let said = load(dir.path(), "mine.toml").unwrap_err().to_string();
    said.replace(dir.path().to_str().unwrap(), "DIR")
}

#[test]
fn every_embedded_board_is_whole() {
    assert!(Board::names().count() >= 2);
    for name in Board::names() {
        let board = Board::load(name).unwrap();
        assert!(!board.title.is_empty(), "{name}");
    }
    assert!(Board::load("dev-host").unwrap().virtual_library.is_some());
    assert!(Board::load("base").unwrap().virtual_library.is_none());
}

#[test]
fn what_is_nearer_wins_and_is_named() {
    let dir = folder(&[
        ("near.toml", "inherits = \"far\"\ntitle = \"near\"\n[tape]\nsync_mib = 7\n"),
        (
            "far.toml",
            "inherits = \"base\"\ntitle = \"far\"\n[tape]\nsync_mib = 9\nblock_bytes = 65536\n",
        ),
    ]);
    let board = load(dir.path(), "near.toml").unwrap();
    assert_eq!(
        (board.title.as_str(), board.tape.sync_mib, board.tape.block_bytes),
        ("near", 7, 65536)
    );
    let from = |key| {
        let (_, setting) = board.settings().find(|(k, _)| *k == key).unwrap();
        setting.from.rsplit('/').next().unwrap().to_owned()
    };
    assert_eq!(from("tape.sync_mib"), "near.toml");
    assert_eq!(from("tape.block_bytes"), "far.toml");
}

#[test]
fn a_file_may_bear_the_name_it_inherits() {
    let dir = folder(&[("base.toml", "inherits = \"base\"\ntitle = \"mine\"\n")]);
    let board = load(dir.path(), "base.toml").unwrap();
    assert_eq!(board.tape, Board::load("base").unwrap().tape);
    assert_eq!(board.title, "mine");
}

#[test]
fn what_is_printed_is_a_manifest_that_says_the_same() {
    for name in Board::names() {
        let board = Board::load(name).unwrap();
        let dir = folder(&[("printed.toml", &board.to_string())]);
        let again = load(dir.path(), "printed.toml").unwrap();
        assert_eq!(
            (again.title, again.tape, again.virtual_library, again.machine),
            (board.title, board.tape, board.virtual_library, board.machine)
        );
    }
}

#[test]
fn wrong_keys_and_values_are_named() {
    let cases = [
        ("colour = 1", "DIR/mine.toml: unknown key colour"),
        ("[tape]\nsync = 1", "DIR/mine.toml: unknown key tape.sync"),
        (
            "[tape.sync_mib]\nx = 1",
            "DIR/mine.toml: tape.sync_mib: must be a whole number, not table",
        ),
        ("tape = 1", "DIR/mine.toml: unknown key tape"),
        ("[tape]\nsync_mib = 0", "DIR/mine.toml: tape.sync_mib: must be 1 to 1048576"),
        ("[tape]\nsync_mib = -1", "DIR/mine.toml: tape.sync_mib: must be 1 to 1048576"),
        (
            "[tape]\nblock_bytes = 70000",
            "DIR/mine.toml: tape.block_bytes: must be a multiple of 4096 from 65536 to 1048576",
        ),
        ("title = \"a\\nb\"", "DIR/mine.toml: title: must be one line"),
        ("title = 3", "DIR/mine.toml: title: must be text, not integer"),
        (
            "inherits = \"../x\"",
            "DIR/mine.toml: inherits: must be the name of a board, or a list of names: letters, digits, - and _",
        ),
        (
            "inherits = \"nobody\"",
            "no board is called nobody; there are base, box, dev-host, generic-x86_64, qemu-q35, standalone, dev, lab",
        ),
        (
            "title = \"t\"",
            "DIR/mine.toml: tape.block_bytes is missing, here and in all it inherits",
        ),
        (
            "inherits = \"base\"\n[virtual_library]\ndrives = 1",
            "DIR/mine.toml: virtual_library.slots is missing, here and in all it inherits",
        ),
        (
            "inherits = \"dev-host\"\n[virtual_library]\ncartridges = 25",
            "DIR/mine.toml: virtual_library.cartridges: 25 do not fit into 24 slots",
        ),
    ];
    are_refused(&cases);
    let syntax = refusal("title = \"t\"\n\ntape = [");
    assert!(syntax.starts_with("DIR/mine.toml:3: "), "{syntax}");
    assert!(matches!(Board::load("./none.toml"), Err(Error::Unreadable { .. })));
}

fn are_refused(cases: &[(&str, &str)]) {
    for (text, said) in cases {
        assert_eq!(refusal(text), *said, "{text}");
    }
}

#[test]
fn wrong_lists_names_and_what_does_not_go_together_are_named() {
    let cases = [
        (
            "inherits = \"base\"\n[modules]\nearly = [\"...\", \"a\"]",
            "DIR/mine.toml: modules.early: \"...\" stands for an inherited list, and there is none",
        ),
        (
            "inherits = \"box\"\n[modules]\nrequired = [\"mpt3sas\"]",
            "DIR/mine.toml: modules.required: mpt3sas is in no group",
        ),
        (
            "inherits = \"box\"\n[modules.options]\nmpt3sas = \"max_lun=8\"",
            "DIR/mine.toml: modules.options.mpt3sas: the module is in no group",
        ),
        (
            "inherits = \"box\"\n[process.net]\nuser = 101",
            "DIR/mine.toml: process.steward.user: 101 is the user of net, too",
        ),
        (
            "inherits = \"box\"\n[process.net]\ncapabilities = [\"CAP_SYS_ADMIN\"]",
            "DIR/mine.toml: process.net.capabilities: an entry \"CAP_SYS_ADMIN\" is none of CAP_NET_ADMIN, \
             CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYSLOG, CAP_SYS_BOOT, CAP_SYS_RAWIO, CAP_SYS_TIME",
        ),
        (
            "inherits = \"box\"\n[process.extra]\nuser = 200",
            "DIR/mine.toml: process.extra.capabilities is missing, here and in all it inherits",
        ),
        ("[modules]\ntape = [\"a\", \"a\"]", "DIR/mine.toml: modules.tape: \"a\" stands twice"),
        ("[modules]\ntape = \"a\"", "DIR/mine.toml: modules.tape: must be a list, not string"),
        (
            "[modules]\ntape = [1]",
            "DIR/mine.toml: modules.tape: an entry must be text, not integer",
        ),
        (
            "[serial.x]\nspeeds = []",
            "DIR/mine.toml: serial.x.speeds: must hold at least one number",
        ),
        (
            "[serial.x]\nask_first = 1",
            "DIR/mine.toml: serial.x.ask_first: must be true or false, not integer",
        ),
        ("[serial.\"a.b\"]\nspeeds = [1]", "DIR/mine.toml: unknown key serial.\"a.b\""),
        ("[net]\nmethod = \"bootp\"", "DIR/mine.toml: net.method: \"bootp\" is none of dhcp, none"),
        (
            "inherits = \"box\"\n[kernel]\npackage = \"../x\"",
            "DIR/mine.toml: kernel.package: must name a package linux-image-…",
        ),
    ];
    are_refused(&cases);
}

#[test]
fn a_circle_is_seen_and_a_long_line_refused() {
    let dir = folder(&[("a.toml", "inherits = \"b\""), ("b.toml", "inherits = \"a\"")]);
    let Err(Error::Cycle { line }) = load(dir.path(), "a.toml") else { panic!("no cycle seen") };
    assert_eq!(line.len(), 3);
    assert_eq!(line.first(), line.last());

    let files: Vec<_> =
        (0..9).map(|n| (format!("m{n}.toml"), format!("inherits = \"m{}\"", n + 1))).collect();
    let files: Vec<_> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let dir = folder(&files);
    assert!(matches!(load(dir.path(), "m0.toml"), Err(Error::TooDeep { .. })));
}

fn list(board: &Board, key: &str) -> (Vec<String>, String) {
    let (_, setting) = board.settings().find(|(k, _)| *k == key).unwrap();
    let board::Value::Texts(texts) = &setting.value else { panic!("{key} is no list") };
    (texts.clone(), setting.from.clone())
}

#[test]
fn a_list_takes_in_what_it_inherits_where_it_says_so() {
    let dir = folder(&[
        (
            "near.toml",
            "inherits = \"mid\"\n[modules]\ntape = [\"first\", \"...\", \"last\"]\nnet = [\"mine\"]",
        ),
        ("mid.toml", "inherits = \"far\"\n[modules]\ntape = [\"...\", \"mid\", \"last\"]"),
        ("far.toml", "inherits = \"box\"\n[modules]\ntape = [\"far\"]\nnet = [\"theirs\"]"),
    ]);
    let board = load(dir.path(), "near.toml").unwrap();
    let (tape, from) = list(&board, "modules.tape");
    assert_eq!(tape, ["first", "mid", "last", "far"]);
    assert_eq!(from.matches(", ").count(), 2, "{from}");
    assert_eq!(list(&board, "modules.net").0, ["mine"]);
}

#[test]
fn of_several_inherited_the_later_wins_and_the_shared_one_loses() {
    let dir = folder(&[
        ("leaf.toml", "inherits = [\"left\", \"right\"]"),
        ("left.toml", "inherits = \"root\"\ntitle = \"left\"\n[tape]\nsync_mib = 5"),
        ("right.toml", "inherits = \"root\"\ntitle = \"right\""),
        ("root.toml", "inherits = \"base\"\ntitle = \"root\"\n[tape]\nsync_mib = 6"),
    ]);
    let board = load(dir.path(), "leaf.toml").unwrap();
    assert_eq!((board.title.as_str(), board.tape.sync_mib), ("right", 5));
}

#[test]
fn mixins_go_with_any_board() {
    for name in Board::names().filter(|name| Board::load(name).unwrap().machine.is_some()) {
        let plain = Board::load(name).unwrap().machine.unwrap();
        let mixed = Board::load(&format!("{name}+dev+lab")).unwrap().machine.unwrap();
        assert!(mixed.debug.lab && !plain.debug.lab, "{name}");
        assert!(mixed.cmdline().starts_with(&plain.cmdline()), "{name}");
        assert_eq!(mixed.watchdog.timeout_s, 3600, "{name}");
    }
    for name in Board::mixins() {
        assert!(Board::load(name).is_err(), "{name} is whole");
    }
}

#[test]
fn the_table_in_the_readme_is_that_of_the_boards() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(board::matrix::BEGIN).expect("README.md has the marker");
    let (table, _) = rest.split_once(board::matrix::END).expect("README.md has the end marker");
    let made = board::matrix::markdown().unwrap();
    assert_eq!(table.trim(), made.trim(), "put `tapioca board --matrix` between the markers");
}
