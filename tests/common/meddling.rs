//! Days of work on a tree, by seed.
//!
//! Owns what people and programs do to files between two backups, the nasty ways above all: the same
//! size and time with other content, directories in each other's place, names of one file here and
//! there, another type under an old name. Whoever has the same seed and tree does the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, XattrFlags, chownat, linkat, lremovexattr, lsetxattr, mknodat,
};
use rustix::process::{Gid, Uid};

use super::hard_tree::{noise, set_mtime};

/// SplitMix64: small, and the same numbers for ever.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        (!of.is_empty()).then(|| &of[self.below(of.len())])
    }
}

/// Somebody who works on the tree at `root`.
pub struct Meddler<'a> {
    pub root: &'a Path,
    pub dice: Dice,
}

/// Names that a program might trip over; each gets a number behind it.
const STEMS: [&[u8]; 9] =
    [b"file", b"a b", b"new\nline", b"\xff\xfe", b"-", b".", b"~", b"x-y", b"\xc3\xa4!"];

impl Meddler<'_> {
    /// Everything but the root: directories, and what is none; in an order that never changes.
    fn all(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut dirs, mut others) = (vec![self.root.to_owned()], Vec::new());
        let mut next = 0;
        while let Some(dir) = dirs.get(next).cloned() {
            next += 1;
            // Deeper than a path can say, there is nothing to meddle with.
            let Ok(entries) = fs::read_dir(dir) else { continue };
            for entry in entries.map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => dirs.push(entry.path()),
                    false => others.push(entry.path()),
                }
            }
        }
        dirs.sort();
        others.sort();
        (dirs, others)
    }

    fn new_name(&mut self) -> PathBuf {
        let (dirs, _) = self.all();
        let fits = |dir: &&PathBuf| dir.as_os_str().len() < 2000;
        let dirs: Vec<&PathBuf> = dirs.iter().filter(fits).collect();
        let dir = dirs[self.dice.below(dirs.len())];
        let mut name = STEMS[self.dice.below(STEMS.len())].to_vec();
        name.extend_from_slice(format!("{:04x}", self.dice.below(1 << 16)).as_bytes());
        dir.join(OsStr::from_bytes(&name))
    }

    fn file(&mut self) -> Option<PathBuf> {
        let (_, others) = self.all();
        let files: Vec<PathBuf> = others
            .into_iter()
            .filter(|path| path.symlink_metadata().unwrap().is_file())
            .filter(|path| path.metadata().unwrap().len() < 1 << 20)
            .collect();
        self.dice.one_of(&files).cloned()
    }

    fn other(&mut self) -> Option<PathBuf> {
        let (_, others) = self.all();
        self.dice.one_of(&others).cloned()
    }

    fn directory(&mut self) -> Option<PathBuf> {
        let (dirs, _) = self.all();
        let below: Vec<PathBuf> = dirs.into_iter().filter(|dir| dir != self.root).collect();
        self.dice.one_of(&below).cloned()
    }

    fn content(&mut self) -> Vec<u8> {
        let length = [0, 1, 511, 5000, 40_000][self.dice.below(5)];
        noise(self.dice.roll(), length)
    }

    /// Does `count` things.
    pub fn work(&mut self, count: usize) {
        for _ in 0..count {
            // What does not apply to this tree is left.
            let _ = self.thing();
        }
    }

    fn thing(&mut self) -> Option<()> {
        match self.dice.below(20) {
            0 => fs::write(self.new_name(), self.content()).ok(),
            1 => fs::create_dir(self.new_name()).ok(),
            2 | 3 => fs::remove_file(self.other()?).ok(),
            4 => fs::remove_dir_all(self.directory()?).ok(),
            5 => fs::rename(self.other()?, self.new_name()).ok(),
            6 | 7 => fs::rename(self.directory()?, self.new_name()).ok(),
            8 => self.rewrite(),
            9 => fs::write(self.file()?, self.content()).ok(),
            10 => self.change_mode(),
            11 => self.change_owner(),
            12 => self.change_attribute(),
            13 | 14 => linkat(CWD, self.other()?, CWD, self.new_name(), AtFlags::empty()).ok(),
            15 => self.retarget(),
            16 => self.change_type(),
            17 => {
                let path = self.other()?;
                set_mtime(&path, 1_000_000_000 + self.dice.below(1000) as i64, 5);
                Some(())
            }
            18 => self.swap_directories(),
            _ => fs::rename(self.other()?, self.other()?).ok(),
        }
    }

    /// Other content of the same size and time.
    fn rewrite(&mut self) -> Option<()> {
        let path = self.file()?;
        let meta = path.metadata().unwrap();
        fs::write(&path, noise(self.dice.roll(), meta.len() as usize)).ok()?;
        set_mtime(&path, meta.mtime(), meta.mtime_nsec());
        Some(())
    }

    fn change_mode(&mut self) -> Option<()> {
        let (path, mode) = match self.dice.below(2) {
            0 => (self.file()?, [0o400, 0o644, 0o4755, 0o600][self.dice.below(4)]),
            _ => (self.directory()?, [0o700, 0o755, 0o1777, 0o2750][self.dice.below(4)]),
        };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).ok()
    }

    fn change_owner(&mut self) -> Option<()> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let (uid, gid) = (1000 + self.dice.below(3) as u32, 2000 + self.dice.below(3) as u32);
        let path = if self.dice.below(3) == 0 { self.directory()? } else { self.other()? };
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    fn change_attribute(&mut self) -> Option<()> {
        let path = if self.dice.below(3) == 0 { self.directory()? } else { self.file()? };
        let value = noise(self.dice.roll(), 20);
        match self.dice.below(3) {
            0 => lremovexattr(path, "user.meddled").ok(),
            _ => lsetxattr(path, "user.meddled", &value, XattrFlags::empty()).ok(),
        }
    }

    /// Another target in a link with the same time, or a new link.
    fn retarget(&mut self) -> Option<()> {
        let (_, others) = self.all();
        let links: Vec<PathBuf> = others
            .into_iter()
            .filter(|path| path.symlink_metadata().unwrap().is_symlink())
            .collect();
        let target = format!("to {}", self.dice.below(100));
        let Some(path) = self.dice.one_of(&links).cloned() else {
            return symlink(target, self.new_name()).ok();
        };
        let meta = path.symlink_metadata().unwrap();
        fs::remove_file(&path).ok()?;
        symlink(target, &path).ok()?;
        set_mtime(&path, meta.mtime(), meta.mtime_nsec());
        Some(())
    }

    /// Something else under the same name.
    fn change_type(&mut self) -> Option<()> {
        let path = match self.dice.below(2) {
            0 => {
                let path = self.other()?;
                fs::remove_file(&path).ok()?;
                path
            }
            _ => {
                let path = self.directory()?;
                fs::remove_dir_all(&path).ok()?;
                path
            }
        };
        match self.dice.below(4) {
            0 => fs::write(path, self.content()).ok(),
            1 => symlink("elsewhere", path).ok(),
            2 => mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o640), 0).ok(),
            _ => {
                fs::create_dir(&path).ok()?;
                fs::write(path.join("in it"), self.content()).ok()
            }
        }
    }

    /// Two directories, each in the other's place, with what is in them as it was: files of one name,
    /// size and time, maybe.
    fn swap_directories(&mut self) -> Option<()> {
        let (one, other) = (self.directory()?, self.directory()?);
        let aside = self.root.join("aside");
        fs::rename(&one, &aside).ok()?;
        if fs::rename(&other, &one).is_err() {
            return fs::rename(&aside, &one).ok();
        }
        fs::rename(&aside, &other).ok()
    }
}

/// A small tree that has twins: directories with files of the same names, sizes and times.
pub fn small_tree(root: &Path, dice: &mut Dice) {
    fs::create_dir_all(root).unwrap();
    for twin in 0..4 {
        for place in ["", "deep", "deep/er", "other"] {
            let dir = root.join(format!("twin{twin}")).join(place);
            fs::create_dir_all(&dir).unwrap();
            for name in ["one", "two\n", "three"] {
                let path = dir.join(name);
                fs::write(&path, noise(dice.roll(), 700)).unwrap();
                set_mtime(&path, 1_500_000_000, 0);
            }
            symlink("one", dir.join("link")).unwrap();
        }
        let first = root.join(format!("twin{twin}/one"));
        fs::hard_link(&first, root.join(format!("twin{twin}/other/again"))).unwrap();
        fs::hard_link(&first, root.join(format!("twin{}/and again{twin}", twin / 2))).unwrap();
    }
}
