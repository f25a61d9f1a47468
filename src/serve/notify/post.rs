//! A queue of notes for one receiver, and the thread that carries them there.
//!
//! Owns the bound of the queue, what is dropped when it is full, and how often a receiver is tried again. Knows
//! nothing of mail or HTTP: that is the [`Carry`].
//!
//! Notes go in order, one at a time. A receiver that fails is tried again after a while, then after twice that,
//! and so on up to a longest while, for as long as it takes; that is logged when it begins and when it is over.
//! When the queue is full the oldest note makes room. A note that is refused for good several times is dropped
//! alone. The next note that gets through says what was dropped before it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Note;
use crate::stream::{Blame, Fault};

/// Subjects that are kept of what was dropped.
const LOST_SUBJECTS_MAX: usize = 10;

/// How long and how often a post tries.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before the second try.
    pub first: Duration,
    /// Between tries at most.
    pub longest: Duration,
    /// For an answer of the receiver.
    pub answer: Duration,
    /// Notes that wait at most, besides the one that is on its way.
    pub notes_max: usize,
    /// How often a note may be refused for good.
    pub refusals_max: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(600),
            answer: Duration::from_secs(30),
            notes_max: 100,
            refusals_max: 3,
        }
    }
}

/// What came of the notes of a post.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the receiver.
    pub sent: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Dropped: pushed out of the queue, or refused.
    pub dropped: u64,
}

/// What was dropped and nobody was told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many notes.
    pub count: u64,
    /// Subjects of the first of them.
    pub subjects: Vec<String>,
}

impl Lost {
    fn add(&mut self, more: Lost) {
        self.count += more.count;
        let room = LOST_SUBJECTS_MAX.saturating_sub(self.subjects.len());
        self.subjects.extend(more.subjects.into_iter().take(room));
    }

    /// Lines for a person; none when nothing was lost.
    pub fn words(&self) -> String {
        if self.count == 0 {
            return String::new();
        }
        let mut words =
            format!("\nDropped before this, as they could not be sent: {}\n", self.count);
        for subject in &self.subjects {
            words.push_str(&format!("  - {subject}\n"));
        }
        if self.count > self.subjects.len() as u64 {
            words.push_str("  - and others\n");
        }
        words
    }
}

/// A note on its way.
#[derive(Debug)]
pub struct Letter {
    /// The same for every try, so that a receiver can tell.
    pub id: Uuid,
    /// What it says.
    pub note: Note,
    /// What was dropped before it.
    pub lost: Lost,
}

/// Why a receiver did not take a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// It may another time.
    Later(String),
    /// It will not take this one.
    Never(String),
}

impl NotTaken {
    fn why(&self) -> &str {
        match self {
            NotTaken::Later(why) | NotTaken::Never(why) => why,
        }
    }
}

/// Carries a letter to one receiver.
pub trait Carry: Send + 'static {
    /// The receiver's name, for the log; no secrets.
    fn to(&self) -> String;
    /// Carries a letter and waits for the answer, within bounds.
    fn carry(&mut self, letter: &Letter) -> Result<(), NotTaken>;
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Letter>,
    lost: Lost,
    counts: Counts,
    /// Nothing more comes.
    closing: bool,
    /// The thread is done; so many it could not send.
    ended: Option<usize>,
}

struct Shared {
    to: String,
    patience: Patience,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock, and a queue of notes is never half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_over` or for `at_most`.
    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        at_most: Duration,
        is_over: impl Fn(&Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        let waited = self.changed.wait_timeout_while(queue, at_most, |queue| !is_over(queue));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A queue and its thread.
pub struct Post {
    shared: Arc<Shared>,
}

impl Post {
    /// Starts the thread.
    pub fn start(carrier: impl Carry, patience: Patience) -> Result<Post, Fault> {
        let to = carrier.to();
        let (queue, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { to, patience, queue, changed });
        let mut postman =
            Postman { shared: shared.clone(), carrier, failing: None, next_pause: patience.first };
        let log = tracing::dispatcher::get_default(Clone::clone);
        let run = move || tracing::dispatcher::with_default(&log, || postman.run());
        let started = std::thread::Builder::new().name("notify".to_owned()).spawn(run);
        match started {
            Ok(_) => Ok(Post { shared }),
            Err(error) => Err(Fault::later(Blame::Host, format!("cannot start a thread: {error}"))),
        }
    }

    /// The receiver's name.
    pub fn to(&self) -> &str {
        &self.shared.to
    }

    /// Puts a note behind the others. Never waits; the oldest makes room.
    pub fn put(&self, note: Note) {
        let mut queue = self.shared.queue();
        queue.waiting.push_back(Letter { id: Uuid::new_v4(), note, lost: Lost::default() });
        if queue.waiting.len() > self.shared.patience.notes_max
            && let Some(oldest) = queue.waiting.pop_front()
        {
            let subject = drop_letter(&mut queue, oldest);
            tracing::warn!(to = self.shared.to, subject, "a note is dropped: too many wait");
        }
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// What came of the notes so far.
    pub fn counts(&self) -> Counts {
        self.shared.queue().counts
    }

    /// No note comes any more: what is left is tried until the first failure.
    pub fn close(&self) {
        self.shared.queue().closing = true;
        self.shared.changed.notify_all();
    }

    /// Waits for the end after [`close`](Post::close), but not longer than `within`; how many were not sent.
    pub fn left(&self, within: Duration) -> usize {
        let queue = self.shared.wait(self.shared.queue(), within, |queue| queue.ended.is_some());
        // The one that is on its way may arrive yet, but nobody will know.
        queue.ended.unwrap_or(queue.waiting.len() + 1)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.close();
    }
}

/// Counts a letter among the lost ones; its subject.
fn drop_letter(queue: &mut Queue, letter: Letter) -> String {
    queue.counts.dropped += 1;
    let subject = letter.note.subject;
    queue.lost.add(letter.lost);
    queue.lost.add(Lost { count: 1, subjects: vec![subject.clone()] });
    subject
}

/// The thread's own.
struct Postman<C> {
    shared: Arc<Shared>,
    carrier: C,
    /// Since when the receiver takes nothing, and how often it was tried.
    failing: Option<(Instant, u32)>,
    next_pause: Duration,
}

impl<C: Carry> Postman<C> {
    fn run(&mut self) {
        let mut refusals = 0;
        let mut held = None;
        while let Some(mut letter) = held.take().or_else(|| self.next()) {
            letter.lost.add(std::mem::take(&mut self.shared.queue().lost));
            match self.carrier.carry(&letter) {
                Ok(()) => {
                    refusals = 0;
                    self.sent();
                    continue;
                }
                Err(not_taken) => {
                    self.failed(&not_taken);
                    refusals += u32::from(matches!(not_taken, NotTaken::Never(_)));
                }
            }
            if refusals >= self.shared.patience.refusals_max {
                refusals = 0;
                let subject = drop_letter(&mut self.shared.queue(), letter);
                tracing::warn!(to = self.shared.to, subject, "a note is dropped: it is refused");
            } else {
                held = Some(letter);
            }
            if self.pause() {
                break;
            }
        }
        let mut queue = self.shared.queue();
        queue.ended = Some(queue.waiting.len() + usize::from(held.is_some()));
        self.shared.changed.notify_all();
    }

    /// The next letter, when there is one; none at the end.
    fn next(&self) -> Option<Letter> {
        let is_over = |queue: &Queue| queue.closing || !queue.waiting.is_empty();
        let mut queue = self.shared.queue();
        while !is_over(&queue) {
            queue = self.shared.wait(queue, Duration::from_secs(3600), is_over);
        }
        queue.waiting.pop_front()
    }

    fn sent(&mut self) {
        self.shared.queue().counts.sent += 1;
        self.next_pause = self.shared.patience.first;
        if let Some((since, tries)) = self.failing.take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(to = self.shared.to, tries, seconds, "notes are taken again");
        }
    }

    fn failed(&mut self, not_taken: &NotTaken) {
        self.shared.queue().counts.failures += 1;
        let to = &self.shared.to;
        match &mut self.failing {
            Some((_, tries)) => {
                *tries += 1;
                tracing::debug!(to, why = not_taken.why(), "still cannot send");
            }
            none => {
                *none = Some((Instant::now(), 1));
                tracing::warn!(to, why = not_taken.why(), "cannot send; trying until it works");
            }
        }
    }

    /// Waits before the next try; whether that was the last one.
    fn pause(&mut self) -> bool {
        let queue = self.shared.queue();
        if queue.closing {
            return true;
        }
        let pause = self.next_pause;
        self.next_pause = (pause * 2).min(self.shared.patience.longest);
        drop(self.shared.wait(queue, pause, |queue| queue.closing));
        false
    }
}
