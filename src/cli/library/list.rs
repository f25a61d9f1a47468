//! `library list`: what is on cartridges, from the cartridges alone.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::secret::Opening;
use crate::cli::table::{Table, print, print_json};
use crate::cli::{Done, scribe};
use crate::library::Mount;
use crate::library::contents::{Contents, Holds, Locator, PartFound, StreamFound, Which, gather};
use crate::list::{Entry, Line, escape, lines};
use crate::only::Only;
use crate::parts::process::age::unseal::{shown_name, unseal_found};
use crate::stream::Fault;

/// Medium and block.
type Where = (String, String);

/// Which cartridges.
#[derive(Args)]
pub(in crate::cli) struct Cartridges {
    /// Tape drive: /dev/sgN or virtual:DIR#drive0
    #[arg(long, value_name = "DEV")]
    drive: String,
    /// Media changer that serves it (without: the cartridge in the drive)
    #[arg(long, value_name = "DEV")]
    changer: Option<String>,
    /// Barcodes (default: every cartridge in the library)
    #[arg(long, value_name = "TAG", num_args = 1.., requires = "changer")]
    volume: Vec<String>,
}

impl Cartridges {
    pub(in crate::cli) fn mount(&self) -> Result<Mount, Fault> {
        Mount::open(&self.drive, self.changer.as_deref(), scribe())
    }

    pub(in crate::cli) fn gather(&self, mount: &mut Mount) -> Result<Contents, Fault> {
        let which = match (&self.changer, self.volume.as_slice()) {
            (None, _) => Which::Loaded,
            (Some(_), []) => Which::All,
            (Some(_), tags) => Which::Tagged(tags),
        };
        gather(mount, &which)
    }
}

#[derive(Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    cartridges: Cartridges,
    /// Only the streams whose identity begins so
    #[arg(long, value_name = "ID")]
    stream: Option<String>,
    /// A line for every entry: type, size, time, where it lies, path
    #[arg(long)]
    files: bool,
    /// Only entries that match: a path, a directory, or a pattern with * ? ** [a-z]
    #[arg(long, value_name = "PATTERN", num_args = 1.., requires = "files")]
    only: Vec<OsString>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    opening: Opening,
}

impl List {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let identities = self.opening.identities()?;
        let mut mount = self.cartridges.mount()?;
        let mut contents = self.cartridges.gather(&mut mount)?;
        if let Some(prefix) = &self.stream {
            let is_it = |s: &StreamFound| s.begin.stream.to_string().starts_with(prefix.as_str());
            contents.streams.retain(is_it);
        }
        let mut wrong = Vec::new();
        for stream in &mut contents.streams {
            if let Some(identities) = &identities {
                let id = stream.begin.stream;
                let found = unseal_found(stream, identities)?;
                wrong.extend(found.iter().map(|line| format!("stream {id}: {line}")));
            }
        }
        match self.json {
            true => print_json(&self.as_json(&contents)?)?,
            false => self.print(&contents)?,
        }
        wrong.extend(trouble(&contents));
        if self.files {
            wrong.extend(contents.streams.iter().filter_map(still_sealed));
        }
        wrong.iter().for_each(|line| eprintln!("library list: {line}"));
        Ok(Done::agreeing_but_for(wrong.len() as u64))
    }

    fn print(&self, contents: &Contents) -> Result<(), Fault> {
        print(|out| {
            volumes(contents).write(out)?;
            writeln!(out)?;
            streams(contents).write(out)
        })?;
        if !self.files {
            return Ok(());
        }
        for stream in &contents.streams {
            print(|out| {
                writeln!(out, "\nstream {} {}", stream.begin.stream, shown_name(&stream.begin))
            })?;
            let mut table =
                Table::new(&["T", "BYTES", "MTIME", "VOLUME", "BLOCK", "PATH"], &[1, 4]);
            self.entries(stream, &mut |entry, place| {
                let (medium, block) = place.unwrap_or_default();
                let link =
                    entry.link.as_ref().map_or(String::new(), |l| format!(" -> {}", shown(l)));
                let mtime = format!("{}.{:09}", entry.mtime.0, entry.mtime.1);
                let kind = (entry.kind as char).to_string();
                let path = format!("{}{link}", shown(&entry.path));
                table.row([kind, entry.size.to_string(), mtime, medium, block, path]);
            })?;
            print(|out| table.write(out))?;
        }
        Ok(())
    }

    /// Calls `each` for the wanted entries with medium and block.
    fn entries(
        &self,
        stream: &StreamFound,
        each: &mut dyn FnMut(&Entry, Option<Where>),
    ) -> Result<(), Fault> {
        let locator = Locator::new(stream)?;
        let patterns: Vec<Vec<u8>> =
            self.only.iter().map(|pattern| pattern.clone().into_vec()).collect();
        let mut only = Only::new(&patterns);
        for part in &stream.parts {
            for line in lines(&part.lines()?) {
                let line = line.map_err(|why| crate::library::contents::bad_line(part, &why))?;
                let Line::Entry(entry) = line else { continue };
                if only.is_all() || only.selects(&entry.path) {
                    let place = locator.of(entry.offset);
                    each(&entry, place.map(|(p, block)| (p.medium.clone(), block.to_string())));
                }
            }
        }
        Ok(())
    }

    fn as_json(&self, contents: &Contents) -> Result<Value, Fault> {
        let mut streams = Vec::new();
        for stream in &contents.streams {
            let mut value = stream_json(stream);
            if self.files {
                let mut files = Vec::new();
                self.entries(stream, &mut |entry, place| files.push(entry_json(entry, place)))?;
                value["files"] = files.into();
            }
            streams.push(value);
        }
        let volumes: Vec<Value> = contents.cartridges.iter().map(cartridge_json).collect();
        Ok(json!({"volumes": volumes, "streams": streams}))
    }
}

/// A path for a person: bytes that could move the cursor are escaped, spaces are not.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&escape(path)).replace("\\x20", " ")
}

fn holds_words(holds: &Holds) -> (&'static str, String) {
    match holds {
        Holds::Blank => ("blank", String::new()),
        Holds::Foreign { why } => ("foreign", why.clone()),
        Holds::Unknown { why } => ("unknown", why.clone()),
        Holds::Volume { damage, .. } if damage.is_empty() => ("volume", String::new()),
        Holds::Volume { damage, .. } => ("volume", format!("{} damaged places", damage.len())),
    }
}

fn volumes(contents: &Contents) -> Table {
    let heads = ["VOLUME", "HOLDS", "NO", "SET", "BLOCK BYTES", "PARTS", "NOTE"];
    let mut table = Table::new(&heads, &[2, 4, 5]);
    for cartridge in &contents.cartridges {
        let (word, note) = holds_words(&cartridge.holds);
        let mut cells = vec![cartridge.name.clone(), word.to_owned()];
        match &cartridge.holds {
            Holds::Volume { label, parts, .. } => cells.extend([
                label.volume_number.to_string(),
                label.set_id.to_string(),
                label.block_bytes.to_string(),
                parts.to_string(),
            ]),
            _ => cells.extend([const { String::new() }; 4]),
        }
        cells.push(note);
        table.row(cells);
    }
    table
}

fn part_words(part: &PartFound) -> String {
    format!("{}@{} {}", part.label.name(), part.block, part.ending.word())
}

fn entries_words(stream: &StreamFound) -> String {
    match stream.sealed_lines() {
        0 => stream.entries().to_string(),
        _ => "sealed".into(),
    }
}

/// The parts in order. A stream that took turns with others may have hundreds on one volume: of more
/// than three that lie there and go on, the first and the last are shown.
fn parts_words(parts: &[PartFound]) -> String {
    let mut words: Vec<String> = Vec::new();
    let together = |a: &PartFound, b: &PartFound| {
        a.label.volume_id == b.label.volume_id && a.ending.word() == b.ending.word()
    };
    for group in parts.chunk_by(together) {
        match group {
            [first, between @ .., last] if between.len() > 1 => {
                words.push(part_words(first));
                words.push(format!("{} more", between.len()));
                words.push(part_words(last));
            }
            few => words.extend(few.iter().map(part_words)),
        }
    }
    words.join(", ")
}

fn streams(contents: &Contents) -> Table {
    let heads = [
        "STREAM",
        "KIND",
        "LAYERS",
        "CREATED (UNIX S)",
        "BYTES",
        "ENTRIES",
        "PARTS (VOLUME@BLOCK STATE)",
        "NAME",
    ];
    let mut table = Table::new(&heads, &[3, 4, 5]);
    for stream in &contents.streams {
        let begin = &stream.begin;
        let parts = parts_words(&stream.parts);
        table.row([
            begin.stream.to_string(),
            begin.kind.clone(),
            begin.layers.join(","),
            begin.created_s.to_string(),
            stream.bytes().to_string(),
            entries_words(stream),
            parts,
            shown(shown_name(begin).as_bytes()),
        ]);
    }
    table
}

/// What is not listed because it is sealed.
fn still_sealed(stream: &StreamFound) -> Option<String> {
    (stream.sealed_lines() > 0).then(|| {
        let name = stream.begin.stream;
        format!("stream {name}: its entries are sealed; --identity FILE opens them")
    })
}

/// Damage and unfinished streams, a line each.
fn trouble(contents: &Contents) -> Vec<String> {
    let mut lines = Vec::new();
    for cartridge in &contents.cartridges {
        match &cartridge.holds {
            Holds::Volume { damage, .. } => lines.extend(damage.iter().cloned()),
            Holds::Unknown { why } => lines.push(format!("{}: {why}", cartridge.name)),
            Holds::Blank | Holds::Foreign { .. } => {}
        }
    }
    for stream in &contents.streams {
        let name = stream.begin.stream;
        for part in &stream.parts {
            if let Some(Err(why)) = &part.index {
                lines.push(format!("stream {name}: {why}"));
            }
        }
        match stream.first_missing_part() {
            Some(number) => lines.push(format!("stream {name}: part {number} is not here")),
            None if !stream.is_complete() => lines.push(format!("stream {name}: not complete")),
            None => {}
        }
    }
    lines
}

fn cartridge_json(cartridge: &crate::library::contents::Cartridge) -> Value {
    let (word, note) = holds_words(&cartridge.holds);
    let mut value = json!({"name": cartridge.name, "holds": word, "note": note});
    if let Holds::Volume { label, parts, damage } = &cartridge.holds {
        value["label"] = json!({
            "volume_tag": label.volume_tag,
            "volume_id": label.volume_id,
            "set_id": label.set_id,
            "volume_number": label.volume_number,
            "block_bytes": label.block_bytes,
            "created_s": label.created_s,
        });
        value["parts"] = (*parts).into();
        value["damage"] = damage.clone().into();
    }
    value
}

fn stream_json(stream: &StreamFound) -> Value {
    let part = |part: &PartFound| {
        json!({
            "number": part.number,
            "volume": part.label.name(),
            "volume_id": part.label.volume_id,
            "block": part.block,
            "from": part.from,
            "to": part.to,
            "state": part.ending.word(),
            "entries": part.index.as_ref().and_then(|index| Some(index.as_ref().ok()?.entries)),
        })
    };
    let begin = &stream.begin;
    json!({
        "stream": begin.stream.to_string(),
        "name": shown_name(begin),
        "kind": begin.kind,
        "layers": begin.layers,
        "created_s": begin.created_s,
        "bytes": stream.bytes(),
        "entries": stream.entries(),
        "sealed": stream.sealed_lines() > 0,
        "complete": stream.is_complete(),
        "skipped": stream.parts.last().map_or(0, |part| part.skipped),
        "parts": stream.parts.iter().map(part).collect::<Vec<_>>(),
    })
}

fn entry_json(entry: &Entry, place: Option<Where>) -> Value {
    json!({
        "type": (entry.kind as char).to_string(),
        "path": shown(&entry.path),
        "link": entry.link.as_deref().map(shown),
        "size": entry.size,
        "mtime_s": entry.mtime.0,
        "mtime_ns": entry.mtime.1,
        "volume": place.as_ref().map(|(medium, _)| medium),
        "block": place.as_ref().and_then(|(_, block)| block.parse::<u64>().ok()),
    })
}
