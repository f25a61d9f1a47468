//! Encryption: what we seal the `age` tool opens and the other way round, and nothing that was touched
//! comes out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use age::x25519;
use tapioca::parts::process::age::{Decrypt, Encrypt, SEALED_BYTES};
use tapioca::stream::{Begin, Block, End, Fault, Item, Outlet, Place, Process, Receipt, Upward};

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
/// Plain bytes of a chunk, as the format has it.
const CHUNK: usize = 65_536;

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

#[derive(Default)]
struct Seen {
    begin: Option<Begin>,
    data: Vec<u8>,
    marks: Vec<u8>,
    end: Option<End>,
}

impl Outlet for Seen {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.begin = Some(begin),
            Item::Data { offset, block } => {
                assert_eq!(offset, self.data.len() as u64);
                assert!(!block.is_empty());
                self.data.extend_from_slice(block.data());
            }
            Item::Mark(lines) => self.marks.extend_from_slice(&lines),
            Item::End(end) => self.end = Some(end),
            Item::Abort(abort) => panic!("{abort:?}"),
            Item::Turn(id) => panic!("a turn of {id}"),
        }
        Ok(())
    }
}

fn feed(
    process: &mut dyn Process,
    begin: Begin,
    data: &[u8],
    piece: usize,
    seen: &mut Seen,
) -> Result<(), Fault> {
    process.item(Item::Begin(begin), seen)?;
    for (nth, bytes) in data.chunks(piece).enumerate() {
        let offset = (nth * piece) as u64;
        process.item(Item::Data { offset, block: Block::copy_of(bytes) }, seen)?;
    }
    process.item(Item::End(End { bytes: data.len() as u64, skipped: 0 }), seen)
}

fn sealed(identity: &x25519::Identity, data: &[u8], piece: usize) -> Seen {
    let mut seen = Seen::default();
    let mut encrypt = Encrypt::new(vec![Box::new(identity.to_public())], false).unwrap();
    let begin = Begin { kind: "raw".into(), ..Begin::default() };
    feed(&mut encrypt, begin, data, piece, &mut seen).unwrap();
    assert_eq!(seen.end.unwrap().bytes, seen.data.len() as u64);
    seen
}

/// Opens the bytes alone, as they are what an age file has.
fn opened(
    identity: &x25519::Identity,
    begin: Begin,
    data: &[u8],
    piece: usize,
) -> (Seen, Result<(), Fault>) {
    let mut seen = Seen::default();
    let mut decrypt = Decrypt::new(Arc::new(vec![Box::new(identity.clone())])).without_lines();
    let result = feed(&mut decrypt, begin, data, piece, &mut seen);
    (seen, result)
}

fn encrypted() -> Begin {
    Begin { kind: "raw".into(), layers: vec!["age".into()], ..Begin::default() }
}

const SIZES: &[usize] =
    &[0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 16 * CHUNK, 16 * CHUNK + 5, 40 * CHUNK - 3];

#[test]
fn any_split_of_either_side_comes_back() {
    let identity = x25519::Identity::generate();
    for &size in SIZES {
        let data = noise(size);
        for piece in [97, 65_536, 65_552, 300_000] {
            if piece == 97 && size > 3 * CHUNK {
                continue;
            }
            let seen = sealed(&identity, &data, piece);
            let begin = seen.begin.unwrap();
            assert_eq!(begin.layers, ["age"]);
            let (back, result) = opened(&identity, begin, &seen.data, 400_001 - piece);
            result.unwrap();
            assert!(back.data == data, "{size} bytes in pieces of {piece}");
            let begin = back.begin.unwrap();
            assert!(begin.layers.is_empty() && begin.heads.is_empty());
        }
    }
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a line of bash with `tapioca` as `$t`.
    fn sh(&self, line: &str) -> Output {
        let line = format!("set -o pipefail; t={EXE}; {line}");
        Command::new("bash").args(["-c", &line]).current_dir(&self.0).output().unwrap()
    }

    fn ok(&self, line: &str) -> String {
        let done = self.sh(line);
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

#[test]
fn the_age_tool_opens_ours_and_we_open_its() {
    let dir = Dir::new();
    dir.ok("age-keygen -o theirs 2>/dev/null; $t key new ours >ours.pub; age-keygen -y theirs >theirs.pub");
    assert_eq!(dir.ok("age-keygen -y ours"), dir.ok("cat ours.pub"));
    assert_eq!(dir.ok("$t key public theirs"), dir.ok("cat theirs.pub"));
    dir.ok("cat ours.pub theirs.pub >both");
    for &size in SIZES {
        std::fs::write(dir.at("plain"), noise(size)).unwrap();
        dir.ok("$t src_stdin <plain | $t proc_encrypt --to-file both >sealed");
        dir.ok("$t sink_stdout <sealed >sealed.age");
        for identity in ["ours", "theirs"] {
            dir.ok(&format!("age -d -i {identity} sealed.age | cmp - plain"));
            dir.ok(&format!(
                "$t proc_decrypt --identity {identity} <sealed | $t sink_stdout | cmp - plain"
            ));
        }
        dir.ok("age -R both -o their.age plain");
        let bytes = std::fs::read(dir.at("their.age")).unwrap();
        let ours: x25519::Identity = dir.ok("grep AGE ours").trim().parse().unwrap();
        let (back, result) = opened(&ours, encrypted(), &bytes, 100_000);
        result.unwrap();
        assert!(back.data == noise(size), "{size} bytes");
    }
}

#[test]
fn a_passphrase_is_enough() {
    let dir = Dir::new();
    std::fs::write(dir.at("plain"), noise(100_000)).unwrap();
    dir.ok("echo 'correct horse' >phrase; echo wrong >other");
    dir.ok("$t src_stdin <plain | $t proc_encrypt --passphrase-file phrase >sealed");
    dir.ok("$t proc_decrypt --passphrase-file phrase <sealed | $t sink_stdout | cmp - plain");
    let refused = dir.sh("$t proc_decrypt --passphrase-file other <sealed | $t sink_stdout");
    assert!(!refused.status.success() && refused.stdout.is_empty());
    // The age tool asks for a passphrase on a terminal only.
    dir.ok("$t sink_stdout <sealed >sealed.age");
    let script = "import pty, os, sys\npid, fd = pty.fork()\nif pid == 0: os.execvp('age', ['age', '-d', '-o', 'back', 'sealed.age'])\nos.write(fd, b'correct horse\\n')\ntry:\n  while os.read(fd, 1000): pass\nexcept OSError: pass\nsys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    std::fs::write(dir.at("ask.py"), script).unwrap();
    dir.ok("python3 ask.py && cmp back plain");
}

#[test]
fn nothing_that_was_touched_comes_out() {
    let identity = x25519::Identity::generate();
    let data = noise(3 * CHUNK + 1000);
    let whole = sealed(&identity, &data, 50_000).data;
    let head = whole.len() - (3 * SEALED_BYTES + 1000 + 16);
    let refused = |bytes: &[u8], good_chunks: usize, what: &str| {
        let (seen, result) = opened(&identity, encrypted(), bytes, 30_000);
        assert!(result.is_err() && seen.end.is_none(), "{what}: taken");
        assert!(seen.data.len() <= good_chunks * CHUNK, "{what}: a bad chunk came out");
        assert!(data.starts_with(&seen.data), "{what}: wrong bytes came out");
    };
    let step = if std::env::var_os("TAPIOCA_LONG").is_some() { 1 } else { 211 };
    let mut flipped = 0;
    for at in (0..head).chain((head..whole.len()).step_by(step)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        refused(&bytes, at.saturating_sub(head) / SEALED_BYTES, &format!("byte {at} turned"));
        flipped += 1;
    }
    println!("{flipped} of {} bytes turned over", whole.len());
    for length in (0..whole.len()).step_by(7919).chain([whole.len() - 1, head, head + SEALED_BYTES])
    {
        let good = length.saturating_sub(head) / SEALED_BYTES;
        refused(&whole[..length], good, &format!("cut to {length}"));
    }
    let chunk = |n: usize| {
        whole[head + n * SEALED_BYTES..whole.len().min(head + (n + 1) * SEALED_BYTES)].to_vec()
    };
    let made_of = |order: &[usize]| {
        let mut bytes = whole[..head].to_vec();
        order.iter().for_each(|&n| bytes.extend(chunk(n)));
        bytes
    };
    assert!(made_of(&[0, 1, 2, 3]) == whole);
    refused(&made_of(&[1, 0, 2, 3]), 0, "two swapped");
    refused(&made_of(&[0, 2, 3]), 1, "one dropped");
    refused(&made_of(&[0, 1, 1, 2, 3]), 2, "one doubled");
    refused(&made_of(&[0, 1, 2]), 2, "the last dropped");
    refused(&made_of(&[0, 1, 2, 3, 3]), 3, "the last doubled");
    // Another stream of the same bytes to the same recipient: each of its chunks at its own place, two
    // streams that changed chunks, all of it behind this head, and its head before this.
    let other = sealed(&identity, &data, 50_000).data;
    assert_eq!(other.len(), whole.len());
    for n in 0..4 {
        let at = head + n * SEALED_BYTES;
        let range = at..whole.len().min(at + SEALED_BYTES);
        let (mut here, mut there) = (whole.clone(), other.clone());
        here[range.clone()].swap_with_slice(&mut there[range]);
        refused(&here, n, &format!("chunk {n} of another stream"));
        refused(&there, n, &format!("chunk {n} of another stream, the other way"));
    }
    refused(&[&whole[..head], &other[head..]].concat(), 0, "another stream behind this head");
    refused(&[&other[..head], &whole[head..]].concat(), 0, "another head");
    refused(&[&whole[..], &other[..]].concat(), 3, "another stream behind this one");
    refused(&[&whole[..], &whole[head..]].concat(), 3, "the same bytes once more");
    // Somebody else's identity.
    let (seen, result) = opened(&x25519::Identity::generate(), encrypted(), &whole, 30_000);
    assert!(seen.data.is_empty() && result.unwrap_err().what.contains("none of the identities"));
}

#[derive(Default)]
struct Heard(Vec<Receipt>);

impl Upward for Heard {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.push(receipt);
        Ok(())
    }
}

#[test]
fn receipts_are_translated_both_ways() {
    let identity = x25519::Identity::generate();
    let data = noise(50 * CHUNK + 77);
    let mut encrypt = Encrypt::new(vec![Box::new(identity.to_public())], true).unwrap();
    let mut decrypt =
        Decrypt::new(Arc::new(vec![Box::new(identity)])).without_lines().expecting_receipts(true);
    let (mut middle, mut below) = (Seen::default(), Seen::default());
    feed(&mut encrypt, Begin::default(), &data, 70_000, &mut middle).unwrap();
    feed(&mut decrypt, middle.begin.clone().unwrap(), &middle.data, 90_000, &mut below).unwrap();
    let place = Place { medium: "M".into(), volume: None, partition: 0 };
    let (mut up, mut top) = (Heard::default(), Heard::default());
    let mut from = 0;
    for to in [100_000u64, 1_000_000, 3_000_000, data.len() as u64] {
        let extents = vec![tapioca::stream::Extent { from, to, block: from / 1000, stride: 1000 }];
        let (grade, digest) = ("on tape".into(), String::new());
        let receipt = Receipt {
            stream: Default::default(),
            from,
            to,
            grade,
            place: place.clone(),
            extents,
            copy: 0,
            copies: 1,
            digest,
        };
        decrypt.receipt(receipt, &mut up).unwrap();
        from = to;
    }
    for receipt in up.0 {
        encrypt.receipt(receipt, &mut top).unwrap();
    }
    let mut next = 0;
    for receipt in &top.0 {
        assert_eq!(receipt.from, next);
        next = receipt.to;
        // Reading from the block that is named never starts behind the byte.
        for byte in [receipt.from, receipt.to - 1] {
            let block = receipt.extents.iter().find_map(|e| e.block_of(byte)).unwrap();
            assert!(block <= byte / 1000, "byte {byte} is not in block {block} or behind it");
        }
    }
    assert_eq!(next, data.len() as u64, "not everything was receipted");
}

#[test]
fn receipts_may_come_at_any_moment() {
    let identity = x25519::Identity::generate();
    let data = noise(40 * CHUNK + 9);
    for every in [1, 3, 7] {
        let mut encrypt = Encrypt::new(vec![Box::new(identity.to_public())], true).unwrap();
        let (mut seen, mut top) = (Seen::default(), Heard::default());
        let mut covered = 0;
        let mut receipt = |encrypt: &mut Encrypt, to: u64| {
            let extents =
                vec![tapioca::stream::Extent { from: covered, to, block: covered, stride: 1 }];
            let place = Place { medium: "M".into(), volume: None, partition: 0 };
            let (grade, digest) = ("on tape".into(), String::new());
            let from = std::mem::replace(&mut covered, to);
            let receipt = Receipt {
                stream: Default::default(),
                from,
                to,
                grade,
                place,
                extents,
                copy: 0,
                copies: 1,
                digest,
            };
            encrypt.receipt(receipt, &mut top).unwrap();
        };
        encrypt.item(Item::Begin(Begin::default()), &mut seen).unwrap();
        for (nth, bytes) in data.chunks(50_000).enumerate() {
            let offset = (nth * 50_000) as u64;
            encrypt.item(Item::Data { offset, block: Block::copy_of(bytes) }, &mut seen).unwrap();
            if nth % every == 0 {
                receipt(&mut encrypt, seen.data.len() as u64);
            }
        }
        encrypt.item(Item::End(End { bytes: data.len() as u64, skipped: 0 }), &mut seen).unwrap();
        receipt(&mut encrypt, seen.data.len() as u64);
        assert_eq!(top.0.iter().map(|r| r.to - r.from).sum::<u64>(), data.len() as u64);
    }
}

#[test]
fn one_file_comes_back_from_a_sealed_tape_and_from_the_rest_of_a_set() {
    let dir = Dir::new();
    dir.ok("$t key new k >k.pub; mkdir tree; for n in $(seq 60); do head -c 300000 /dev/urandom >tree/f$n; done");
    dir.ok("$t library create lib --drives 1 --slots 3 --media 3 --capacity 16MiB >/dev/null");
    let devices = "--drive virtual:lib#drive0 --changer virtual:lib#changer";
    dir.ok(&format!(
        "mkfifo a b c; $t src_filesys -C tree . | $t proc_record --list L 4<a | $t proc_compress 3>a 4<b | $t proc_encrypt --to $(cat k.pub) 3>b 4<c | $t sink_tape {devices} --block-bytes 65536 --sync-mib 4 3>c"
    ));
    let media = dir.ok("awk '/^@/ { print $5 }' L | sort -u | wc -l");
    assert!(media.trim().parse::<u32>().unwrap() >= 2, "it lies on {media}");
    let take = |more: &str| {
        format!(
            "$t src_tape {devices} {more} | $t proc_decrypt --identity k | $t proc_decompress | $t sink_filesys -C back"
        )
    };
    dir.ok(&take("--volume TAP001L9"));
    dir.ok("diff -r tree back && rm -r back");
    dir.ok(&take("--volume TAP001L9 --identity k --only f7 f33 f60"));
    dir.ok("for n in 7 33 60; do cmp tree/f$n back/f$n || exit 1; done; [ $(find back -type f | wc -l) = 3 ] && rm -r back");
    // The first cartridge is lost, and with it the beginning of the stream.
    let stream =
        dir.ok(&format!("$t library list {devices} | grep -o '^[0-9a-f-]\\{{36\\}}' | head -n 1"));
    let stream = format!("--volume TAP002L9 --identity k --salvage --stream {}", stream.trim());
    dir.ok("{ $t library unload --changer virtual:lib#changer; $t library load --changer virtual:lib#changer --volume TAP001L9; } >said");
    dir.ok("$t drive erase --drive virtual:lib#drive0 --volume TAP001L9 >said");
    let left = dir.sh(&take(&stream));
    let kept =
        dir.ok("cd back || exit 1; for f in f*; do cmp $f ../tree/$f || exit 1; done; ls | wc -l");
    let kept: u32 = kept.trim().parse().unwrap();
    assert!((10..60).contains(&kept), "{kept} files: {}", String::from_utf8_lossy(&left.stderr));
    let none = dir.sh(&format!("$t key new other >/dev/null; $t src_tape {devices} {stream} | $t proc_decrypt --identity other | $t sink_stdout"));
    assert!(none.stdout.is_empty() && !none.status.success());
}

#[test]
fn a_key_survives_on_paper() {
    let dir = Dir::new();
    dir.ok("$t key new k >k.pub");
    let mode = std::fs::metadata(dir.at("k")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let paper = dir.ok("$t key print k");
    let key: String = paper.split("FILE`.").nth(1).unwrap().to_lowercase();
    let typed = |text: &str, file: &str| {
        let mut child = Command::new(EXE)
            .args(["key", "type"])
            .arg(dir.at(file))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(typed(&key, "again").status.success());
    assert_eq!(dir.ok("$t key public again"), dir.ok("cat k.pub"));
    let body = key.rfind(|c: char| c.is_alphanumeric()).unwrap();
    let wrong = if key.as_bytes()[body] == b'q' { "p" } else { "q" };
    let mut slip = key.clone();
    slip.replace_range(body..=body, wrong);
    let refused = typed(&slip, "slip");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!dir.at("slip").exists());
    assert_eq!(typed(&key, "again").status.code(), Some(100), "an identity was overwritten");
}
