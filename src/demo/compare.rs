//! Two file trees, compared in everything a backup must keep.
//!
//! Owns the walk over both: type, mode, owner (when we may set it), size, modification time to the
//! nanosecond, content, link targets, which names are one file, device numbers and extended
//! attributes. Each difference is one line. Holds one directory's names and the links of files that
//! have several names.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

const CHUNK: usize = 256 * 1024;

/// What a comparison saw.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Names compared.
    pub entries: u64,
    /// Content bytes compared.
    pub bytes: u64,
    /// One line for each difference.
    pub differences: Vec<String>,
    with_owner: bool,
    /// First name of each file with several, on either side.
    links: [HashMap<(u64, u64), PathBuf>; 2],
}

impl Comparison {
    /// Nothing compared yet; `with_owner` compares owners too.
    pub fn new(with_owner: bool) -> Comparison {
        Comparison { with_owner, ..Comparison::default() }
    }

    /// Compares the tree `left.join(path)` with `right.join(path)`.
    pub fn tree(&mut self, left: &Path, right: &Path, path: &Path) {
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            match self.entry(left, right, &path) {
                Ok(false) => {}
                Ok(true) => match self.names(left, right, &path) {
                    Ok(names) => waiting.extend(names.iter().rev().map(|n| path.join(n))),
                    Err(error) => self.differs(&path, error),
                },
                Err(error) => self.differs(&path, error),
            }
        }
    }

    fn differs(&mut self, path: &Path, what: impl std::fmt::Display) {
        self.differences.push(format!("{}: {what}", path.display()));
    }

    /// Says whether both are directories to go into.
    fn entry(&mut self, left: &Path, right: &Path, path: &Path) -> io::Result<bool> {
        self.entries += 1;
        let (a, b) = (left.join(path), right.join(path));
        let (was, is) = (fs::symlink_metadata(&a)?, fs::symlink_metadata(&b)?);
        if was.file_type() != is.file_type() {
            self.differs(path, "another type");
            return Ok(false);
        }
        self.metadata(path, &was, &is);
        self.attributes(path, &a, &b)?;
        self.link_names(path, &was, &is);
        let kind = was.file_type();
        if kind.is_symlink() && fs::read_link(&a)? != fs::read_link(&b)? {
            self.differs(path, "another link target");
        }
        if kind.is_file() && was.len() == is.len() {
            match same_content(&a, &b)? {
                Ok(bytes) => self.bytes += bytes,
                Err(at) => self.differs(path, format!("other content from byte {at}")),
            }
        }
        Ok(kind.is_dir())
    }

    fn metadata(&mut self, path: &Path, was: &Metadata, is: &Metadata) {
        let mut check = |what: &str, was: String, is: String| {
            if was != is {
                self.differences.push(format!("{}: {what} {is}, was {was}", path.display()));
            }
        };
        check("mode", format!("{:o}", was.mode()), format!("{:o}", is.mode()));
        let time = |m: &Metadata| format!("{}.{:09}", m.mtime(), m.mtime_nsec());
        check("time", time(was), time(is));
        if !was.is_dir() {
            check("size", was.len().to_string(), is.len().to_string());
        }
        if was.file_type().is_char_device() || was.file_type().is_block_device() {
            check("device", was.rdev().to_string(), is.rdev().to_string());
        }
        if self.with_owner {
            let owner = |m: &Metadata| format!("{}:{}", m.uid(), m.gid());
            check("owner", owner(was), owner(is));
        }
    }

    /// Names that were one file must be one file again.
    fn link_names(&mut self, path: &Path, was: &Metadata, is: &Metadata) {
        if was.is_dir() || (was.nlink() < 2 && is.nlink() < 2) {
            return;
        }
        let mut first = |side: usize, m: &Metadata| {
            let key = (m.dev(), m.ino());
            self.links[side].entry(key).or_insert_with(|| path.to_owned()).clone()
        };
        let (was, is) = (first(0, was), first(1, is));
        if was != is {
            let what = format!("is one file with {}, was with {}", is.display(), was.display());
            self.differs(path, what);
        }
    }

    fn attributes(&mut self, path: &Path, a: &Path, b: &Path) -> io::Result<()> {
        let (was, is) = (attribute_names(a)?, attribute_names(b)?);
        for name in was.union(&is) {
            if attribute(a, name)? != attribute(b, name)? {
                let name = String::from_utf8_lossy(name).into_owned();
                self.differs(path, format!("attribute {name}"));
            }
        }
        Ok(())
    }

    fn names(&mut self, left: &Path, right: &Path, path: &Path) -> io::Result<Vec<OsString>> {
        let list = |dir: &Path| -> io::Result<BTreeSet<OsString>> {
            fs::read_dir(dir)?.map(|entry| entry.map(|e| e.file_name())).collect()
        };
        let (was, is) = (list(&left.join(path))?, list(&right.join(path))?);
        for name in was.difference(&is) {
            self.differs(&path.join(name), "missing");
        }
        for name in is.difference(&was) {
            self.differs(&path.join(name), "was not there");
        }
        Ok(was.intersection(&is).cloned().collect())
    }
}

/// Bytes that are the same, or the chunk where the first difference lies.
fn same_content(a: &Path, b: &Path) -> io::Result<Result<u64, u64>> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut at = 0;
    loop {
        let (was, is) = (fill(&mut a, &mut left)?, fill(&mut b, &mut right)?);
        if left[..was] != right[..is] {
            return Ok(Err(at));
        }
        at += was as u64;
        if was < CHUNK {
            return Ok(Ok(at));
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..])? {
            0 => break,
            count => got += count,
        }
    }
    Ok(got)
}

/// Names of extended attributes; none on a file system that has none.
fn attribute_names(path: &Path) -> io::Result<BTreeSet<Vec<u8>>> {
    let mut buffer = vec![0; 64 * 1024];
    match rustix::fs::llistxattr(path, &mut buffer[..]) {
        Ok(bytes) => {
            let names = buffer[..bytes].split(|&b| b == 0).filter(|name| !name.is_empty());
            Ok(names.map(<[u8]>::to_vec).collect())
        }
        Err(rustix::io::Errno::NOTSUP) => Ok(BTreeSet::new()),
        Err(error) => Err(error.into()),
    }
}

fn attribute(path: &Path, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 64 * 1024];
    match rustix::fs::lgetxattr(path, name, &mut value[..]) {
        Ok(bytes) => {
            value.truncate(bytes);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("t");
        fs::create_dir(&at).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(at.join(name), format!("content of {name}")).unwrap();
        }
        fs::hard_link(at.join("a"), at.join("linked")).unwrap();
        symlink("a", at.join("soft")).unwrap();
        for name in ["a", "b", "c", "."] {
            let file = File::open(at.join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let time = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
        };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, at.join("soft"), &time, flags).unwrap();
        dir
    }

    fn differences(a: &Path, b: &Path) -> Vec<String> {
        let mut comparison = Comparison::new(true);
        comparison.tree(a, b, Path::new("t"));
        comparison.differences
    }

    #[test]
    fn equal_trees_are_equal() {
        let (a, b) = (tree(), tree());
        assert_eq!(differences(a.path(), b.path()), [""; 0]);
    }

    #[test]
    fn every_difference_is_named() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 8] = [
            ("content", |t| {
                let time = fs::metadata(t.join("b")).unwrap().modified().unwrap();
                fs::write(t.join("b"), "content of B").unwrap();
                File::open(t.join("b")).unwrap().set_modified(time).unwrap();
            }),
            ("size", |t| fs::write(t.join("b"), "longer than it was").unwrap()),
            ("mode", |t| {
                fs::set_permissions(t.join("c"), fs::Permissions::from_mode(0o400)).unwrap()
            }),
            ("time", |t| {
                let later = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1);
                File::open(t.join("c")).unwrap().set_modified(later).unwrap();
            }),
            ("missing", |t| fs::remove_file(t.join("c")).unwrap()),
            ("was not there", |t| fs::write(t.join("new"), "").unwrap()),
            ("another link target", |t| {
                fs::remove_file(t.join("soft")).unwrap();
                symlink("b", t.join("soft")).unwrap();
            }),
            ("one file with", |t| {
                fs::remove_file(t.join("linked")).unwrap();
                fs::hard_link(t.join("b"), t.join("linked")).unwrap();
            }),
        ];
        for (word, change) in changes {
            let (a, b) = (tree(), tree());
            change(&b.path().join("t"));
            let found = differences(a.path(), b.path());
            assert!(found.iter().any(|line| line.contains(word)), "{word}: {found:?}");
        }
    }
}
