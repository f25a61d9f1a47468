//! File lists, as people look at them.

use super::carry::is_backup_of;
use super::{Talk, of_fault, refused};
use crate::catalogue::record::{Job, JobId, JobState, Work};
use crate::catalogue::{Snapshot, find, plan};
use crate::list::file::ListWriter;
use crate::list::{Entry as Listed, Line};
use crate::serve::gap;
use crate::serve::plan::{all_lines, chain};
use crate::stream::{Begin, Blame, Fault, KIND_PAX};
use crate::tapicom::limits::page;
use crate::tapicom::message::{
    At, Bytes, Command, Entry, MediumNeeded, Page, Paged, Plan, Reply, RestoreWanted, Tree, Why,
};
use crate::tapicom::rights;

/// Bytes of a list in one answer.
const CHUNK_BYTES: usize = 40 * 1024;
/// Entries that are found in one go.
const FOUND_MAX: usize = 1_000;

pub(super) type Told<T> = Result<T, Box<Reply>>;

pub(super) fn told<T>(result: Result<T, Fault>) -> Told<T> {
    result.map_err(|fault| Box::new(of_fault(&fault)))
}

impl Talk {
    pub(super) fn browse(&self, caller: &rights::Caller, command: Command) -> Reply {
        let answer = match command {
            Command::List { tree, path, page } => self.list(caller, &tree, &path, &page),
            Command::Find { tree, pattern, page } => self.find(caller, &tree, &pattern, &page),
            Command::Versions { machine, path, page } => {
                self.versions(caller, machine, &path, &page)
            }
            Command::FileList { job, offset } => self.file_list(job, offset),
            Command::RestoreOutlook(wanted) => self.outlook(caller, &wanted),
            Command::RestorePlan(wanted) => self.plan(caller, &wanted),
            Command::RestoreGaps { job, page } => self.gaps(job, &page),
            _ => Err(Box::new(refused(Why::Failed, "that is nothing to browse"))),
        };
        answer.unwrap_or_else(|reply| *reply)
    }

    fn snapshot(&self) -> Told<Snapshot> {
        told(self.reader.snapshot())
    }

    /// Backups of a machine that are good to restore from, newest first.
    fn backups(&self, caller: &rights::Caller, tree: &Tree) -> Told<Vec<Job>> {
        let machine = tree.machine.clone().unwrap_or_else(|| caller.machine.clone());
        let name = tree.backup.clone();
        told(self.look(move |view| {
            let jobs = view.state.records.jobs.values().rev();
            let good = |job: &&Job| {
                let is_there = matches!(
                    job.state,
                    JobState::Done
                        | JobState::DoneBut(_)
                        | JobState::Interrupted(_)
                        | JobState::Cancelled(_)
                );
                is_there && job.recorded > 0 && is_backup_of(job, &machine, name.as_deref())
            };
            jobs.filter(good).cloned().collect::<Vec<_>>()
        }))
    }

    /// The jobs that lead to a state of a tree, the full one first.
    pub(super) fn state_of(&self, caller: &rights::Caller, tree: &Tree) -> Told<Vec<JobId>> {
        let backups = self.backups(caller, tree)?;
        let whole = |job: &&Job| matches!(job.state, JobState::Done | JobState::DoneBut(_));
        let last = match tree.at {
            At::Latest => backups.iter().find(whole),
            At::Job(id) => backups.iter().find(|job| job.id == id),
            At::Time(at_s) => backups.iter().filter(whole).find(|job| job.created_s <= at_s),
        };
        let last = last.map(|job| job.id);
        let last = last.ok_or_else(|| {
            let what = "there is no such backup; tapicli jobs shows those there are";
            Box::new(refused(Why::NotFound, what))
        })?;
        told(self.look(move |view| chain(&view.state.records.jobs, last)))
    }

    fn list(
        &self,
        caller: &rights::Caller,
        tree: &Tree,
        path: &Bytes,
        page_wanted: &Page,
    ) -> Told<Reply> {
        let jobs = self.state_of(caller, tree)?;
        let snapshot = self.snapshot()?;
        // The last that has a name has it; what one says is gone is gone.
        let mut children: std::collections::BTreeMap<Vec<u8>, Option<Entry>> = Default::default();
        for job in jobs {
            let mut after: Option<Vec<u8>> = None;
            loop {
                let found = find::directory(&snapshot, job, &path.0, after.as_deref(), FOUND_MAX);
                let found = told(found)?;
                after = found.found.last().map(|child| child.name.clone());
                for child in found.found {
                    put_child(&mut children, job, &path.0, child);
                }
                if !found.more {
                    break;
                }
            }
        }
        let after = page_wanted.after.clone().map(String::into_bytes).unwrap_or_default();
        let entries = children.into_iter().filter(|(name, _)| *name > after);
        let entries: Vec<(Vec<u8>, Entry)> =
            entries.filter_map(|(name, entry)| Some((name, entry?))).collect();
        let names: Vec<String> =
            entries.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        let (items, more) = page(entries.into_iter().map(|(_, entry)| entry), page_wanted.most);
        let next = more.then(|| names[items.len().saturating_sub(1)].clone());
        Ok(Reply::Entries(Paged { items, next }))
    }

    fn find(
        &self,
        caller: &rights::Caller,
        tree: &Tree,
        pattern: &str,
        page_wanted: &Page,
    ) -> Told<Reply> {
        let backups = self.backups(caller, tree)?;
        let jobs: Vec<JobId> = match tree.at {
            At::Latest => backups.iter().map(|job| job.id).collect(),
            _ => self.state_of(caller, tree)?,
        };
        let snapshot = self.snapshot()?;
        let has_pattern = pattern.contains(['*', '?', '[', '/']);
        let wanted = match has_pattern {
            true => find::Wanted::Pattern(pattern.as_bytes().to_vec()),
            false => find::Wanted::Text(pattern.as_bytes().to_vec()),
        };
        let skip: usize = page_wanted.after.as_deref().and_then(|n| n.parse().ok()).unwrap_or(0);
        let found = told(find::search(&snapshot, &jobs, &wanted, skip + FOUND_MAX))?;
        let entries = found.found.into_iter().skip(skip).filter_map(|(job, line)| entry(job, line));
        let (items, more) = page(entries, page_wanted.most);
        let next = (more || found.more).then(|| (skip + items.len()).to_string());
        Ok(Reply::Entries(Paged { items, next }))
    }

    fn versions(
        &self,
        caller: &rights::Caller,
        machine: Option<String>,
        path: &Bytes,
        page_wanted: &Page,
    ) -> Told<Reply> {
        let tree = Tree { machine, backup: None, at: At::Latest };
        let jobs: Vec<JobId> = self.backups(caller, &tree)?.iter().map(|job| job.id).collect();
        let snapshot = self.snapshot()?;
        let skip: usize = page_wanted.after.as_deref().and_then(|n| n.parse().ok()).unwrap_or(0);
        let versions = told(find::versions(&snapshot, &jobs, &path.0))?;
        let entries = versions.into_iter().flat_map(|(job, lines)| {
            lines.into_iter().filter_map(move |line| entry(job, line)).collect::<Vec<_>>()
        });
        let (items, more) = page(entries.skip(skip), page_wanted.most);
        let next = more.then(|| (skip + items.len()).to_string());
        Ok(Reply::Entries(Paged { items, next }))
    }

    /// The list of a job as `proc_record` would have written it, a piece at a time.
    fn file_list(&self, id: JobId, offset: u64) -> Told<Reply> {
        let job = told(self.look(move |view| view.state.job(id).cloned()))?;
        let unknown = || Box::new(refused(Why::NotFound, format!("there is no job {id}")));
        let job = job.ok_or_else(unknown)?;
        let text = told(list_of(&self.snapshot()?, &job))?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        let to = (from + CHUNK_BYTES).min(text.len());
        let next = (to < text.len()).then_some(to as u64);
        Ok(Reply::Chunk { bytes: Bytes(text[from..to].to_vec()), next })
    }

    /// Which files a restore could not give back.
    fn gaps(&self, id: JobId, page_wanted: &Page) -> Told<Reply> {
        let seen = told(self.look(move |view| {
            let records = &view.state.records;
            let job = records.jobs.get(&id)?.clone();
            let Work::Restore { of, .. } = &job.work else { return None };
            let of: Vec<Job> = of.iter().filter_map(|of| records.jobs.get(of).cloned()).collect();
            Some((job, of, records.gaps.get(&id).cloned()))
        }))?;
        let unknown = || Box::new(refused(Why::NotFound, format!("there is no restore {id}")));
        let (job, of, gaps) = seen.ok_or_else(unknown)?;
        let files = match gaps {
            Some(gaps) => told(gap::files(&self.reader, &job, &of, &gaps))?,
            None => Vec::new(),
        };
        let skip: usize = page_wanted.after.as_deref().and_then(|n| n.parse().ok()).unwrap_or(0);
        let (items, more) = page(files.into_iter().skip(skip), page_wanted.most);
        let next = more.then(|| (skip + items.len()).to_string());
        Ok(Reply::LostFiles(Paged { items, next }))
    }

    /// What a restore would take.
    pub(super) fn plan_of(&self, caller: &rights::Caller, wanted: &RestoreWanted) -> Told<Plan> {
        let jobs = self.state_of(caller, &wanted.tree)?;
        let snapshot = self.snapshot()?;
        let patterns: Vec<Vec<u8>> =
            wanted.only.iter().map(|text| text.clone().into_bytes()).collect();
        let planned = told(plan::plan(&snapshot, &jobs, &patterns, &mut |_, _| Ok(())))?;
        let mut media: Vec<MediumNeeded> = Vec::new();
        for step in planned.steps.iter().filter(|step| step.copy == 0) {
            match media.iter_mut().find(|medium| medium.tag == step.medium) {
                Some(medium) => medium.bytes += step.to - step.from,
                None => media.push(MediumNeeded {
                    tag: step.medium.clone(),
                    location: String::new(),
                    bytes: step.to - step.from,
                }),
            }
        }
        let tags: Vec<String> = media.iter().map(|medium| medium.tag.clone()).collect();
        let locations = told(self.look(move |view| {
            let media = &view.state.records.media;
            let place = |tag: &String| media.get(tag).map(|medium| medium.location.clone());
            tags.iter().map(|tag| place(tag).unwrap_or_default()).collect::<Vec<_>>()
        }))?;
        for (medium, location) in media.iter_mut().zip(locations) {
            medium.location = location;
        }
        let unmatched = planned.unmatched.iter();
        let unmatched =
            unmatched.map(|p| format!("nothing matches {}", String::from_utf8_lossy(p)));
        let lacking = planned.lacking.iter().map(|stretch| {
            format!(
                "job {}: bytes {} to {} are on no medium",
                stretch.job, stretch.from, stretch.to
            )
        });
        let missing = unmatched.chain(lacking).collect();
        let (entries, bytes) = (planned.entries, planned.bytes);
        Ok(Plan { jobs, media, entries, bytes, missing })
    }
}

/// A list between a head and a tail.
fn list_of(snapshot: &Snapshot, job: &Job) -> Result<Vec<u8>, Fault> {
    let crate::catalogue::record::Work::Backup { name, stream, .. } = &job.work else {
        let what = format!("job {} is no backup: it has no file list", job.id);
        return Err(Fault::never(Blame::Operator, what));
    };
    let failed = |e: std::io::Error| Fault::host("cannot write a list", &e);
    let mut list = ListWriter::new(Vec::new());
    let begin = Begin {
        stream: *stream,
        // Nothing that changed since is missing: the client had not begun before it asked.
        created_s: job.created_s,
        kind: KIND_PAX.into(),
        name: format!("{}/{name}", job.machine),
        ..Begin::default()
    };
    list.head(&begin).map_err(failed)?;
    let lines = all_lines(&snapshot.run_of(job.id)?)?;
    std::io::Write::write_all(&mut list, &lines).map_err(failed)?;
    list.finish().map_err(failed)
}

fn put_child(
    children: &mut std::collections::BTreeMap<Vec<u8>, Option<Entry>>,
    job: JobId,
    folder: &[u8],
    child: find::Child,
) {
    let find::Child { name, lines } = child;
    if lines.is_empty() {
        let path = [folder, if folder.is_empty() { b"" } else { b"/" }, &name].concat();
        children.entry(name).or_insert_with(|| {
            Some(Entry { job, kind: 'd', path: Bytes(path), bytes: 0, modified_s: 0, digest: None })
        });
        return;
    }
    for line in lines {
        match line {
            Line::Gone { .. } => _ = children.insert(name.clone(), None),
            Line::Entry(listed) => _ = children.insert(name.clone(), Some(of(job, listed))),
            _ => {}
        }
    }
}

fn entry(job: JobId, line: Line) -> Option<Entry> {
    match line {
        Line::Entry(listed) => Some(of(job, listed)),
        Line::Gone { path } => {
            Some(Entry { job, kind: '-', path: Bytes(path), bytes: 0, modified_s: 0, digest: None })
        }
        _ => None,
    }
}

fn of(job: JobId, listed: Listed) -> Entry {
    Entry {
        job,
        kind: char::from(listed.kind),
        path: Bytes(listed.path),
        bytes: listed.size,
        modified_s: listed.mtime.0,
        digest: listed.digest,
    }
}
