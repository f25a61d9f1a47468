//! The catalogue as text: JSON lines, the same for the same content.
//!
//! Owns the form, out and in. First a line that says what it is; then every record, by kind and key; then
//! every file list, as index lines; last how many lines there are and their digest, so that a cut copy is
//! known as such. Read again are the records alone: lists are on the media, too.
//!
//! ```text
//! {"tapioca_catalogue":1}
//! {"record":{"Pool":{"name":"daily",…}}}
//! {"list":7}
//! {"line":"f 0 1024 3 1700000000.000000000 - www/a"}
//! {"end":{"lines":4,"digest":"…"}}
//! ```

use std::io::{BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::run::Run;
use super::snapshot::Snapshot;
use super::tables::Kind;
use crate::list::Line;
use crate::stream::{Blame, Fault};

/// The version of the form.
const VERSION: u32 = 1;
/// Longest line, bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
enum Told {
    #[serde(rename = "tapioca_catalogue")]
    Head(u32),
    #[serde(rename = "record")]
    Record(Box<Record>),
    #[serde(rename = "list")]
    List(u64),
    #[serde(rename = "line")]
    Line(String),
    #[serde(rename = "end")]
    End { lines: u64, digest: String },
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Records.
    pub records: u64,
    /// File lists.
    pub lists: u64,
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    lines: u64,
    digest: blake3::Hasher,
}

impl Writer<'_> {
    fn put(&mut self, told: &Told) -> Result<(), Fault> {
        let failed = |e: std::io::Error| Fault::host("cannot write the export", &e);
        let mut line = serde_json::to_vec(told).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        self.digest.update(&line);
        self.lines += 1;
        self.out.write_all(&line).map_err(failed)
    }

    fn line(&mut self, line: &Line) -> Result<(), Fault> {
        let mut text = Vec::new();
        line.write(&mut text);
        text.pop();
        self.put(&Told::Line(as_text(&text)))
    }

    fn run(&mut self, run: &Run<'_>) -> Result<(), Fault> {
        for depth in 1..=run.head.layers {
            let mut points = Vec::new();
            for at in run.index.seeks.iter().filter(|at| at.depth == depth) {
                points.extend_from_slice(&run.seek_points(at)?);
            }
            points.sort_unstable();
            points.dedup();
            for (input, output) in points {
                self.line(&Line::Seek { depth, input, output })?;
            }
        }
        for line in run.aside()? {
            self.line(&line)?;
        }
        for row in run.rows_from(&[]) {
            self.line(&run.line(&row?)?)?;
        }
        Ok(())
    }
}

/// A line of a list as text: what is no UTF-8 is escaped, which lists allow for any byte.
fn as_text(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// Writes everything; without `lists` the records alone.
pub fn export(snapshot: &Snapshot, lists: bool, out: &mut dyn Write) -> Result<Exported, Fault> {
    let mut exported = Exported::default();
    let mut writer = Writer { out, lines: 0, digest: blake3::Hasher::new() };
    writer.put(&Told::Head(VERSION))?;
    for kind in Kind::ALL {
        snapshot.each(kind, &mut |record| {
            exported.records += 1;
            writer.put(&Told::Record(Box::new(record?)))
        })?;
    }
    let jobs = if lists { snapshot.jobs_with_runs()? } else { Vec::new() };
    for job in jobs {
        exported.lists += 1;
        writer.put(&Told::List(job.0))?;
        writer.run(&snapshot.run_of(job)?)?;
    }
    let (lines, digest) = (writer.lines, writer.digest.finalize().to_hex().to_string());
    writer.put(&Told::End { lines, digest })?;
    writer.out.flush().map_err(|e| Fault::host("cannot write the export", &e))?;
    Ok(exported)
}

/// Reads the records of an export, which must be whole.
pub fn records(from: &mut dyn BufRead, name: &str) -> Result<Vec<Record>, Fault> {
    let mut records = Vec::new();
    let mut digest = blake3::Hasher::new();
    for number in 1.. {
        let refused = |why: String| {
            Fault::never(Blame::Operator, format!("{name}:{number}: {why}"))
                .hint("catalogue export writes such a file")
        };
        let mut line = Vec::new();
        from.take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(|e| Fault::host(format_args!("cannot read {name}"), &e))?;
        if line.last() != Some(&b'\n') {
            return Err(refused("it is cut: its last line is missing".into()));
        }
        let told = serde_json::from_slice(&line).map_err(|e| refused(e.to_string()))?;
        match (number, told) {
            (1, Told::Head(VERSION)) => {}
            (1, Told::Head(other)) => return Err(refused(format!("version {other} is not known"))),
            (1, _) => return Err(refused("it does not begin as an export".into())),
            (_, Told::Record(record)) => records.push(*record),
            (_, Told::List(_) | Told::Line(_)) => {}
            (_, Told::Head(_)) => return Err(refused("another export begins here".into())),
            (_, Told::End { lines, digest: told }) => {
                let is_right = digest.finalize().to_hex().as_str() == told;
                return match is_right && lines == number - 1 {
                    true => Ok(records),
                    false => Err(refused("what is before this line was changed".into())),
                };
            }
        }
        digest.update(&line);
    }
    Ok(records)
}
