//! The archive reader against archives that GNU tar and bsdtar made: every dialect, every split.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tapioca::pax::{Event, Kind, Member, Reader};
use tapioca::stream::Fault;

/// Members by path, with their content, holes as zeros.
type Content = BTreeMap<Vec<u8>, (Member, Vec<u8>)>;

fn events(bytes: &[u8], split: usize) -> Result<(Content, Vec<(u64, u64)>), Fault> {
    let (mut content, mut spans) = (Content::new(), Vec::new());
    let mut last = Vec::new();
    let mut reader = Reader::new();
    let mut visit = |event: Event<'_>| {
        match event {
            Event::Member { member, offset } => {
                last.clone_from(&member.path);
                spans.push((offset, 0));
                content.insert(last.clone(), (member.clone(), vec![0; member.size as usize]));
            }
            Event::Data { at, bytes } => {
                assert!(!bytes.is_empty());
                let (_, data) = content.get_mut(&last).expect("data comes after its member");
                data[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
            }
            Event::End { span } => spans.last_mut().expect("an end has a member").1 = span,
            Event::Gone { paths } => panic!("nothing is gone: {paths:?}"),
        }
        Ok(())
    };
    for piece in bytes.chunks(split) {
        reader.feed(piece, &mut visit)?;
    }
    reader.finish()?;
    Ok((content, spans))
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn small_tree(dir: &Path) {
    let long = "d".repeat(60);
    std::fs::create_dir_all(dir.join(format!("{long}/{long}"))).unwrap();
    std::fs::write(dir.join(format!("{long}/{long}/deep")), b"deep").unwrap();
    std::fs::write(dir.join("plain"), [7; 700]).unwrap();
    std::fs::write(dir.join("empty"), b"").unwrap();
    std::fs::hard_link(dir.join("plain"), dir.join("second")).unwrap();
    std::os::unix::fs::symlink("plain", dir.join("soft")).unwrap();
    let sparse = std::fs::File::create(dir.join("holes")).unwrap();
    for at in 0..40u64 {
        std::os::unix::fs::FileExt::write_at(&sparse, &[at as u8 + 1; 100], at * 8192).unwrap();
    }
    sparse.set_len(41 * 8192).unwrap();
}

fn archive(dir: &Path, program: &str, options: &[&str]) -> Vec<u8> {
    let file = dir.with_extension("tar");
    run(Command::new(program).arg("-cf").arg(&file).args(options).arg("-C").arg(dir).arg("."));
    std::fs::read(&file).unwrap()
}

#[test]
fn every_dialect_gives_the_same_tree_at_every_split() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tree");
    std::fs::create_dir(&dir).unwrap();
    small_tree(&dir);
    let dialects: &[(&str, &[&str])] = &[
        ("tar", &["--format=ustar"]),
        ("tar", &["--format=gnu"]),
        ("tar", &["--format=gnu", "-S"]),
        ("tar", &["--format=posix"]),
        ("tar", &["--format=posix", "-S", "--sparse-version=0.0"]),
        ("tar", &["--format=posix", "-S", "--sparse-version=0.1"]),
        ("tar", &["--format=posix", "-S", "--sparse-version=1.0"]),
        ("tar", &["--format=posix", "--pax-option=globexthdr.name=g,comment=x"]),
        ("bsdtar", &["--format=pax"]),
        ("bsdtar", &["--format=gnutar"]),
        ("bsdtar", &["--format=ustar"]),
    ];
    for (program, options) in dialects {
        let bytes = archive(&dir, program, options);
        let whole = events(&bytes, usize::MAX).unwrap();
        for split in [1, 511, 513, 4096] {
            assert!(events(&bytes, split).unwrap() == whole, "{program} {options:?} by {split}");
        }
        check_small_tree(&dir, &whole.0, &format!("{program} {options:?}"));
        spans_restart(&bytes, &whole.1);
    }
}

fn check_small_tree(dir: &Path, content: &Content, who: &str) {
    let bytes_of = |path: &str| content[format!("./{path}").as_bytes()].1.clone();
    let long = "d".repeat(60);
    for path in ["empty", "holes", &format!("{long}/{long}/deep")] {
        assert_eq!(bytes_of(path), std::fs::read(dir.join(path)).unwrap(), "{who}: {path}");
    }
    let linked = |path: &str| matches!(&content[path.as_bytes()].0.kind, Kind::HardLink { .. });
    assert!(linked("./plain") != linked("./second"), "{who}: one is a link to the other");
    let soft = &content[&b"./soft"[..]].0;
    assert_eq!(soft.kind, Kind::Symlink { target: b"plain".to_vec() }, "{who}");
}

/// Every member can be read alone, from its offset over its span.
fn spans_restart(bytes: &[u8], spans: &[(u64, u64)]) {
    for &(offset, span) in spans {
        let mut reader = Reader::at(offset);
        let mut seen = Vec::new();
        let piece = &bytes[offset as usize..(offset + span) as usize];
        let mut visit = |event: Event<'_>| {
            match event {
                Event::Member { offset, .. } => seen.push(offset),
                Event::End { span } => seen.push(span),
                Event::Data { .. } | Event::Gone { .. } => {}
            }
            Ok(())
        };
        reader.feed(piece, &mut visit).unwrap();
        reader.finish().unwrap();
        assert_eq!(seen, [offset, span]);
    }
}

#[test]
fn a_cut_or_damaged_archive_is_a_fault_and_never_a_panic() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tree");
    std::fs::create_dir(&dir).unwrap();
    small_tree(&dir);
    let bytes = archive(&dir, "tar", &["--format=posix", "-S"]);
    let (_, spans) = events(&bytes, usize::MAX).unwrap();
    for &(offset, span) in &spans {
        for cut in [1, 511, 512, 513, span - 1].into_iter().filter(|&cut| cut < span) {
            let cut = (offset + cut) as usize;
            assert!(events(&bytes[..cut], usize::MAX).is_err(), "cut at {cut} went unnoticed");
        }
    }
    let mut damaged = 0;
    for at in (0..bytes.len()).step_by(97) {
        let mut bytes = bytes.clone();
        bytes[at] = bytes[at].wrapping_mul(31).wrapping_add(0x91);
        damaged += u32::from(events(&bytes, 1000).is_err());
    }
    assert!(damaged > 50, "only {damaged} damages were noticed");
}

/// A small generator with a seed, so that a failure can be had again.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Gives every block that looks like a header the checksum it should have, so that damage gets past
/// it to the fields.
fn with_right_checksums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
}

#[test]
fn damage_with_right_checksums_is_a_fault_or_another_archive() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("tree");
    std::fs::create_dir(&dir).unwrap();
    small_tree(&dir);
    let dialects: &[(&str, &[&str])] = &[
        ("tar", &["--format=gnu", "-S"]),
        ("tar", &["--format=posix", "-S", "--sparse-version=0.1"]),
        ("tar", &["--format=posix", "-S"]),
        ("bsdtar", &["--format=pax"]),
    ];
    let interesting = [0, b' ', b'0', b'7', b'9', b'-', b'=', b'\n', 0x80, 0xff, b'S', b'x', b'g'];
    for (seed, (program, options)) in (1u64..).zip(dialects) {
        let whole = archive(&dir, program, options);
        let is_header = |at: &usize| &whole[*at + 257..*at + 262] == b"ustar";
        let headers: Vec<usize> = (0..whole.len() - 512).step_by(512).filter(is_header).collect();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut faults, mut events) = (0, 0);
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.next(4) {
                // Most of an archive is content; aim at the headers and what follows them.
                let header = headers[random.next(headers.len())];
                let at = header + [0, 100, 345, 512][random.next(4)] + random.next(64);
                bytes[at] = interesting[random.next(interesting.len())];
            }
            with_right_checksums(&mut bytes);
            let mut reader = Reader::new();
            let mut count = |_: Event<'_>| {
                events += 1;
                Ok(())
            };
            let fed = bytes
                .chunks(1 + random.next(3000))
                .try_for_each(|piece| reader.feed(piece, &mut count));
            faults += u32::from(fed.and_then(|()| reader.finish()).is_err());
        }
        assert!(
            faults > 100 && events > 3000,
            "{program} {options:?}: {faults} faults, {events} events"
        );
    }
}

/// A header block as a hostile writer may make it.
fn header(kind: u8, size: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[0] = b'f';
    block[124..124 + size.len()].copy_from_slice(size);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    with_right_checksums(&mut block);
    block
}

#[test]
fn sizes_that_make_no_sense_are_refused_before_they_cost_anything() {
    let most = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let negative = [0xff; 12];
    for kind in *b"xgLK" {
        assert!(events(&header(kind, &most), 512).is_err(), "{kind}");
        assert!(events(&header(kind, b"00200000000"), 512).is_err(), "32 MiB of headers");
    }
    for kind in *b"0xgLKSD" {
        assert!(events(&header(kind, &negative), 512).is_err(), "{kind}");
    }
    let map = b"30 GNU.sparse.map=0,1,9,9999\n22 GNU.sparse.size=9\n";
    let mut bytes = header(b'x', format!("{:011o}", map.len()).as_bytes());
    bytes.extend_from_slice(map);
    bytes.resize(1024, 0);
    bytes.extend(header(b'0', b"00000000001"));
    assert!(events(&bytes, 512).is_err(), "a map past the end of its file");
}
