//! `library rebuild`: lost lists, written again from the cartridges alone.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::list::Cartridges;
use crate::cli::Done;
use crate::cli::table::{Table, print};
use crate::library::Mount;
use crate::library::contents::{Holds, Locator, StreamFound, bad_line};
use crate::library::writer::ON_TAPE;
use crate::list::{Line, lines};
use crate::parts::recover::recover;
use crate::parts::whole_file::WholeFile;
use crate::stream::{Blame, Fault};

#[derive(Args)]
pub(in crate::cli) struct Rebuild {
    #[command(flatten)]
    cartridges: Cartridges,
    /// Directory for the lists, one STREAM.list for each stream, one STREAM.SET.list for another copy of
    /// it; made if missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// What came of one stream.
struct Rebuilt {
    entries: u64,
    how: &'static str,
    trouble: Vec<String>,
}

impl Rebuild {
    pub(super) fn run(self) -> Result<Done, Fault> {
        std::fs::create_dir_all(&self.to)
            .map_err(|e| Fault::host(format!("cannot make {}", self.to.display()), &e))?;
        let mut mount = self.cartridges.mount()?;
        let contents = self.cartridges.gather(&mut mount)?;
        let mut trouble = Vec::new();
        for cartridge in &contents.cartridges {
            match &cartridge.holds {
                Holds::Volume { damage, .. } => trouble.extend(damage.iter().cloned()),
                Holds::Unknown { why } => trouble.push(format!("{}: {why}", cartridge.name)),
                Holds::Blank | Holds::Foreign { .. } => {}
            }
        }
        let mut table = Table::new(&["STREAM", "BYTES", "ENTRIES", "FROM", "NAME"], &[1, 2]);
        let mut names = BTreeSet::new();
        for stream in &contents.streams {
            let id = stream.begin.stream.to_string();
            // A second copy lies on another set, and its places in a list of their own.
            let set = stream.parts.first().map(|part| part.label.set_id).unwrap_or_default();
            let name = if names.insert(id.clone()) { id.clone() } else { format!("{id}.{set}") };
            let rebuilt = self.stream(&mut mount, stream, &name)?;
            trouble.extend(rebuilt.trouble.iter().map(|line| format!("stream {id}: {line}")));
            let (bytes, entries) = (stream.bytes().to_string(), rebuilt.entries.to_string());
            table.row([id, bytes, entries, rebuilt.how.into(), stream.begin.name.clone()]);
        }
        print(|out| table.write(out))?;
        trouble.iter().for_each(|line| eprintln!("library rebuild: {line}"));
        Ok(Done::but_for(trouble.len() as u64))
    }

    fn stream(
        &self,
        mount: &mut Mount,
        stream: &StreamFound,
        name: &str,
    ) -> Result<Rebuilt, Fault> {
        let path = self.to.join(format!("{name}.list"));
        let mut out = BufWriter::new(WholeFile::create(&path)?);
        let mut rebuilt = match stream.needs_recovery() {
            false => from_indexes(stream, &path, &mut out)?,
            true => {
                let found = recover(mount, stream, &mut out)?;
                Rebuilt {
                    entries: found.entries,
                    how: "data",
                    trouble: found.lost.into_iter().collect(),
                }
            }
        };
        if let Some(number) = stream.first_missing_part() {
            rebuilt.trouble.push(format!("part {number} is not here"));
        }
        out.flush().map_err(|e| Fault::host(format!("cannot write {}", path.display()), &e))?;
        out.get_mut().publish()?;
        Ok(rebuilt)
    }
}

fn from_indexes(stream: &StreamFound, path: &Path, out: &mut impl Write) -> Result<Rebuilt, Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot write {}", path.display()), &e);
    let layered = !stream.begin.layers.is_empty();
    let mut end = 0;
    for part in &stream.parts {
        let index = part.lines()?;
        for parsed in lines(&index) {
            let line = parsed.map_err(|why| bad_line(part, &why))?;
            match &line {
                Line::Entry(entry) => end = end.max(entry.offset.saturating_add(entry.span)),
                Line::Missing { .. } => {}
                Line::Place { .. } if !layered => {}
                Line::Place { .. } | Line::Seek { .. } | Line::Want { .. } => continue,
            }
            let mut text = Vec::new();
            line.write(&mut text);
            out.write_all(&text).map_err(failed)?;
        }
    }
    if layered {
        for (extent, place) in Locator::new(stream)?.payload_places(end) {
            let mut text = Vec::new();
            Line::Place { extent, place, grade: ON_TAPE.into() }.write(&mut text);
            out.write_all(&text).map_err(failed)?;
        }
    }
    let mut trouble = Vec::new();
    if stream.first_missing_part().is_none() && !stream.is_complete() {
        trouble.push("it was never finished".to_owned());
    }
    // A stream without any part cannot be: parts are what streams are found by.
    match stream.parts.is_empty() {
        true => Err(Fault::never(Blame::Ours, "a stream without parts")),
        false => Ok(Rebuilt { entries: stream.entries(), how: "index", trouble }),
    }
}
