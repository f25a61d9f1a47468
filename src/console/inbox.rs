//! What a session waits for.
//!
//! Owns two bounded queues: what the line sends, and what happens elsewhere. Somebody who floods the line loses
//! what does not fit; whoever tells news waits, so that the authority sees that we are slow and says how much is
//! lost. Neither ever holds up the other.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::stream::Fault;
use crate::tapicom::message::{Event, Reply};

/// Bytes of the line that wait.
const KEYS_MAX: usize = 1024;
/// News that wait.
const NEWS_MAX: usize = 32;
/// How long somebody with news waits for room before it looks whether anybody is there.
const LOOK: Duration = Duration::from_secs(1);

/// What happens.
#[derive(Debug)]
pub enum Happened {
    /// The line sent a byte.
    Key(u8),
    /// The authority tells something.
    News(Box<Event>),
    /// The authority answered question `.0`.
    Answered(u64, Box<Result<Reply, Fault>>),
    /// Nothing, for as long as was waited.
    Nothing,
    /// The line is gone.
    Gone,
}

#[derive(Debug, Default)]
struct Queues {
    keys: VecDeque<u8>,
    news: VecDeque<Happened>,
    gone: bool,
}

/// How long may be waited at once; none: not any more.
fn left_of(until: Option<Instant>) -> Option<Duration> {
    let Some(until) = until else { return Some(LOOK) };
    until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Both queues.
#[derive(Debug, Default)]
pub struct Inbox {
    queues: Mutex<Queues>,
    changed: Condvar,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line sent these. ^C is heard even when nothing else fits.
    pub fn keys(&self, bytes: &[u8]) {
        let mut queues = self.lock();
        for byte in bytes {
            if *byte == 0x03 && queues.keys.len() >= KEYS_MAX {
                queues.keys.clear();
            }
            if queues.keys.len() < KEYS_MAX {
                queues.keys.push_back(*byte);
            }
        }
        self.changed.notify_all();
    }

    /// The line is gone.
    pub fn gone(&self) {
        self.lock().gone = true;
        self.changed.notify_all();
    }

    /// Tells news, once there is room. Whether anybody is there.
    pub fn tell(self: &Arc<Self>, news: Happened) -> bool {
        let mut queues = self.lock();
        while queues.news.len() >= NEWS_MAX && !queues.gone {
            // Nobody else holds this: the session has ended without saying so.
            if Arc::strong_count(self) == 1 {
                return false;
            }
            let waited = self.changed.wait_timeout(queues, LOOK);
            queues = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if queues.gone {
            return false;
        }
        queues.news.push_back(news);
        self.changed.notify_all();
        true
    }

    /// The next thing that happens, before `until`. What the line sends goes first.
    pub fn next(&self, until: Option<Instant>) -> Happened {
        self.next_but(until, VecDeque::pop_front)
    }

    /// The next thing that is told, before `until`, whatever the line sends meanwhile; that waits for its turn.
    /// [`Happened::Key`] is ^C then.
    pub fn next_told(&self, until: Option<Instant>) -> Happened {
        self.next_but(until, |keys| {
            let at = keys.iter().position(|key| *key == 0x03)?;
            keys.drain(..=at);
            Some(0x03)
        })
    }

    /// The next thing, where `take` says which key counts now.
    fn next_but(
        &self,
        until: Option<Instant>,
        take: impl Fn(&mut VecDeque<u8>) -> Option<u8>,
    ) -> Happened {
        let mut queues = self.lock();
        loop {
            if let Some(key) = take(&mut queues.keys) {
                return Happened::Key(key);
            }
            if queues.gone {
                return Happened::Gone;
            }
            if let Some(news) = queues.news.pop_front() {
                self.changed.notify_all();
                return news;
            }
            let Some(left) = left_of(until) else { return Happened::Nothing };
            let waited = self.changed.wait_timeout(queues, left);
            queues = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether ^C came; everything before it is dropped.
    pub fn take_interrupt(&self) -> bool {
        let mut queues = self.lock();
        let at = queues.keys.iter().position(|key| *key == 0x03);
        if let Some(at) = at {
            queues.keys.drain(..=at);
        }
        at.is_some()
    }
}
