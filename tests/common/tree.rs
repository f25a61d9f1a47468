//! File trees as values, to be compared.
//!
//! Owns the picture of a tree that a backup must keep: for each name its type, mode, owner, time,
//! size, content, allocation, links and attributes. Paths must fit `PATH_MAX`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, lgetxattr, llistxattr, seek};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file; the digest is over its blocks that are not all zero, so holes do not matter.
    File {
        digest: String,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    Fifo,
    Socket,
    CharDevice(u64),
    BlockDevice(u64),
}

/// One name of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Path below the tree's root; empty for the root.
    pub path: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    pub owner: (u32, u32),
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// First path (in the order of the snapshot) of the same inode, if it is another one.
    pub link_to: Option<Vec<u8>>,
    /// All attributes, ACLs among them in the kernel's form.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Bytes allocated; compared roughly.
    pub allocated: u64,
}

impl Node {
    /// The path for people.
    pub fn name(&self) -> String {
        self.path.escape_ascii().to_string()
    }
}

/// The tree below `root`, names sorted by bytes within a directory, each directory before what is
/// in it.
pub fn snapshot(root: &Path) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut inodes = HashMap::new();
    visit(root, Vec::new(), &mut nodes, &mut inodes);
    nodes
}

fn visit(
    root: &Path,
    path: Vec<u8>,
    nodes: &mut Vec<Node>,
    inodes: &mut HashMap<(u64, u64), Vec<u8>>,
) {
    let full = if path.is_empty() { root.into() } else { root.join(OsStr::from_bytes(&path)) };
    let meta = full.symlink_metadata().unwrap_or_else(|e| panic!("{}: {e}", full.display()));
    let is_dir = meta.is_dir();
    nodes.push(node(&full, path.clone(), &meta, inodes));
    if !is_dir {
        return;
    }
    let mut names: Vec<Vec<u8>> = std::fs::read_dir(&full)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_vec())
        .collect();
    names.sort();
    for name in names {
        let below = if path.is_empty() { name } else { [&path[..], &name].join(&b'/') };
        visit(root, below, nodes, inodes);
    }
}

fn node(
    full: &Path,
    path: Vec<u8>,
    meta: &Metadata,
    inodes: &mut HashMap<(u64, u64), Vec<u8>>,
) -> Node {
    let first = match meta.nlink() > 1 && !meta.is_dir() {
        true => inodes.entry((meta.dev(), meta.ino())).or_insert_with(|| path.clone()).clone(),
        false => path.clone(),
    };
    let kind = kind_of(full, meta);
    Node {
        size: if matches!(kind, Kind::File { .. }) { meta.size() } else { 0 },
        kind,
        mode: meta.mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        mtime: (meta.mtime(), meta.mtime_nsec()),
        link_to: (first != path).then_some(first),
        xattrs: xattrs(full),
        allocated: meta.blocks() * 512,
        path,
    }
}

fn kind_of(full: &Path, meta: &Metadata) -> Kind {
    let kind = meta.file_type();
    if kind.is_file() {
        Kind::File { digest: digest(full, meta.size()) }
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        let target: PathBuf = std::fs::read_link(full).unwrap();
        Kind::Symlink { target: target.into_os_string().into_vec() }
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_socket() {
        Kind::Socket
    } else if kind.is_char_device() {
        Kind::CharDevice(meta.rdev())
    } else {
        Kind::BlockDevice(meta.rdev())
    }
}

fn digest(full: &Path, size: u64) -> String {
    const BLOCK: u64 = 4096;
    let file = File::open(full).unwrap_or_else(|e| panic!("{}: {e}", full.display()));
    let mut hasher = blake3::Hasher::new();
    let mut buffer = [0; BLOCK as usize];
    let mut at = 0;
    // SEEK_DATA ends with ENXIO behind the last data.
    while let Ok(data) = seek(&file, SeekFrom::Data(at)) {
        let hole = seek(&file, SeekFrom::Hole(data)).unwrap();
        let mut from = data / BLOCK * BLOCK;
        while from < hole {
            let length = BLOCK.min(size - from) as usize;
            file.read_exact_at(&mut buffer[..length], from).unwrap();
            if buffer[..length].iter().any(|&b| b != 0) {
                hasher.update(&from.to_le_bytes());
                hasher.update(&buffer[..length]);
            }
            from += BLOCK;
        }
        at = hole.next_multiple_of(BLOCK);
    }
    hasher.finalize().to_hex().to_string()
}

fn xattrs(full: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = llistxattr(full, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|&b| b == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = lgetxattr(full, name, &mut value[..]).unwrap();
            value.truncate(length);
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect()
}

/// Panics with every difference between two trees. Allocation may differ by 64 KiB or a tenth.
#[track_caller]
pub fn assert_same(wanted: &[Node], got: &[Node]) {
    let differences = differences(wanted, got);
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// One line per difference.
pub fn differences(wanted: &[Node], got: &[Node]) -> Vec<String> {
    let by_path = |nodes: &[Node]| -> BTreeMap<Vec<u8>, Node> {
        nodes.iter().map(|node| (node.path.clone(), node.clone())).collect()
    };
    let (wanted, mut got) = (by_path(wanted), by_path(got));
    let mut lines = Vec::new();
    for (path, wanted) in &wanted {
        match got.remove(path) {
            None => lines.push(format!("{}: missing", wanted.name())),
            Some(got) => compare(wanted, &got, &mut lines),
        }
    }
    lines.extend(got.values().map(|node| format!("{}: not wanted", node.name())));
    lines
}

fn compare(wanted: &Node, got: &Node, lines: &mut Vec<String>) {
    let mut differs = |what: &str, wanted_text: String, got_text: String| {
        if wanted_text != got_text {
            let cut = |text: String| text.chars().take(300).collect::<String>();
            let (wanted_text, got_text) = (cut(wanted_text), cut(got_text));
            lines.push(format!("{}: {what} {got_text}, not {wanted_text}", wanted.name()));
        }
    };
    differs("kind", format!("{:?}", wanted.kind), format!("{:?}", got.kind));
    differs("mode", format!("{:o}", wanted.mode), format!("{:o}", got.mode));
    differs("owner", format!("{:?}", wanted.owner), format!("{:?}", got.owner));
    differs("size", wanted.size.to_string(), got.size.to_string());
    differs("mtime", format!("{:?}", wanted.mtime), format!("{:?}", got.mtime));
    let link =
        |node: &Node| format!("{:?}", node.link_to.as_ref().map(|l| l.escape_ascii().to_string()));
    differs("link", link(wanted), link(got));
    for name in wanted.xattrs.keys().chain(got.xattrs.keys()) {
        let value = |node: &Node| match node.xattrs.get(name) {
            Some(value) => format!("{} bytes {}", value.len(), blake3::hash(value).to_hex()),
            None => "absent".into(),
        };
        differs(&format!("attribute {name}"), value(wanted), value(got));
    }
    let slack = 65536.max(wanted.allocated / 10);
    if matches!(wanted.kind, Kind::File { .. }) && wanted.allocated.abs_diff(got.allocated) > slack
    {
        differs("allocated", wanted.allocated.to_string(), got.allocated.to_string());
    }
}
