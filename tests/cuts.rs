//! Streams that are not whole: cut, changed or aborted, fed to every consumer as a process.
//!
//! None may exit well, each must say so, no file may stay, and what a processor passes on must not
//! look whole either.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tapioca::stream::frame::{FrameReader, FrameWriter};
use tapioca::stream::{Abort, Begin, Block, End, Inlet, Item, Outlet};

/// Every consumer, and the layers of the stream it takes.
const CONSUMERS: &[(&[&str], &str)] = &[
    (&["sink_null"], ""),
    (&["sink_stdout"], ""),
    (&["sink_file", "kept"], ""),
    (&["proc_compress"], ""),
    (&["proc_compress", "--codec", "lz4"], ""),
    (&["proc_record", "--list", "kept"], ""),
    (&["proc_verify", "--list", "/dev/null"], ""),
    (&["proc_decompress"], "zstd"),
    (&["sink_filesys", "-C", "."], ""),
];

/// What the files of the sample hold.
fn content(name: u8) -> Vec<u8> {
    (0..1500u32).map(|i| (i * 7) as u8 ^ name).collect()
}

/// A small archive of two files.
fn archive() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for name in [b'a', b'b'] {
        std::fs::write(dir.path().join((name as char).to_string()), content(name)).unwrap();
    }
    let tar = ["c", "-b1", "--format=pax", "--mtime=@1700000000", "a", "b"];
    let tar = Command::new("tar").args(tar).current_dir(dir.path()).output().unwrap();
    assert!(tar.status.success());
    tar.stdout
}

fn frames(items: Vec<Item>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = FrameWriter::new(&mut bytes);
    items.into_iter().for_each(|item| out.put(item).unwrap());
    bytes
}

fn items() -> Vec<Item> {
    let begin = Begin { name: "sample".into(), kind: "pax".into(), ..Begin::default() };
    let mut items = vec![Item::Begin(begin)];
    let archive = archive();
    for (n, piece) in archive.chunks(1900).enumerate() {
        items.push(Item::Data { offset: n as u64 * 1900, block: Block::copy_of(piece) });
        if n == 0 {
            items.push(Item::Mark(b"! vanished some\\x20thing\n".to_vec()));
        }
    }
    items.push(Item::End(End { bytes: archive.len() as u64, skipped: 1 }));
    items
}

fn sample(layer: &str) -> Vec<u8> {
    let plain = frames(items());
    match layer {
        "" => plain,
        _ => run(&["proc_compress"], &plain, Path::new("/")).stdout,
    }
}

fn run(command: &[&str], input: &[u8], dir: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapioca"))
        .args(command)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What it does not want to read any more it need not.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn looks_whole(bytes: &[u8]) -> bool {
    let mut inlet = FrameReader::new(bytes);
    loop {
        match inlet.take() {
            Ok(Item::End(_)) => return true,
            Ok(Item::Abort(_)) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Where frames begin, and where the last one ends.
fn borders(bytes: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut found = vec![0];
    while at < bytes.len() {
        at += 24 + u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
        found.push(at);
    }
    found
}

fn must_fail(command: &[&str], input: &[u8], what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let done = run(command, input, dir.path());
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(111), "{command:?}, {what}: {said}");
    assert!(said.starts_with(&format!("{}: ", command[0])), "{command:?}, {what}: {said}");
    let named = ["is cut", "is damaged", "gave up"].iter().any(|word| said.contains(word));
    assert!(named, "{command:?}, {what} does not say why: {said}");
    for left in std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap()) {
        // A file that came whole before the damage may stay; half a one may not.
        let name = left.file_name().into_encoded_bytes();
        let whole = command[0] == "sink_filesys" && [&b"a"[..], b"b"].contains(&&name[..]);
        let whole = whole && std::fs::read(left.path()).unwrap() == content(name[0]);
        assert!(whole, "{command:?}, {what} leaves {left:?}");
    }
    if command[0].starts_with("proc_") {
        assert!(!looks_whole(&done.stdout), "{command:?}, {what}: its output looks whole");
    }
}

#[test]
fn whole_streams_are_taken() {
    for (command, layer) in CONSUMERS.iter().filter(|(c, _)| c[0] != "proc_verify") {
        let dir = tempfile::tempdir().unwrap();
        let done = run(command, &sample(layer), dir.path());
        assert_eq!(done.status.code(), Some(0), "{command:?}");
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        let kept = if command[0] == "sink_filesys" { 2 } else { command.contains(&"kept").into() };
        assert_eq!(left, kept, "{command:?}");
    }
}

#[test]
fn every_consumer_notices_a_cut() {
    for (command, layer) in CONSUMERS {
        let whole = sample(layer);
        let near =
            borders(&whole).into_iter().flat_map(|b| [b.saturating_sub(1), b, b + 1, b + 24]);
        let mut cuts: Vec<usize> = near.chain((0..whole.len()).step_by(411)).collect();
        cuts.retain(|&cut| cut < whole.len());
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts {
            must_fail(command, &whole[..cut], &format!("cut at {cut}"));
        }
    }
}

#[test]
fn every_consumer_notices_a_flipped_bit() {
    for (command, layer) in CONSUMERS {
        let whole = sample(layer);
        for bit in (0..whole.len() * 8).step_by(whole.len() / 5 + 3) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            must_fail(command, &bytes, &format!("flip of bit {bit}"));
        }
    }
}

#[test]
fn every_consumer_notices_an_abort() {
    for (command, layer) in CONSUMERS {
        for keep in 0..5 {
            let mut some: Vec<Item> = items().into_iter().take(keep).collect();
            if let Some(Item::Begin(begin)) = some.first_mut() {
                begin.layers.extend((!layer.is_empty()).then(|| layer.to_string()));
            }
            if !layer.is_empty() {
                some.truncate(1);
            }
            some.push(Item::Abort(Abort { who: "src_x".into(), why: "disk on fire".into() }));
            let input = frames(some);
            must_fail(command, &input, &format!("abort after {keep}"));
            let said = run(command, &input, tempfile::tempdir().unwrap().path()).stderr;
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(said.contains("src_x gave up: disk on fire"), "{command:?}: {said}");
        }
    }
}
