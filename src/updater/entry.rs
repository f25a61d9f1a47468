//! The files that the loader starts: which of them it takes, and how that is changed.
//!
//! Owns the order of changes, purely. A file is only ever added or taken out, one at a time, and after each of these
//! the loader starts what it started before or what it is to start: never nothing. Source: systemd-boot(7) and the Boot
//! Loader Specification, "Boot counting".

use bundle::Version;

/// Where the loader looks.
const FOLDER: &str = "EFI/Linux";
const PREFIX: &str = "tapioca_";
/// How often a new version is started before it is given up.
pub const TRIES: u32 = 3;
/// How many versions there are at most.
pub const VERSIONS_MAX: usize = 3;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// What it starts.
    pub version: Version,
    /// How often it may still be started, and how often it was; none: as often as one likes.
    pub counted: Option<(u32, u32)>,
}

impl Entry {
    /// A version that was accepted.
    pub fn good(version: &Version) -> Entry {
        Entry { version: version.clone(), counted: None }
    }

    /// A version that may be started so often.
    pub fn counted(version: &Version, left: u32) -> Entry {
        Entry { version: version.clone(), counted: Some((left, 0)) }
    }

    /// Of a path on the boot partition; none: it is nothing that is put there by the box.
    pub fn of(path: &str) -> Option<Entry> {
        let (folder, name) = path.rsplit_once('/')?;
        let is_ending = |end: &str| end.eq_ignore_ascii_case(".efi");
        let (stem, end) = name.split_at_checked(name.len().checked_sub(4)?)?;
        if !folder.eq_ignore_ascii_case(FOLDER) || !is_ending(end) {
            return None;
        }
        let rest = stem.strip_prefix(PREFIX)?;
        let (version, counted) = match rest.split_once('+') {
            None => (rest, None),
            Some((version, count)) => {
                let (left, done) = count.split_once('-').unwrap_or((count, "0"));
                (version, Some((left.parse().ok()?, done.parse().ok()?)))
            }
        };
        Some(Entry { version: version.parse().ok()?, counted })
    }

    /// Its path.
    pub fn path(&self) -> String {
        let version = &self.version;
        let count = match self.counted {
            None => String::new(),
            Some((left, 0)) => format!("+{left}"),
            Some((left, done)) => format!("+{left}-{done}"),
        };
        format!("{FOLDER}/{PREFIX}{version}{count}.efi")
    }

    /// Whether the loader takes it only if it has nothing else.
    pub fn is_exhausted(&self) -> bool {
        matches!(self.counted, Some((0, _)))
    }
}

/// What the loader would start.
pub fn choice(entries: &[Entry]) -> Option<&Entry> {
    entries.iter().max_by_key(|entry| (!entry.is_exhausted(), &entry.version))
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a file.
    Put(Entry),
    /// Takes one out.
    Remove(Entry),
}

fn of<'a>(entries: &'a [Entry], version: &'a Version) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(move |entry| entry.version == *version)
}

fn removed(entries: impl Iterator<Item = Entry>) -> impl Iterator<Item = Change> {
    entries.map(Change::Remove)
}

/// Adds the file that is wanted of a version, unless it is there, and takes all others of that version out.
fn become_only(entries: &[Entry], wanted: Entry) -> Vec<Change> {
    let others = of(entries, &wanted.version).filter(|entry| **entry != wanted).cloned();
    let others: Vec<Change> = removed(others).collect();
    let put = (!entries.contains(&wanted)).then_some(Change::Put(wanted));
    put.into_iter().chain(others).collect()
}

/// Lets the loader start `wanted` next: newer ones go behind it.
pub fn start_next(entries: &[Entry], wanted: &Entry) -> Vec<Change> {
    let mut changes = become_only(entries, wanted.clone());
    let newer = |entry: &&Entry| entry.version > wanted.version && !entry.is_exhausted();
    let mut versions: Vec<&Version> = entries.iter().filter(newer).map(|e| &e.version).collect();
    // The newest last: until then it is what is started.
    versions.sort();
    versions.dedup();
    for version in versions {
        changes.extend(become_only(entries, Entry::counted(version, 0)));
    }
    changes
}

/// The running version is good from now on.
pub fn accept(entries: &[Entry], running: &Version) -> Vec<Change> {
    become_only(entries, Entry::good(running))
}

/// The running version is started only if nothing else can be.
pub fn give_up(entries: &[Entry], running: &Version) -> Vec<Change> {
    become_only(entries, Entry::counted(running, 0))
}

/// All files of a version that does not run are taken out.
pub fn forget(entries: &[Entry], version: &Version) -> Vec<Change> {
    removed(of(entries, version).cloned()).collect()
}

/// Versions that go so that one more fits, oldest first; those in `stay` do not.
pub fn surplus(entries: &[Entry], stay: &[&Version]) -> Vec<Version> {
    let mut versions: Vec<&Version> = entries.iter().map(|entry| &entry.version).collect();
    versions.sort();
    versions.dedup();
    let count = (versions.len() + 1).saturating_sub(VERSIONS_MAX);
    let may_go = versions.into_iter().filter(|version| !stay.contains(version));
    may_go.take(count).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(paths: &[&str]) -> Vec<Entry> {
        let full = |path: &&str| Entry::of(&format!("EFI/Linux/tapioca_{path}.efi")).unwrap();
        paths.iter().map(full).collect()
    }

    /// Carries changes out one by one; what the loader starts before, between and after them.
    fn started(mut now: Vec<Entry>, changes: Vec<Change>) -> Vec<String> {
        let mut all = vec![choice(&now).unwrap().version.to_string()];
        for change in changes {
            match change {
                Change::Put(entry) => {
                    assert!(!now.contains(&entry), "{entry:?} is there");
                    now.push(entry);
                }
                Change::Remove(entry) => {
                    let before = now.len();
                    now.retain(|other| *other != entry);
                    assert_eq!(now.len(), before - 1, "{entry:?} is not there");
                }
            }
            all.push(choice(&now).unwrap().version.to_string());
        }
        all.dedup();
        all
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_as_the_loader_writes_them() {
        for name in ["0.1.0", "0.1.0+3", "0.1.0+2-1", "0.1.0+0-3", "1+0"] {
            let path = format!("EFI/Linux/tapioca_{name}.efi");
            assert_eq!(Entry::of(&path).unwrap().path(), path);
        }
        for other in ["EFI/Linux/tapioca_x.efi", "EFI/Linux/a.efi", "tapioca_1.efi", "EFI/Linux/x"]
        {
            assert_eq!(Entry::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_newer_version_is_tried_and_left_when_it_was_started_in_vain() {
        let now = entries(&["0.1.0", "0.2.0"]);
        let wanted = Entry::counted(&version("0.3.0"), TRIES);
        let changes = start_next(&now, &wanted);
        assert_eq!(started(now, changes), ["0.2.0", "0.3.0"]);
        for (count, next) in
            [("0.3.0+2-1", "0.3.0"), ("0.3.0+1-2", "0.3.0"), ("0.3.0+0-3", "0.2.0")]
        {
            let now = entries(&["0.1.0", "0.2.0", count]);
            assert_eq!(choice(&now).unwrap().version.to_string(), next);
        }
    }

    #[test]
    fn whatever_is_changed_the_loader_starts_the_old_or_the_new_after_every_step() {
        let states = [
            vec!["0.2.0"],
            vec!["0.1.0", "0.2.0"],
            vec!["0.1.0", "0.2.0+0", "0.3.0"],
            vec!["0.1.0", "0.2.0+2-1"],
            vec!["0.1.0", "0.2.0", "0.2.0+2-1"],
            vec!["0.1.0+0", "0.2.0+0-3", "0.3.0+0"],
            vec!["0.1.0", "0.2.0", "0.3.0", "0.4.0+1-2"],
        ];
        for state in &states {
            let now = entries(state);
            let old = choice(&now).unwrap().version.clone();
            for new in ["0.0.1", "0.1.0", "0.2.0", "0.2.5", "0.9"] {
                let new = version(new);
                for wanted in [Entry::good(&new), Entry::counted(&new, TRIES)] {
                    let passed = started(now.clone(), start_next(&now, &wanted));
                    let expected = match old == new {
                        true => vec![new.to_string()],
                        false => vec![old.to_string(), new.to_string()],
                    };
                    // To try again what is tried already may begin with leaving it.
                    let is_again = now.contains(&wanted);
                    assert!(passed == expected || is_again, "{state:?} {wanted:?}: {passed:?}");
                }
            }
            let kept = started(now.clone(), accept(&now, &old));
            assert_eq!(kept, [old.to_string()], "{state:?}");
            let passed = started(now.clone(), give_up(&now, &old));
            assert!(passed.len() <= 2, "{state:?}: {passed:?}");
        }
    }

    #[test]
    fn the_oldest_go_and_never_those_that_have_to_stay() {
        let now = entries(&["0.1.0", "0.2.0", "0.3.0", "0.3.0+0"]);
        let (running, next) = (version("0.1.0"), version("0.4.0"));
        assert_eq!(surplus(&now, &[&running, &next]), [version("0.2.0")]);
        assert_eq!(surplus(&entries(&["0.1.0"]), &[&running]), Vec::<Version>::new());
    }
}
