//! What runs is judged as long as it is not accepted.
//!
//! Owns the thread that keeps time: a sign of life every second, and what is done of a verdict. Gives up no version
//! without having seen that there is another to start.

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::entry::{self, Entry};
use super::process::{Updater, call_out, lock};
use super::trial::{Sight, Trial, Verdict};
use crate::settings::Settings;
use crate::stream::{Blame, Fault};

/// How often what runs is judged.
const TICK: Duration = Duration::from_secs(1);
/// Reasons that are remembered of a trial.
const WORDS_MAX: usize = 8;

/// Time since the machine started.
fn up() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or(0))
}

impl Updater {
    /// What runs is good from now on.
    pub(super) fn accept(&self) -> Result<(), Fault> {
        {
            let stock = lock(&self.stock);
            stock.change(entry::accept(&stock.entries()?, self.running()))?;
        }
        lock(&self.inner).waits_for = None;
        self.note(|journal| journal.accepted(self.running()))
    }

    pub(super) fn keep_time(self: &Arc<Self>) {
        let is_tried = lock(&self.inner).waits_for.is_some();
        let mut trial = is_tried.then(|| self.trial());
        loop {
            self.given.host.alive();
            if let Some(judge) = &mut trial
                && self.is_judged(judge)
            {
                trial = None;
            }
            std::thread::sleep(TICK);
        }
    }

    fn trial(&self) -> Trial {
        let pending = lock(&self.inner).journal.trial.clone();
        let pending = pending.filter(|pending| pending.version == *self.running());
        let (devices, ailing) =
            pending.map_or_else(Default::default, |pending| (pending.devices, pending.ailing));
        Trial::new(self.given.patience, devices, ailing)
    }

    /// Judges what runs. Whether that is over.
    fn is_judged(&self, trial: &mut Trial) -> bool {
        if lock(&self.inner).left_behind {
            return true;
        }
        match trial.judge(&self.sight(), up()) {
            Verdict::Accept => {
                match self.accept() {
                    Ok(()) => {
                        let words = format!("{} is accepted", self.running());
                        call_out(&words);
                        self.tell(&words);
                        self.look_at_images();
                    }
                    Err(fault) => {
                        self.alarm(&format!("{} cannot be kept: {}", self.running(), fault.what));
                    }
                }
                true
            }
            Verdict::Wait(why) => {
                self.waits(&why);
                false
            }
            Verdict::GiveUp(why) => {
                if let Err(fault) = self.leave(&why) {
                    self.alarm(&format!("{why}; and the box cannot go back: {}", fault.what));
                }
                true
            }
        }
    }

    /// Remembers what is waited for, should this start not come to its end.
    fn waits(&self, why: &str) {
        {
            let mut inner = lock(&self.inner);
            inner.left = self.given.patience.deadline.saturating_sub(up());
            if inner.waits_for.as_deref() == Some(why) {
                return;
            }
            inner.waits_for = Some(why.into());
        }
        let noted = self.note(|journal| {
            let pending = journal.trial.as_mut().filter(|trial| trial.version == *self.running());
            if let Some(trial) = pending {
                trial.words.push(why.into());
                let surplus = trial.words.len().saturating_sub(WORDS_MAX);
                trial.words.drain(..surplus);
            }
        });
        if let Err(fault) = noted {
            tracing::error!(%fault, "what is waited for is not written down");
        }
    }

    /// Goes back to the version before: the machine starts anew.
    pub(super) fn leave(&self, why: &str) -> Result<(), Fault> {
        self.waits(why);
        {
            let stock = lock(&self.stock);
            let entries = stock.entries()?;
            let others: Vec<Entry> =
                entries.iter().filter(|entry| entry.version != *self.running()).cloned().collect();
            if entry::choice(&others).is_none_or(Entry::is_exhausted) {
                let what = "the boot partition has no other version that is good";
                return Err(Fault::never(Blame::Host, what));
            }
            stock.change(entry::give_up(&entries, self.running()))?;
        }
        lock(&self.inner).left_behind = true;
        call_out(&format!("{} is left: {why}", self.running()));
        self.given.host.reboot()
    }

    fn sight(&self) -> Sight {
        let (claimed, settings) = match self.given.settings() {
            Ok((claimed, text)) => {
                let read = Settings::parse(&text).and_then(|settings| settings.check());
                (claimed, read.err().map(|fault| fault.what))
            }
            Err(fault) => (true, Some(fault.what)),
        };
        let devices = lock(&self.inner).devices();
        Sight {
            data: self.given.data,
            settings,
            claimed,
            devices,
            ailing: self.given.host.ailing(),
        }
    }
}
