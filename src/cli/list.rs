//! `list`: prints what `proc_record` kept.
//!
//! Owns the join of entries with places. The file is read twice: first for the runs, which are few,
//! then entry by entry, so a list of any length takes the memory of its runs. Where there are several
//! copies the entry's row tells the first, and a row of type `+` below it each of the others.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Done;
use crate::list::{Entry, Line, escape, read_line};
use crate::stream::{Extent, Fault, Place};

#[derive(Args)]
pub(super) struct List {
    /// The list that proc_record wrote
    file: PathBuf,
    /// Only paths that match: * and ? stand for any bytes, and a folder for all that is in it
    pattern: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let places = Places::read(&self.file)?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        let printed = self.print(&places, &mut out);
        match printed.and_then(|()| out.flush().or_else(still_wanted)) {
            Err(fault) if fault.what != READER_IS_GONE => Err(fault),
            Ok(()) | Err(_) => Ok(Done::Whole),
        }
    }

    fn print(&self, places: &Places, out: &mut impl Write) -> Result<(), Fault> {
        if !self.json {
            writeln!(
                out,
                "T {:>14} {:<20} {:<12} {:>10} PATH",
                "BYTES", "TIME (UTC)", "MEDIUM", "BLOCK"
            )
            .or_else(still_wanted)?;
        }
        each_line(&self.file, &mut |line| {
            let Line::Entry(entry) = line else { return Ok(()) };
            let wanted = |p: &String| matches(p.as_bytes(), &entry.path);
            if !self.pattern.as_ref().is_none_or(wanted) {
                return Ok(());
            }
            let copies = places.of(entry.offset);
            let written = match self.json {
                true => writeln!(out, "{}", as_json(&entry, &copies)),
                false => writeln!(out, "{}", as_rows(&entry, &copies)),
            };
            written.or_else(still_wanted)
        })
    }
}

const READER_IS_GONE: &str = "the reader has seen enough";

/// A reader that has seen enough ends the listing, and that is no failure.
fn still_wanted(error: std::io::Error) -> Result<(), Fault> {
    match error.kind() {
        ErrorKind::BrokenPipe => Err(Fault::stream(READER_IS_GONE)),
        _ => Err(Fault::host("cannot print", &error)),
    }
}

/// Runs of stream bytes by first byte, for each medium in the order in which they were told.
struct Places(Vec<(Place, Vec<Extent>)>);

impl Places {
    fn read(file: &Path) -> Result<Places, Fault> {
        let mut found: Vec<(Place, Vec<Extent>)> = Vec::new();
        each_line(file, &mut |line| {
            if let Line::Place { extent, place, .. } = line {
                match found.iter_mut().rev().find(|(known, _)| *known == place) {
                    Some((_, runs)) => runs.push(extent),
                    None => found.push((place, vec![extent])),
                }
            }
            Ok(())
        })?;
        found.iter_mut().for_each(|(_, runs)| runs.sort_by_key(|run| run.from));
        Ok(Places(found))
    }

    /// Where a byte lies, on each copy.
    fn of(&self, offset: u64) -> Vec<(&Place, u64)> {
        let mut all = Vec::new();
        for (place, runs) in &self.0 {
            let after = runs.partition_point(|run| run.from <= offset);
            let run = after.checked_sub(1).and_then(|last| runs.get(last));
            all.extend(run.and_then(|run| run.block_of(offset)).map(|block| (place, block)));
        }
        all
    }
}

fn each_line(path: &Path, visit: &mut dyn FnMut(Line) -> Result<(), Fault>) -> Result<(), Fault> {
    let failed =
        |e: std::io::Error| Fault::host(format_args!("cannot read {}", path.display()), &e);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    for number in 1.. {
        let line = read_line(&mut file).map_err(|fault| {
            let what = format!("{}:{number}: {}", path.display(), fault.what);
            Fault { what, ..fault }
        })?;
        let Some(line) = line else { break };
        visit(line)?;
    }
    Ok(())
}

fn as_rows(entry: &Entry, copies: &[(&Place, u64)]) -> String {
    let first = as_row(entry, copies.first().copied());
    let others = copies.iter().skip(1).map(|(place, block)| {
        format!("\n+ {:>14} {:<20} {:<12} {block:>10} {}", "", "", place.medium, shown(&entry.path))
    });
    std::iter::once(first).chain(others).collect()
}

fn as_row(entry: &Entry, place: Option<(&Place, u64)>) -> String {
    let medium = place.map_or("-", |(place, _)| place.medium.as_str());
    let block = place.map_or("-".into(), |(_, block)| block.to_string());
    let kind = entry.kind as char;
    let link = entry.link.as_ref().map_or(String::new(), |l| format!(" -> {}", shown(l)));
    let (size, time, path) = (entry.size, utc(entry.mtime.0), shown(&entry.path));
    format!("{kind} {size:>14} {time:<20} {medium:<12} {block:>10} {path}{link}")
}

fn as_json(entry: &Entry, copies: &[(&Place, u64)]) -> serde_json::Value {
    let place = copies.first();
    let copy = |(place, block): &(&Place, u64)| serde_json::json!({"medium": place.medium, "partition": place.partition, "block": block});
    let hex = |digest: [u8; 32]| blake3::Hash::from_bytes(digest).to_hex().to_string();
    serde_json::json!({
        "type": (entry.kind as char).to_string(),
        "path": shown(&entry.path),
        "link": entry.link.as_deref().map(shown),
        "size": entry.size,
        "mtime_s": entry.mtime.0,
        "mtime_ns": entry.mtime.1,
        "blake3": entry.digest.map(hex),
        "offset": entry.offset,
        "span": entry.span,
        "medium": place.map(|(place, _)| &place.medium),
        "partition": place.map(|(place, _)| place.partition),
        "block": place.map(|(_, block)| block),
        "copies": copies.iter().map(copy).collect::<Vec<_>>(),
    })
}

/// A path for a person: bytes that could move the cursor are escaped, spaces are not.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(&escape(path)).replace("\\x20", " ")
}

/// `2026-11-22 21:08:02Z`, after the proleptic Gregorian calendar.
fn utc(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years are counted from 1 March, so that a leap day ends one; eras have 400 of them.
    let shifted = day + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}Z", second % 60)
}

/// Whether all of `path`, or a folder it is in, matches.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
    let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    ends.chain([path.len()]).any(|end| glob(pattern, &path[..end]))
}

/// `*` is tried short first and lengthened on a mismatch: no recursion, at most quadratic.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00Z");
        assert_eq!(utc(-1), "1969-12-31 23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(utc(1_709_251_199), "2024-02-29 23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00Z");
    }

    #[test]
    fn patterns_match_paths_and_what_is_below() {
        for (pattern, path) in
            [("a", "a"), ("a", "a/b/c"), ("a/", "a/b"), ("*.rs", "x/y.rs"), ("?/b*c", "a/bxxc")]
        {
            assert!(matches(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
        for (pattern, path) in [("a", "ab"), ("b", "a/b"), ("*.rs", "x.c"), ("?", ""), ("", "a")] {
            assert!(!matches(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
    }
}
