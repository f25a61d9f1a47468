//! The gluepot: what a netplumber is willing to run, for whom, with which words.
//!
//! Owns the manifest and the match of a caller's words against it. Anything that is not allowed there is
//! refused before anything starts. A caller names an entry and adds words; it never gives a path of a
//! program, an environment or text for a shell.
//!
//! ```toml
//! [[component]]
//! name = "sink_tape"                        # what callers say
//! machines = ["web", "db"]                  # who may; everybody enrolled unless given
//! with = ["--drive", "/dev/sg1"]            # words it always gets, before the caller's
//! may = ["--volume {word}", "--sync-mib {number}"]   # what the caller may add
//! read = ["/srv"]                           # what it may read besides, and write
//! write = ["/dev/sg1"]
//!
//! [[component]]
//! name = "src_mail"
//! program = "mail-export"                   # a program in the folder `gluepot` instead of one of ours
//! network = true                            # it may connect to others; for programs only
//!
//! [[component]]
//! name = "sink_archive"
//! # Several of ours in one process. The caller adds no words; a source and processors for one that is to get
//! # the stream, processors and a sink for one that brings it.
//! chain = [["proc_decompress"], ["sink_tape", "--drive", "/dev/sg1"]]
//! write = ["/dev/sg1"]
//!
//! [[component]]
//! name = "tapicom"
//! socket = "/run/tapioca.sock"              # served by whoever listens there, who is told which machine it is
//! ```
//!
//! In `may`, a word in braces stands for one of the caller's: `{word}` letters, digits, `-_.:@+%,=`, not
//! beginning with `-`; `{number}`; `{path}` a path below what the entry may read or write, or a relative one,
//! without `..`; `{text}` anything that does not begin with `-`. `…` behind the last word: any number of them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::stream::{Blame, Fault};

/// The longest manifest, bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// The most steps of a chain.
const CHAIN_MAX: usize = 16;
/// Longest run of digits in a number.
const DIGITS_MAX: usize = 20;

/// What may be run here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its entries.
    #[serde(default, rename = "component")]
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    run: Option<String>,
    program: Option<String>,
    chain: Option<Vec<Vec<String>>>,
    socket: Option<PathBuf>,
    machines: Option<Vec<String>>,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    may: Vec<String>,
    #[serde(default)]
    read: Vec<PathBuf>,
    #[serde(default)]
    write: Vec<PathBuf>,
    #[serde(default)]
    execute: Vec<PathBuf>,
    #[serde(default)]
    network: bool,
}

/// What is to be run, and what it may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// A component of ours, or a program.
    pub what: What,
    /// Words for it, without its name.
    pub words: Vec<String>,
    /// What it may touch.
    pub rights: Rights,
}

/// One of ours or somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The component of this executable with this name.
    Ours(String),
    /// The program at this path.
    Program(PathBuf),
    /// Components of this executable, one after the other.
    Chain(Vec<Vec<String>>),
    /// Whoever listens on the socket at this path.
    Service(PathBuf),
}

/// Files and folders, with all that is below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// It may read these.
    pub read: Vec<PathBuf>,
    /// It may read and write these.
    pub write: Vec<PathBuf>,
    /// It may read and execute these.
    pub execute: Vec<PathBuf>,
    /// It may connect to others.
    pub network: bool,
}

fn refused(what: String) -> Fault {
    Fault::never(Blame::Operator, what)
}

impl Manifest {
    /// Reads a manifest and checks its form; the error names the line.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(format!("it is longer than {MANIFEST_BYTES_MAX} bytes"));
        }
        let manifest: Manifest = toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
            format!("line {}: {}", before.matches('\n').count() + 1, error.message())
        })?;
        manifest.entries.iter().try_for_each(Entry::check)?;
        Ok(manifest)
    }

    /// What `words`, said by `machine`, stand for; programs are in `folder`.
    pub fn allow(&self, machine: &str, words: &[String], folder: &Path) -> Result<Allowed, Fault> {
        let (name, said) = words.split_first().ok_or_else(|| refused("no component".into()))?;
        let of_that_name = || self.entries.iter().filter(|entry| entry.name == *name);
        if of_that_name().next().is_none() {
            return Err(refused(format!("{} is not in the gluepot here", shown(name))));
        }
        // An entry for some machines may stand beside one for others.
        let entry = of_that_name().find(|entry| entry.is_for(machine));
        let entry =
            entry.ok_or_else(|| refused(format!("{machine} may not run {} here", shown(name))))?;
        entry.match_words(said)?;
        Ok(Allowed {
            what: entry.what(folder)?,
            words: entry.with.iter().chain(said).cloned().collect(),
            rights: Rights {
                read: entry.read.clone(),
                write: entry.write.clone(),
                execute: entry.execute.clone(),
                network: entry.network,
            },
        })
    }
}

/// A word of a caller as it may be shown: no control characters, not for ever.
fn shown(word: &str) -> String {
    word.chars().take(80).collect::<String>().escape_debug().to_string()
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() || name.len() > 64 {
            return Err(format!("{name:?} is no name for a component"));
        }
        let socket = self.socket.is_some();
        let ways = [self.run.is_some(), self.program.is_some(), self.chain.is_some(), socket];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(format!("{name}: run, program, chain and socket exclude each other"));
        }
        self.check_chain()?;
        let paths = [&self.read, &self.write, &self.execute];
        if socket && paths.iter().any(|paths| !paths.is_empty()) {
            return Err(format!(
                "{name}: behind a socket nothing runs here that could touch files"
            ));
        }
        if self.network && self.program.is_none() {
            return Err(format!("{name}: network is for programs"));
        }
        let bad = [&self.read, &self.write, &self.execute].into_iter().flatten();
        let bad = bad.chain(&self.socket);
        if let Some(path) = bad.into_iter().find(|path| !path.is_absolute()) {
            return Err(format!("{name}: {} is not an absolute path", path.display()));
        }
        if let Some(program) = &self.program
            && (program.contains('/') || program.starts_with('.') || program.is_empty())
        {
            return Err(format!("{name}: {program:?} is not a name in the gluepot's folder"));
        }
        for pattern in &self.may {
            Shape::parse(pattern).map_err(|what| format!("{name}: {pattern:?}: {what}"))?;
        }
        Ok(())
    }

    fn check_chain(&self) -> Result<(), String> {
        let (Some(chain), name) = (&self.chain, &self.name) else { return Ok(()) };
        if !(1..=CHAIN_MAX).contains(&chain.len()) || chain.iter().any(Vec::is_empty) {
            return Err(format!("{name}: a chain has 1 to {CHAIN_MAX} steps, each with a name"));
        }
        match self.with.is_empty() && self.may.is_empty() {
            true => Ok(()),
            false => Err(format!("{name}: with and may are not for a chain")),
        }
    }

    fn is_for(&self, machine: &str) -> bool {
        self.machines.as_ref().is_none_or(|all| all.iter().any(|one| one == machine))
    }

    /// Every word of the caller must be one that it may say. Each shape is good once, unless it repeats.
    fn match_words(&self, mut said: &[String]) -> Result<(), Fault> {
        let shapes: Result<Vec<Shape<'_>>, _> =
            self.may.iter().map(|pattern| Shape::parse(pattern)).collect();
        let mut shapes = shapes.map_err(refused)?;
        while let [word, ..] = said {
            let found = shapes
                .iter()
                .enumerate()
                .find_map(|(at, shape)| Some((at, shape.length_of(said, self)?, shape.repeats)));
            let Some((at, length, repeats)) = found else {
                let what = format!("{} may not be given to {} here", shown(word), self.name);
                return Err(refused(what).hint("the gluepot's manifest says what may"));
            };
            if !repeats {
                shapes.remove(at);
            }
            said = &said[length..];
        }
        Ok(())
    }

    fn what(&self, folder: &Path) -> Result<What, Fault> {
        if let Some(chain) = &self.chain {
            return Ok(What::Chain(chain.clone()));
        }
        if let Some(socket) = &self.socket {
            return Ok(What::Service(socket.clone()));
        }
        let Some(program) = &self.program else {
            let name = self.run.as_ref().unwrap_or(&self.name);
            return Ok(What::Ours(name.clone()));
        };
        let path = folder.join(program);
        let failed = |e: &std::io::Error| Fault::host(format!("cannot run {program}"), e);
        let path = path.canonicalize().map_err(|e| failed(&e))?;
        let meta = path.metadata().map_err(|e| failed(&e))?;
        let mode = meta.permissions().mode();
        let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&meta.uid());
        if !meta.is_file() || mode & 0o111 == 0 || mode & 0o022 != 0 || !is_ours {
            return Err(refused(format!(
                "{program} is not a program that only root or this user can change"
            )));
        }
        Ok(What::Program(path))
    }
}

/// Some words that belong together.
struct Shape<'a> {
    words: Vec<Word<'a>>,
    repeats: bool,
}

struct Word<'a> {
    before: &'a str,
    kind: Option<WordKind>,
}

#[derive(Clone, Copy)]
enum WordKind {
    Word,
    Number,
    Path,
    Text,
}

impl Shape<'_> {
    fn parse(pattern: &str) -> Result<Shape<'_>, String> {
        let (pattern, repeats) = match pattern.strip_suffix('…') {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        let words: Vec<Word<'_>> =
            pattern.split_whitespace().map(Word::parse).collect::<Result<_, _>>()?;
        match words.is_empty() {
            true => Err("it has no words".into()),
            false => Ok(Shape { words, repeats }),
        }
    }

    /// How many words it takes from the beginning of `said`.
    fn length_of(&self, said: &[String], entry: &Entry) -> Option<usize> {
        let said = said.get(..self.words.len())?;
        let fits = self.words.iter().zip(said).all(|(word, said)| word.takes(said, entry));
        fits.then_some(said.len())
    }
}

impl Word<'_> {
    fn parse(text: &str) -> Result<Word<'_>, String> {
        let Some((before, rest)) = text.split_once('{') else {
            return Ok(Word { before: text, kind: None });
        };
        let kind = match rest {
            "word}" => WordKind::Word,
            "number}" => WordKind::Number,
            "path}" => WordKind::Path,
            "text}" => WordKind::Text,
            _ => return Err(format!("{{{rest} is not {{word}}, {{number}}, {{path}} or {{text}}")),
        };
        Ok(Word { before, kind: Some(kind) })
    }

    fn takes(&self, said: &str, entry: &Entry) -> bool {
        let Some(rest) = said.strip_prefix(self.before) else { return false };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@+%,=".contains(c);
        match self.kind {
            None => rest.is_empty(),
            Some(WordKind::Word) => {
                !rest.is_empty() && !rest.starts_with('-') && rest.chars().all(plain)
            }
            Some(WordKind::Number) => {
                (1..=DIGITS_MAX).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
            }
            Some(WordKind::Path) => is_path_within(rest, entry),
            Some(WordKind::Text) => !rest.is_empty() && !rest.starts_with('-'),
        }
    }
}

/// A relative path, or an absolute one below what the entry may touch; never one that climbs. What links
/// on the way lead to is the sandbox's business.
fn is_path_within(text: &str, entry: &Entry) -> bool {
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if text.is_empty() || text.starts_with('-') || climbs {
        return false;
    }
    let mut roots = entry.read.iter().chain(&entry.write);
    !path.is_absolute() || roots.any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [[component]]
        name = "src_filesys"
        machines = ["web"]
        with = ["-C", "/srv"]
        may = ["--exclude {text}…", "--name {word}", "{path}…"]
        read = ["/srv"]

        [[component]]
        name = "src_filesys"
        machines = ["db"]
        with = ["/var/lib/db"]

        [[component]]
        name = "tape"
        run = "sink_tape"
        with = ["--drive", "/dev/sg1"]
        may = ["--volume {word}", "--sync-mib={number}"]
        write = ["/dev/sg1"]
    "#;

    fn allow(machine: &str, words: &[&str]) -> Result<Allowed, String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let manifest = Manifest::parse(MANIFEST).unwrap();
        manifest.allow(machine, &words, Path::new("/nowhere")).map_err(|fault| fault.what)
    }

    #[test]
    fn what_the_manifest_says_may_be_said() {
        let allowed = allow("any", &["tape", "--sync-mib=64", "--volume", "TAP001L9"]).unwrap();
        assert_eq!(allowed.what, What::Ours("sink_tape".into()));
        let words = ["--drive", "/dev/sg1", "--sync-mib=64", "--volume", "TAP001L9"];
        assert_eq!(allowed.words, words);
        assert_eq!(allowed.rights.write, [PathBuf::from("/dev/sg1")]);
        let words = ["src_filesys", "www", "--exclude", "*.o", "--exclude", "a b", "/srv/mail"];
        assert!(allow("web", &words).is_ok());
        assert_eq!(allow("db", &["src_filesys"]).unwrap().words, ["/var/lib/db"]);
    }

    #[test]
    fn nothing_else_may() {
        for (machine, words) in [
            ("web", &["sink_tape"][..]),
            ("web", &["tape", "--drive", "/dev/sg0"]),
            ("web", &["tape", "--volume"]),
            ("web", &["tape", "--volume", "-x"]),
            ("web", &["tape", "--volume", "a b"]),
            ("web", &["tape", "--volume", "$(id)"]),
            ("web", &["tape", "--volume", "a;b"]),
            ("web", &["tape", "--volume", "A", "--volume", "B"]),
            ("web", &["tape", "--sync-mib=-1"]),
            ("web", &["tape", "--sync-mib=999999999999999999999"]),
            ("web", &["src_filesys", "../etc"]),
            ("web", &["src_filesys", "a/../../etc"]),
            ("web", &["src_filesys", "/srv/../etc/shadow"]),
            ("web", &["src_filesys", "/etc/shadow"]),
            ("web", &["src_filesys", "-C"]),
            ("web", &["src_filesys", "--files-from=/etc/shadow"]),
            ("web", &["src_filesys", ""]),
            ("web", &["../src_filesys"]),
            ("web", &["/bin/sh", "-c", "id"]),
            ("web", &["sh"]),
            ("web", &[]),
            ("db", &["src_filesys", "www"]),
            ("mail", &["src_filesys"]),
        ] {
            assert!(allow(machine, words).is_err(), "{machine} could say {words:?}");
        }
    }

    #[test]
    fn a_manifest_that_makes_no_sense_is_refused() {
        for bad in [
            "[[component]]\nnam = 'x'",
            "[[component]]\nname = ''",
            "[[component]]\nname = 'x'\nmay = ['{thing}']",
            "[[component]]\nname = 'x'\nmay = ['']",
            "[[component]]\nname = 'x'\nread = ['srv']",
            "[[component]]\nname = 'x'\nprogram = '../x'",
            "[[component]]\nname = 'x'\nprogram = 'x'\nrun = 'y'",
            "[[component]]\nname = 'x'\nprogram = 'x'\nchain = [['y']]",
            "[[component]]\nname = 'x'\nprogram = 'x'\nsocket = '/y'",
            "[[component]]\nname = 'x'\nsocket = 'y'",
            "[[component]]\nname = 'x'\nsocket = '/y'\nread = ['/z']",
            "[[component]]\nname = 'x'\nnetwork = true",
            "[[component]]\nname = 'x'\nchain = []",
            "[[component]]\nname = 'x'\nchain = [[]]",
            "[[component]]\nname = 'x'\nchain = [['y']]\nmay = ['{word}']",
        ] {
            assert!(Manifest::parse(bad).is_err(), "{bad}");
        }
        let error = Manifest::parse("\n\n[[component]]\nname = 3\n").unwrap_err();
        assert!(error.starts_with("line 4: "), "{error}");
    }
}
