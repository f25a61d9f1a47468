//! Writes a disk that is laid out as a box's, and empty: `empty_disk FILE`. For tests of what finds its partitions.

use std::process::ExitCode;

use board::machine::Disk;
use image::disk::{self, Content};

/// FAT32 is not smaller.
const ESP_MIB: u64 = 40;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: empty_disk FILE");
        return ExitCode::from(2);
    };
    let layout = Disk { buses: Vec::new(), esp_mib: ESP_MIB, meta_mib: 1, data_mib: 1 };
    let written = disk::esp(ESP_MIB, &[]).and_then(|esp| {
        disk::write(path.as_ref(), &layout, &Content { esp, meta: Vec::new(), data: Vec::new() })
    });
    if let Err(error) = written {
        eprintln!("empty_disk: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
