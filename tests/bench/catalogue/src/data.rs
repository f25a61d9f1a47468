//! Lists that look like those of machines: names, sizes and times of a tree that is there.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tapioca::list::{Entry, Line};

/// An entry.
#[derive(Clone)]
pub struct File {
    pub path: String,
    pub kind: u8,
    pub size: u64,
    pub mtime_s: i64,
    pub inode: u64,
    pub link: Option<Vec<u8>>,
}

/// Entries in the order of a walk.
pub struct Tree {
    pub files: Vec<File>,
}

impl Tree {
    /// So many entries of what is below a directory, again and again in other places until there are enough.
    pub fn below(root: &Path, count: usize) -> Tree {
        let mut found = Vec::new();
        walk(root, "", &mut found, count);
        let mut files = Vec::with_capacity(count);
        let mut copy = 0;
        let mut above = BTreeSet::new();
        while files.len() < count && !found.is_empty() {
            for file in found.iter().take(count - files.len()) {
                let path = format!("vol{copy}/{}", file.path);
                above.insert(format!("vol{copy}"));
                files.push(File { path, ..file.clone() });
            }
            copy += 1;
        }
        Tree { files }
    }

    /// The list of a job, and how long its payload is. Each version of a machine changes two of a hundred.
    pub fn lines(&self, job: u64) -> (Vec<Line>, u64) {
        let mut offset = 0;
        let mut lines = Vec::with_capacity(self.files.len());
        for (number, file) in self.files.iter().enumerate() {
            let changed = (number as u64 * 31 + job * 17).is_multiple_of(50);
            let version = if changed { job } else { job % 10 };
            let size = if file.kind == b'f' && changed { file.size + job } else { file.size };
            let data = if file.kind == b'f' { size.div_ceil(512) * 512 } else { 0 };
            let span = 512 + data + if number.is_multiple_of(3) { 1024 } else { 0 };
            let told = format!("{} {version}", file.path);
            let digest = (file.kind == b'f').then(|| *blake3::hash(told.as_bytes()).as_bytes());
            // A tree that was unpacked has none; those of files that were written are anything.
            let nanoseconds = (number as u64 * 2_654_435_761 % 1_000_000_000) as u32;
            let later = if changed { job as i64 * 86_400 } else { 0 };
            let mtime = (file.mtime_s + later, nanoseconds);
            let path = file.path.clone().into_bytes();
            if file.kind == b'd' {
                lines.push(Line::Inode { number: file.inode, path: path.clone() });
            }
            let link = file.link.clone();
            lines.push(Line::Entry(Entry {
                kind: file.kind,
                offset,
                span,
                size,
                mtime,
                digest,
                path,
                link,
            }));
            offset += span;
        }
        (lines, offset)
    }
}

pub fn has_digest(line: &Line) -> bool {
    matches!(line, Line::Entry(Entry { digest: Some(_), .. }))
}

fn walk(dir: &Path, path: &str, found: &mut Vec<File>, count: usize) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let (Ok(name), Ok(stat)) = (entry.file_name().into_string(), entry.metadata()) else {
            continue;
        };
        if found.len() >= count {
            return;
        }
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        let kind = match stat.file_type() {
            kind if kind.is_dir() => b'd',
            kind if kind.is_symlink() => b'l',
            _ => b'f',
        };
        let link = std::fs::read_link(entry.path()).ok();
        let link = link.map(|link| link.into_os_string().into_encoded_bytes());
        let size = if kind == b'f' { stat.len() } else { 0 };
        let mtime_s = stat.mtime();
        found.push(File { path: path.clone(), kind, size, mtime_s, inode: stat.ino(), link });
        if kind == b'd' {
            walk(&entry.path(), &path, found, count);
        }
    }
}
