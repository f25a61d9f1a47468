//! `library rebuild`: lost lists, written again from the cartridges alone.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::list::Cartridges;
use crate::cli::Done;
use crate::cli::secret::Opening;
use crate::cli::table::{Table, print};
use crate::library::Mount;
use crate::library::contents::{Holds, Locator, StreamFound, bad_line};
use crate::library::writer::ON_TAPE;
use crate::list::file::ListWriter;
use crate::list::{Line, lines};
use crate::parts::process::age::Identities;
use crate::parts::process::age::unseal::{shown_name, unseal_found};
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
    #[command(flatten)]
    opening: Opening,
}

/// What came of one stream.
struct Rebuilt {
    /// None if they are sealed.
    entries: Option<u64>,
    how: &'static str,
    trouble: Vec<String>,
}

impl Rebuild {
    pub(super) fn run(self) -> Result<Done, Fault> {
        std::fs::create_dir_all(&self.to)
            .map_err(|e| Fault::host(format!("cannot make {}", self.to.display()), &e))?;
        let identities = self.opening.identities()?;
        let mut mount = self.cartridges.mount()?;
        let mut contents = self.cartridges.gather(&mut mount)?;
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
        for stream in &mut contents.streams {
            let mut wrong = Vec::new();
            if let Some(identities) = &identities {
                wrong = unseal_found(stream, identities)?;
            }
            let id = stream.begin.stream.to_string();
            // A second copy lies on another set, and its places in a list of their own.
            let set = stream.parts.first().map(|part| part.label.set_id).unwrap_or_default();
            let name = if names.insert(id.clone()) { id.clone() } else { format!("{id}.{set}") };
            let mut rebuilt = self.stream(&mut mount, stream, &name, identities.as_ref())?;
            rebuilt.trouble.extend(wrong);
            trouble.extend(rebuilt.trouble.iter().map(|line| format!("stream {id}: {line}")));
            let (bytes, entries) = (
                stream.bytes().to_string(),
                rebuilt.entries.map_or("sealed".into(), |n| n.to_string()),
            );
            table.row([id, bytes, entries, rebuilt.how.into(), shown_name(&stream.begin).into()]);
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
        identities: Option<&Identities>,
    ) -> Result<Rebuilt, Fault> {
        let path = self.to.join(format!("{name}.list"));
        let failed = |e| Fault::host(format!("cannot write {}", path.display()), &e);
        let mut out = ListWriter::new(BufWriter::new(WholeFile::create(&path)?));
        out.head(&stream.begin).map_err(failed)?;
        let mut rebuilt = match stream.needs_recovery() {
            _ if stream.sealed_lines() > 0 => as_they_are(stream, &path, &mut out)?,
            false => from_indexes(stream, &path, &mut out)?,
            true => {
                let found = recover(mount, stream, identities, &mut out)?;
                Rebuilt {
                    entries: Some(found.entries),
                    how: "data",
                    trouble: found.lost.into_iter().collect(),
                }
            }
        };
        if let Some(number) = stream.first_missing_part() {
            rebuilt.trouble.push(format!("part {number} is not here"));
        }
        out.finish().map_err(failed)?.get_mut().publish()?;
        Ok(rebuilt)
    }
}

/// The lines of a sealed stream, with the heads that open them. Nothing in them can be put to rights
/// before they are opened, places least of all.
fn as_they_are(stream: &StreamFound, path: &Path, out: &mut impl Write) -> Result<Rebuilt, Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot write {}", path.display()), &e);
    for (depth, head) in &stream.begin.heads {
        let mut text = Vec::new();
        Line::LayerHead { depth: *depth, head: head.clone() }.write(&mut text);
        out.write_all(&text).map_err(failed)?;
    }
    for part in &stream.parts {
        out.write_all(&part.lines()?).map_err(failed)?;
    }
    let mut trouble = unfinished(stream);
    if stream.needs_recovery() {
        trouble.push("an index is lost; --identity FILE has it made again from the data".into());
    }
    Ok(Rebuilt { entries: None, how: "sealed index", trouble })
}

fn unfinished(stream: &StreamFound) -> Vec<String> {
    match stream.first_missing_part().is_none() && !stream.is_complete() {
        true => vec!["it was never finished".to_owned()],
        false => Vec::new(),
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
                Line::Missing { .. } | Line::Inode { .. } | Line::Gone { .. } => {}
                Line::Place { .. } if !layered => {}
                _ => continue,
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
    // A stream without any part cannot be: parts are what streams are found by.
    match stream.parts.is_empty() {
        true => Err(Fault::never(Blame::Ours, "a stream without parts")),
        false => Ok(Rebuilt {
            entries: Some(stream.entries()),
            how: "index",
            trouble: unfinished(stream),
        }),
    }
}
