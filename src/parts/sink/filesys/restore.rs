//! Members to objects, one at a time.
//!
//! Owns what is done for each kind of member, which of them are made at all, and what is left for
//! the end: directories get their modes and times last, when nothing is written into them any more.
//! Memory grows by some 150 bytes and the path for each directory, and by 9 to 18 bytes for each
//! other member (a hash, to know what hard links may point at).

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Options;
use super::attrs::{Attrs, Object, Setter};
use super::draft::{Draft, Drafts, Existing, Installed};
use super::owners::Owners;
use super::path::Clean;
use super::report::{Report, reason, shown};
use super::tree::{Dir, Tree, make_dir};
use crate::only::Only;
use crate::pax::Event;
use crate::pax::{Kind, Member};
use crate::stream::Fault;

const KEPT: &str = "already there and kept";

/// Why a member is not there.
pub(super) enum Trouble {
    /// This one is left out.
    LeftOut(String),
    /// This host can take no more.
    Host(Errno),
    /// The stream makes no sense.
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Fault(fault)
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Trouble {
        let why = match error {
            Errno::LOOP => "a symbolic link is in the way".into(),
            Errno::NOTDIR => "something in its path is not a directory".into(),
            Errno::ISDIR => "a directory is in the way".into(),
            Errno::XDEV => "its path leaves the target directory".into(),
            // The next member would fare no better.
            Errno::NOSPC
            | Errno::DQUOT
            | Errno::IO
            | Errno::ROFS
            | Errno::NOMEM
            | Errno::MFILE
            | Errno::NFILE => return Trouble::Host(error),
            other => reason(other),
        };
        Trouble::LeftOut(why)
    }
}

/// A regular file whose content is arriving.
struct Open {
    draft: Draft,
    path: Clean,
    attrs: Attrs,
    fresh: Option<Mode>,
    size: u64,
    end: u64,
    holes: bool,
    /// Some of its content is lost.
    incomplete: bool,
}

/// Directories and what is to be set on them.
#[derive(Default)]
struct Directories {
    /// Made or met; set at the end.
    pending: BTreeMap<Vec<u8>, Attrs>,
    /// Not selected, but something below may be, and then they are needed.
    spare: BTreeMap<Vec<u8>, Attrs>,
}

impl Directories {
    /// The mode for a parent that is made on the way.
    fn mode_of_parent(&mut self, path: &[u8]) -> Mode {
        match self.spare.remove(path) {
            Some(attrs) => {
                self.pending.insert(path.to_vec(), attrs);
                Mode::RWXU
            }
            None => Mode::from_raw_mode(0o777),
        }
    }
}

/// One restore under way.
pub(super) struct Restore {
    pub(super) tree: Tree,
    drafts: Drafts,
    setter: Setter,
    pub(super) only: Only,
    pub(super) existing: Existing,
    devices: bool,
    /// The stream goes on from earlier ones: a directory that is there has what it says, no more.
    goes_on: bool,
    /// Members of chosen ranges or paths: a hard link's first name may be from an earlier restore.
    chosen: bool,
    directories: Directories,
    made: HashSet<u64>,
    hasher: RandomState,
    open: Option<Open>,
    pub report: Report,
}

impl Restore {
    /// Into the directory open for reading as `target`.
    pub fn new(target: OwnedFd, options: &Options, partial: bool) -> Restore {
        let only = Only::new(&options.only);
        Restore {
            tree: Tree::new(target),
            drafts: Drafts::new(),
            setter: Setter::new(Owners::new(options.numeric_owner), options.no_owner),
            chosen: partial || !only.is_all(),
            only,
            existing: if options.keep_existing { Existing::Keep } else { Existing::Replace },
            devices: options.devices,
            goes_on: false,
            directories: Directories::default(),
            made: HashSet::new(),
            hasher: RandomState::new(),
            open: None,
            report: Report::new(options.verbose),
        }
    }

    /// True when every member of the stream is to come from the stream.
    pub fn is_whole(&self) -> bool {
        !self.chosen && self.existing == Existing::Replace
    }

    /// Returns when what was restored is on disk.
    pub fn sync(&self) -> Result<(), Errno> {
        self.tree.sync()
    }

    /// Takes what the archive reader found.
    pub fn event(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Gone { paths } => {
                self.goes_on = true;
                paths.iter().try_for_each(|path| {
                    let removed = self.remove(path);
                    self.judge(path, removed)
                })
            }
            Event::Member { member, .. } => {
                self.open = None;
                let made = self.member(member);
                self.judge(&member.path, made)
            }
            Event::Data { at, bytes } => self.data(at, bytes),
            Event::End { .. } => match self.open.take() {
                Some(open) => {
                    let path = open.path.bytes().to_vec();
                    let made = self.complete(open);
                    self.judge(&path, made)
                }
                None => Ok(()),
            },
        }
    }

    /// Names what is not there; `path` as stored.
    fn judge(&mut self, path: &[u8], made: Result<(), Trouble>) -> Result<(), Fault> {
        let Err(trouble) = made else { return Ok(()) };
        let clean = Clean::of(path);
        let path = clean.as_ref().map_or(path, Clean::bytes);
        match trouble {
            Trouble::LeftOut(why) => {
                self.report.left_out(path, why);
                Ok(())
            }
            Trouble::Host(error) => {
                Err(Fault::host(format!("cannot restore {}", shown(path)), &error.into()))
            }
            Trouble::Fault(fault) => Err(fault),
        }
    }

    fn member(&mut self, member: &Member) -> Result<(), Trouble> {
        let path = Clean::of(&member.path).map_err(|why| Trouble::LeftOut(why.to_string()))?;
        if !self.only.selects(path.bytes()) {
            return self.unselected(member, &path);
        }
        if path.absolute {
            self.report.note("absolute paths restored below the target directory", &member.path);
        }
        if member.kind == Kind::Directory {
            return self.directory(member, path);
        }
        if path.is_target() {
            return Err(Trouble::LeftOut("its path names the target directory itself".into()));
        }
        self.object(member, path)
    }

    fn unselected(&mut self, member: &Member, path: &Clean) -> Result<(), Trouble> {
        let needed = member.kind == Kind::Directory && self.only.leads_to(path.bytes());
        if needed && !path.is_target() {
            let attrs = Attrs::of(member, &mut self.setter.owners);
            self.directories.spare.insert(path.bytes().to_vec(), attrs);
        }
        Ok(())
    }

    fn parent(&mut self, path: &Clean) -> Result<Arc<Dir>, Errno> {
        let Restore { tree, directories, .. } = self;
        tree.dir_made(path.split().0, &mut |made| directories.mode_of_parent(made))
    }

    fn directory(&mut self, member: &Member, path: Clean) -> Result<(), Trouble> {
        if !path.is_target() {
            let dir = self.parent(&path)?;
            let name = path.split().1;
            match make_dir(&dir, name, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) if self.existing == Existing::Keep => {
                    self.report.note(KEPT, path.bytes());
                    return Ok(());
                }
                Err(Errno::EXIST) => self.take_over(&dir, name)?,
                Err(error) => return Err(error.into()),
            }
        } else if self.existing == Existing::Keep {
            return Ok(());
        }
        let attrs = Attrs::of(member, &mut self.setter.owners);
        self.directories.pending.insert(path.bytes().to_vec(), attrs);
        Ok(())
    }

    /// Makes a directory of what is there: a directory is opened up for us until the end, anything
    /// else is replaced.
    fn take_over(&mut self, dir: &Arc<Dir>, name: &[u8]) -> Result<(), Errno> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return self.drafts.directory_instead(dir, name);
        }
        let euid = rustix::process::geteuid();
        let closed = stat.st_mode & 0o700 != 0o700;
        if closed && !euid.is_root() && stat.st_uid == euid.as_raw() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777 | 0o700);
            let path = super::tree::proc_path(fd.as_fd());
            rustix::fs::chmodat(rustix::fs::CWD, path, mode, AtFlags::empty())?;
        }
        Ok(())
    }

    fn object(&mut self, member: &Member, path: Clean) -> Result<(), Trouble> {
        if let Kind::HardLink { target } = &member.kind {
            return self.hard_link(member, path, target);
        }
        self.permit(&member.kind)?;
        let dir = self.parent(&path)?;
        let name = path.split().1;
        if self.existing == Existing::Keep && is_there(&dir, name) {
            self.report.note(KEPT, path.bytes());
            return Ok(());
        }
        let attrs = Attrs::of(member, &mut self.setter.owners);
        match &member.kind {
            Kind::File { map } => {
                let mode = attrs.first_mode();
                let fresh = (!dir.inherits_acl).then_some(mode);
                let draft = self.drafts.file(&dir, mode)?;
                let (size, holes) = (member.size, map.is_some());
                self.open = Some(Open {
                    draft,
                    path,
                    attrs,
                    fresh,
                    size,
                    end: 0,
                    holes,
                    incomplete: false,
                });
                Ok(())
            }
            Kind::Symlink { target } => {
                let draft = self
                    .drafts
                    .node(&dir, |dir, name| rustix::fs::symlinkat(&**target, dir, name))?;
                if let Some((dir, name)) = draft.place() {
                    let link = Object::Symlink(dir, name);
                    self.setter.apply(link, &attrs, None, path.bytes(), &mut self.report);
                }
                self.install(draft, &path)
            }
            kind => self.node(kind, &dir, path, &attrs),
        }
    }

    /// Device nodes only when they are asked for.
    fn permit(&self, kind: &Kind) -> Result<(), Trouble> {
        match kind {
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } if !self.devices => {
                Err(Trouble::LeftOut("a device node, and --devices is not given".into()))
            }
            _ => Ok(()),
        }
    }

    fn node(
        &mut self,
        kind: &Kind,
        dir: &Arc<Dir>,
        path: Clean,
        attrs: &Attrs,
    ) -> Result<(), Trouble> {
        let (file_type, major, minor) = match *kind {
            Kind::CharDevice { major, minor } => (FileType::CharacterDevice, major, minor),
            Kind::BlockDevice { major, minor } => (FileType::BlockDevice, major, minor),
            _ => (FileType::Fifo, 0, 0),
        };
        let device = rustix::fs::makedev(major, minor);
        if (rustix::fs::major(device), rustix::fs::minor(device)) != (major, minor) {
            return Err(Trouble::LeftOut("its device number does not fit this system".into()));
        }
        let draft = self.drafts.node(dir, |dir, name| {
            rustix::fs::mknodat(dir, name, file_type, Mode::RUSR | Mode::WUSR, device)
        })?;
        if let Some((dir, name)) = draft.place() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
            let node = Object::Node(fd.as_fd());
            self.setter.apply(node, attrs, None, path.bytes(), &mut self.report);
        }
        self.install(draft, &path)
    }

    fn hard_link(&mut self, member: &Member, path: Clean, target: &[u8]) -> Result<(), Trouble> {
        if self.existing == Existing::Keep
            && self.tree.dir(path.split().0).is_ok_and(|dir| is_there(&dir, path.split().1))
        {
            self.report.note(KEPT, path.bytes());
            return Ok(());
        }
        let target = Clean::of(target)
            .map_err(|why| Trouble::LeftOut(format!("the target of a hard link: {why}")))?;
        let from = self.link_source(member, &target)?;
        let dir = self.parent(&path)?;
        let draft = self.drafts.hard_link(&dir, &from, target.split().1)?;
        self.install(draft, &path)
    }

    /// The directory of a hard link's target, if that is one: something made in this restore, or
    /// by an earlier one where this one does not make everything.
    fn link_source(&mut self, member: &Member, target: &Clean) -> Result<Arc<Dir>, Trouble> {
        let missing = |why: &str| {
            Trouble::LeftOut(format!("a hard link to {}, which {why}", shown(target.bytes())))
        };
        let (above, name) = target.split();
        if self.made.contains(&self.hasher.hash_one(target.bytes())) {
            return Ok(self.tree.dir(above)?);
        }
        if self.is_whole() {
            return Err(missing("this archive has not made"));
        }
        match self.tree.dir(above) {
            Ok(from) if is_same(&from, name, member) => Ok(from),
            Ok(_) | Err(Errno::NOENT) => Err(missing("is not restored here: select that too")),
            Err(error) => Err(error.into()),
        }
    }

    fn data(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let written = open.write(at, bytes);
        let path = open.path.bytes().to_vec();
        if written.is_err() {
            self.open = None;
        }
        self.judge(&path, written)
    }

    fn complete(&mut self, mut open: Open) -> Result<(), Trouble> {
        if open.incomplete {
            return self.complete_in_part(open);
        }
        open.set_size()?;
        if let Some(fd) = open.draft.fd() {
            let file = Object::Open(fd);
            self.setter.apply(file, &open.attrs, open.fresh, open.path.bytes(), &mut self.report);
        }
        self.install(open.draft, &open.path)
    }

    /// Payload bytes that nobody has: whatever is in them is not restored.
    pub fn lost(&mut self, from: u64, to: u64) {
        let to = if to == u64::MAX { "its end".into() } else { format!("byte {to}") };
        self.report.wanting(&format!("lost: the archive from byte {from} to {to}"));
    }

    /// The backup was cut short here; the member under way is in what goes on from it.
    pub fn cut(&mut self) {
        self.chosen = true;
        if let Some(open) = self.open.take() {
            self.report.note("the backup was cut short in it", open.path.bytes());
        }
    }

    /// The member under way will have a hole where content is lost.
    pub fn is_incomplete(&mut self) {
        if let Some(open) = &mut self.open {
            (open.holes, open.incomplete) = (true, true);
        }
    }

    /// The rest of the member under way is lost.
    pub fn give_up_member(&mut self) {
        if let Some(open) = self.open.take() {
            self.report.left_out(open.path.bytes(), "not all of it can be had any more");
        }
    }

    /// A name means a whole file: one with a hole that should not be there gets another.
    fn complete_in_part(&mut self, open: Open) -> Result<(), Trouble> {
        let name = [open.path.bytes(), b".incomplete"].concat();
        let path = Clean::of(&name).map_err(|why| Trouble::LeftOut(why.to_string()))?;
        let words = format!("some of it is lost; {} has the rest", shown(&name));
        self.report.left_out(open.path.bytes(), words);
        self.complete(Open { path, incomplete: false, ..open })
    }

    fn install(&mut self, draft: Draft, path: &Clean) -> Result<(), Trouble> {
        match self.drafts.install(draft, path.split().1, self.existing)? {
            Installed::Done => {
                self.made.insert(self.hasher.hash_one(path.bytes()));
            }
            Installed::Kept => self.report.note(KEPT, path.bytes()),
        }
        Ok(())
    }

    /// Drops the member under way, if there is one, and sets what was kept for the end. To be
    /// called whether the stream was whole or not.
    pub fn close(&mut self) {
        self.open = None;
        // In reverse order what is below comes before what is above.
        while let Some((path, attrs)) = self.directories.pending.pop_last() {
            match self.tree.open_to_set(&path) {
                Ok(fd) => {
                    if self.goes_on {
                        super::gone::drop_attributes(fd.as_fd(), &attrs, &path, &mut self.report);
                    }
                    let dir = Object::Open(fd.as_fd());
                    self.setter.apply(dir, &attrs, None, &path, &mut self.report);
                }
                Err(error) => self.report.failed("attributes of directories", &path, reason(error)),
            }
        }
    }

    /// Names the patterns that selected nothing.
    pub fn name_unmatched(&mut self) {
        for pattern in self.only.unmatched() {
            let line = format!("nothing in the stream matches --only {}", shown(pattern));
            self.report.wanting(&line);
        }
    }
}

impl Open {
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let end = at.checked_add(bytes.len() as u64).filter(|&end| end <= self.size);
        let (Some(end), Some(fd)) = (end, self.draft.fd()) else {
            let path = shown(self.path.bytes());
            return Err(Fault::stream(format!("{path} has more bytes than its size says")).into());
        };
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let count = match rustix::io::pwrite(fd, rest, at) {
                Err(Errno::INTR) => continue,
                written => written?,
            };
            at += count as u64;
            rest = &rest[count..];
        }
        self.end = self.end.max(end);
        Ok(())
    }

    /// A hole at the end is made by the size alone.
    fn set_size(&mut self) -> Result<(), Trouble> {
        if self.end == self.size {
            return Ok(());
        }
        let (true, Some(fd)) = (self.holes, self.draft.fd()) else {
            let path = shown(self.path.bytes());
            return Err(Fault::stream(format!("{path} has fewer bytes than its size says")).into());
        };
        Ok(rustix::fs::ftruncate(fd, self.size)?)
    }
}

fn is_there(dir: &Dir, name: &[u8]) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Whether `name` is a regular file with the modification time the archive gives the member: one
/// that an earlier restore made. The archive of a stranger does not know the nanosecond.
fn is_same(dir: &Dir, name: &[u8], member: &Member) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && i128::from(stat.st_mtime) == i128::from(member.mtime.s)
            && i128::from(stat.st_mtime_nsec) == i128::from(member.mtime.ns)
    })
}
