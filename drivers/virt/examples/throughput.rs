//! How fast a virtual drive writes and reads: `throughput DIR [GiB] [fsync]`.
//!
//! Writes that many GiB (4) in blocks of 512 KiB, flushes, rewinds and reads them back, and prints
//! MiB/s of the clock and CPU seconds a GiB for each. `DIR` must not hold a library.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use scsi::transport::{Data, Outcome, Transport};
use virt::{Library, MediumSpec, Options, Shape};

const BLOCK: usize = 512 << 10;
const MINUTE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dir = arguments.first().ok_or("usage: throughput DIR [GiB] [fsync]")?;
    let gib: u64 = arguments.get(1).map_or(Ok(4), |gib| gib.parse())?;
    let fsync = arguments.iter().any(|word| word == "fsync");
    let shape = Shape { media: vec![MediumSpec::data("SPEED1L9", 1 << 45)], ..Shape::default() };
    let options = Options { fsync, ..Options::default() };
    let library = Library::create_with(Path::new(dir), &shape, options)?;
    let mut changer = virt::open(&library.changer_name())?;
    settle(&mut *changer, &[0xa5, 0, 0, 1, 4, 0, 1, 0, 0, 0, 0, 0])?;
    let mut drive = virt::open(&library.drives()[0])?;
    settle(&mut *drive, &[0; 6])?;
    let count = gib << 30 >> 19;
    let mut block: Vec<u8> = (0..BLOCK).map(|i| ((i * i) >> 3) as u8).collect();
    let cdb = |op: u8| [op, 0, (BLOCK >> 16) as u8, 0, 0, 0];

    measure("write", gib, || {
        for i in 0..count {
            block[..8].copy_from_slice(&i.to_le_bytes());
            good(drive.execute(&cdb(0x0a), Data::Out(&block), MINUTE))?;
        }
        good(drive.execute(&[0x10, 0, 0, 0, 0, 0], Data::None, MINUTE))
    })?;
    good(drive.execute(&[0x01, 0, 0, 0, 0, 0], Data::None, MINUTE))?;
    measure("read", gib, || {
        for i in 0..count {
            good(drive.execute(&cdb(0x08), Data::In(&mut block), MINUTE))?;
            if block[..8] != i.to_le_bytes() {
                return Err(format!("block {i} is another").into());
            }
        }
        Ok(())
    })
}

fn good(outcome: Outcome) -> Result<(), Box<dyn Error>> {
    match outcome {
        Outcome::Good { residual: 0 } => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Executes a command, past any unit attentions.
fn settle(device: &mut dyn Transport, cdb: &[u8]) -> Result<(), Box<dyn Error>> {
    loop {
        match device.execute(cdb, Data::None, MINUTE) {
            Outcome::Check { sense, .. } if sense.key.bits() == 6 => {}
            other => return good(other),
        }
    }
}

fn measure(
    what: &str,
    gib: u64,
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (clock, cpu) = (Instant::now(), cpu_seconds()?);
    work()?;
    let (clock, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let gib = gib as f64;
    println!("{what:6} {:8.0} MiB/s  {:6.3} CPU s/GiB", gib * 1024.0 / clock, cpu / gib);
    Ok(())
}

/// User and system time of this process: fields 14 and 15 of proc_pid_stat(5), 100 a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| {
        fields.get(i).ok_or("short stat")?.parse::<f64>().map_err(Box::<dyn Error>::from)
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
