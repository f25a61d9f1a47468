//! Takes a drive away through sysfs and finds it again: what a pulled cable looks like.
//!
//! usage: vanish /dev/sgN. Needs root. The drive must be idle; its medium is not touched.
#![allow(clippy::print_stdout, reason = "that is its purpose")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ssc::Drive;

const RETURN_LIMIT: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let Some(node) = std::env::args().nth(1) else {
        eprintln!("usage: vanish /dev/sgN");
        return ExitCode::from(2);
    };
    match vanish(Path::new(&node)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vanish: {error}");
            ExitCode::from(100)
        }
    }
}

fn vanish(node: &Path) -> Result<(), Box<dyn Error>> {
    let name = node.file_name().ok_or("not a node")?;
    let device = fs::canonicalize(Path::new("/sys/class/scsi_generic").join(name).join("device"))?;
    let mut drive = Drive::attach(Box::new(sg::open(node)?))?;
    let identity = drive.identity().clone();
    let generation = drive.generation();

    fs::write(device.join("delete"), "1")?;
    let error = drive.ready().err().ok_or("a deleted device still answers")?;
    println!("{error}");
    if !error.is_gone() {
        return Err("a deleted device is not gone".into());
    }
    if drive.reopen().is_ok() {
        return Err("a deleted device was opened again".into());
    }

    fs::write(host(&device)?.join("scan"), "- - -")?;
    let started = Instant::now();
    while let Err(error) = drive.reopen() {
        if started.elapsed() > RETURN_LIMIT {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let readiness = drive.ready()?;
    println!("{}: back as {}: {readiness:?}", drive.name(), drive.identity());
    if *drive.identity() != identity || drive.generation() == generation {
        return Err("not the same drive, or not a new generation".into());
    }
    Ok(())
}

/// `/sys/class/scsi_host/hostN` of a device under `…/hostN/target…/…`.
fn host(device: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let host = device
        .ancestors()
        .filter_map(|path| path.file_name()?.to_str())
        .find(|name| name.strip_prefix("host").is_some_and(|n| n.parse::<u32>().is_ok()))
        .ok_or("the device has no host adapter")?;
    Ok(Path::new("/sys/class/scsi_host").join(host))
}
