//! What people hear of: lines, requests, alarms.
//!
//! Owns who listens. A listener that does not keep up loses the oldest, and is told how many; nobody waits
//! for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::shell::now_s;
use crate::authority::action::Grade;
use crate::authority::event::{DriveId, RequestId};
use crate::catalogue::record::{JobId, Seconds};

/// Lines that wait for a listener at most.
const WAITING_MAX: usize = 1_000;
/// Lines that are kept of each job, for its report.
const LINES_MAX: usize = 200;
/// Jobs whose lines are kept.
const JOBS_MAX: usize = 500;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// When.
    pub at_s: Seconds,
    /// About which job.
    pub job: Option<JobId>,
    /// How bad.
    pub grade: Grade,
    /// One line.
    pub line: String,
    /// So many stream bytes of the job are recorded: no line, progress.
    pub recorded: Option<u64>,
}

/// Something that a person is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Since when.
    pub since_s: Seconds,
    /// What, in words.
    pub words: String,
}

#[derive(Default)]
struct Queue {
    news: VecDeque<News>,
    lost: u64,
    closed: bool,
}

/// One who listens.
pub struct Listener(Arc<(Mutex<Queue>, Condvar)>);

fn lock(queue: &(Mutex<Queue>, Condvar)) -> MutexGuard<'_, Queue> {
    queue.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener {
    /// The next lines, waited for no longer than `limit`, and how many were lost before them. None once
    /// nothing more will come.
    pub fn next(&self, limit: Duration) -> Option<(Vec<News>, u64)> {
        let mut queue = lock(&self.0);
        if queue.news.is_empty() && !queue.closed {
            let waited = self.0.1.wait_timeout(queue, limit);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if queue.closed && queue.news.is_empty() {
            return None;
        }
        let lost = std::mem::take(&mut queue.lost);
        Some((queue.news.drain(..).collect(), lost))
    }
}

/// Tells people who do not listen.
type Notify = Box<dyn Fn(Grade, &str) + Send>;

/// Tells what happens.
#[derive(Default)]
pub struct Events {
    listeners: Vec<Weak<(Mutex<Queue>, Condvar)>>,
    requests: BTreeMap<RequestId, Asked>,
    of_jobs: BTreeMap<JobId, VecDeque<String>>,
    alarms: VecDeque<String>,
    /// TapeAlerts since the start, and how often.
    alerts: BTreeMap<DriveId, BTreeMap<String, u64>>,
    /// Recorded bytes of jobs that are under way, and of all that ended.
    recorded: (BTreeMap<JobId, u64>, u64),
    /// Where notes for people elsewhere go.
    notify: Option<Notify>,
}

impl Events {
    /// Has alarms and requests told elsewhere, too.
    pub fn notify_by(&mut self, notify: impl Fn(Grade, &str) + Send + 'static) {
        self.notify = Some(Box::new(notify));
    }

    /// A new listener: hears what happens from now on.
    pub fn listen(&mut self) -> Listener {
        let queue = Arc::new((Mutex::default(), Condvar::new()));
        self.listeners.push(Arc::downgrade(&queue));
        Listener(queue)
    }

    fn put(&mut self, news: &News) {
        self.listeners.retain(|listener| {
            let Some(queue) = listener.upgrade() else { return false };
            let mut waiting = lock(&queue);
            if waiting.news.len() >= WAITING_MAX {
                waiting.news.pop_front();
                waiting.lost += 1;
            }
            waiting.news.push_back(news.clone());
            drop(waiting);
            queue.1.notify_all();
            true
        });
    }

    /// A line.
    pub fn tell(&mut self, job: Option<JobId>, grade: Grade, line: &str) {
        tracing::info!("{line}");
        if let Some(job) = job {
            let lines = self.of_jobs.entry(job).or_default();
            lines.push_back(line.to_owned());
            lines.truncate(LINES_MAX);
            while self.of_jobs.len() > JOBS_MAX {
                self.of_jobs.pop_first();
            }
        }
        let line = line.to_owned();
        self.put(&News { at_s: now_s(), job, grade, line, recorded: None });
    }

    /// TapeAlerts of a drive.
    pub fn alerted(&mut self, drive: DriveId, alerts: &[String]) {
        let of_drive = self.alerts.entry(drive).or_default();
        alerts.iter().for_each(|alert| *of_drive.entry(alert.clone()).or_default() += 1);
    }

    /// TapeAlerts of a drive since the start.
    pub fn alerts(&self, drive: DriveId) -> BTreeMap<String, u64> {
        self.alerts.get(&drive).cloned().unwrap_or_default()
    }

    /// Stream bytes that were recorded since the start.
    pub fn recorded_bytes(&self) -> u64 {
        self.recorded.1
    }

    /// How far a job is.
    pub fn recorded(&mut self, job: JobId, to: u64) {
        let before = self.recorded.0.insert(job, to).unwrap_or(0);
        self.recorded.1 += to.saturating_sub(before);
        while self.recorded.0.len() > JOBS_MAX {
            self.recorded.0.pop_first();
        }
        let (job, recorded, line) = (Some(job), Some(to), String::new());
        self.put(&News { at_s: now_s(), job, grade: Grade::Note, line, recorded });
    }

    /// People who do not listen are reached.
    pub fn notify(&mut self, grade: Grade, words: &str) {
        if grade == Grade::Alarm {
            tracing::error!("ALARM: {words}");
            self.alarms.push_back(words.to_owned());
            while self.alarms.len() > LINES_MAX {
                self.alarms.pop_front();
            }
        }
        self.tell(None, grade, words);
        if let Some(notify) = &self.notify {
            notify(grade, words);
        }
    }

    /// A person is wanted.
    pub fn ask(&mut self, request: RequestId, words: &str) {
        let asked = Asked { since_s: now_s(), words: words.to_owned() };
        self.requests.insert(request, asked);
        self.notify(Grade::Warning, words);
    }

    /// A person is wanted no more.
    pub fn withdraw(&mut self, request: RequestId) {
        self.requests.remove(&request);
    }

    /// What people are asked for.
    pub fn requests(&self) -> &BTreeMap<RequestId, Asked> {
        &self.requests
    }

    /// What was said of a job, oldest first.
    pub fn of_job(&self, job: JobId) -> Vec<String> {
        self.of_jobs.get(&job).into_iter().flatten().cloned().collect()
    }

    /// Alarms since the start, newest last.
    pub fn alarms(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.alarms.iter()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        for queue in self.listeners.iter().filter_map(Weak::upgrade) {
            lock(&queue).closed = true;
            queue.1.notify_all();
        }
    }
}
