//! Sealed index lines: what was said above comes back below, and a line that was touched in any way is
//! refused before anything of it comes out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::HashSet;
use std::sync::Arc;

use age::x25519;
use tapioca::list::LINE_BYTES_MAX;
use tapioca::parts::process::age::unseal::Unseal;
use tapioca::parts::process::age::{Decrypt, Encrypt, Identities};
use tapioca::stream::{Abort, Begin, Block, End, Fault, Item, Outlet, Process};

const NAME: &str = "telltale name";

#[derive(Default)]
struct Seen {
    begin: Begin,
    data: Vec<u8>,
    marks: Vec<u8>,
    ended: bool,
    abort: Option<Abort>,
}

impl Outlet for Seen {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.begin = begin,
            Item::Data { block, .. } => self.data.extend_from_slice(block.data()),
            Item::Mark(lines) => {
                assert!(lines.ends_with(b"\n"), "a mark without a line");
                self.marks.extend_from_slice(&lines);
            }
            Item::End(_) => self.ended = true,
            Item::Abort(abort) => self.abort = Some(abort),
            Item::Turn(stream) => panic!("a turn of {stream}"),
        }
        Ok(())
    }
}

/// Entries enough for several pieces, and other lines.
fn clear_lines() -> Vec<u8> {
    let mut lines = b"! unreadable telltale/unreadable\n~ 1 0 0\n".to_vec();
    for n in 0..1200u64 {
        let digest = blake3::hash(&n.to_le_bytes()).to_hex();
        let line = format!("f {} 1024 5 17.000000001 {digest} telltale/{n}\n", n * 1024);
        lines.extend_from_slice(line.as_bytes());
    }
    lines
}

fn begin() -> Begin {
    let layers = vec!["zstd".into()];
    Begin { kind: "pax".into(), name: NAME.into(), layers, ..Begin::default() }
}

fn encryptor(identity: &x25519::Identity) -> Encrypt {
    Encrypt::new(vec![Box::new(identity.to_public())], false).unwrap()
}

fn sealed(identity: &x25519::Identity) -> Seen {
    let (mut encrypt, mut seen) = (encryptor(identity), Seen::default());
    encrypt.item(Item::Begin(begin()), &mut seen).unwrap();
    encrypt.item(Item::Data { offset: 0, block: Block::copy_of(b"payload") }, &mut seen).unwrap();
    let lines = clear_lines();
    let half = lines.iter().take(lines.len() / 2).rposition(|&b| b == b'\n').unwrap() + 1;
    for mark in [&lines[..half], &lines[half..]] {
        encrypt.item(Item::Mark(mark.to_vec()), &mut seen).unwrap();
    }
    encrypt.item(Item::End(End { bytes: 7, skipped: 0 }), &mut seen).unwrap();
    seen
}

/// The sealed lines, each with its newline, and the clear ones.
fn parted(marks: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let lines = marks.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec);
    let (sealed, clear): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with(b"% "));
    (sealed, clear.concat())
}

fn identities(identity: &x25519::Identity) -> Identities {
    Arc::new(vec![Box::new(identity.clone())])
}

fn opened(
    identity: &x25519::Identity,
    begin: &Begin,
    data: &[u8],
    marks: &[u8],
) -> (Seen, Result<(), Fault>) {
    let (mut decrypt, mut seen) = (Decrypt::new(identities(identity)), Seen::default());
    let mut feed = || {
        decrypt.item(Item::Begin(begin.clone()), &mut seen)?;
        if !begin.partial {
            decrypt.item(Item::Data { offset: 0, block: Block::copy_of(data) }, &mut seen)?;
        }
        for line in marks.split_inclusive(|&b| b == b'\n') {
            decrypt.item(Item::Mark(line.to_vec()), &mut seen)?;
        }
        decrypt.item(Item::End(End { bytes: data.len() as u64, skipped: 0 }), &mut seen)
    };
    let result = feed();
    (seen, result)
}

#[test]
fn what_is_said_above_comes_back_below() {
    let identity = x25519::Identity::generate();
    let out = sealed(&identity);
    let (lines, clear) = parted(&out.marks);
    assert!(lines.len() >= 4, "{} sealed lines", lines.len());
    assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
    assert!(clear.split(|&b| b == b'\n').all(|line| line.is_empty() || line.starts_with(b"~ 2 ")));
    assert!(!out.begin.name.contains("telltale"), "{}", out.begin.name);
    let (back, result) = opened(&identity, &out.begin, &out.data, &out.marks);
    result.unwrap();
    let (_, kept) = parted(&back.marks);
    let kept: Vec<u8> = kept
        .split_inclusive(|&b| b == b'\n')
        .filter(|l| !l.starts_with(b"~ 2"))
        .flatten()
        .copied()
        .collect();
    assert!(kept == clear_lines());
    assert_eq!((back.begin, back.data), (begin(), b"payload".to_vec()));
}

#[test]
fn an_abort_tells_no_names() {
    let (mut encrypt, mut seen) = (encryptor(&x25519::Identity::generate()), Seen::default());
    encrypt.item(Item::Begin(begin()), &mut seen).unwrap();
    let abort = Abort { who: "src_filesys".into(), why: "cannot read telltale/file".into() };
    encrypt.item(Item::Mark(b"! unreadable telltale\n".to_vec()), &mut seen).unwrap();
    encrypt.item(Item::Abort(abort), &mut seen).unwrap();
    let abort = seen.abort.unwrap();
    assert!(!abort.why.contains("telltale") && abort.who == "src_filesys", "{abort:?}");
    assert!(seen.marks.starts_with(b"% 2 0 more "), "what was said before is lost");
}

/// Every way to touch the lines of a stream: what came of it, and how many good lines stand before.
fn touched(lines: &[Vec<u8>], others: &[Vec<u8>]) -> Vec<(String, Vec<Vec<u8>>, usize)> {
    let mut all = Vec::new();
    let mut with = |what: String, good: usize, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = lines.to_vec();
        change(&mut changed);
        all.push((what, changed, good));
    };
    for n in 0..lines.len() {
        with(format!("{n} dropped"), n, &|l| _ = l.remove(n));
        with(format!("{n} doubled"), n + 1, &|l| l.insert(n, l[n].clone()));
        with(format!("{n} of another stream"), n, &|l| l[n] = others[n].clone());
        with(format!("all from {n} on dropped"), n, &|l| l.truncate(n));
        with(format!("{n} again at the end"), lines.len(), &|l| l.push(l[n].clone()));
        for m in n + 1..lines.len() {
            with(format!("{n} and {m} swapped"), n, &|l| l.swap(n, m));
            with(format!("{m} told as {n}"), n, &|l| l[n] = renumbered(&l[m], n));
        }
        let length = lines[n].len() - 1;
        let step = if n + 1 == lines.len() { 1 } else { 389 };
        for at in (0..24).chain((24..length).step_by(step)) {
            with(format!("byte {at} of {n} turned"), n, &|l| l[n][at] ^= 0x10);
            with(format!("{n} cut to {at}"), n, &|l| _ = l[n].drain(at..length));
        }
    }
    all
}

fn renumbered(line: &[u8], number: usize) -> Vec<u8> {
    let text = std::str::from_utf8(line).unwrap();
    let mut words: Vec<String> = text.split(' ').map(String::from).collect();
    words[2] = number.to_string();
    words.join(" ").into_bytes()
}

#[test]
fn no_line_that_was_touched_comes_out() {
    let identity = x25519::Identity::generate();
    let (out, other) = (sealed(&identity), sealed(&identity));
    let (lines, _) = parted(&out.marks);
    let (others, _) = parted(&other.marks);
    let whole = clear_lines();
    let told: HashSet<&[u8]> = whole.split_inclusive(|&b| b == b'\n').collect();
    let pieces: Vec<usize> = (0..=lines.len())
        .map(|n| opened(&identity, &out.begin, &out.data, &lines[..n].concat()).0.marks.len())
        .collect();
    let touched = touched(&lines, &others);
    println!("{} lines touched in {} ways", lines.len(), touched.len());
    for (what, changed, good) in touched {
        let (seen, result) = opened(&identity, &out.begin, &out.data, &changed.concat());
        assert!(result.is_err() && !seen.ended, "{what}: taken");
        assert!(whole.starts_with(&seen.marks), "{what}: wrong lines came out");
        assert!(seen.marks.len() <= pieces[good], "{what}: a bad line came out");
        // What opens an index on tape names it and leaves it out.
        let identities = identities(&identity);
        let mut unseal = Unseal::of(&out.begin, &identities).unwrap();
        let lines = unseal.part(&changed.concat());
        assert!(!unseal.troubles(true).is_empty(), "{what}: not named");
        assert!(lines.split_inclusive(|&b| b == b'\n').all(|line| told.contains(line)), "{what}");
    }
    let forged = [&lines.concat()[..], b"f 0 512 0 0.000000000 - forged\n"].concat();
    assert!(
        opened(&identity, &out.begin, &out.data, &forged).1.is_err(),
        "a forged entry was taken"
    );
    let stranger = x25519::Identity::generate();
    let (seen, result) = opened(&stranger, &out.begin, &out.data, &out.marks);
    assert!(seen.marks.is_empty() && result.unwrap_err().what.contains("none of the identities"));
}

fn is_within(whole: &[u8], line: &[u8]) -> bool {
    whole.windows(line.len()).any(|window| window == line)
}

#[test]
fn a_changed_name_is_refused() {
    let identity = x25519::Identity::generate();
    let out = sealed(&identity);
    let other = sealed(&identity).begin.name;
    let mut flipped = out.begin.name.clone();
    let at = flipped.len() / 2;
    let wrong = if flipped.as_bytes()[at] == b'A' { "B" } else { "A" };
    flipped.replace_range(at..=at, wrong);
    for name in [other, flipped, "age:AAAA".into()] {
        let begin = Begin { name, ..out.begin.clone() };
        let (seen, result) = opened(&identity, &begin, &out.data, &out.marks);
        assert!(result.is_err() && seen.data.is_empty());
    }
}

#[test]
fn of_a_partial_stream_what_comes_is_opened() {
    let identity = x25519::Identity::generate();
    let out = sealed(&identity);
    let (lines, _) = parted(&out.marks);
    let begin = Begin { partial: true, ..out.begin };
    let marks = [&lines[1][..], b"f 0 512 0 0.000000000 - opened-before\n"].concat();
    let (seen, result) = opened(&identity, &begin, &[], &marks);
    result.unwrap();
    assert!(seen.marks.ends_with(b"opened-before\n"));
    assert!(is_within(&clear_lines(), &seen.marks[..1000]));
    let (seen, result) = opened(&identity, &begin, &[], &renumbered(&lines[1], 2));
    assert!(result.is_err() && seen.marks.is_empty());
}

#[test]
fn lines_of_a_part_that_was_told_again_are_taken_once() {
    let identity = x25519::Identity::generate();
    let out = sealed(&identity);
    let (lines, clear) = parted(&out.marks);
    let identities = identities(&identity);
    let mut unseal = Unseal::of(&out.begin, &identities).unwrap();
    let mut opened = unseal.part(&[&clear[..], &lines[..2].concat()].concat());
    opened.extend(unseal.part(&lines.concat()));
    assert_eq!(unseal.troubles(true), [""; 0]);
    assert!(parted(&opened).1 == [&clear[..], &clear_lines()].concat());
    // A part that is missing costs its lines and no others.
    let mut unseal = Unseal::of(&out.begin, &identities).unwrap();
    let first = unseal.part(&lines[0]);
    let rest = unseal.part(&lines[2..].concat());
    let troubles = unseal.troubles(true);
    assert!(
        troubles.len() == 1 && troubles[0].contains("lines 1 to 1 are missing"),
        "{troubles:?}"
    );
    assert!(clear_lines().starts_with(&first) && clear_lines().ends_with(&rest));
}

#[test]
fn layers_inside_layers_are_opened() {
    let (inner, outer) = (x25519::Identity::generate(), x25519::Identity::generate());
    let mut seen = Seen::default();
    let first = sealed(&inner);
    let mut encrypt = encryptor(&outer);
    encrypt.item(Item::Begin(first.begin), &mut seen).unwrap();
    encrypt.item(Item::Data { offset: 0, block: Block::copy_of(&first.data) }, &mut seen).unwrap();
    encrypt.item(Item::Mark(first.marks), &mut seen).unwrap();
    encrypt.item(Item::End(End { bytes: first.data.len() as u64, skipped: 0 }), &mut seen).unwrap();
    let both: Identities = Arc::new(vec![Box::new(inner.clone()), Box::new(outer.clone())]);
    let mut unseal = Unseal::of(&seen.begin, &both).unwrap();
    let opened_here = unseal.part(&seen.marks);
    assert_eq!(unseal.troubles(true), [""; 0]);
    assert!(is_within(&opened_here, &clear_lines()[..500]) && !opened_here.contains(&b'%'));
    let only_one = identities(&outer);
    assert!(Unseal::of(&seen.begin, &only_one).is_err(), "one identity of two was enough");
    let (middle, result) = opened(&outer, &seen.begin, &seen.data, &seen.marks);
    result.unwrap();
    let (back, result) = opened(&inner, &middle.begin, &middle.data, &middle.marks);
    result.unwrap();
    assert_eq!((back.begin.name.as_str(), &back.data[..]), (NAME, &b"payload"[..]));
}
