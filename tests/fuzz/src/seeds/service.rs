//! First inputs of what the service reads: its file, its catalogue, commands.

use std::path::Path;

use tapioca::catalogue::envelope;
use tapioca::catalogue::record::{Credential, Record, Right, User};
use tapioca::catalogue::run::Row;
use tapioca::catalogue::run::block::{encode_facts, encode_keys};
use tapioca::catalogue::run::grams::GramWriter;
use tapioca::catalogue::run::index::{BlockAt, Index, SeeksAt};
use tapioca::catalogue::run::piece::PieceAt;
use tapioca::list;
use tapioca::tapicom::frame::{Body, Frame};
use tapioca::tapicom::ticket::Shown;

use super::{LINES, put};
use crate::samples;

/// Writes all of them.
pub(super) fn write(dir: &Path) {
    slots(dir);
    outside(dir);
    catalogue(dir);
    tapicom(dir);
}

/// What an operator says: when, and the service's file.
fn outside(dir: &Path) {
    for (name, text) in [
        ("daily", "daily at 02:30 and noon"),
        ("week", "every monday, wednesday and sunday at 22:00"),
        (
            "month",
            "on the 1st, 15th and last day, first monday and last friday of the month at midnight",
        ),
        ("hours", "every 6 hours at minute 15"),
        ("minutes", "every 20 minutes"),
        ("plain-cron", "30 2 * * mon-fri"),
        ("cron", "*/7 1-5,9 l,15w */3 fri#2,5#l"),
        ("told", "cron 0 4 1 1 * (at 04:00, on day 1, in january)"),
        ("nickname", "@weekly"),
        ("never", "0 2 30 2 *"),
    ] {
        put(dir, "when", name, text.as_bytes());
    }
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/serve.toml");
    let shipped = std::fs::read_to_string(shipped).expect("the service's file is shipped");
    // Without its comments, which leave no room for anything else.
    let keys = shipped.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    put(dir, "serve", "shipped", keys.collect::<Vec<_>>().join("\n").as_bytes());
    put(
        dir,
        "serve",
        "wrong",
        b"state = 'x'\ndrives = ['/dev/sg1', 'virtual:/a#drive0']\n[limits]\nsync_s = 0\n",
    );
}

/// The parts of a run, lines to make one of, and records.
fn catalogue(dir: &Path) {
    let rows: Vec<Row> = list::lines(LINES)
        .filter_map(|line| line.ok().and_then(|line| Row::of(line).ok()))
        .collect();
    let (keys, (facts, digests)) = (encode_keys(&rows), encode_facts(&rows));
    let lengths = [keys.len() as u16, facts.len() as u16].map(u16::to_le_bytes).concat();
    put(dir, "run", "block", &[&[0], &lengths[..], &keys, &facts, &digests].concat());
    let piece = |offset| PieceAt { offset, length: 7, raw: 0, plain: 9, seal: [5; 16] };
    let block =
        |offset| BlockAt { first: b"a".into(), keys: piece(offset), facts: piece(offset + 7) };
    let seeks = SeeksAt { depth: 1, first: (0, 0), last: (9, 5), piece: piece(28) };
    let index = Index {
        blocks: vec![block(0), block(14)],
        zones: Vec::new(),
        seeks: vec![seeks],
        aside: vec![piece(35)],
    };
    let index = postcard::to_stdvec(&index).expect("it is short");
    put(dir, "run", "index", &[&[1], &index[..]].concat());
    let mut grams = GramWriter::default();
    rows.iter().for_each(|row| grams.key(&row.key, 0));
    grams.end_block();
    let group =
        grams.finish().into_iter().max_by_key(|group| group.iter().filter(|b| **b > 0).count());
    put(dir, "run", "grams", &[b"\x02file nam", &group.expect("there are some")[..]].concat());
    put(dir, "run", "seeks", b"\x03\x03\x03\x00\x14\x14\x00\x06\x08");
    put(
        dir,
        "run",
        "lines",
        &[&[4], LINES, b"- a/b\ni 7 a\nd 0 512 0 1.000000000 - ./a/\n"].concat(),
    );
    let user = User {
        name: "anna".into(),
        credential: Credential::Machine,
        rights: Right::ALL.into(),
        machines: ["web".to_owned()].into(),
        disabled: false,
    };
    let closed = envelope::close("user", b"anna", &user).expect("it is short");
    put(dir, "envelope", "user", &[&[0, 4], &b"anna"[..], &closed].concat());
    let record = postcard::to_stdvec(&Record::User(user)).expect("it is short");
    put(dir, "envelope", "record", &[&[0, 4], &b"anna"[..], &record].concat());
}

/// Some frames to a file: those that the authority hears, those that a client hears; a ticket.
fn tapicom(dir: &Path) {
    let frames = samples::frames();
    for side in [0, 1_u8] {
        let heard = |frame: &&Frame| match frame.body {
            Body::Greeting(_) => true,
            Body::Command(_) | Body::Enough => side == 0,
            Body::Reply(_) | Body::Event(..) | Body::Ended(_) => side == 1,
        };
        let of_side: Vec<&Frame> = frames.iter().map(|(_, frame)| frame).filter(heard).collect();
        for (n, some) in of_side.chunks(6).enumerate() {
            let bytes = some.iter().flat_map(|f| f.encode().expect("it is short").to_vec());
            let bytes: Vec<u8> = [side | 14].into_iter().chain(bytes).collect();
            put(dir, "tapicom", &format!("frames-{side}-{n}"), &bytes);
        }
    }
    let ticket = Shown::new().expect("there is chance").text();
    put(dir, "tapicom", "ticket", &[&[0], ticket.reveal().as_bytes()].concat());
}

/// What lies on a partition, block by block.
fn slots(dir: &Path) {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    file.as_file().set_len(slots::PARTITION_BYTES).expect("it has no bytes yet");
    let mut slots = slots::Slots::open(file.path()).expect("it is large enough");
    for (kind, count) in [(slots::Kind::Reset, 1), (slots::Kind::Boot, 9)] {
        for _ in 0..count {
            slots.write(kind, b"a record, as it is").expect("it is short");
        }
    }
    let bytes = std::fs::read(file.path()).expect("it was written");
    let is_cell = |block: &&[u8]| block.starts_with(b"TAPISLOT");
    for (n, block) in bytes.chunks_exact(4096).filter(is_cell).enumerate() {
        put(dir, "slots", &format!("block-{n}"), &block[..64]);
    }
}
