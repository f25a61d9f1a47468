//! The list of a stream that may be cut: lines are kept in a file as soon as what they speak of is recorded.
//!
//! Owns `job-N.lines` in the spool: of a backup that is cut short, or whose service is killed, it is the list of
//! what there is, so that another can go on from it. No line is in it before its bytes are recorded. A file that
//! was torn by a power cut ends earlier, which costs nothing but sending more again.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::catalogue::record::JobId;
use crate::catalogue::run::{NewRun, RunWriter};
use crate::list::Line;
use crate::stream::{Blame, Fault};

/// Lines that wait until their bytes are recorded.
pub struct Held {
    path: PathBuf,
    file: BufWriter<File>,
    /// Each with one past the payload bytes it speaks of.
    waiting: VecDeque<(u64, Vec<u8>)>,
    /// Seek points of each layer that are not passed yet: before and after it.
    seeks: BTreeMap<u8, VecDeque<(u64, u64)>>,
    /// One past the payload bytes of the last entry.
    end: u64,
}

fn path(spool: &Path, job: JobId) -> PathBuf {
    spool.join(format!("job-{job}.lines"))
}

impl Held {
    /// For the stream of a job.
    ///
    /// # Errors
    ///
    /// This host.
    pub fn new(job: JobId, spool: &Path) -> Result<Held, Fault> {
        let path = path(spool, job);
        let file = File::create(&path);
        let file = file.map_err(|e| Fault::host("cannot keep the list of a backup", &e))?;
        let (waiting, seeks) = (VecDeque::new(), BTreeMap::new());
        Ok(Held { path, file: BufWriter::new(file), waiting, seeks, end: 0 })
    }

    /// How many layers the stream has.
    pub fn begin(&mut self, layers: usize) -> Result<(), Fault> {
        self.write(format!("{layers}\n").as_bytes())
    }

    /// Lines that came with the stream.
    pub fn lines(&mut self, lines: &[u8]) -> Result<(), Fault> {
        for line in lines.split_inclusive(|&b| b == b'\n') {
            match Line::parse(line.strip_suffix(b"\n").unwrap_or(line)).map_err(Fault::stream)? {
                Line::Seek { depth, input, output } => {
                    self.seeks.entry(depth).or_default().push_back((input, output));
                    self.write(line)?;
                    continue;
                }
                Line::Entry(entry) => self.end = entry.offset.saturating_add(entry.span),
                _ => {}
            }
            self.waiting.push_back((self.end, line.to_vec()));
        }
        Ok(())
    }

    /// Stream bytes up to here are recorded.
    pub fn recorded(&mut self, to: u64) -> Result<(), Fault> {
        let mut payload = to;
        for points in self.seeks.values_mut().rev() {
            let passed = points.partition_point(|point| point.1 <= payload);
            points.drain(..passed.saturating_sub(1));
            payload = points.front().filter(|point| point.1 <= payload).map_or(0, |point| point.0);
        }
        while let Some((_, line)) = self.waiting.pop_front_if(|(end, _)| *end <= payload) {
            self.write(&line)?;
        }
        self.file.flush().map_err(|e| self.failed(&e))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file.write_all(bytes).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &std::io::Error) -> Fault {
        Fault::host(format!("cannot write {}", self.path.display()), error)
    }
}

/// Forgets the lines of a job.
pub fn forget(job: JobId, spool: &Path) {
    let path = path(spool, job);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove a list");
        }
        _ => {}
    }
}

/// Jobs of which there are lines.
///
/// # Errors
///
/// This host.
pub fn jobs(spool: &Path) -> Result<Vec<JobId>, Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot read {}", spool.display()), &e);
    let mut jobs = Vec::new();
    for entry in std::fs::read_dir(spool).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().into_string().unwrap_or_default();
        let number = name.strip_prefix("job-").and_then(|name| name.strip_suffix(".lines"));
        jobs.extend(number.and_then(|number| number.parse().ok()).map(JobId));
    }
    Ok(jobs)
}

/// The file list of what is recorded of a job; none if nothing was kept.
///
/// # Errors
///
/// This host; lines that make no sense.
pub fn list(job: JobId, spool: &Path) -> Result<Option<NewRun>, Fault> {
    let path = path(spool, job);
    let failed = |e: std::io::Error| Fault::host(format!("cannot read {}", path.display()), &e);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => BufReader::new(file.map_err(failed)?),
    };
    // What goes on from here brings them again, so that they get their times last.
    let unwhole = unwhole_directories(&path)?;
    let mut lines = file.split(b'\n');
    let layers = lines.next().transpose().map_err(failed)?.unwrap_or_default();
    let layers = std::str::from_utf8(&layers).ok().and_then(|text| text.parse().ok());
    let Some(layers) = layers else { return Ok(None) };
    let mut writer = RunWriter::new(job, spool)?.layers(layers);
    for line in lines {
        // What a power cut tore is the last.
        let Ok(line) = Line::parse(&line.map_err(failed)?) else { break };
        if let Line::Entry(entry) = &line
            && entry.kind == b'd'
            && unwhole(&entry.path)
        {
            let (why, path) = ("changed".into(), entry.path.clone());
            writer.line(Line::Missing { why, path })?;
        }
        writer.line(line)?;
    }
    writer.finish().map(Some)
}

/// Tells a directory in which something may be missing: one that the last entry is in, or is.
fn unwhole_directories(path: &Path) -> Result<impl Fn(&[u8]) -> bool, Fault> {
    let failed = |e: std::io::Error| Fault::host(format!("cannot read {}", path.display()), &e);
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let mut last = Vec::new();
    for line in file.split(b'\n').skip(1) {
        if let Ok(Line::Entry(entry)) = Line::parse(&line.map_err(failed)?) {
            last = entry.path;
        }
    }
    let above = move |path: &[u8]| {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let rest = last.strip_prefix(path);
        path == b"." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    Ok(above)
}

/// A backup that was cut has no list: a defect, if it should.
pub fn no_list(job: JobId) -> Fault {
    let what = format!("of job {job} no list is kept, so nothing can go on from it");
    Fault::never(Blame::Operator, what).hint("begin it anew: tapicli backup")
}
