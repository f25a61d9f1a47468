//! Bytes that are said once are understood for ever. `tapicom-v1.txt` is never edited; what is new is added.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use tapioca::tapicom::frame::{Decoder, Frame, Side};
use tapioca::tapicom::message::{Command, Event, Reply};

use super::samples;

const GOLDEN: &str = include_str!("../golden/tapicom-v1.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// What an end makes of bytes.
fn heard(bytes: &[u8]) -> Frame {
    let side = if [1, 2, 5].contains(&bytes[4]) { Side::Authority } else { Side::Client };
    let mut decoder = Decoder::new(side);
    assert_eq!(decoder.fill(&mut &*bytes).unwrap(), bytes.len());
    let frame = decoder.frame().unwrap().unwrap();
    assert!(!decoder.is_within_a_frame());
    frame
}

#[test]
fn every_message_has_golden_bytes() {
    let kept: Vec<(&str, &str)> =
        GOLDEN.lines().map(|line| line.rsplit_once(' ').unwrap()).collect();
    let frames = samples::frames();
    for ((name, frame), (known, golden)) in frames.iter().zip(&kept) {
        assert_eq!(name, known);
        assert_eq!(hex(&frame.encode().unwrap()), *golden, "{name} {frame:?}");
        assert_eq!(heard(&bytes(golden)), *frame, "{name}");
    }
    assert_eq!(frames.len(), kept.len());
}

/// The samples are all there are: their numbers have no gap, and the next one is not understood.
fn are_all<T: DeserializeOwned>(numbers: impl Iterator<Item = u8>) {
    let numbers: Vec<u8> = numbers.collect();
    assert!(numbers.iter().copied().eq(0..u8::try_from(numbers.len()).unwrap()), "{numbers:?}");
    let mut next = vec![u8::try_from(numbers.len()).unwrap()];
    next.extend([0; 64]);
    assert!(postcard::take_from_bytes::<T>(&next).is_err(), "one has no sample");
}

#[test]
fn no_message_is_without_a_sample() {
    let first = |bytes: Vec<u8>| bytes[0];
    are_all::<Command>(samples::commands().iter().map(|c| first(postcard::to_stdvec(c).unwrap())));
    are_all::<Reply>(samples::replies().iter().map(|r| first(postcard::to_stdvec(r).unwrap())));
    are_all::<Event>(samples::events().iter().map(|e| first(postcard::to_stdvec(e).unwrap())));
}

#[test]
fn a_message_cut_or_changed_is_another_or_none() {
    for (name, frame) in samples::frames() {
        let good = frame.encode().unwrap().to_vec();
        for cut in 16..good.len() {
            let mut bytes = good[..cut].to_vec();
            bytes[12..16].copy_from_slice(&u32::try_from(cut - 16).unwrap().to_le_bytes());
            let side = if [1, 2, 5].contains(&bytes[4]) { Side::Authority } else { Side::Client };
            let mut decoder = Decoder::new(side);
            decoder.fill(&mut &bytes[..]).unwrap();
            assert!(decoder.frame().is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn no_answer_holds_what_proves_a_login() {
    // Of a ticket and a user whose hashes are known, none of either is in any answer made of them.
    let all: BTreeSet<Vec<u8>> =
        samples::replies().iter().map(|r| postcard::to_stdvec(r).unwrap()).collect();
    assert!(all.iter().all(|bytes| !bytes.windows(32).any(|w| w == [9; 32])));
}

#[test]
#[ignore = "run when a message was added: prints the lines"]
fn print_the_lines() {
    for (name, frame) in samples::frames() {
        println!("golden {name} {}", hex(&frame.encode().unwrap()));
    }
}
