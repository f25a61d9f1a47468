//! Each byte of a volume, turned over: each is found, and its block named.

use tapioca::library::{Found, VolumeReader};
use tapioca::volume::{Label, block};

use crate::rig::{BLOCK_BYTES, Rig, Stream};

fn reader(rig: &Rig) -> VolumeReader {
    let mut mount = rig.mount();
    let Found::Ours { label, .. } = mount.identify().unwrap() else { panic!("not ours") };
    VolumeReader::new(mount.lend(), label)
}

/// All blocks of the sample volume by address; filemarks are `None`.
fn blocks(rig: &Rig) -> Vec<Option<Vec<u8>>> {
    let mut drive = reader(rig).into_drive();
    drive.rewind().unwrap();
    let mut blocks = Vec::new();
    loop {
        let mut buffer = vec![0; 1 << 20];
        match drive.read_block(&mut buffer).unwrap() {
            ssc::ReadOut::Block(bytes) => {
                buffer.truncate(bytes);
                blocks.push(Some(buffer));
            }
            ssc::ReadOut::Filemark => blocks.push(None),
            _ => return blocks,
        }
    }
}

fn sample() -> Rig {
    let rig = Rig::new(1, 64 << 20);
    rig.write(&Stream::new(1, 150_000), 100_000).result.unwrap();
    rig
}

#[test]
fn every_byte_of_a_volume_is_guarded() {
    let rig = sample();
    let blocks = blocks(&rig);
    let (label, crc) = Label::from_block(blocks[1].as_ref().unwrap()).unwrap();
    let mut flips = 0u64;
    for (address, bytes) in (0u64..).zip(&blocks) {
        let Some(bytes) = bytes else { continue };
        assert_eq!(bytes.len(), BLOCK_BYTES);
        let mut bad = bytes.clone();
        for at in 0..bad.len() {
            bad[at] ^= 1 << (at % 8);
            let found = match address {
                0 => Label::check_page(&bad, crc).is_err(),
                _ => {
                    block::open(&bad).and_then(|o| o.header.belongs(label.set_id, address)).is_err()
                }
            };
            assert!(found, "a flip in byte {at} of block {address} goes unnoticed");
            bad[at] = bytes[at];
            flips += 1;
        }
    }
    println!("{flips} of {flips} flipped bytes found");
}

#[test]
fn a_check_names_the_block() {
    let rig = sample();
    let count = blocks(&rig).len() as u64;
    let clean = reader(&rig).check(&mut |_| {}).unwrap();
    assert_eq!((clean.faults.len(), clean.whole_parts), (0, 1), "{clean:?}");
    let mut flips = 0;
    for address in 0..count {
        for byte in [0, 8, 16, 48, 60, 72, 92, 96, 4000, BLOCK_BYTES as u64 - 1] {
            if rig.library.flip("T00001L9", address, byte, 2).is_err() {
                continue;
            }
            let check = reader(&rig).check(&mut |_| {}).unwrap();
            let named = format!("T00001L9: block {address}: ");
            assert!(
                check.faults.iter().any(|f| f.starts_with(&named)),
                "byte {byte} of block {address}: {check:?}"
            );
            rig.library.flip("T00001L9", address, byte, 2).unwrap();
            flips += 1;
        }
    }
    assert!(flips > 80, "{flips} flips were made");
}

#[test]
fn a_volume_is_known_by_either_of_its_first_blocks() {
    let rig = sample();
    let stream = Stream::new(1, 150_000);
    for address in [0, 1] {
        rig.library.flip("T00001L9", address, 300, 1).unwrap();
        assert!(rig.read("T00001L9", &stream).bytes == stream.bytes, "block {address} bad");
        rig.library.flip("T00001L9", address, 300, 1).unwrap();
    }
}

#[test]
fn a_restore_names_the_bytes_that_a_bad_block_costs() {
    let rig = sample();
    let stream = Stream::new(1, 150_000);
    let first_data = blocks(&rig).iter().position(Option::is_none).unwrap() as u64 + 2;
    rig.library.flip("T00001L9", first_data + 1, 5000, 0).unwrap();
    let back = rig.read("T00001L9", &stream);
    assert!(!back.ended && stream.bytes.starts_with(&back.bytes));
    let why = back.result.unwrap_err().to_string();
    assert!(
        why.contains(&format!("block {}", first_data + 1)) && why.contains("bytes 65440 to 130880"),
        "{why}"
    );
}
