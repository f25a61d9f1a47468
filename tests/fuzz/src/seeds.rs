//! The first inputs of each target: `fuzz --seeds DIR` writes them to `DIR/TARGET`.
//!
//! Owns what a good input looks like: bytes that devices sent, archives that GNU tar, bsdtar and
//! cpio made, and what our own writers write.

use std::path::Path;
use std::process::Command;

use tapioca::identity::enrol::{Answer, Ask};
use tapioca::list::file::ListWriter;
use tapioca::list::{self, Line};
use tapioca::parts::names::{Entry, NameWriter};
use tapioca::parts::process::age::Encrypt;
use tapioca::parts::process::compress::Compress;
use tapioca::pax::{END_OF_ARCHIVE, Kind, Member, Time, encode, encode_gone};
use tapioca::stream::frame::FrameWriter;
use tapioca::stream::{
    Abort, Begin, Block, End, Extent, Fault, Item, Outlet, Place, Process, Receipt, StreamId,
};
use tapioca::volume::index::IndexWriter;
use tapioca::volume::label::Label;
use tapioca::volume::part::{PartBegin, PartEnd, PartState, PartSync};
use tapioca::wire::frame::{CLIENT_CONTROL, Kind as FrameKind, Packet};
use tapioca::wire::message::{self, FromClient, FromServer, NamedPipe, Request, Seal};
use uuid::Uuid;

mod service;
mod update;

/// Writes all of them.
pub fn write(dir: &Path) {
    captures(dir);
    archives(dir);
    strange_members(dir);
    going_on(dir);
    names(dir);
    patterns(dir);
    streams(dir);
    tapes(dir);
    devices(dir);
    sealed_lines(dir);
    network(dir);
    dhcp(dir);
    service::write(dir);
    update::write(dir);
}

/// What DHCP servers answer, between events: how a lease is got, renewed, refused and lost.
fn dhcp(dir: &Path) {
    let packet = |after_s: u16, kind: u8, more: &[u8]| {
        let mut bytes = vec![0; 240];
        bytes[..8].copy_from_slice(&[2, 1, 6, 0, 1, 2, 3, 4]);
        bytes[16..20].copy_from_slice(&[10, 0, 0, 77]);
        bytes[28..34].copy_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend([53, 1, kind, 54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0]);
        bytes.extend([3, 4, 10, 0, 0, 1, 6, 8, 10, 0, 0, 1, 10, 0, 0, 2, 42, 4, 10, 0, 0, 1]);
        bytes.extend(more);
        bytes.push(255);
        let length = u16::try_from(bytes.len()).expect("it is short").to_be_bytes();
        [&[0], &after_s.to_be_bytes()[..], &length, &bytes].concat()
    };
    let (offer, ack, nak) = (2, 5, 6);
    let hour = [51, 4, 0, 0, 14, 16];
    let odd = [51, 4, 0, 0, 0, 60, 58, 4, 0, 0, 0, 50, 59, 4, 0, 0, 0, 40, 12, 3, 98, 111, 120];
    let bound = [packet(1, offer, &hour), packet(1, ack, &hour)].concat();
    let due = [3, 0, 0];
    put(dir, "dhcp", "bound", &bound);
    put(dir, "dhcp", "renewed", &[&bound[..], &due, &packet(2, ack, &odd)].concat());
    put(dir, "dhcp", "refused", &[&bound[..], &due, &packet(0, nak, &[])].concat());
    put(dir, "dhcp", "lost", &[&bound[..], &due.repeat(12)].concat());
    let out_and_in = [1, 0, 9, 2, 0, 9];
    put(dir, "dhcp", "cable", &[&bound[..], &out_and_in, &packet(0, nak, &hour)].concat());
    let mut long = bound.clone();
    // A hardware address longer than its field.
    long[5 + 2] = 200;
    put(dir, "dhcp", "long", &long);
}

/// What two plumbers say to each other, and what a gluepot, a code and an address look like.
fn network(dir: &Path) {
    let packets = [
        Packet::new(FrameKind::Message, CLIENT_CONTROL, b"start"),
        Packet::new(FrameKind::Data, 0, b"hello"),
        Packet::new(FrameKind::Credit, 1, &5u32.to_le_bytes()),
        Packet::new(FrameKind::Stop, 1, b""),
        Packet::new(FrameKind::Ping, CLIENT_CONTROL, b""),
        Packet::new(FrameKind::Eof, 0, b""),
    ];
    let frames: Vec<u8> = packets.iter().flat_map(|packet| packet.bytes().to_vec()).collect();
    put(dir, "wire", "pieces", &[&[0, 3, 0], &frames[..]].concat());
    put(dir, "wire", "anything", &[&[2, 2, 1], &frames[..]].concat());
    let steps: Vec<u8> = (0..=255).flat_map(|n: u8| [n.wrapping_mul(37), n]).collect();
    put(dir, "wire", "ends", &[&[1, 100, 0], &steps[..]].concat());
    messages(dir);
    let manifest = "[[component]]\nname = 'x'\nrun = 'sink_tape'\nmachines = ['web']\nwith = ['--a']\nmay = ['--v {word}', '-n={number}…', '{path}…', '--t {text}']\nread = ['/srv']\nwrite = ['/dev/sg1']\n";
    let service = "[[component]]\nname = 'x'\nsocket = '/run/x'\nmachines = ['web']\n";
    put(dir, "gluepot", "service", format!("web\nx\n%\n{service}").as_bytes());
    let said = "web\nx\n--v\nTAP001L9\n-n=5\n/srv/www\na/b\n--t\n../x\n%\n";
    put(dir, "gluepot", "all", format!("{said}{manifest}").as_bytes());
    for (name, text) in [
        ("code", "7K22-93QT-M4ZX-8B0C-H1JW"),
        ("typed", "7k2x 93qt m4zx 8boc hljw"),
        ("host", "box.example:99"),
        ("six", "[::1]:5"),
    ] {
        put(dir, "code", name, text.as_bytes());
    }
    let hello = [&[0, 200, 22, 3, 1, 0, 20, 1, 0, 1, 0, 3, 3], &[7; 60][..]].concat();
    put(dir, "tls", "stranger", &hello);
    put(dir, "tls", "noise", &[&[1, 50, 23, 3, 3, 0, 40], &[9; 40][..]].concat());
    let records: &[u8] = b"\x02\0\0\x01\x05hello\x00\x08\x03abc\x01\x02\x05\x18\0\0\x01\0";
    put(dir, "tls", "data-and-keys", records);
    put(dir, "tls", "in-pieces", b"\x02\0\x01\0\x02\x18\0\x00\x01\x03abc");
    put(dir, "tls", "closed", b"\x02\0\x15\0\x02\x01\0\x00\x01\x03abc");
}

fn messages(dir: &Path) {
    let request = Request {
        words: ["sink_tape", "--volume", "TAP001L9"].map(str::to_owned).into(),
        seal: Seal::None,
        receipts_up: true,
        receipts_from_below: true,
        pipes: vec![NamedPipe { name: "up".into(), to_component: true }],
    };
    let fault = Fault::usage("no").hint("say yes");
    let client = [FromClient::Start(request), FromClient::Unsealed, FromClient::Signal(15)];
    let server = [
        FromServer::Refused(fault.clone()),
        FromServer::Started,
        FromServer::Ended(Ok(300)),
        FromServer::Ended(Err(fault)),
    ];
    let proof = [7; 32];
    let ask = Ask { code: "7K2".into(), request: vec![0x30, 1, 2], proof };
    let granted = Answer::Granted { certificate: vec![0x30], authority: vec![0x31], proof };
    let client = client.iter().map(message::encode);
    let server = server.iter().map(message::encode);
    let answers = [Answer::Refused("no".into()), granted];
    let all = client.chain(server).chain([message::encode(&ask)]);
    for (n, bytes) in all.chain(answers.iter().map(message::encode)).enumerate() {
        put(dir, "message", &format!("message-{n}"), &bytes.expect("it is short"));
    }
}

/// Lines that were sealed to the identity of the target, in three pieces; and some to be sealed.
fn sealed_lines(dir: &Path) {
    let to: age::x25519::Identity = super::targets::SEAL_IDENTITY.parse().expect("an identity");
    let mut encrypt = Encrypt::new(vec![Box::new(to.to_public())], false).expect("a recipient");
    let mut items = Marks::default();
    let mark = |n: u32| Item::Mark(format!("! x tapioca!{n}\n").repeat(4000).into_bytes());
    let end = Item::End(End { bytes: 0, skipped: 0 });
    for item in [Item::Begin(begin(&[], false)), mark(1), mark(2), end] {
        encrypt.item(item, &mut items).expect("it seals");
    }
    let [low, high] = (items.head.len() as u16).to_le_bytes();
    put(dir, "seal", "pieces", &[&[0, low, high], &items.head[..], &items.lines].concat());
    put(dir, "seal", "lines", &[&[1], LINES].concat());
}

#[derive(Default)]
struct Marks {
    head: Vec<u8>,
    lines: Vec<u8>,
}

impl Outlet for Marks {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.head = begin.heads[0].1.clone(),
            Item::Mark(lines) => self.lines.extend(lines),
            Item::Data { .. } | Item::End(_) | Item::Abort(_) | Item::Turn(_) => {}
        }
        Ok(())
    }
}

fn put(dir: &Path, target: &str, name: &str, bytes: &[u8]) {
    let dir = dir.join(target);
    std::fs::create_dir_all(&dir).expect("a directory can be made");
    std::fs::write(dir.join(name), bytes).expect("a file can be written");
}

/// Which target a capture belongs to, by the start of its name.
const CAPTURES: &[(&str, &str)] = &[
    ("sense-", "sense"),
    ("inquiry-", "inquiry"),
    ("vpd", "inquiry"),
    ("elements-", "element"),
    ("log", "log"),
    ("mode", "mode"),
    ("mam-", "attribute"),
    ("", "abilities"),
];

fn captures(dir: &Path) {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/scsi/tests/captures");
    for entry in std::fs::read_dir(captures).expect("the captures are there") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a capture is text");
        let pairs = text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16));
        let mut bytes: Vec<u8> = pairs.map(|byte| byte.expect("hexadecimal")).collect();
        if name.starts_with("log") && name.contains("-parameter") {
            let page = u8::from_str_radix(&name[3..5], 16).expect("a page code");
            let [high, low] = (bytes.len() as u16).to_be_bytes();
            bytes.splice(0..0, [page, 0, high, low]);
        }
        let found = CAPTURES.iter().find(|(start, _)| name.starts_with(start));
        put(dir, found.map_or("abilities", |(_, target)| target), &name, &bytes);
    }
}

/// An archive that goes on from another: one path after the other is gone, then something new comes.
fn going_on(dir: &Path) {
    let mut archive = Vec::new();
    encode_gone(b"soft\0plain\0d/e\nf\0d", &mut archive);
    encode_gone(b"", &mut archive);
    let member = Member {
        path: b"d".to_vec(),
        kind: Kind::Fifo,
        mode: 0o644,
        uid: 0,
        gid: 0,
        uname: Vec::new(),
        gname: Vec::new(),
        size: 0,
        mtime: Time::default(),
        atime: None,
        xattrs: Default::default(),
        acl_access: None,
        acl_default: None,
    };
    encode(&member, &mut archive);
    archive.extend_from_slice(&END_OF_ARCHIVE);
    for target in ["pax", "restore", "record"] {
        put(dir, target, "gone", &archive);
    }
}

fn names(dir: &Path) {
    let entry = Entry {
        kind: b'f',
        size: 3000,
        mtime: (-1, 5),
        ctime: (1_700_000_000, 1),
        inode: (2049, 131_073),
        links: 2,
        target: Vec::new(),
        path: b"www/a b\n".to_vec(),
    };
    let link =
        Entry { kind: b'l', target: b"a b".to_vec(), path: b"www/l".to_vec(), ..entry.clone() };
    for is_compared in [false, true] {
        let mut bytes = Vec::new();
        let mut names = NameWriter::begin(&mut bytes, (1_700_000_000, 0)).expect("memory takes it");
        let first = if is_compared { names.gone(b"www/old") } else { names.root(b"www") };
        first
            .and_then(|()| names.entry(&entry))
            .and_then(|()| names.entry(&Entry { path: b"www/c".to_vec(), ..entry.clone() }))
            .and_then(|()| names.entry(&link))
            .and_then(|()| names.missing("unreadable", b"www/secret"))
            .and_then(|()| names.finish(1))
            .expect("memory takes it");
        put(dir, "names", if is_compared { "compared" } else { "walked" }, &bytes);
    }
    let mut list = ListWriter::new(Vec::new());
    let lines = b"i 5 d\nd 0 512 0 1.000000000 - d\nh 512 512 0 1.000000000 - d/a\\x20b d/c\n- d/c\n! changed d\n";
    list.head(&begin(&[], false)).expect("memory takes it");
    std::io::Write::write_all(&mut list, lines).expect("memory takes it");
    put(dir, "list", "small", &list.finish().expect("memory takes it"));
}

/// A tree small enough for a fuzzer, with one of everything that tar programs differ in.
fn tree(dir: &Path) {
    let long = "d".repeat(60);
    std::fs::create_dir_all(dir.join(&long).join(&long)).expect("a directory can be made");
    std::fs::write(dir.join(&long).join(&long).join("deep"), b"deep").expect("a file");
    std::fs::write(dir.join("empty"), b"").expect("a file");
    std::fs::write(dir.join("plain"), [7; 30]).expect("a file");
    std::fs::hard_link(dir.join("plain"), dir.join("second")).expect("a hard link");
    std::os::unix::fs::symlink("plain", dir.join("soft")).expect("a link");
    std::os::unix::fs::symlink("l".repeat(120), dir.join("long")).expect("a link");
    let sparse = std::fs::File::create(dir.join("holes")).expect("a file");
    for at in 0..2u64 {
        std::os::unix::fs::FileExt::write_at(&sparse, &[9; 10], at * 16384).expect("a run");
    }
    sparse.set_len(4 * 8192).expect("a hole");
}

const DIALECTS: &[(&str, &str, &[&str])] = &[
    ("v7", "tar", &["--format=v7", "--exclude=d*", "--exclude=long", "--exclude=holes"]),
    ("ustar", "tar", &["--format=ustar", "--exclude=holes", "--exclude=long"]),
    ("gnu", "tar", &["--format=gnu", "-S"]),
    ("posix", "tar", &["--format=posix", "--exclude=holes"]),
    ("sparse00", "tar", &["--format=posix", "-S", "--sparse-version=0.0", "--exclude=d*"]),
    ("sparse01", "tar", &["--format=posix", "-S", "--sparse-version=0.1", "--exclude=d*"]),
    ("sparse10", "tar", &["--format=posix", "-S", "--sparse-version=1.0", "--exclude=d*"]),
    (
        "global",
        "tar",
        &["--format=posix", "--pax-option=globexthdr.name=g,comment=x", "--exclude=holes"],
    ),
    ("bsd-pax", "bsdtar", &["--format=pax", "--exclude=d*"]),
    ("bsd-gnu", "bsdtar", &["--format=gnutar", "--exclude=holes"]),
];

fn archives(dir: &Path) {
    let temp = tempfile::tempdir().expect("a directory can be made");
    let (source, file) = (temp.path().join("tree"), temp.path().join("archive"));
    std::fs::create_dir(&source).expect("a directory can be made");
    tree(&source);
    for (name, program, options) in DIALECTS {
        let mut command = Command::new(program);
        command.arg("-b1").arg("-cf").arg(&file).args(*options).arg("-C").arg(&source).arg(".");
        let status = command.status().expect("the program is there");
        assert!(status.success(), "{command:?}");
        let bytes = std::fs::read(&file).expect("the archive is there");
        for target in ["pax", "restore", "record"] {
            put(dir, target, name, &bytes);
        }
    }
}

fn begin(layers: &[&str], partial: bool) -> Begin {
    Begin {
        stream: StreamId(Uuid::from_u128(7)),
        name: "host:/home".into(),
        kind: "pax".into(),
        layers: layers.iter().map(|&layer| layer.into()).collect(),
        heads: Vec::new(),
        created_s: 1_700_000_000,
        partial,
    }
}

fn data(offset: u64, bytes: &[u8]) -> Item {
    Item::Data { offset, block: Block::copy_of(bytes) }
}

fn framed(items: Vec<Item>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = FrameWriter::new(&mut bytes);
    items.into_iter().for_each(|item| out.put(item).expect("memory takes it"));
    bytes
}

/// What was found once: a hole that nobody can hash, a name longer than any index line, a device
/// number longer than its field.
fn strange_members(dir: &Path) {
    let file = |map| Kind::File { map };
    let member = |path: &[u8], size, kind| Member {
        path: path.to_vec(),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        uname: Vec::new(),
        gname: Vec::new(),
        size,
        mtime: Time::default(),
        atime: None,
        xattrs: Default::default(),
        acl_access: None,
        acl_default: None,
    };
    let device = Kind::CharDevice { major: 1 << 21, minor: u32::MAX };
    for (name, member) in [
        ("hole-of-exbibytes", member(b"hole", i64::MAX as u64, file(Some(vec![(0, 3)])))),
        ("long-name", member(&[1; 20_000], 0, file(None))),
        ("wide-device", member(b"device", 0, device)),
    ] {
        let mut archive = Vec::new();
        let content = encode(&member, &mut archive);
        archive.resize(archive.len() + (content.bytes + content.padding) as usize, 7);
        archive.extend_from_slice(&END_OF_ARCHIVE);
        for target in ["pax", "restore", "record"] {
            put(dir, target, name, &archive);
        }
    }
}

fn patterns(dir: &Path) {
    put(dir, "patterns", "plain", b"a/b\n./c/\nx\na/b/c");
    put(dir, "patterns", "globs", b"a/*\n[a-c]?[!x]\n\\*\na/b");
    put(dir, "patterns", "any", b"**/a/**/b/**/c\na/a/b/b/a/c/d");
}

const LINES: &[u8] = b"f 512 4608 3000 1700000000.000000000 \
    af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262 a\\x20b\n\
    l 5120 512 0 -1.000000001 - \\e target\n~ 1 1048576 400123\n? 0 512 5120\n\
    ! unreadable etc/shadow\n@ 0 524192 524192 TAP001L8 - 0 5 on-tape\n\
    @ 0 1 0 /srv/f 00000000-0000-0000-0000-000000000005 1 0 on-disk\n";

fn streams(dir: &Path) {
    let end = |bytes| Item::End(End { bytes, skipped: 1 });
    let mark = || Item::Mark(LINES.to_vec());
    let abort = Abort { who: "src_filesys".into(), why: "cable cut".into() };
    let whole = vec![
        Item::Begin(begin(&["zstd"], false)),
        data(0, b"hello "),
        mark(),
        data(6, b"x"),
        end(7),
    ];
    let jumps = vec![Item::Begin(begin(&[], true)), data(9, b"hello"), data(1 << 40, b"x"), end(6)];
    put(dir, "frames", "whole", &framed(whole));
    put(dir, "frames", "jumps", &framed(jumps));
    put(dir, "frames", "abort", &framed(vec![Item::Begin(begin(&[], false)), Item::Abort(abort)]));
    let turns = |last: Vec<Item>| {
        let of = |n, kind: &str| {
            let (stream, kind) = (StreamId(Uuid::from_u128(n)), kind.into());
            Item::Begin(Begin { stream, kind, ..begin(&[], false) })
        };
        let turn = |n| Item::Turn(StreamId(Uuid::from_u128(n)));
        let first =
            vec![of(9, "mux"), turn(1), of(1, "raw"), data(0, b"one"), turn(2), of(2, "pax")];
        framed(
            first
                .into_iter()
                .chain([data(0, b"two"), turn(1), data(3, b"!")])
                .chain(last)
                .collect(),
        )
    };
    let gone = || Item::Abort(Abort { who: "fun_mux".into(), why: "cut".into() });
    let second = Item::Turn(StreamId(Uuid::from_u128(2)));
    put(dir, "frames", "turns", &turns(vec![end(4), second, gone(), end(7)]));
    let edge = Item::Turn(StreamId(Uuid::from_u128(9)));
    put(dir, "frames", "turns-given-up", &turns(vec![edge, gone()]));
    put(dir, "lines", "all", LINES);
    for (number, line) in list::lines(LINES).enumerate() {
        let mut text = Vec::new();
        line.as_ref().map(|line: &Line| line.write(&mut text)).expect("good lines");
        put(dir, "lines", &format!("line{number}"), &text);
    }
    for (name, volume) in [("tape", Some(Uuid::from_u128(5))), ("file", None)] {
        let extents = vec![Extent { from: 0, to: 1000, block: 5, stride: 100 }];
        let place = Place { medium: "TAP001L8".into(), volume, partition: 0 };
        let receipt = Receipt {
            stream: StreamId(Uuid::from_u128(7)),
            from: 0,
            to: 1000,
            grade: "on tape".into(),
            place,
            extents,
            copy: u8::from(volume.is_some()),
            copies: 2,
            digest: "af1349b9".into(),
        };
        put(dir, "receipt", name, &serde_json::to_vec(&receipt).expect("a receipt"));
    }
    for (flags, layer) in [(0, "zstd"), (1, "lz4")] {
        let packed = compressed(layer);
        put(dir, "chunks", layer, &[&[flags], &packed[..]].concat());
        let partial = [&[flags | 2, 3, 0, 10, 0, 0, 0], &packed[..]].concat();
        put(dir, "chunks", &format!("{layer}-partial"), &partial);
    }
}

struct Gather(Vec<u8>);

impl Outlet for Gather {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Data { block, .. } = item {
            self.0.extend_from_slice(block.data());
        }
        Ok(())
    }
}

fn compressed(layer: &str) -> Vec<u8> {
    let mut compress = Compress::new(layer, None, false).expect("a codec");
    let mut packed = Gather(Vec::new());
    let text = b"some text, some more text, and the same text again".repeat(4);
    let end = Item::End(End { bytes: text.len() as u64, skipped: 0 });
    for item in [Item::Begin(begin(&[], false)), data(0, &text), end] {
        compress.item(item, &mut packed).expect("it compresses");
    }
    packed.0
}

fn part_begin() -> PartBegin {
    PartBegin {
        stream: begin(&["zstd", "age"], false),
        stream_part: 1,
        from: 0,
        volume_tag: "TAP001L9".into(),
        volume_id: Uuid::from_u128(5),
        after_cut: Some(9),
    }
}

fn part_end(state: PartState, index: &[u8]) -> PartEnd {
    PartEnd {
        state,
        from: 0,
        to: 5,
        index_block: 5,
        index_bytes: index.len() as u64,
        index_raw_bytes: LINES.len() as u64,
        data_blocks: 1,
        skipped: 0,
    }
}

fn tapes(dir: &Path) {
    let label = Label {
        volume_tag: "TAP001L9".into(),
        volume_id: Uuid::from_u128(5),
        set_id: Uuid::from_u128(6),
        volume_number: 1,
        block_bytes: 65536,
        created_s: 1_795_000_000,
    };
    let page = label.page();
    let text = page.iter().rposition(|&b| b != b'\n').unwrap_or(0) + 1;
    put(dir, "label", "page", &page[..text]);
    let mut block = label.block(&page);
    block.truncate(600);
    super::targets::repair::block(&mut block);
    put(dir, "label", "block", &block);
    put(dir, "block", "label", &block);
    let mut index = IndexWriter::default();
    index.add(LINES);
    let index = index.finish();
    let [low, middle, high, _] = (LINES.len() as u32).to_le_bytes();
    put(dir, "index", "lines", &[&[low, middle, high], &index[..]].concat());
    let sync = PartSync { reached: 5, previous: None }.text();
    put(dir, "part", "begin", &part_begin().text());
    put(dir, "part", "sync", &sync);
    for state in
        [PartState::Complete, PartState::Continued, PartState::Aborted { why: "a b".into() }]
    {
        put(dir, "part", state.word(), &part_end(state.clone(), &index).text());
    }
    volumes(dir, &sync, &index);
}

/// Objects as [`super::targets`] describes them for volumes: filemark, begin, data, sync, index, end.
fn volumes(dir: &Path, sync: &[u8], index: &[u8]) {
    let end = part_end(PartState::Complete, index).text();
    let sealed = |code: u8, payload: &[u8]| {
        let [low, high] = (payload.len() as u16).to_le_bytes();
        [&[code, 1, 0, low, high], payload].concat()
    };
    let first = [
        vec![0],
        sealed(2, &part_begin().text()),
        sealed(3, b"hello"),
        sealed(11, sync),
        sealed(5, index),
        sealed(6, &end),
        vec![0],
    ]
    .concat();
    put(dir, "volume", "one", &first);
    put(dir, "volume", "cut", &first[..first.len() - end.len() - 6]);
    put(dir, "volume", "raw", &[&[1, 5], &b"bytes"[..], &[0, 0], &first[..]].concat());
}

fn devices(dir: &Path) {
    let write = [&[4, 0x0a, 0, 0, 0, 4, 0, 4, 0][..], b"data"].concat();
    let space = [0, 0x11, 1, 0, 0, 1, 0, 0, 0];
    let read = [2, 8, 0, 0, 16, 0, 0, 16, 0];
    let script = [
        &[0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0, 1, 0, 0, 0, 0, 0, 0, 0],
        &write,
        &[0, 0x10, 0, 0, 0, 1, 0, 0, 0],
        &[0, 1, 0, 0, 0, 0, 0, 0, 0],
        &read,
        &space,
    ]
    .concat();
    put(dir, "virtual", "write-read", &script);
    let inquiry = [2, 0x12, 1, 0x83, 0, 255, 0, 255, 0];
    let elements = [3, 0xb8, 0x10, 0, 0, 0, 255, 0, 0, 255, 255, 0, 0, 255, 255];
    let motion = [1, 0xa5, 0, 0, 0, 4, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    put(dir, "virtual", "robot", &[&inquiry[..], &elements, &motion].concat());
    let senses: &[&[u8]] = &[&[0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0]];
    let sense = [&[6, 18], senses[0], &[0]].concat();
    put(dir, "drive", "reset", &[&[0, 9, 11, 1, 3, 7, 13, 19], &sense[..], &[4; 60]].concat());
    put(dir, "drive", "yes", &[&[9, 10, 1, 2, 3, 4, 6, 12], &[4u8; 40][..]].concat());
    let page = [0x1d, 18, 0, 1, 0, 1, 4, 0, 0, 3, 0, 16, 0, 1, 1, 0, 0, 1, 0, 0];
    let mode = [&[0, 24, 23, 0, 0, 0], &page[..]].concat();
    let answers = [&[0, 0], &[0, 0][..], &mode, &sense].concat();
    put(dir, "changer", "addresses", &[&[0, 3, 4, 5, 6, 7, 0, 0], &answers[..], &[4; 40]].concat());
}
