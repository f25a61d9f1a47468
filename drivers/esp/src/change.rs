//! Changes, each write in its place.

use std::io::Read;

use crate::geometry::{Geometry, fs_info};
use crate::medium::Medium;
use crate::name::{self, DELETED};
use crate::read::{DIRECTORY, LABEL_OF_VOLUME};
use crate::{Directory, ENTRY, Error, Esp, File, SECTOR};

/// The volume's label.
pub(crate) const LABEL: &[u8; 11] = b"TAPIOCA    ";
const VOLUME: u32 = 0x7461_7069;
const END: u32 = 0x0fff_ffff;
const ARCHIVE: u8 = 0x20;
/// 1980-01-01, before which there is no time here.
const DATE: u16 = 1 << 5 | 1;
/// Clusters that are written at once.
const AT_ONCE: usize = 256;

impl<M: Medium> Esp<M> {
    /// Makes an empty file system. Whatever was there is gone at once, also when this fails.
    ///
    /// # Errors
    ///
    /// The partition is too small or too large, or the medium fails.
    pub fn format(mut medium: M) -> Result<Esp<M>, Error> {
        let bytes = medium.bytes()?;
        let geometry = Geometry::new(bytes)?;
        // No boot sector: nobody takes the rest for a file system before it is one.
        medium.write_at(&[0; SECTOR as usize], 0)?;
        medium.flush()?;
        let mut fat = vec![0; geometry.clusters as usize + 2];
        (fat[0], fat[1], fat[geometry.root as usize]) = (0x0fff_fff8, END, END);
        let mut root = vec![0; geometry.cluster_bytes()];
        root[..11].copy_from_slice(LABEL);
        root[11] = LABEL_OF_VOLUME;
        root[24..26].copy_from_slice(&DATE.to_le_bytes());
        medium.write_at(&root, geometry.cluster_at(geometry.root))?;
        let directories = vec![Directory { path: String::new(), clusters: vec![geometry.root] }];
        let mut esp = Esp { medium, geometry, fat, directories, files: Vec::new() };
        esp.settle()?;
        for (sector, content) in geometry.boot_sectors(bytes, VOLUME).into_iter().rev() {
            esp.medium.write_at(&content, sector * SECTOR)?;
        }
        esp.medium.flush()?;
        Ok(esp)
    }

    /// Adds a file of `bytes` bytes; directories on the way are made. When this returns it is durable, and when it
    /// fails or the power goes it is there whole or not at all.
    ///
    /// # Errors
    ///
    /// There is one of this path, no room, or a name that is not written here; or one end fails.
    pub fn put(&mut self, path: &str, bytes: u64, from: &mut impl Read) -> Result<(), Error> {
        let (directory, name) = self.place(path)?;
        let length = length(path, bytes)?;
        self.begin()?;
        let (mut entries, places) = self.name(directory, &name)?;
        let clusters = self.write_content(bytes, from)?;
        let first = clusters.first().copied().unwrap_or(0);
        describe(entries.last_mut().expect("a name has an entry"), ARCHIVE, first, length);
        self.add(&clusters, &entries, &places)?;
        let path = path.to_owned();
        self.files.push(File { path, bytes, whole: true, clusters, entries: places });
        Ok(())
    }

    /// Gives a file that is there another content. When this returns it is durable; when it fails or the power goes the
    /// file has the one or the other.
    ///
    /// # Errors
    ///
    /// There is none, or no room for both; or one end fails.
    pub fn replace(&mut self, path: &str, bytes: u64, from: &mut impl Read) -> Result<(), Error> {
        let none = || Error::Refused(format!("the boot partition has no file {path}"));
        let is_it = |file: &File| file.path.eq_ignore_ascii_case(path);
        let at = self.files.iter().position(is_it).ok_or_else(none)?;
        let length = length(path, bytes)?;
        self.begin()?;
        let clusters = self.write_content(bytes, from)?;
        self.medium.flush()?;
        self.link(&clusters)?;
        let first = clusters.first().copied().unwrap_or(0);
        let short = self.files[at].entries.last().copied().expect("a name has an entry");
        self.change_entry(short, |entry| {
            let attributes = entry[11];
            describe(entry, attributes, first, length);
        })?;
        let file = &mut self.files[at];
        let before = std::mem::replace(&mut file.clusters, clusters);
        (file.bytes, file.whole) = (bytes, true);
        self.release(&before)
    }

    /// Takes a file out. When this returns that is durable; when it fails or the power goes it is there or not.
    ///
    /// # Errors
    ///
    /// There is none, or the medium fails.
    pub fn remove(&mut self, path: &str) -> Result<(), Error> {
        let is_it = |file: &File| file.path.eq_ignore_ascii_case(path);
        let none = || Error::Refused(format!("the boot partition has no file {path}"));
        let at = self.files.iter().position(is_it).ok_or_else(none)?;
        self.begin()?;
        let file = self.files.swap_remove(at);
        // The short name first: what is left of the long one is no file.
        for entry in file.entries.iter().rev() {
            self.change_entry(*entry, |place| place[0] = DELETED)?;
        }
        self.release(&file.clusters)
    }

    fn release(&mut self, clusters: &[u32]) -> Result<(), Error> {
        for cluster in clusters {
            self.fat[*cluster as usize] = 0;
        }
        self.settle()
    }

    /// Writes content where nothing is. Nobody knows of it yet.
    fn write_content(&mut self, bytes: u64, from: &mut impl Read) -> Result<Vec<u32>, Error> {
        let count = bytes.div_ceil(self.geometry.cluster_bytes() as u64);
        let clusters = self.free(usize::try_from(count).unwrap_or(usize::MAX))?;
        let mut left = bytes;
        let mut buffer = Vec::new();
        for run in clusters.chunk_by(|a, b| a + 1 == *b).flat_map(|run| run.chunks(AT_ONCE)) {
            buffer.clear();
            buffer.resize(run.len() * self.geometry.cluster_bytes(), 0);
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            from.read_exact(&mut buffer[..count])?;
            self.medium.write_at(&buffer, self.geometry.cluster_at(run[0]))?;
            left -= count as u64;
        }
        Ok(clusters)
    }

    /// Makes a chain of clusters.
    fn link(&mut self, clusters: &[u32]) -> Result<(), Error> {
        for (n, cluster) in clusters.iter().enumerate() {
            self.fat[*cluster as usize] = clusters.get(n + 1).copied().unwrap_or(END);
        }
        self.settle()
    }

    /// The directory and the name a new path has.
    fn place(&mut self, path: &str) -> Result<(usize, String), Error> {
        if self.file(path).is_some() || self.directory(path).is_some() {
            return Err(Error::Refused(format!("the boot partition has a {path} already")));
        }
        let words: Vec<&str> = path.split('/').collect();
        if !words.iter().all(|word| name::is_plain(word)) {
            return Err(Error::Refused(format!("{path:?} is no name for a boot partition")));
        }
        let (name, parents) = words.split_last().expect("a text has one part at least");
        let mut at = self.directory("").ok_or_else(|| Error::Damaged("it has no root".into()))?;
        let mut full = String::new();
        for parent in parents {
            let between = if full.is_empty() { "" } else { "/" };
            full = format!("{full}{between}{parent}");
            at = match self.directory(&full) {
                Some(at) => at,
                None => self.make_directory(at, &full, parent)?,
            };
        }
        Ok((at, (*name).to_owned()))
    }

    fn directory(&self, path: &str) -> Option<usize> {
        self.directories.iter().position(|found| found.path.eq_ignore_ascii_case(path))
    }

    fn make_directory(&mut self, parent: usize, path: &str, name: &str) -> Result<usize, Error> {
        self.begin()?;
        let (mut entries, places) = self.name(parent, name)?;
        let clusters = self.free(1)?;
        let above = self.directories[parent].clusters[0];
        let mut content = vec![0; self.geometry.cluster_bytes()];
        // The root is called 0 here.
        let above = if above == self.geometry.root { 0 } else { above };
        let dots: [(&[u8; 11], u32); 2] = [(b".          ", clusters[0]), (b"..         ", above)];
        for (place, (short, cluster)) in content.as_chunks_mut::<ENTRY>().0.iter_mut().zip(dots) {
            place[..11].copy_from_slice(short);
            describe(place, DIRECTORY, cluster, 0);
        }
        self.medium.write_at(&content, self.geometry.cluster_at(clusters[0]))?;
        describe(entries.last_mut().expect("a name has an entry"), DIRECTORY, clusters[0], 0);
        self.add(&clusters, &entries, &places)?;
        self.directories.push(Directory { path: path.to_owned(), clusters });
        Ok(self.directories.len() - 1)
    }

    /// The entries of a new name, and free places for them.
    fn name(
        &mut self,
        directory: usize,
        name: &str,
    ) -> Result<(Vec<[u8; ENTRY]>, Vec<u64>), Error> {
        let known = self.names(&self.directories[directory])?;
        let is_taken = |short: &[u8]| known.iter().any(|named| named.short == short);
        let taken = || Error::Refused(format!("the boot partition has something called {name}"));
        let entries = name::entries(name, is_taken).ok_or_else(taken)?;
        let places = self.room(directory, entries.len())?;
        Ok((entries, places))
    }

    /// Gives content that was written its clusters and then its name.
    fn add(
        &mut self,
        clusters: &[u32],
        entries: &[[u8; ENTRY]],
        places: &[u64],
    ) -> Result<(), Error> {
        self.medium.flush()?;
        self.link(clusters)?;
        // Long before short: without the short one there is no file.
        let mut pairs = places.iter().zip(entries).peekable();
        while let Some((at, entry)) = pairs.next() {
            let sector = at / SECTOR;
            let mut group = vec![(*at, *entry)];
            while let Some((at, entry)) = pairs.next_if(|(at, _)| **at / SECTOR == sector) {
                group.push((*at, *entry));
            }
            self.put_sector(sector, &group)?;
        }
        Ok(())
    }

    /// Writes entries of one sector at once.
    fn put_sector(&mut self, sector: u64, entries: &[(u64, [u8; ENTRY])]) -> Result<(), Error> {
        let mut content = [0; SECTOR as usize];
        self.medium.read_at(&mut content, sector * SECTOR)?;
        for (at, entry) in entries {
            let from = (at % SECTOR) as usize;
            content[from..from + ENTRY].copy_from_slice(entry);
        }
        self.medium.write_at(&content, sector * SECTOR)?;
        Ok(self.medium.flush()?)
    }

    /// Changes one entry.
    fn change_entry(
        &mut self,
        at: u64,
        change: impl FnOnce(&mut [u8; ENTRY]),
    ) -> Result<(), Error> {
        let mut entry = [0; ENTRY];
        self.medium.read_at(&mut entry, at)?;
        change(&mut entry);
        self.put_sector(at / SECTOR, &[(at, entry)])
    }

    /// Places for entries that follow each other; the directory is made longer if there are none.
    fn room(&mut self, directory: usize, count: usize) -> Result<Vec<u64>, Error> {
        let entries = self.entries(&self.directories[directory])?;
        let end = entries.iter().position(|(_, entry)| entry[0] == 0).unwrap_or(entries.len());
        let is_free = |n: usize| n >= end || entries[n].1[0] == DELETED;
        let found = (0..=entries.len().saturating_sub(count))
            .find(|from| entries.len() >= count && (*from..from + count).all(is_free));
        if let Some(from) = found {
            let behind = from + count;
            // What lies behind the end is nothing, and stays so when the end goes further.
            if let Some((at, entry)) = entries.get(behind).filter(|_| behind > end)
                && entry[0] != 0
            {
                self.change_entry(*at, |entry| *entry = [0; ENTRY])?;
            }
            return Ok(entries[from..behind].iter().map(|(at, _)| *at).collect());
        }
        let cluster = self.free(1)?[0];
        let zeros = vec![0; self.geometry.cluster_bytes()];
        self.medium.write_at(&zeros, self.geometry.cluster_at(cluster))?;
        self.medium.flush()?;
        let clusters = &mut self.directories[directory].clusters;
        let last = clusters.last().copied().expect("a directory has a cluster");
        clusters.push(cluster);
        (self.fat[last as usize], self.fat[cluster as usize]) = (cluster, END);
        self.settle()?;
        self.room(directory, count)
    }

    /// Clusters that are free, in order, not yet taken.
    fn free(&self, count: usize) -> Result<Vec<u32>, Error> {
        let all = (2..).zip(&self.fat[2..]).filter(|(_, next)| **next == 0);
        let found: Vec<u32> = all.map(|(cluster, _)| cluster).take(count).collect();
        match found.len() == count {
            true => Ok(found),
            false => Err(Error::Refused("the boot partition is full".into())),
        }
    }

    /// Before a change: what others believe to know of free clusters is no longer so, and what earlier changes that
    /// were cut off left in the tables is taken back.
    fn begin(&mut self) -> Result<(), Error> {
        let (at, wanted) = (self.geometry.fs_info_at(), fs_info());
        let mut known = [0; SECTOR as usize];
        self.medium.read_at(&mut known, at)?;
        if known != wanted {
            self.medium.write_at(&wanted, at)?;
        }
        self.settle()
    }

    /// Writes the sectors of both tables that are not as they should be.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        let per_sector = SECTOR as usize / 4;
        for copy in (0..self.geometry.fats).rev() {
            for (n, entries) in (0..).zip(self.fat.chunks(per_sector)) {
                let at = self.geometry.fat_at(copy, n);
                let mut sector = [0; SECTOR as usize];
                self.medium.read_at(&mut sector, at)?;
                let before = sector;
                for (place, next) in sector.as_chunks_mut::<4>().0.iter_mut().zip(entries) {
                    *place = next.to_le_bytes();
                }
                if sector != before {
                    self.medium.write_at(&sector, at)?;
                }
            }
        }
        Ok(self.medium.flush()?)
    }
}

fn length(path: &str, bytes: u64) -> Result<u32, Error> {
    let too_long = |_| Error::Refused(format!("{path} is too long for the boot partition"));
    u32::try_from(bytes).map_err(too_long)
}

/// What an entry says besides its name.
fn describe(entry: &mut [u8; ENTRY], attributes: u8, first: u32, length: u32) {
    entry[11] = attributes;
    for at in [16, 18, 24] {
        entry[at..at + 2].copy_from_slice(&DATE.to_le_bytes());
    }
    entry[20..22].copy_from_slice(&((first >> 16) as u16).to_le_bytes());
    entry[26..28].copy_from_slice(&(first as u16).to_le_bytes());
    entry[28..].copy_from_slice(&length.to_le_bytes());
}
