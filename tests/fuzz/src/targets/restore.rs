//! Archives restored to a file system by `sink_filesys`.
//!
//! Promise: whatever the archive says and whatever lies in the target, nothing outside the target
//! changes and no draft stays. Works in memory (`/dev/shm`) when there is some.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use tapioca::parts::sink::filesys::{Filesys, Options};
use tapioca::stream::{Begin, Block, End, Fault, Item, KIND_PAX, Receipt, Sink, Upward};

/// What surrounds the target: made once, and never to change.
struct Scene {
    work: tempfile::TempDir,
    before: BTreeMap<PathBuf, [i64; 9]>,
}

static SCENE: LazyLock<Mutex<Scene>> = LazyLock::new(|| Mutex::new(Scene::new()));

impl Scene {
    fn new() -> Scene {
        let memory = Path::new("/dev/shm");
        let work = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        }
        .expect("a directory can be made");
        let outside = work.path().join("outside");
        fs::create_dir_all(outside.join("dir/inner")).expect("a directory can be made");
        for name in ["secret", "dir/file"] {
            fs::write(outside.join(name), b"canary").expect("a file can be made");
        }
        symlink("secret", outside.join("link")).expect("a link can be made");
        fs::create_dir(work.path().join("pit")).expect("a directory can be made");
        let mut scene = Scene { work, before: BTreeMap::new() };
        scene.before = scene.around();
        scene
    }

    /// A target with traps in it.
    fn target(&self) -> PathBuf {
        let target = self.work.path().join("pit/target");
        fs::create_dir_all(target.join("d")).expect("a directory can be made");
        for (text, name) in [
            ("../../outside", "out"),
            ("../../outside/secret", "s"),
            ("../../../outside/dir", "d/up"),
            ("..", "dd"),
        ] {
            symlink(text, target.join(name)).expect("a link can be made");
        }
        target
    }

    fn around(&self) -> BTreeMap<PathBuf, [i64; 9]> {
        let mut seen = BTreeMap::new();
        look(&self.work.path().join("outside"), &mut seen);
        seen
    }

    fn assert_unharmed(&self) {
        assert_eq!(self.around(), self.before, "something outside changed");
        assert_eq!(names(self.work.path()), ["outside", "pit"]);
        assert_eq!(names(&self.work.path().join("pit")), ["target"]);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory can be read");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<String> =
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn look(path: &Path, seen: &mut BTreeMap<PathBuf, [i64; 9]>) {
    let meta = fs::symlink_metadata(path).expect("it is still there");
    let facts = [
        meta.ino() as i64,
        i64::from(meta.mode()),
        meta.nlink() as i64,
        i64::from(meta.uid()),
        meta.size() as i64,
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ];
    seen.insert(path.to_owned(), facts);
    if meta.is_dir() {
        names(path).iter().for_each(|name| look(&path.join(name), seen));
    }
}

struct Nobody;

impl Upward for Nobody {
    fn receipt(&mut self, _: Receipt) -> Result<(), Fault> {
        Ok(())
    }
}

pub fn restore(b: &[u8]) {
    let scene = SCENE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = scene.target();
    // The length chooses among the ways to restore, so that an input is an archive and nothing else.
    let options = Options {
        keep_existing: b.len() & 1 != 0,
        no_owner: b.len() & 2 != 0,
        ..Options::default()
    };
    feed(Filesys::new(&target, options), b);
    scene.assert_unharmed();
    assert_eq!(drafts_in(&target), [""; 0], "a draft stays");
    clear(&target);
}

fn feed(mut sink: Filesys, archive: &[u8]) {
    let begin = Begin { kind: KIND_PAX.into(), ..Begin::default() };
    let mut offset = 0;
    let data = archive.chunks(1 + archive.len() / 3).map(|bytes| {
        let item = Item::Data { offset, block: Block::copy_of(bytes) };
        offset += bytes.len() as u64;
        item
    });
    let end = End { bytes: archive.len() as u64, skipped: 0 };
    for item in [Item::Begin(begin)].into_iter().chain(data).chain([Item::End(end)]) {
        if sink.item(item, &mut Nobody).is_err() {
            return;
        }
    }
    sink.finish().expect("after its end a sink only counts");
}

fn drafts_in(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    // What lies deeper than a path can say is left unread.
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for entry in entries {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().expect("a kind").is_dir() {
            found.extend(drafts_in(&entry.path()));
        }
        if name.starts_with(".tapioca-") {
            found.push(name);
        }
    }
    found
}

/// A thousand directories deep, the standard library runs out of descriptors; `rm` does not.
fn clear(target: &Path) {
    if fs::remove_dir_all(target).is_err() {
        let removed = Command::new("rm").arg("-rf").arg(target).status().expect("rm starts");
        assert!(removed.success(), "the target cannot be removed");
    }
}
