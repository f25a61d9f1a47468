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
                Event::Data { .. } => {}
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
