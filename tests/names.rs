//! Name streams: what `proc_since` makes of a walk and some lists, and what a cut one comes to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::{Cursor, Write};

use tapioca::list::Line;
use tapioca::list::file::{ListReader, ListWriter};
use tapioca::parts::names::known::Known;
use tapioca::parts::names::{Entry, NameReader, NameWriter, Record, Since};
use tapioca::parts::source::filesys::{Filesys, NameList, Plan};
use tapioca::stream::{Begin, Fault, Item, Outlet, Source};

/// When the backup of a list began.
const BEGAN_S: i64 = 1_700_000_000;

/// A list with these lines, of a backup that began then.
fn list_of(began_s: i64, lines: &str) -> Vec<u8> {
    let begin = Begin { created_s: began_s, kind: "pax".into(), ..Begin::default() };
    let mut list = ListWriter::new(Vec::new());
    list.head(&begin).unwrap();
    list.write_all(lines.as_bytes()).unwrap();
    list.finish().unwrap()
}

fn known(lists: &[(i64, &str)]) -> Known {
    let mut known = Known::default();
    for (began_s, lines) in lists {
        let list = list_of(*began_s, lines);
        known.add(&mut ListReader::open(&list[..], "L").unwrap()).unwrap();
    }
    known
}

/// `f 10 path`: a name whose size, links and inode are said, all else as every line of a list here
/// has it, and changed long before any backup. A `*` behind it: changed since.
fn name(text: &str) -> Entry {
    let fields: Vec<&str> = text.split(' ').collect();
    let (path, ctime_s) = match fields[4].strip_suffix('*') {
        Some(path) => (path, BEGAN_S),
        None => (fields[4], 5),
    };
    Entry {
        kind: fields[0].as_bytes()[0],
        size: fields[1].parse().unwrap(),
        mtime: (5, 0),
        ctime: (ctime_s, 0),
        inode: (1, fields[2].parse().unwrap()),
        links: fields[3].parse().unwrap(),
        target: Vec::new(),
        path: path.into(),
    }
}

/// A name stream of lines: `^ root`, `! why path`, or `kind size inode links path`.
fn walk(lines: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut names = NameWriter::begin(&mut bytes, (BEGAN_S + 9, 0)).unwrap();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(' ').unwrap() {
            ("^", path) => names.root(path.as_bytes()).unwrap(),
            ("!", rest) => {
                let (why, path) = rest.split_once(' ').unwrap();
                names.missing(why, path.as_bytes()).unwrap();
            }
            _ => names.entry(&name(line)).unwrap(),
        }
    }
    names.finish(0).unwrap();
    bytes
}

fn compare(known: Known, walk: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut names = NameReader::open(walk)?;
    Since::new(known, tempfile::tempfile().unwrap()).run(&mut names, &mut out)?;
    Ok(out)
}

/// What is taken, gone and not looked at: `path`, `-path`, `!path`, in their order.
fn since(lists: &[(i64, &str)], lines: &str) -> Vec<String> {
    let out = compare(known(lists), &walk(lines)).unwrap();
    let mut names = NameReader::open(&out[..]).unwrap();
    let text = |path: Vec<u8>| String::from_utf8(path).unwrap();
    let mut found = Vec::new();
    while let Some(record) = names.next_record().unwrap() {
        found.push(match record {
            Record::Entry(entry) => text(entry.path),
            Record::Gone { path } => format!("-{}", text(path)),
            Record::Missing { path, .. } => format!("!{}", text(path)),
            Record::Root { path } => panic!("{path:?}"),
        });
    }
    found
}

/// Lines of a list: `kind size path [link]`.
fn lines(text: &str) -> String {
    let line = |line: &str| {
        let fields: Vec<&str> = line.trim().splitn(3, ' ').collect();
        match fields[0] {
            "-" | "i" | "!" => format!("{}\n", line.trim()),
            kind => format!("{kind} 0 512 {} 5.000000000 - {}\n", fields[1], fields[2]),
        }
    };
    text.lines().filter(|text| !text.trim().is_empty()).map(line).collect()
}

const TREE: &str = "i 1 d\n i 2 d/e\n d 0 d\n f 10 d/a\n d 0 d/e\n f 20 d/e/b\n f 30 d/z";
const SAME: &str =
    "^ d\n d 0 1 3 d\n f 10 11 1 d/a\n d 0 2 2 d/e\n f 20 12 1 d/e/b\n f 30 13 1 d/z";

fn since_tree(walk: &str) -> Vec<String> {
    since(&[(BEGAN_S, &lines(TREE))], walk)
}

#[test]
fn what_did_not_change_is_not_taken() {
    assert_eq!(since_tree(SAME), [""; 0]);
}

#[test]
fn what_changed_is_taken_with_the_directory_that_holds_it() {
    for (was, is, taken) in [
        ("20 12 1 d/e/b", "21 12 1 d/e/b", &["d/e", "d/e/b"][..]),
        ("20 12 1 d/e/b", "20 12 1 d/e/b*", &["d/e", "d/e/b"]),
        ("f 10 11 1 d/a", "p 0 11 1 d/a", &["d", "d/a"]),
        ("d/a", "d/a\n f 1 9 1 d/b", &["d", "d/b"]),
        // Only the directory itself.
        ("2 2 d/e\n", "2 2 d/e*\n", &["d/e"]),
    ] {
        assert_eq!(since_tree(&SAME.replace(was, is)), taken, "{was} {is}");
    }
}

#[test]
fn all_in_a_directory_that_is_another_one_is_taken() {
    let swapped = SAME.replace("d 0 2 2 d/e", "d 0 77 2 d/e");
    assert_eq!(since_tree(&swapped), ["d/e", "d/e/b"]);
    // Without the inode in the list, a directory that changed may be another one.
    let untold = lines(&TREE.replace("i 2 d/e\n", ""));
    let touched = SAME.replace("2 2 d/e\n", "2 2 d/e*\n");
    assert_eq!(since(&[(BEGAN_S, &untold)], &touched), ["d/e", "d/e/b"]);
    assert_eq!(since(&[(BEGAN_S, &untold)], SAME), [""; 0]);
}

#[test]
fn what_is_gone_is_told_first_and_children_before_parents() {
    let gone = "^ d\n d 0 1 2 d*\n f 30 13 1 d/z";
    assert_eq!(since_tree(gone), ["-d/e/b", "-d/e", "-d/a", "d"]);
    // A directory that became a file is gone, and then the file is new.
    let typed = "^ d\n d 0 1 2 d*\n f 10 11 1 d/a\n f 5 14 1 d/e\n f 30 13 1 d/z";
    assert_eq!(since_tree(typed), ["-d/e/b", "-d/e", "d", "d/e"]);
}

#[test]
fn what_was_not_looked_at_is_as_it_was() {
    let unread = "^ d\n d 0 1 2 d\n f 10 11 1 d/a\n ! unreadable d/e\n f 30 13 1 d/z";
    assert_eq!(since_tree(unread), ["!d/e"]);
    assert_eq!(since_tree(&unread.replace("unreadable d/e", "pattern d/e")), ["!d/e"]);
    // The whole tree is not there: nobody can say why.
    assert_eq!(since_tree("^ d\n ! vanished d"), ["!d"]);
    // What now is a socket is no longer what it was.
    assert_eq!(since_tree(&SAME.replace("f 10 11 1 d/a", "! socket d/a")), ["-d/a", "!d/a"]);
    // A tree that was not walked at all.
    let two = lines(&format!("{TREE}\n d 0 other\n f 1 other/x"));
    assert_eq!(since(&[(BEGAN_S, &two)], SAME), [""; 0]);
    assert_eq!(
        since(&[(BEGAN_S, &two)], "^ ."),
        ["-other/x", "-other", "-d/z", "-d/e/b", "-d/e", "-d/a", "-d"]
    );
}

#[test]
fn all_names_of_a_file_are_taken_or_none() {
    let list = lines("i 1 d\n i 2 e\n d 0 d\n f 9 d/a\n h 0 d/b d/a\n d 0 e\n h 0 e/c d/a");
    let walk = "^ .\n d 0 1 2 d\n f 9 5 3 d/a\n f 9 5 3 d/b\n d 0 2 2 e\n f 9 5 3 e/c";
    let since = |walk: &str| since(&[(BEGAN_S, &list)], walk);
    assert_eq!(since(walk), [""; 0]);
    let moved = since(&walk.replace("d 0 2 2 e\n f 9 5 3 e/c", "d 0 2 2 f*\n f 9 5 3 f/c"));
    assert_eq!(moved, ["-e/c", "-e", "f", "d", "d/a", "d/b", "f/c"]);
}

#[test]
fn a_later_list_overrides_an_earlier_one() {
    let first = lines(TREE);
    let after = |second: &str| [(BEGAN_S, first.clone()), (BEGAN_S + 60, lines(second))];
    let since = |second: &str, walk: &str| {
        let lists = after(second);
        since(&[(lists[0].0, &lists[0].1), (lists[1].0, &lists[1].1)], walk)
    };
    let grown = SAME.replace("10 11 1 d/a", "15 11 1 d/a*");
    assert_eq!(since("f 15 d/a", &grown), [""; 0]);
    assert_eq!(since("f 15 d/a", SAME), ["d", "d/a"]);
    // What a list says is gone is not gone again, and new where it is there.
    let without = SAME.replace("f 10 11 1 d/a\n", "");
    assert_eq!(since("- d/a", &without), [""; 0]);
    assert_eq!(since("- d/a", SAME), ["d", "d/a"]);
    // Gone as what it was, and there as something else.
    assert_eq!(since("- d/a\nf 10 d/a", SAME), [""; 0]);
    // What a backup holds, but not as it was, is taken again.
    assert_eq!(since("! changed d/a\nf 10 d/a", SAME), ["d", "d/a"]);
}

#[test]
fn lists_that_are_none_or_cut_are_refused() {
    let whole = list_of(BEGAN_S, &lines(TREE));
    for length in 0..whole.len() {
        let mut known = Known::default();
        let added = ListReader::open(&whole[..length], "full.list")
            .and_then(|mut list| known.add(&mut list));
        let fault = added.unwrap_err();
        assert!(fault.what.starts_with("full.list:"), "{fault}");
    }
}

#[test]
fn a_walk_cut_anywhere_has_no_changes() {
    let whole = walk(SAME);
    for length in 0..whole.len() {
        assert!(compare(known(&[]), &whole[..length]).is_err(), "cut after {length}");
    }
    assert!(compare(known(&[]), &whole).is_ok());
}

/// Whether a stream came to its end.
#[derive(Default)]
struct Seen {
    created_s: Option<i64>,
    marks: Vec<u8>,
    ended: bool,
}

impl Outlet for Seen {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.created_s = Some(begin.created_s),
            Item::Mark(lines) => self.marks.extend(lines),
            Item::End(_) => self.ended = true,
            Item::Data { .. } | Item::Abort(_) | Item::Turn(_) => {}
        }
        Ok(())
    }
}

fn source(names: &[u8], seen: &mut Seen) -> Result<u64, Fault> {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temp.path().join("d/e")).unwrap();
    for path in ["d/a", "d/e/b", "d/z"] {
        std::fs::write(temp.path().join(path), path).unwrap();
    }
    let plan = Plan { directory: temp.path().into(), ..Plan::default() };
    let list = NameList::new(Box::new(Cursor::new(names.to_vec())), true);
    Filesys::new(Begin::default(), plan, Some(list)).run(seen)
}

#[test]
fn a_name_stream_cut_anywhere_never_becomes_a_backup() {
    let list = lines(&format!("{TREE}\n f 1 d/gone"));
    let whole =
        compare(known(&[(BEGAN_S, &list)]), &walk(&SAME.replace("d/e\n", "d/e*\n"))).unwrap();
    for whole in [whole, walk(SAME)] {
        let mut seen = Seen::default();
        assert_eq!(source(&whole, &mut seen).unwrap(), 0);
        assert!(seen.ended);
        assert_eq!(seen.created_s, Some(BEGAN_S + 9), "the time of the walk, not of the source");
        for length in 0..whole.len() {
            let mut seen = Seen::default();
            source(&whole[..length], &mut seen).unwrap_err();
            assert!(!seen.ended, "cut after {length}");
        }
    }
}

#[test]
fn what_a_walk_left_out_is_left_out_of_the_backup() {
    let mut bytes = Vec::new();
    let mut names = NameWriter::begin(&mut bytes, (BEGAN_S, 0)).unwrap();
    names.missing("unreadable", b"d/secret").unwrap();
    names.missing("pattern", b"d/excluded").unwrap();
    names.finish(1).unwrap();
    let mut seen = Seen::default();
    assert_eq!(source(&bytes, &mut seen).unwrap(), 1);
    let missing = Line::Missing { why: "unreadable".into(), path: b"d/secret".to_vec() };
    assert_eq!(tapioca::list::lines(&seen.marks).collect::<Vec<_>>(), [Ok(missing)]);
}
