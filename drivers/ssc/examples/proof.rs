//! Drives a library from end to end: inventory, load, write, read back, locate, unload.
//!
//! usage: proof CHANGER DRIVE…, each a node (`/dev/sg3`) or a virtual device (`virtual:DIR#drive0`).
//! Works on drives of any quality and says how good this one is. Fails loudly on the first byte or
//! block address that is not what it must be. The medium in the first full slot is overwritten.
#![allow(clippy::print_stdout, reason = "that is its purpose")]

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use scsi::{ElementAddress, Transport};
use smc::Changer;
use ssc::{BlockAddress, Drive, Immediate, ReadOut, Readiness, Spaced, Written};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BLOCK_BYTES: usize = 512 * 1024;
const FILES: u64 = 4;
const BLOCKS_PER_FILE: u64 = 24;
/// 256 MiB: more than any medium of a test library holds.
const FILL_BLOCKS_MAX: u64 = 512;
const MOUNT_LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [changer, drives @ ..] = arguments.as_slice() else {
        eprintln!("usage: proof CHANGER DRIVE…");
        return ExitCode::from(2);
    };
    match prove(changer, drives) {
        Ok(()) => {
            println!("proof: everything as it must be");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("proof: {error}");
            ExitCode::from(100)
        }
    }
}

fn open(name: &str) -> Result<Box<dyn Transport>> {
    if name.starts_with("virtual:") {
        return Ok(virt::open(name)?);
    }
    Ok(Box::new(sg::open(name).map_err(|error| format!("{name}: {error}"))?))
}

pub(crate) fn prove(changer: &str, names: &[String]) -> Result<()> {
    let mut changer = Changer::attach(open(changer)?)?;
    let mut drives = Vec::new();
    for name in names {
        let drive = Drive::attach(open(name)?)?;
        println!("{}: {}", drive.name(), drive.identity());
        drives.push(drive);
    }
    let (slot, element) = inventory(&mut changer)?;
    changer.move_medium(slot, element)?;
    let drive = mounted(&mut drives)?;
    let result = exercise(drive);
    if result.is_err() {
        println!("{}", drive.last_commands());
    }
    result?;
    drive.unload()?;
    changer.move_medium(element, slot)?;
    let stock = changer.inventory()?;
    check(stock.at(slot).is_some_and(|e| e.full), "the medium is back in its slot")?;
    check(stock.at(element).is_some_and(|e| !e.full), "the drive is empty")
}

/// Prints the elements; the first full slot and the first free drive.
fn inventory(changer: &mut Changer) -> Result<(ElementAddress, ElementAddress)> {
    let stock = changer.inventory()?;
    for element in stock.elements() {
        let tag = element.volume_tag.as_ref().map_or("-", |tag| tag.as_str());
        println!("element {} {:?} {} {tag}", element.address, element.kind, element.full);
    }
    let slot = stock.storage.iter().find(|slot| slot.full).ok_or("no medium in any slot")?;
    let drive = stock.drives.iter().find(|drive| !drive.full).ok_or("no empty drive")?;
    Ok((slot.address, drive.address))
}

/// The drive the robot has put the medium into: the one that has become ready.
fn mounted(drives: &mut [Drive]) -> Result<&mut Drive> {
    for (at, drive) in drives.iter_mut().enumerate() {
        let mut readiness = drive.wait_ready(MOUNT_LIMIT)?;
        if readiness == Readiness::NeedsLoad {
            drive.load()?;
            readiness = Readiness::Ready;
        }
        println!("{}: {readiness:?}", drive.name());
        if readiness == Readiness::Ready {
            return Ok(&mut drives[at]);
        }
    }
    Err("no drive got the medium".into())
}

fn exercise(drive: &mut Drive) -> Result<()> {
    drive.configure()?;
    drive.prevent_removal()?;
    drive.rewind()?;
    write_files(drive)?;
    println!("{}: {:#?}", drive.name(), drive.capabilities());
    let (medium, alerts) = (drive.medium()?, drive.alerts()?);
    println!("{}: {medium:?}", drive.name());
    println!("{}: alerts {alerts:?} from {:?}", drive.name(), drive.alert_source());
    read_files(drive)?;
    odd_blocks(drive)?;
    jump_about(drive)?;
    append(drive)?;
    ends(drive)?;
    fill(drive)?;
    drive.allow_removal()?;
    Ok(())
}

/// What the last command met, for the record of how this drive puts things.
fn said(drive: &Drive, when: &str) {
    if let Some(record) = drive.last_commands().last() {
        println!("{}: {when}: {record}", drive.name());
    }
}

/// How the drive puts filemarks and ends.
fn ends(drive: &mut Drive) -> Result<()> {
    let mut buffer = vec![0; BLOCK_BYTES];
    drive.locate(BlockAddress(BLOCKS_PER_FILE))?;
    check(drive.read_block(&mut buffer)? == ReadOut::Filemark, "a filemark after the first file")?;
    said(drive, "read at a filemark");
    drive.space_to_end_of_data()?;
    check(drive.read_block(&mut buffer)? == ReadOut::EndOfData, "end of data")?;
    said(drive, "read at end of data");
    check(matches!(drive.space_blocks(1)?, Spaced::EndOfData { done: 0 }), "still end of data")?;
    said(drive, "spaced on at end of data");
    drive.locate(BlockAddress(3))?;
    check(matches!(drive.space_blocks(-9)?, Spaced::Beginning { done: 3 }), "the beginning")?;
    said(drive, "spaced back at the beginning");
    check(drive.locate(BlockAddress(1 << 20)).is_err(), "no block beyond the end of data")?;
    said(drive, "located beyond end of data");
    Ok(())
}

/// Writes to the end of the medium, or as far as a medium of its stated size could go.
fn fill(drive: &mut Drive) -> Result<()> {
    drive.rewind()?;
    let (mut blocks, mut warned_at) = (0, None);
    while blocks < FILL_BLOCKS_MAX {
        match drive.write_block(&block(blocks))? {
            Written::Fine => {}
            Written::EarlyWarning if warned_at.is_none() => {
                said(drive, "early warning");
                warned_at = Some(blocks);
            }
            Written::EarlyWarning => {}
            Written::Full => break,
        }
        blocks += 1;
    }
    said(drive, "the last write");
    let full = if blocks == FILL_BLOCKS_MAX { "never full" } else { "full" };
    println!("{}: {full} after {blocks} blocks, early warning at {warned_at:?}", drive.name());
    check(blocks == FILL_BLOCKS_MAX || warned_at.is_some(), "a warning before the end")
}

fn objects_per_file() -> u64 {
    BLOCKS_PER_FILE + 1
}

/// A block that no other block equals and that its address gives away.
fn block(address: u64) -> Vec<u8> {
    let mut state = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    while block.len() < BLOCK_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block
}

fn write_files(drive: &mut Drive) -> Result<()> {
    let started = Instant::now();
    let mut warned = false;
    for file in 0..FILES {
        for n in 0..BLOCKS_PER_FILE {
            match drive.write_block(&block(file * objects_per_file() + n))? {
                Written::Fine => {}
                Written::EarlyWarning => warned = true,
                Written::Full => return Err("the medium is too small for this".into()),
            }
        }
        check(drive.write_filemarks(1, Immediate::No)? != Written::Full, "room for a filemark")?;
    }
    let position = drive.position()?;
    println!("{}: {position:?}, early warning {warned}", drive.name());
    check(position.block.0 == FILES * objects_per_file(), "the position after writing")?;
    let mib = (FILES * BLOCKS_PER_FILE * BLOCK_BYTES as u64) >> 20;
    println!("{}: {mib} MiB written in {:.1?}", drive.name(), started.elapsed());
    Ok(())
}

fn read_files(drive: &mut Drive) -> Result<()> {
    let started = Instant::now();
    drive.rewind()?;
    for address in 0..FILES * objects_per_file() {
        expect(drive, address)?;
    }
    let mut buffer = vec![0; BLOCK_BYTES];
    check(drive.read_block(&mut buffer)? == ReadOut::EndOfData, "end of data after the last file")?;
    println!("{}: read back in {:.1?}", drive.name(), started.elapsed());
    Ok(())
}

/// Reads one object and compares it with what was written there.
fn expect(drive: &mut Drive, address: u64) -> Result<()> {
    let mut buffer = vec![0; BLOCK_BYTES];
    let found = drive.read_block(&mut buffer)?;
    if address % objects_per_file() == BLOCKS_PER_FILE {
        return check(found == ReadOut::Filemark, &format!("{found:?} at filemark {address}"));
    }
    check(found == ReadOut::Block(BLOCK_BYTES), &format!("{found:?} at block {address}"))?;
    check(buffer == block(address), &format!("the bytes of block {address}"))
}

/// Blocks that are shorter and longer than the buffer.
fn odd_blocks(drive: &mut Drive) -> Result<()> {
    let end = FILES * objects_per_file();
    drive.locate(BlockAddress(end))?;
    check(drive.write_block(&block(end)[..4096])? != Written::Full, "room for a short block")?;
    drive.locate(BlockAddress(end))?;
    let mut buffer = vec![0; BLOCK_BYTES];
    let found = drive.read_block(&mut buffer)?;
    println!("{}: a block of 4096 bytes read with {BLOCK_BYTES}: {found:?}", drive.name());
    check(found == ReadOut::Block(4096), "the length of a short block")?;
    check(buffer[..4096] == block(end)[..4096], "the bytes of a short block")?;
    drive.locate(BlockAddress(0))?;
    let found = drive.read_block(&mut buffer[..4096])?;
    println!("{}: a block of {BLOCK_BYTES} bytes read with 4096: {found:?}", drive.name());
    check(matches!(found, ReadOut::TooLong { .. }), "a cut block is not taken for whole")
}

fn jump_about(drive: &mut Drive) -> Result<()> {
    let started = Instant::now();
    let objects = FILES * objects_per_file();
    let jumps = [objects - 1, 0, 7, objects / 2, objects / 2 - 1, BLOCKS_PER_FILE, 1, objects - 2];
    for address in jumps {
        drive.locate(BlockAddress(address))?;
        expect(drive, address)?;
        let position = drive.position()?;
        check(position.block.0 == address + 1, &format!("{position:?} after object {address}"))?;
    }
    drive.rewind()?;
    check(drive.space_filemarks(2)? == Spaced::All, "two filemarks to space over")?;
    expect(drive, 2 * objects_per_file())?;
    let (count, took) = (jumps.len(), started.elapsed());
    println!("{}: {count} jumps in {took:.1?}", drive.name());
    Ok(())
}

fn append(drive: &mut Drive) -> Result<()> {
    drive.space_to_end_of_data()?;
    let end = drive.position()?.block;
    check(end.0 == FILES * objects_per_file() + 1, &format!("end of data at {end}"))?;
    check(drive.write_block(&block(end.0))? != Written::Full, "room for an appended block")?;
    check(drive.write_filemarks(1, Immediate::No)? != Written::Full, "room for a filemark")?;
    drive.locate(end)?;
    let mut buffer = vec![0; BLOCK_BYTES];
    check(drive.read_block(&mut buffer)? == ReadOut::Block(BLOCK_BYTES), "the appended block")?;
    check(buffer == block(end.0), "the bytes of the appended block")
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("not as it must be: {what}").into()) }
}
