//! The client's side of a job, as long as it is there.
//!
//! Owns the pipes of a visitor that gives or takes a stream, what is still to be confirmed to it, and
//! what its stream came to at both ends: a job's stream is over when both its source and the drive have
//! said so.

use std::collections::{BTreeMap, VecDeque};
use std::io::{PipeReader, PipeWriter, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::held::Held;
use super::outgo::{Outgo, Words};
use crate::authority::event::Ending;
use crate::catalogue::Reader;
use crate::catalogue::record::JobId;
use crate::catalogue::run::NewRun;
use crate::plumb::pipe::ReceiptLines;
use crate::plumb::ring::Meter;
use crate::plumb::visit::{Visit, tell};
use crate::stream::{Fault, Receipt, Upward};

/// What is known of a job that has a stream.
#[derive(Default)]
pub struct Live {
    visitor: Option<Visitor>,
    /// Bytes that came in or went out.
    pub meter: Meter,
    /// Entries that came in.
    pub entries: Meter,
    /// Receipts that wait until they are recorded.
    receipts: VecDeque<Receipt>,
    /// What to say with what is given back.
    pub words: BTreeMap<JobId, Words>,
    outgo: Option<Arc<Mutex<Outgo>>>,
    /// What comes out of a drive for a session, where no client stands between.
    between: Option<PipeReader>,
    /// The list of what is recorded of a stream that comes in.
    pub held: Option<Arc<Mutex<Held>>>,
    /// The file list, once all of it came.
    pub list: Option<NewRun>,
    came: bool,
    ended: Option<Ending>,
}

struct Visitor {
    stdin: Option<PipeReader>,
    stdout: Option<PipeWriter>,
    receipts: ReceiptLines<PipeWriter>,
    /// Dropped last: the visitor reads its words to their end.
    _stderr: PipeWriter,
    socket: UnixStream,
}

impl Live {
    /// The client came. `gone` is told when it leaves, from another thread.
    ///
    /// # Errors
    ///
    /// There is one already; or this host.
    pub fn comes(
        &mut self,
        visit: Visit,
        gone: impl FnOnce() + Send + 'static,
    ) -> Result<(), Fault> {
        let failed = |e: std::io::Error| Fault::host("cannot watch a client", &e);
        let mut watched = visit.socket.try_clone().map_err(failed)?;
        let watch = move || {
            // It says nothing; the end of the socket says that it is gone.
            if let Err(error) = watched.read_to_end(&mut Vec::new()) {
                tracing::debug!(%error, "a client is gone");
            }
            gone();
        };
        std::thread::Builder::new().name("client".into()).spawn(watch).map_err(failed)?;
        let Visit { stdin, stdout, stderr, receipts_up, socket, .. } = visit;
        self.visitor = Some(Visitor {
            stdin: Some(stdin),
            stdout: Some(stdout),
            receipts: ReceiptLines(receipts_up),
            _stderr: stderr,
            socket,
        });
        Ok(())
    }

    /// Whether the client is there.
    pub fn is_here(&self) -> bool {
        self.visitor.is_some()
    }

    /// The client is gone.
    pub fn leaves(&mut self) {
        self.visitor = None;
    }

    /// Ends the client's side.
    pub fn end(&mut self, verdict: &Result<u64, Fault>) {
        if let Some(outgo) = self.outgo.take() {
            // A drive that is at it finds out by itself, as nobody reads any more.
            match (outgo.try_lock(), verdict) {
                (Ok(mut outgo), Ok(_)) => {
                    outgo.end().unwrap_or_else(|fault| tracing::debug!(%fault, "a client left"));
                }
                (Ok(mut outgo), Err(fault)) => outgo.give_up(&fault.what),
                (Err(_), _) => {}
            }
        }
        let Some(visitor) = self.visitor.take() else { return };
        let Visitor { stdin, stdout, receipts, _stderr, socket } = visitor;
        drop((stdin, stdout, receipts, _stderr));
        tell(&socket, verdict);
    }

    /// The stream comes from this host itself.
    pub fn gives(&mut self, pipe: PipeReader) {
        self.between = Some(pipe);
    }

    /// What the client gives, or what another drive reads. Once.
    pub fn incoming(&mut self) -> Option<PipeReader> {
        self.between.take().or_else(|| self.visitor.as_mut()?.stdin.take())
    }

    /// The way out to the client.
    pub fn outgo(&mut self, lists: &Reader) -> Option<Arc<Mutex<Outgo>>> {
        if self.outgo.is_none() {
            let pipe = self.visitor.as_mut()?.stdout.take()?;
            self.outgo =
                Some(Arc::new(Mutex::new(Outgo::new(pipe, self.words.clone(), lists.clone()))));
        }
        self.outgo.clone()
    }

    /// A way from one drive to a session on another.
    ///
    /// # Errors
    ///
    /// No pipe.
    pub fn join_drives(&mut self, lists: &Reader) -> Result<Arc<Mutex<Outgo>>, Fault> {
        if let Some(outgo) = &self.outgo {
            return Ok(outgo.clone());
        }
        let (reader, writer) =
            std::io::pipe().map_err(|e| Fault::host("cannot make a pipe", &e))?;
        self.between = Some(reader);
        let outgo = Arc::new(Mutex::new(Outgo::new(writer, self.words.clone(), lists.clone())));
        Ok(self.outgo.insert(outgo).clone())
    }

    /// Goes without some bytes of a job's stream. Nobody reads at that moment.
    pub fn gap(&mut self, (of, from, to): (JobId, u64, u64), lists: &Reader) {
        if let Some(outgo) = self.outgo(lists) {
            outgo.lock().unwrap_or_else(PoisonError::into_inner).gap(of, from, to);
        }
    }

    /// Something became durable.
    pub fn on_tape(&mut self, receipt: Receipt) {
        self.receipts.push_back(receipt);
    }

    /// Everything up to `to` is recorded: the client may know.
    pub fn confirm(&mut self, to: u64) {
        if let Some(held) = &self.held {
            let kept = held.lock().unwrap_or_else(PoisonError::into_inner).recorded(to);
            // The list of what was cut will be shorter.
            kept.unwrap_or_else(|fault| tracing::warn!(%fault, "a list is not kept"));
        }
        while let Some(receipt) = self.receipts.pop_front_if(|receipt| receipt.to <= to) {
            let Some(visitor) = &mut self.visitor else { continue };
            if let Err(fault) = visitor.receipts.receipt(receipt) {
                tracing::debug!(%fault, "a client hears no receipts");
                visitor.receipts.0 = None;
            }
        }
    }

    /// The source's side is over, with this list of what came.
    pub fn came_in(&mut self, list: Option<NewRun>) -> Option<Ending> {
        (self.came, self.list) = (true, list);
        self.both()
    }

    /// The drive's side is over.
    pub fn ended(&mut self, how: Ending) -> Option<Ending> {
        self.ended = Some(how);
        self.both()
    }

    /// How the stream ended, once both sides are over.
    fn both(&mut self) -> Option<Ending> {
        self.ended.take_if(|_| self.came)
    }

    /// A stream begins to come in.
    pub fn begins(&mut self) {
        (self.came, self.ended, self.list) = (false, None, None);
    }
}
