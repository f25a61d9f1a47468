//! `src_filesys`: file trees as a pax archive.
//!
//! Owns the walk: which names are taken, in which order (sorted by bytes within a directory), and
//! what happens to those that cannot be. A name that is left out is told on standard error, recorded
//! in the stream's index as a line `! WHY path`, and counted; the rest goes on. Refuses to follow
//! anything out of the tree: each directory is opened from its parent's descriptor, links are stored
//! and never followed, and what was opened is compared with what was seen. Holds one directory's
//! names per level, at most [`levels::OPEN_MAX`] directories open, and a table of files with several
//! names; nothing else grows with the tree.

mod content;
mod exclude;
mod flow;
mod levels;
mod metadata;
mod names;
mod paths;
mod walk;

pub use exclude::Excludes;
pub use names::NameList;

use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::stream::{Begin, Fault, Item, Outlet, Source};
use walk::Walk;

/// What to take, and how.
#[derive(Default)]
pub struct Plan {
    /// Relative paths start here.
    pub directory: PathBuf,
    /// Trees to take whole.
    pub paths: Vec<PathBuf>,
    /// Names not to take.
    pub exclude: Excludes,
    /// Also enter directories on other file systems than the tree's root.
    pub cross_mounts: bool,
    /// Record access times. Off by default: they change from one run to the next.
    pub atime: bool,
    /// Tell the kernel to forget the pages of each file read. Off by default: it takes them from
    /// whoever else uses the file.
    pub drop_cache: bool,
}

/// The source.
pub struct Filesys {
    begin: Begin,
    plan: Plan,
    list: Option<NameList>,
}

impl Filesys {
    /// A source for what `plan` says and then, without descending, what `list` names. The stream's
    /// identity and time are the caller's, as a component has no clock.
    pub fn new(begin: Begin, plan: Plan, list: Option<NameList>) -> Filesys {
        Filesys { begin, plan, list }
    }
}

impl Source for Filesys {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let paths = self.plan.paths.iter().map(|path| paths::Stored::of(path));
        let paths = paths.collect::<Result<Vec<_>, Fault>>()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base = openat(CWD, &self.plan.directory, flags, Mode::empty()).map_err(|e| {
            let shown = self.plan.directory.display();
            Fault::host(format_args!("cannot open {shown}"), &e.into())
        })?;
        out.put(Item::Begin(self.begin.clone()))?;
        let mut walk = Walk::new(&self.plan, out);
        for path in &paths {
            walk.tree(&base, path)?;
        }
        if let Some(list) = &mut self.list {
            while let Some(name) = list.next_name()? {
                walk.listed(&base, &name)?;
            }
        }
        walk.finish()
    }
}
