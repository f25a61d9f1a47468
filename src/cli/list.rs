//! `list`: prints what `proc_record` kept.
//!
//! Owns the join of entries with places. The file is read twice: first for the runs, which are few,
//! then entry by entry, so a list of any length takes the memory of its runs. Where there are several
//! copies the entry's row tells the first, and a row of type `+` below it each of the others. A list that
//! `library rebuild` made of a sealed stream is opened on the way, if there is an identity.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Done;
use super::secret::Opening;
use crate::library::contents::Locator;
use crate::list::{Entry, Line, escape, lines, read_line};
use crate::parts::process::age::Identities;
use crate::parts::process::age::unseal::Unseal;
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
    #[command(flatten)]
    opening: Opening,
}

impl List {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let identities = self.opening.identities()?;
        let lines = Lines { path: &self.file, identities: identities.as_ref() };
        let places = Places::read(&lines)?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        let printed = self.print(&lines, &places, &mut out);
        let flushed = |wrong| out.flush().or_else(still_wanted).map(|()| wrong);
        match printed.and_then(flushed) {
            Err(fault) if fault.what != READER_IS_GONE => Err(fault),
            Err(_) => Ok(Done::Whole),
            Ok(wrong) => {
                wrong.iter().for_each(|line| eprintln!("list: {line}"));
                Ok(Done::agreeing_but_for(wrong.len() as u64))
            }
        }
    }

    /// Returns what is wrong with the list.
    fn print(
        &self,
        lines: &Lines<'_>,
        places: &Places,
        out: &mut impl Write,
    ) -> Result<Vec<String>, Fault> {
        if !self.json {
            writeln!(
                out,
                "T {:>14} {:<20} {:<12} {:>10} PATH",
                "BYTES", "TIME (UTC)", "MEDIUM", "BLOCK"
            )
            .or_else(still_wanted)?;
        }
        lines.each(&mut |line| {
            let path = match &line {
                Line::Entry(entry) => &entry.path,
                Line::Gone { path } => path,
                _ => return Ok(()),
            };
            let wanted = |p: &String| matches(p.as_bytes(), path);
            if !self.pattern.as_ref().is_none_or(wanted) {
                return Ok(());
            }
            let text = match &line {
                Line::Entry(entry) => self.entry(entry, &places.of(entry.offset)),
                _ => self.gone(path),
            };
            writeln!(out, "{text}").or_else(still_wanted)
        })
    }
}

impl List {
    fn entry(&self, entry: &Entry, copies: &[(&Place, u64)]) -> String {
        match self.json {
            true => as_json(entry, copies).to_string(),
            false => as_rows(entry, copies),
        }
    }

    /// A path that is there no more.
    fn gone(&self, path: &[u8]) -> String {
        match self.json {
            true => serde_json::json!({"type": "-", "path": shown(path)}).to_string(),
            false => format!("- {:>14} {:<20} {:<12} {:>10} {}", "-", "-", "-", "-", shown(path)),
        }
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
struct Places {
    media: Vec<(Place, Vec<Extent>)>,
    /// The lines of a sealed list are those of the tape, where places are told below all layers.
    sealed: Option<Locator>,
}

impl Places {
    fn read(lines: &Lines<'_>) -> Result<Places, Fault> {
        let mut found: Vec<(Place, Vec<Extent>)> = Vec::new();
        let mut facts = Vec::new();
        let mut is_sealed = false;
        lines.each(&mut |line| {
            match &line {
                Line::LayerHead { .. } => is_sealed = true,
                Line::Seek { .. } | Line::Place { .. } if is_sealed => facts.push(line.clone()),
                _ => {}
            }
            if let Line::Place { extent, place, .. } = line {
                match found.iter_mut().rev().find(|(known, _)| *known == place) {
                    Some((_, runs)) => runs.push(extent),
                    None => found.push((place, vec![extent])),
                }
            }
            Ok(())
        })?;
        found.iter_mut().for_each(|(_, runs)| runs.sort_by_key(|run| run.from));
        let sealed = is_sealed.then(|| Locator::of_lines(facts.into_iter()));
        Ok(Places { media: found, sealed })
    }

    /// Where a byte lies, on each copy.
    fn of(&self, offset: u64) -> Vec<(&Place, u64)> {
        if let Some(locator) = &self.sealed {
            return locator.of(offset).into_iter().collect();
        }
        let mut all = Vec::new();
        for (place, runs) in &self.media {
            let after = runs.partition_point(|run| run.from <= offset);
            let run = after.checked_sub(1).and_then(|last| runs.get(last));
            all.extend(run.and_then(|run| run.block_of(offset)).map(|block| (place, block)));
        }
        all
    }
}

/// The lines of a file, opened where they are sealed.
struct Lines<'a> {
    path: &'a Path,
    identities: Option<&'a Identities>,
}

impl Lines<'_> {
    /// Calls `visit` for each; returns what is wrong with those that are sealed.
    fn each(&self, visit: &mut dyn FnMut(Line) -> Result<(), Fault>) -> Result<Vec<String>, Fault> {
        let path = self.path.display();
        let failed = |e: std::io::Error| Fault::host(format_args!("cannot read {path}"), &e);
        let mut file = BufReader::new(File::open(self.path).map_err(failed)?);
        let mut unseal = self.identities.map(Unseal::without_heads);
        let mut closed = 0;
        for number in 1.. {
            let line = read_line(&mut file).map_err(|fault| {
                let what = format!("{path}:{number}: {}", fault.what);
                Fault { what, ..fault }
            })?;
            match (line, &mut unseal) {
                (None, _) => break,
                (Some(Line::Sealed(_)), None) => closed += 1,
                (Some(Line::Sealed(sealed)), Some(unseal)) => {
                    for line in lines(&unseal.piece(sealed)) {
                        visit(line.map_err(Fault::stream)?)?;
                    }
                }
                (Some(Line::LayerHead { depth, head }), Some(unseal)) => {
                    unseal.head(depth, &head)?;
                    visit(Line::LayerHead { depth, head })?;
                }
                (Some(line), _) => visit(line)?,
            }
        }
        let closed = (closed > 0)
            .then(|| format!("{closed} lines of {path} are sealed; --identity FILE opens them"));
        let wrong = unseal.map_or(Vec::new(), |unseal| unseal.troubles(true));
        Ok(wrong.into_iter().chain(closed).collect())
    }
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
