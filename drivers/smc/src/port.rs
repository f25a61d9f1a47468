//! The way to the robot.
//!
//! Owns the transport: each command is timed, kept in the trace, and its outcome sorted. Counts the
//! generation up at each unit attention.

use std::time::{Duration, Instant};

use scsi::{Data, Outcome, Sense, SenseKey, Trace, Transport};

use crate::error::{ChangerFault, Context, Error, from_outcome};

/// Unit attentions passed over in one operation before giving up.
const ATTENTIONS: usize = 16;
/// Commands kept for fault reports.
const TRACE: usize = 64;

pub(crate) struct Port {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) generation: u64,
    pub(crate) trace: Trace,
}

impl Port {
    pub(crate) fn new(transport: Box<dyn Transport>) -> Port {
        Port { transport, generation: 0, trace: Trace::new(TRACE) }
    }

    /// Issues one command; gives the bytes that were moved.
    pub(crate) fn issue(
        &mut self,
        doing: &str,
        cdb: &[u8],
        data: Data<'_>,
        timeout: Duration,
    ) -> Result<usize, Error> {
        let offered = data.len();
        let start = Instant::now();
        let outcome = self.transport.execute(cdb, data, timeout);
        self.trace.record(cdb, &outcome, start.elapsed());
        let residual = match &outcome {
            Outcome::Good { residual } => *residual,
            Outcome::Check { sense, residual } => {
                self.generation += u64::from(sense.key == SenseKey::UnitAttention);
                *residual
            }
            _ => offered,
        };
        match from_outcome(outcome, |sense| self.context(doing, sense)) {
            None => Ok(offered.saturating_sub(residual)),
            Some(error) => Err(error),
        }
    }

    pub(crate) fn context(&self, doing: &str, sense: Option<Sense>) -> Context {
        Context {
            device: self.transport.name().to_owned(),
            doing: doing.to_owned(),
            sense: sense.map(Box::new),
        }
    }

    pub(crate) fn bad_reply(&self, doing: &str, error: scsi::Error) -> Error {
        Error::Changer(ChangerFault::BadReply(error), self.context(doing, None))
    }
}

/// Repeats an operation that does no harm when repeated while unit attentions come in.
pub(crate) fn past_attentions<S, T>(
    state: &mut S,
    mut operation: impl FnMut(&mut S) -> Result<T, Error>,
) -> Result<T, Error> {
    for _ in 0..ATTENTIONS {
        match operation(state) {
            Err(error) if error.is_attention() => {}
            done => return done,
        }
    }
    operation(state)
}
