//! `demo`: shows all of it on a machine without any tape.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Done;
use super::table::{Facts, bytes, print};
use crate::demo::{Demo, Kept, Single, choose, compare::Comparison};
use crate::plumb::spawn::as_shell;
use crate::stream::Fault;

/// Differences named one by one.
const DIFFERENCES_NAMED: usize = 50;

/// Back something up to a virtual library, restore it, and compare
#[derive(Args)]
pub(super) struct DemoArgs {
    /// What to back up (default: some hundred megabytes of /usr)
    path: Option<PathBuf>,
    /// Use this directory, made if missing, instead of a temporary one
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Remove everything at the end
    #[arg(long, conflicts_with = "keep")]
    clean: bool,
}

impl DemoArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let choice = match &self.path {
            Some(path) => choose::asked(path)
                .map_err(|e| Fault::host(format!("cannot use {}", path.display()), &e))?,
            None => choose::usual(),
        };
        if choice.paths.is_empty() {
            return Err(Fault::usage("there is nothing below /usr to show this with: name a PATH"));
        }
        let dir = self.directory()?;
        let demo = Demo::prepare(&dir, choice)?;
        let done = self.show(&demo);
        if self.clean {
            std::fs::remove_dir_all(&dir)
                .map_err(|e| Fault::host(format!("cannot remove {}", dir.display()), &e))?;
        }
        done
    }

    fn directory(&self) -> Result<PathBuf, Fault> {
        let Some(dir) = &self.keep else {
            let made = tempfile::Builder::new().prefix("tapioca-demo-").tempdir();
            return made
                .map(tempfile::TempDir::keep)
                .map_err(|e| Fault::host("cannot make a temporary directory", &e));
        };
        let what = || format!("cannot use {}", dir.display());
        std::fs::create_dir_all(dir).map_err(|e| Fault::host(what(), &e))?;
        std::path::absolute(dir).map_err(|e| Fault::host(what(), &e))
    }

    fn show(&self, demo: &Demo) -> Result<Done, Fault> {
        let total = demo.choice.bytes;
        say(&format!("backing up {} of {}", bytes(total), shown_paths(demo)))?;
        let mut meter = Meter::new(total);
        let kept = demo.back_up(&mut |kept| meter.show(kept))?;
        meter.done();
        say(&format!("on tape after {}; restoring all of it", seconds(kept.took)))?;
        let restore = demo.restore(&kept)?;
        say(&format!("restored after {}; comparing", seconds(restore)))?;
        let with_owner = rustix::process::geteuid().is_root();
        let mut comparison = demo.compare(with_owner);
        let single = demo.restore_single(&mut comparison)?;
        self.report(demo, &kept, restore, single.as_ref(), &comparison)?;
        let differences = &comparison.differences;
        differences.iter().take(DIFFERENCES_NAMED).for_each(|line| eprintln!("demo: {line}"));
        let more = differences.len().saturating_sub(DIFFERENCES_NAMED);
        if more > 0 {
            eprintln!("demo: … and {more} more");
        }
        Ok(Done::agreeing_but_for(differences.len() as u64))
    }

    fn report(
        &self,
        demo: &Demo,
        kept: &Kept,
        restore: Duration,
        single: Option<&Single>,
        comparison: &Comparison,
    ) -> Result<(), Fault> {
        let mut facts = Facts::default();
        let rate = |took: Duration| megabytes_a_second(kept.bytes, took);
        facts.add(
            "backup",
            format!("{} in {}, {}", bytes(kept.bytes), seconds(kept.took), rate(kept.took)),
        );
        facts.add("durability", &kept.grade);
        for (medium, on) in &kept.media {
            facts.add("volume", format!("{medium}  {}  {} blocks", bytes(on.bytes), on.blocks));
        }
        facts.add("restore", format!("in {}, {}", seconds(restore), rate(restore)));
        facts.maybe(
            "one file",
            single.map(|s| {
                let path = String::from_utf8_lossy(&s.entry.path);
                format!(
                    "{path} ({}) from {} block {} in {}",
                    bytes(s.entry.size),
                    s.medium,
                    s.block,
                    seconds(s.took)
                )
            }),
        );
        let verdict = match comparison.differences.len() {
            0 => "all equal".to_owned(),
            count => format!("{count} DIFFERENCES"),
        };
        let (entries, content) = (comparison.entries, bytes(comparison.bytes));
        facts.add("compared", format!("{entries} entries, {content} of content: {verdict}"));
        print(|out| {
            writeln!(out)?;
            facts.write(out)?;
            if !self.clean {
                writeln!(out, "\neverything lies in {}. Look around:\n", demo.dir.display())?;
                look_around(demo, kept, single).iter().try_for_each(|l| writeln!(out, "  {l}"))?;
            }
            Ok(())
        })
    }
}

fn look_around(demo: &Demo, kept: &Kept, single: Option<&Single>) -> Vec<String> {
    use crate::plumb::spawn::step;
    let list = demo.list();
    let mut commands = vec![
        as_shell(&[step(["library", "status", "--changer", &demo.changer])]),
        as_shell(&[step(["library", "list", "--drive", &demo.drive, "--changer", &demo.changer])]),
        as_shell(&[step(["drive", "status", "--drive", &demo.drive, "--label"])]),
        as_shell(&[vec!["list".into(), list.into()]]),
        as_shell(&demo.restore_steps(kept)),
    ];
    commands.extend(single.map(|single| as_shell(&demo.single_steps(single))));
    commands.push(format!(
        "rm -r {}",
        as_shell(&[vec![demo.dir.clone().into()]]).trim_start_matches("tapioca ")
    ));
    commands
}

fn shown_paths(demo: &Demo) -> String {
    let base = demo.choice.base.display();
    match demo.choice.paths.as_slice() {
        [one] => demo.choice.base.join(one).display().to_string(),
        many => {
            let (first, last) = (many.first(), many.last());
            let name =
                |path: Option<&PathBuf>| path.map_or(String::new(), |p| p.display().to_string());
            format!("{} directories, {base}{} to {base}{}", many.len(), name(first), name(last))
        }
    }
}

fn say(line: &str) -> Result<(), Fault> {
    print(|out| writeln!(out, "{line}"))
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn megabytes_a_second(bytes: u64, took: Duration) -> String {
    format!("{:.0} MB/s", bytes as f64 / 1e6 / took.as_secs_f64().max(1e-3))
}

/// One line of progress, repainted on a terminal, absent elsewhere.
struct Meter {
    total: u64,
    terminal: bool,
}

impl Meter {
    fn new(total: u64) -> Meter {
        Meter { total, terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, kept: &Kept) {
        let Some((medium, _)) = kept.media.last().filter(|_| self.terminal) else { return };
        let rate = megabytes_a_second(kept.bytes, kept.took);
        // A little more than the files' bytes travels: headers.
        let percent = (kept.bytes * 100).checked_div(self.total).unwrap_or(100).min(100);
        eprint!("\r\x1b[K{medium}  {}  {percent} %  {rate}  {}", bytes(kept.bytes), kept.grade);
    }

    fn done(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}
