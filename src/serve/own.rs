//! What the box keeps of itself: its records, on tape, once a day.
//!
//! Owns the backup `console/catalogue`: an export of all records, which is what cannot be rebuilt of media alone,
//! people and how long things are kept. It is a job like any other, and it is written only when there was
//! another backup since.

use std::io::{PipeReader, Write};

use crate::authority::State;
use crate::catalogue::record::{Job, JobState, Seconds, Work};
use crate::catalogue::{Reader, export};
use crate::stream::frame::FrameWriter;
use crate::stream::{Begin, Block, End, Fault, Item, KIND_RAW, Outlet, StreamId};
use crate::tapicom::door::CONSOLE;

/// What the backup is called.
pub const NAME: &str = "catalogue";
/// Bytes in a frame.
const PIECE_BYTES: usize = 256 * 1024;

fn is_own(job: &Job) -> bool {
    job.machine == CONSOLE && matches!(&job.work, Work::Backup { name, .. } if name == NAME)
}

/// Whether the records are to be copied now: so long after the last time, if anything was backed up since.
pub fn is_due(state: &State, (since_s, now_s): (Seconds, Seconds), every_s: Seconds) -> bool {
    let jobs = &state.records.jobs;
    let last = jobs.values().rev().find(|job| is_own(job));
    let after_s = last.map_or(since_s, |job| job.created_s);
    let is_backup = |job: &Job| matches!(job.work, Work::Backup { .. }) && !is_own(job);
    let is_good = |job: &Job| matches!(job.state, JobState::Done | JobState::DoneBut(_));
    let has_more = jobs.values().rev().take_while(|job| last.is_none_or(|last| job.id > last.id));
    every_s > 0
        && now_s - after_s >= every_s
        && last.is_none_or(|job| job.state.is_over())
        && has_more.into_iter().any(|job| is_backup(job) && is_good(job))
}

/// The stream of such a backup, made on a thread.
///
/// # Errors
///
/// No pipe, no thread.
pub fn stream(reader: &Reader, stream: StreamId, now_s: Seconds) -> Result<PipeReader, Fault> {
    let (from, to) = std::io::pipe().map_err(|e| Fault::host("cannot make a pipe", &e))?;
    let reader = reader.clone();
    let begin = Begin {
        stream,
        kind: KIND_RAW.into(),
        name: format!("{CONSOLE}/{NAME}"),
        created_s: now_s,
        ..Begin::default()
    };
    let write = move || {
        let mut frames = Frames { out: FrameWriter::new(to), bytes: 0 };
        let written = frames.out.put(Item::Begin(begin)).and_then(|()| {
            let mut held = std::io::BufWriter::with_capacity(PIECE_BYTES, &mut frames);
            export::export(&reader.snapshot()?, false, &mut held)?;
            held.flush().map_err(|e| Fault::host("cannot write the records", &e))
        });
        // Without an end the stream is cut, and the job says so.
        let ended = written
            .and_then(|()| frames.out.put(Item::End(End { bytes: frames.bytes, skipped: 0 })));
        if let Err(fault) = ended {
            tracing::error!(%fault, "the copy of the records is cut");
        }
    };
    let thread = std::thread::Builder::new().name("records".into());
    thread.spawn(write).map_err(|e| Fault::host("cannot start a thread", &e))?;
    Ok(from)
}

struct Frames<W: Write> {
    out: FrameWriter<W>,
    bytes: u64,
}

impl<W: Write> Write for &mut Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let item = Item::Data { offset: self.bytes, block: Block::copy_of(piece) };
        self.out.put(item).map_err(std::io::Error::other)?;
        self.bytes += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
