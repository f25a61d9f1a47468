//! What is there.

use std::io::Write;

use crate::geometry::Geometry;
use crate::medium::Medium;
use crate::name::{DELETED, LONG, Long, shown};
use crate::{DEPTH_MAX, Directory, ENTRIES_MAX, ENTRY, Error, Esp, File, SECTOR};

/// The bits of an entry of the table that count.
const NUMBER: u32 = 0x0fff_ffff;
/// From here on an entry of the table ends a chain.
const END: u32 = 0x0fff_fff8;
/// A cluster that nothing may use.
const BAD: u32 = 0x0fff_fff7;
pub(crate) const DIRECTORY: u8 = 0x10;
pub(crate) const LABEL_OF_VOLUME: u8 = 0x08;

/// An entry of a directory, with the name in front of it.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) short: [u8; 11],
    is_directory: bool,
    first: u32,
    bytes: u32,
    pub(crate) entries: Vec<u64>,
}

impl<M: Medium> Esp<M> {
    /// Reads what is there. Files that cannot be read are said to be so.
    ///
    /// # Errors
    ///
    /// It is no FAT32, its directories cannot be read, or the medium fails.
    pub fn open(medium: M) -> Result<Esp<M>, Error> {
        let mut sector = [0; SECTOR as usize];
        medium.read_at(&mut sector, 0)?;
        let geometry = Geometry::read(&sector, medium.bytes()?)?;
        let mut fat = vec![0; geometry.fat_sectors_used() as usize * SECTOR as usize];
        medium.read_at(&mut fat, geometry.fat_at(0, 0))?;
        let numbers = fat.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let fat = numbers.take(geometry.clusters as usize + 2).collect();
        let mut esp = Esp { medium, geometry, fat, directories: Vec::new(), files: Vec::new() };
        esp.walk()?;
        Ok(esp)
    }

    /// All files, in no order.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// A file by its path. Small and capital letters are the same.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path.eq_ignore_ascii_case(path))
    }

    /// Bytes that are free.
    pub fn free_bytes(&self) -> u64 {
        let free = self.fat[2..].iter().filter(|next| **next == 0).count();
        free as u64 * self.geometry.cluster_bytes() as u64
    }

    /// Copies a file's content.
    ///
    /// # Errors
    ///
    /// There is none, it is not whole, or one end fails.
    pub fn copy_to(&self, path: &str, to: &mut impl Write) -> Result<(), Error> {
        let none = || Error::Refused(format!("the boot partition has no file {path}"));
        let file = self.file(path).ok_or_else(none)?;
        if !file.whole {
            return Err(Error::Refused(format!("{path} on the boot partition is not whole")));
        }
        let mut left = usize::try_from(file.bytes).unwrap_or(usize::MAX);
        let mut buffer = Vec::new();
        // Clusters that follow each other are read at once.
        for run in file.clusters.chunk_by(|a, b| a + 1 == *b).flat_map(|run| run.chunks(256)) {
            buffer.resize(run.len() * self.geometry.cluster_bytes(), 0);
            self.medium.read_at(&mut buffer, self.geometry.cluster_at(run[0]))?;
            let count = left.min(buffer.len());
            to.write_all(&buffer[..count])?;
            left -= count;
        }
        Ok(())
    }

    /// Finds all directories and files; clusters that nothing leads to are free from then on.
    fn walk(&mut self) -> Result<(), Error> {
        let damaged = |path: &str| Error::Damaged(format!("its directory /{path} cannot be read"));
        let mut seen = vec![false; self.fat.len()];
        let mut waiting = vec![(String::new(), self.geometry.root, 0)];
        let mut count = 0;
        while let Some((path, first, depth)) = waiting.pop() {
            let chain = self.chain(first, &mut seen, ENTRIES_MAX);
            let clusters = chain.filter(|_| depth <= DEPTH_MAX).ok_or_else(|| damaged(&path))?;
            let directory = Directory { path: path.clone(), clusters };
            for named in self.names(&directory)? {
                count += 1;
                if count > ENTRIES_MAX {
                    return Err(Error::Damaged("it has too many files".into()));
                }
                let between = if path.is_empty() { "" } else { "/" };
                let full = format!("{path}{between}{}", named.name);
                if named.is_directory {
                    waiting.push((full, named.first, depth + 1));
                    continue;
                }
                let file = self.found(full, named, &mut seen);
                self.files.push(file);
            }
            self.directories.push(directory);
        }
        for (next, seen) in self.fat.iter_mut().zip(&seen).skip(2) {
            if !seen && *next & NUMBER != BAD {
                *next = 0;
            }
        }
        Ok(())
    }

    fn found(&self, path: String, named: Named, seen: &mut [bool]) -> File {
        let bytes = u64::from(named.bytes);
        let wanted = bytes.div_ceil(self.geometry.cluster_bytes() as u64);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let clusters = match wanted {
            0 => (named.first == 0).then(Vec::new),
            _ => self.chain(named.first, seen, wanted).filter(|chain| chain.len() == wanted),
        };
        let (whole, clusters) = (clusters.is_some(), clusters.unwrap_or_default());
        File { path, bytes, whole, clusters, entries: named.entries }
    }

    /// A chain of at most `most` clusters that nobody else uses; none: it is no such. What it has in common with
    /// another stays seen.
    fn chain(&self, first: u32, seen: &mut [bool], most: usize) -> Option<Vec<u32>> {
        let mut clusters = Vec::new();
        let mut next = first;
        while next < END {
            if !self.geometry.has(next) || clusters.len() == most || seen[next as usize] {
                return None;
            }
            seen[next as usize] = true;
            clusters.push(next);
            next = self.fat[next as usize] & NUMBER;
        }
        (!clusters.is_empty()).then_some(clusters)
    }

    /// What a directory says; what of it is no entry is left out.
    pub(crate) fn names(&self, directory: &Directory) -> Result<Vec<Named>, Error> {
        let mut names = Vec::new();
        let mut long = Long::default();
        let mut places = Vec::new();
        for (at, entry) in self.entries(directory)? {
            match entry {
                [0, ..] => break,
                [DELETED, ..] => (long, places) = (Long::default(), Vec::new()),
                entry if entry[11] & 0x3f == LONG => {
                    long.push(entry);
                    places.push(at);
                }
                entry => {
                    let before = std::mem::take(&mut places);
                    let named = named(entry, at, long.take(&entry[..11]), &before);
                    names.extend(named);
                }
            }
        }
        Ok(names)
    }

    /// All entries of a directory with their places, used or not.
    pub(crate) fn entries(&self, directory: &Directory) -> Result<Vec<(u64, [u8; ENTRY])>, Error> {
        let mut all = Vec::new();
        let mut cluster = vec![0; self.geometry.cluster_bytes()];
        for number in &directory.clusters {
            let at = self.geometry.cluster_at(*number);
            self.medium.read_at(&mut cluster, at)?;
            let places = (at..).step_by(ENTRY);
            all.extend(places.zip(cluster.as_chunks::<ENTRY>().0.iter().copied()));
        }
        Ok(all)
    }
}

fn named(
    entry: [u8; ENTRY],
    at: u64,
    long: Option<(String, usize)>,
    before: &[u64],
) -> Option<Named> {
    let short = entry.first_chunk::<11>().copied()?;
    if entry[11] & LABEL_OF_VOLUME != 0 || short.starts_with(b".") {
        return None;
    }
    let half = |at: usize| u32::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
    let (name, pieces) = long.unwrap_or_else(|| (shown(&short, entry[12]), 0));
    let entries = before[before.len().saturating_sub(pieces)..].iter().copied();
    Some(Named {
        name,
        short,
        is_directory: entry[11] & DIRECTORY != 0,
        first: half(20) << 16 | half(26),
        bytes: half(28) | half(30) << 16,
        entries: entries.chain([at]).collect(),
    })
}
