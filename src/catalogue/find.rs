//! Lookups in file lists.
//!
//! Owns the three questions a person asks: what is in a directory of a job, which jobs have a path, where is
//! something called so. Answers have a bound, and say when there is more. A question opens the index of
//! each run it is about, and of the rest only blocks that may hold an answer.

use memchr::memmem::Finder;

use super::pattern::Hint;
use super::record::JobId;
use super::run::{Row, Run, grams::Asked, key};
use super::snapshot::Snapshot;
use crate::list::Line;
use crate::only::Only;
use crate::stream::Fault;

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its name there.
    pub name: Vec<u8>,
    /// What the list says about it; nothing for a directory that is known by what is in it.
    pub lines: Vec<Line>,
}

/// Some of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// As many as were asked for, at most.
    pub found: Vec<T>,
    /// Whether there is more.
    pub more: bool,
}

/// What is in a directory of a job: names in order, from the first behind `after`.
pub fn directory(
    snapshot: &Snapshot,
    job: JobId,
    path: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Found<Child>, Fault> {
    let run = snapshot.run_of(job)?;
    let directory = key::of_path(path);
    let inside = key::inside(&directory);
    let from = match after {
        Some(name) => key::behind(&[&inside[..], &key::of_name(name)].concat()),
        None => inside.to_vec(),
    };
    let mut rows = run.rows_from(&from);
    let mut found: Vec<(Vec<u8>, Child)> = Vec::new();
    while let Some(row) = rows.next() {
        let row = row?;
        let Some(rest) = row.key.strip_prefix(&inside[..]) else { break };
        // The root is in itself by its key alone.
        if rest.is_empty() {
            continue;
        }
        let end = rest.iter().position(|&b| b == key::SEPARATOR);
        let name = &rest[..end.unwrap_or(rest.len())];
        if found.last().is_none_or(|(last, _)| last != name) {
            if found.len() == limit {
                return Ok(Found { found: children(found), more: true });
            }
            let shown = key::path(name).unwrap_or_else(|| name.to_vec());
            found.push((name.to_vec(), Child { name: shown, lines: Vec::new() }));
        }
        match (end, found.last_mut()) {
            (None, Some((_, child))) => child.lines.push(run.line(&row)?),
            _ => rows.skip_to(&key::behind(&[&inside[..], name].concat())),
        }
    }
    Ok(Found { found: children(found), more: false })
}

fn children(found: Vec<(Vec<u8>, Child)>) -> Vec<Child> {
    found.into_iter().map(|(_, child)| child).collect()
}

/// What each of `jobs` says about a path; those that say nothing are left out.
pub fn versions(
    snapshot: &Snapshot,
    jobs: &[JobId],
    path: &[u8],
) -> Result<Vec<(JobId, Vec<Line>)>, Fault> {
    let key = key::of_path(path);
    let mut found = Vec::new();
    for job in jobs {
        let Some(run) = snapshot.run(*job)? else { continue };
        let lines: Result<Vec<Line>, Fault> =
            run.find(&key)?.iter().map(|row| run.line(row)).collect();
        match lines? {
            lines if lines.is_empty() => {}
            lines => found.push((*job, lines)),
        }
    }
    Ok(found)
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Paths that have these bytes somewhere.
    Text(Vec<u8>),
    /// Paths that a pattern of `--only` selects.
    Pattern(Vec<u8>),
}

/// Whether a key is one of those looked for.
type Matches = Box<dyn FnMut(&[u8]) -> bool>;

/// A question, made ready.
struct Search {
    hint: Hint,
    asked: Asked,
    matches: Matches,
}

impl Search {
    fn of(wanted: &Wanted) -> Search {
        match wanted {
            Wanted::Text(text) => {
                let names: Vec<Vec<u8>> = text.split(|&b| b == b'/').map(key::of_name).collect();
                let texts = vec![names.join(&key::SEPARATOR)];
                let hint = Hint { root: Vec::new(), grams: texts.clone(), texts };
                let has = all_of(&hint.texts);
                Search { asked: Asked::of(&hint.grams), hint, matches: Box::new(has) }
            }
            Wanted::Pattern(pattern) => {
                let hint = Hint::of(pattern);
                let mut only = Only::new(std::slice::from_ref(pattern));
                let has = all_of(&hint.texts);
                let matches = Box::new(move |key: &[u8]| {
                    has(key) && key::path(key).is_some_and(|path| only.selects(&path))
                });
                Search { asked: Asked::of(&hint.grams), hint, matches }
            }
        }
    }
}

/// Whether a key has all of these texts.
fn all_of(texts: &[Vec<u8>]) -> impl Fn(&[u8]) -> bool + use<> {
    let finders: Vec<Finder<'static>> =
        texts.iter().map(|text| Finder::new(text).into_owned()).collect();
    move |key| finders.iter().all(|finder| finder.find(key).is_some())
}

/// What `jobs` have of what is wanted, job by job in the order given.
pub fn search(
    snapshot: &Snapshot,
    jobs: &[JobId],
    wanted: &Wanted,
    limit: usize,
) -> Result<Found<(JobId, Line)>, Fault> {
    let mut search = Search::of(wanted);
    let mut found = Vec::new();
    for job in jobs {
        let Some(run) = snapshot.run(*job)? else { continue };
        for block in run.blocks_with(&search.asked)? {
            if !may_hold(&run, block, &search.hint.root) {
                continue;
            }
            let room = limit + 1 - found.len();
            for row in matching(&run, block, &mut search, room)? {
                found.push((*job, run.line(&row)?));
            }
            if found.len() > limit {
                found.truncate(limit);
                return Ok(Found { found, more: true });
            }
        }
    }
    Ok(Found { found, more: false })
}

/// Whether a block may have something at or below a root.
fn may_hold(run: &Run<'_>, block: usize, root: &[u8]) -> bool {
    if root.is_empty() {
        return true;
    }
    let first = |at: usize| run.index.blocks.get(at).map(|block| block.first.as_slice());
    let begins_before_end = first(block).is_some_and(|key| key < key::behind(root).as_slice());
    begins_before_end && first(block + 1).is_none_or(|next| next >= root)
}

fn matching(
    run: &Run<'_>,
    block: usize,
    search: &mut Search,
    room: usize,
) -> Result<Vec<Row>, Fault> {
    let keys = run.keys(block)?;
    let mut wanted = Vec::new();
    run.each_key(block, &keys, &mut |at, key| {
        if key::is_at_or_in(key, &search.hint.root) && (search.matches)(key) {
            wanted.push((at, key.to_vec()));
        }
        wanted.len() < room
    })?;
    match wanted.is_empty() {
        true => Ok(Vec::new()),
        false => run.some_rows(block, wanted),
    }
}
