//! A file system is laid whole or not at all, wherever it is cut, and never over another.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;

/// A file system as images have it, of so many MiB.
fn template(dir: &Path, mib: u64) -> Vec<u8> {
    let path = dir.join("template");
    File::create(&path).unwrap().set_len(mib * MIB).unwrap();
    let mut make = Command::new("mke2fs");
    let made = make.args(["-q", "-F", "-t", "ext4", "-b", "4096"]).arg(&path).status().unwrap();
    assert!(made.success());
    fs::read(path).unwrap()
}

fn partition(dir: &Path, bytes: u64) -> PathBuf {
    let path = dir.join("partition");
    File::create(&path).unwrap().set_len(bytes).unwrap();
    path
}

/// What a file system checker says of it.
fn is_sound(partition: &Path) -> bool {
    let checked = Command::new("e2fsck").args(["-f", "-n"]).arg(partition).output().unwrap();
    checked.status.success()
}

/// Ends with an error after so many bytes.
struct Cut<'a>(&'a [u8], usize);

impl Read for Cut<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = to.len().min(self.1).min(self.0.len());
        if count == 0 {
            return Err(io::Error::other("cut"));
        }
        to[..count].copy_from_slice(&self.0[..count]);
        (self.0, self.1) = (&self.0[count..], self.1 - count);
        Ok(count)
    }
}

#[test]
fn cut_anywhere_it_is_laid_anew_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let template = template(dir.path(), 8);
    let partition = partition(dir.path(), 32 * MIB);
    for cut in [0, 1, 4095, 4096, 4097, 70_000, 3 << 20, template.len() - 1, template.len()] {
        disk::lay(&partition, Cut(&template, cut)).unwrap_err();
        assert!(disk::is_blank(&partition).unwrap(), "after {cut} bytes");
    }
    assert_eq!(disk::lay(&partition, &template[..]).unwrap(), template.len() as u64);
    assert!(!disk::is_blank(&partition).unwrap());
    assert!(is_sound(&partition));
}

#[test]
fn what_is_there_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let template = template(dir.path(), 8);
    let partition = partition(dir.path(), 16 * MIB);
    let file = File::options().write(true).open(&partition).unwrap();
    file.write_all_at(b"x", 4095).unwrap();
    let before = fs::read(&partition).unwrap();
    disk::lay(&partition, &template[..]).unwrap_err();
    assert_eq!(fs::read(&partition).unwrap(), before);
}

#[test]
fn one_that_lost_its_first_block_is_not_blank_and_one_that_is_forgotten_is() {
    let dir = tempfile::tempdir().unwrap();
    let large = template(dir.path(), 256);
    let partition = partition(dir.path(), 256 * MIB);
    disk::lay(&partition, &large[..]).unwrap();
    let file = File::options().write(true).open(&partition).unwrap();
    file.write_all_at(&[0; 4096], 0).unwrap();
    assert!(!disk::is_blank(&partition).unwrap(), "its copy is there");
    disk::forget(&partition).unwrap();
    assert!(disk::is_blank(&partition).unwrap());
    disk::lay(&partition, &large[..]).unwrap();
    assert!(is_sound(&partition));
}
