//! `src_filesys`: file trees as a pax archive.
//!
//! Owns the walk: which names are taken, in which order (sorted by bytes within a directory), and
//! what happens to those that cannot be. A name that is left out is told on standard error, recorded
//! in the stream's index as a line `! WHY path`, and counted; the rest goes on. Refuses to follow
//! anything out of the tree: each directory is opened from its parent's descriptor, links are stored
//! and never followed, and what was opened is compared with what was seen. `proc_list` is the same walk
//! with another visitor. Holds one directory's
//! names per level, at most [`levels::OPEN_MAX`] directories open, and a table of files with several
//! names; nothing else grows with the tree.

mod content;
mod exclude;
mod flow;
mod levels;
mod listing;
mod metadata;
mod names;
mod parents;
mod paths;
mod take;
mod visit;
mod walk;

pub use exclude::Excludes;
pub use listing::list_names;
pub use names::NameList;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::parts::names::BY_PATTERN;
use crate::stream::{Begin, Fault, Item, Outlet, Source};
use names::Listed;
use paths::Stored;
use take::Take;
use visit::Visit;
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

fn stored_paths(plan: &Plan) -> Result<Vec<Stored>, Fault> {
    plan.paths.iter().map(|path| Stored::of(path)).collect()
}

fn open_base(plan: &Plan) -> Result<OwnedFd, Fault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, &plan.directory, flags, Mode::empty()).map_err(|e| {
        let shown = plan.directory.display();
        Fault::host(format_args!("cannot open {shown}"), &e.into())
    })
}

/// Takes what a list names.
fn take_listed(
    walk: &mut Walk<'_, Take<'_>>,
    base: &OwnedFd,
    list: &mut NameList,
) -> Result<(), Fault> {
    while let Some(listed) = list.next_listed()? {
        match listed {
            Listed::Name(name) => walk.listed(base, &name)?,
            Listed::Gone(path) => walk.visit.gone(&path)?,
            Listed::Missing { why, .. } if why == BY_PATTERN => {}
            Listed::Missing { why, path } => walk.visit.missing(&path, &why)?,
        }
    }
    walk.visit.left_out_before(list.left_out());
    Ok(())
}

impl Source for Filesys {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let paths = stored_paths(&self.plan)?;
        let base = open_base(&self.plan)?;
        let mut begin = self.begin.clone();
        let (mut list, mut goes_on) = (None, false);
        if let Some(unread) = self.list.take() {
            let (names, began_s) = unread.open()?;
            // What changed while the names were listed may be as it was before: later is too late.
            begin.created_s = began_s.unwrap_or(begin.created_s);
            if began_s.is_some() && !paths.is_empty() {
                return Err(Fault::usage("a list of proc_list or proc_since comes without PATHs"));
            }
            goes_on = began_s.is_some();
            list = Some(names);
        }
        out.put(Item::Begin(begin))?;
        let mut walk = Walk::new(&self.plan, Take::new(&self.plan, out));
        if goes_on {
            walk.visit.goes_on();
        }
        for path in &paths {
            walk.tree(&base, path)?;
        }
        if let Some(list) = &mut list {
            take_listed(&mut walk, &base, list)?;
        }
        walk.visit.finish()
    }
}
