//! What to back up when nobody says.
//!
//! Owns a choice that works on any Debian machine: directories below `/usr/share` and `/usr/lib`, in
//! the order of their names, until a few hundred megabytes are together. Reads nothing but names and
//! sizes.

use std::path::{Path, PathBuf};

/// Enough.
pub const WANTED_BYTES: u64 = 300_000_000;
/// Too much.
pub const LIMIT_BYTES: u64 = 600_000_000;

/// Paths below `/` (without the slash) and what they hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The directory they are below.
    pub base: PathBuf,
    /// The paths.
    pub paths: Vec<PathBuf>,
    /// Bytes of the files in them.
    pub bytes: u64,
}

/// Chooses one tree that was asked for.
pub fn asked(path: &Path) -> std::io::Result<Choice> {
    let path = path.canonicalize()?;
    let (base, name) = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => (parent.to_owned(), PathBuf::from(name)),
        _ => (PathBuf::from("/"), PathBuf::from(".")),
    };
    let bytes = size(&path, u64::MAX);
    Ok(Choice { base, paths: vec![name], bytes })
}

/// Chooses for somebody who did not say.
pub fn usual() -> Choice {
    gather(Path::new("/"), &["usr/share", "usr/lib"], WANTED_BYTES, LIMIT_BYTES)
}

/// Whole directories below `parents` until `wanted` bytes are together, never more than `limit`.
fn gather(base: &Path, parents: &[&str], wanted: u64, limit: u64) -> Choice {
    let mut choice = Choice { base: base.to_owned(), ..Choice::default() };
    for parent in parents {
        let Ok(entries) = std::fs::read_dir(base.join(parent)) else { continue };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            if choice.bytes >= wanted {
                return choice;
            }
            let path = Path::new(parent).join(name);
            let left = limit - choice.bytes;
            let bytes = size(&base.join(&path), left);
            if bytes > 0 && bytes <= left {
                choice.bytes += bytes;
                choice.paths.push(path);
            }
        }
    }
    choice
}

/// Bytes of the files below `path` on its own file system; stops counting beyond `enough`.
fn size(path: &Path, enough: u64) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(top) = path.symlink_metadata() else { return 0 };
    let mut total = 0;
    let mut waiting = vec![(path.to_owned(), top.clone())];
    while let Some((path, found)) = waiting.pop() {
        if found.is_file() {
            total += found.len();
        }
        if total > enough {
            break;
        }
        if !found.is_dir() || found.dev() != top.dev() {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&path) else { continue };
        let known = entries.flatten().filter_map(|e| Some((e.path(), e.metadata().ok()?)));
        waiting.extend(known);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_chosen_and_never_too_much() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a", 40), ("b", 500), ("c", 40), ("d", 40), ("e", 40)] {
            std::fs::create_dir_all(dir.path().join("p").join(name)).unwrap();
            std::fs::write(dir.path().join("p").join(name).join("f"), vec![1; bytes]).unwrap();
        }
        let choice = gather(dir.path(), &["none", "p"], 100, 200);
        let paths: Vec<_> = choice.paths.iter().map(|p| p.to_str().unwrap()).collect();
        assert_eq!((paths, choice.bytes), (vec!["p/a", "p/c", "p/d"], 120));
    }
}
