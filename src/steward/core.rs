//! What the steward decides: who the box is, who may change it, and which settings are in force.
//!
//! Owns the candidate, the timer of an unconfirmed commit and the waits after wrong passwords. Has no clock, no
//! socket and no thread; what must outlive a power cut is written before it is said. Settings that were never
//! confirmed are not in force after a restart, whatever ended the one before.

use std::collections::BTreeMap;

use super::keep::{
    Administrator, BOOTS_MAX, Boots, GENERATIONS, Generation, Identity, Keep, Kind, Resetting,
    TimeFloor, decode, encode, newest,
};
use super::message::{Boot, CONFIRM_S_MAX, LINKS_MAX, LinkState, Past, Reset, State, Which};
use crate::settings::{Settings, Speed, diff};
use crate::stream::{Blame, Fault};
use crate::tapicom::backoff::Backoff;
use crate::tapicom::rate::Millis;

/// Whom waits after wrong passwords are counted for: there is one.
const ADMINISTRATOR: &str = "administrator";
/// How often the time is written down.
const NOTE_MS: Millis = 3_600_000;
/// How long after its start the box hears somebody who lost the password.
pub const RECOVER_MS: Millis = 300_000;

/// Alarms that are remembered.
const ALARMS_MAX: usize = 16;

/// The two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// One that never goes back, from the start of the steward.
    pub ms: Millis,
    /// The day's.
    pub s: i64,
}

/// Settings in force that go back by themselves.
#[derive(Debug)]
struct Trial {
    until_ms: Millis,
    before: Settings,
}

/// All that is known and decided.
pub struct Core {
    keep: Box<dyn Keep>,
    identity: Identity,
    administrator: Option<Administrator>,
    settings: Settings,
    generation: u64,
    trial: Option<Trial>,
    candidate: Settings,
    /// Grows with every change of the settings in force.
    change: u64,
    backoff: Backoff,
    links: Vec<LinkState>,
    boots: Boots,
    /// When the time was written down last.
    noted_ms: Option<Millis>,
    alarms: Vec<String>,
}

/// Makes who the box is; called once in its life.
pub type MakeIdentity<'a> = &'a dyn Fn() -> Result<Identity, Fault>;

impl Core {
    /// What is kept, read; what is there for the first time, made.
    ///
    /// # Errors
    ///
    /// Nothing can be read or written.
    pub fn start(mut keep: Box<dyn Keep>, make: MakeIdentity<'_>, now: Now) -> Result<Core, Fault> {
        let identity = match newest(&*keep, Kind::Identity)? {
            Some(identity) => identity,
            None => {
                let identity = make()?;
                keep.write(Kind::Identity, &encode(&identity)?)?;
                identity
            }
        };
        let administrator = newest(&*keep, Kind::Administrator)?;
        let mut alarms = Vec::new();
        let boots = newest(&*keep, Kind::Boot).unwrap_or_else(|fault| {
            alarms.push(fault.what);
            None
        });
        let mut core = Core {
            keep,
            identity,
            administrator,
            settings: Settings::default(),
            generation: 0,
            trial: None,
            candidate: Settings::default(),
            change: 1,
            backoff: Backoff::default(),
            links: Vec::new(),
            boots: boots.unwrap_or_default(),
            noted_ms: None,
            alarms,
        };
        core.take_up_settings(now)?;
        Ok(core)
    }

    /// The newest settings that were confirmed and can be read are in force. If there is anything newer, they are
    /// written once more, so that what is newest is what holds.
    fn take_up_settings(&mut self, now: Now) -> Result<(), Fault> {
        let mut unconfirmed = None;
        for back in 0..GENERATIONS {
            let kept = match self.keep.back(Kind::Settings, back) {
                Ok(Some(kept)) => kept,
                Ok(None) => break,
                Err(fault) => {
                    self.alarms.push(fault.what);
                    break;
                }
            };
            let read = decode::<Generation>(Kind::Settings, &kept.payload)
                .and_then(|generation| Ok((Settings::parse(&generation.text)?, generation.trial)));
            match read {
                Ok((_, true)) => _ = unconfirmed.get_or_insert(kept.generation),
                Ok((settings, false)) => {
                    self.settings = settings;
                    self.generation = kept.generation;
                    break;
                }
                Err(fault) => self.alarms.push(format!(
                    "settings of generation {} cannot be read: {fault}",
                    kept.generation
                )),
            }
        }
        self.candidate = self.settings.clone();
        match unconfirmed {
            Some(number) => {
                let words = format!("generation {number} was not confirmed before a restart");
                let settings = self.settings.clone();
                self.put_in_force(
                    settings,
                    Written { by: "steward", words: &words, trial: false },
                    now,
                )
            }
            None => Ok(()),
        }
    }

    fn put_in_force(
        &mut self,
        settings: Settings,
        written: Written<'_>,
        now: Now,
    ) -> Result<(), Fault> {
        let generation = Generation {
            text: settings.text(),
            at_s: now.s,
            by: written.by.to_owned(),
            words: written.words.to_owned(),
            trial: written.trial,
        };
        self.generation = self.keep.write(Kind::Settings, &encode(&generation)?)?;
        self.settings = settings;
        self.change += 1;
        Ok(())
    }

    /// How things are.
    pub fn state(&self, now: Now) -> State {
        State {
            name: self.name(),
            serial: self.identity.serial.clone(),
            key: key_words(&self.identity.key),
            version: env!("CARGO_PKG_VERSION").into(),
            claimed: self.is_claimed(),
            generation: self.generation,
            back_in_ms: self.trial.as_ref().map(|trial| trial.until_ms.saturating_sub(now.ms)),
            edited: self.candidate != self.settings,
            wait_ms: self.wait_ms(now),
            links: self.links.clone(),
            speeds: self.speeds(),
            alarms: self.alarms.clone(),
        }
    }

    fn speeds(&self) -> BTreeMap<String, Speed> {
        let set = self.settings.console.iter();
        set.filter_map(|(port, console)| Some((port.to_string(), console.speed?))).collect()
    }

    fn name(&self) -> String {
        self.settings.name.as_ref().map_or("tapioca".into(), ToString::to_string)
    }

    /// Whether it has an administrator.
    pub fn is_claimed(&self) -> bool {
        self.password_hash().is_some()
    }

    /// What is kept of the password.
    pub fn password_hash(&self) -> Option<String> {
        self.administrator.as_ref().and_then(|administrator| administrator.hash.clone())
    }

    /// The first administrator, by what is to be kept of the password.
    ///
    /// # Errors
    ///
    /// There is one.
    pub fn claim(&mut self, hash: String, name: Option<&str>, now: Now) -> Result<(), Fault> {
        if self.is_claimed() {
            return Err(Fault::never(Blame::Operator, "the box has an administrator already"));
        }
        let named = name.map(|name| self.settings.set(&["name", name])).transpose()?;
        self.put_administrator(Some(hash), now)?;
        match named {
            Some(settings) => {
                self.put_in_force(settings, Written { by: "claim", words: "", trial: false }, now)?;
                self.candidate = self.settings.clone();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn put_administrator(&mut self, hash: Option<String>, now: Now) -> Result<(), Fault> {
        let administrator = Administrator { hash, since_s: now.s };
        self.keep.write(Kind::Administrator, &encode(&administrator)?)?;
        self.administrator = Some(administrator);
        Ok(())
    }

    /// Another password, once the one before was right.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn change_password(&mut self, hash: String, now: Now) -> Result<(), Fault> {
        self.put_administrator(Some(hash), now)
    }

    /// How long until a password is heard.
    pub fn wait_ms(&self, now: Now) -> Millis {
        self.backoff.wait_ms(ADMINISTRATOR, ADMINISTRATOR, now.ms)
    }

    /// Somebody was right, or wrong.
    pub fn judged(&mut self, right: bool, now: Now) {
        match right {
            true => self.backoff.was_right(ADMINISTRATOR, ADMINISTRATOR),
            false => self.backoff.was_wrong(ADMINISTRATOR, ADMINISTRATOR, now.ms),
        }
    }

    /// Forgets the password, and nothing else: for whoever can cut the power and read the serial number.
    ///
    /// # Errors
    ///
    /// The box started too long ago, or the number is another.
    pub fn recover(&mut self, serial: &str, now: Now) -> Result<(), Fault> {
        if now.ms > RECOVER_MS {
            let minutes = RECOVER_MS / 60_000;
            let what = format!("a password is forgotten in the first {minutes} minutes only");
            return Err(Fault::never(Blame::Operator, what).hint("switch the box off and on again"));
        }
        self.is_serial(serial)?;
        self.put_administrator(None, now)?;
        self.alarms.push("the administrator's password was forgotten at the console".into());
        Ok(())
    }

    fn is_serial(&self, serial: &str) -> Result<(), Fault> {
        match serial.eq_ignore_ascii_case(&self.identity.serial) {
            true => Ok(()),
            false => {
                Err(Fault::never(Blame::Operator, "that is not the serial number of this box"))
            }
        }
    }

    /// Asks init to reset the box at its next start.
    ///
    /// # Errors
    ///
    /// The number is another.
    pub fn reset(&mut self, serial: &str, what: Reset, now: Now) -> Result<(), Fault> {
        self.is_serial(serial)?;
        let resetting = Resetting { what: Some(what), asked_s: now.s };
        self.keep.write(Kind::Reset, &encode(&resetting)?).map(drop)
    }

    /// Some settings.
    ///
    /// # Errors
    ///
    /// There are none so old, or they cannot be read.
    pub fn settings(&self, which: Which) -> Result<Settings, Fault> {
        match which {
            Which::Current => Ok(self.settings.clone()),
            Which::Candidate => Ok(self.candidate.clone()),
            Which::Back(n) => {
                let none = || {
                    let what = format!("nothing is kept of {n} generations ago");
                    Fault::never(Blame::Operator, what).hint("show history lists them")
                };
                let kept = match n < GENERATIONS {
                    true => self.keep.back(Kind::Settings, n)?.ok_or_else(none)?,
                    false => return Err(none()),
                };
                let generation: Generation = decode(Kind::Settings, &kept.payload)?;
                Settings::parse(&generation.text)
            }
        }
    }

    /// The settings in force, and the number of the change they came by.
    pub fn in_force(&self) -> (u64, &Settings) {
        (self.change, &self.settings)
    }

    /// Changes the candidate.
    ///
    /// # Errors
    ///
    /// There is no such setting, or that is no value for it.
    pub fn set(&mut self, words: &[&str]) -> Result<(), Fault> {
        self.candidate = self.candidate.set(words)?;
        Ok(())
    }

    /// Takes something out of the candidate.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub fn delete(&mut self, words: &[&str]) -> Result<(), Fault> {
        self.candidate = self.candidate.delete(words)?;
        Ok(())
    }

    /// The candidate is as what is in force.
    pub fn discard(&mut self) {
        self.candidate = self.settings.clone();
    }

    /// The candidate is as some generations ago.
    ///
    /// # Errors
    ///
    /// Nothing is kept of it.
    pub fn rollback(&mut self, back: u32) -> Result<(), Fault> {
        self.candidate = self.settings(Which::Back(back))?;
        Ok(())
    }

    /// What differs.
    ///
    /// # Errors
    ///
    /// Nothing is kept of one of them.
    pub fn diff(&self, from: Which, to: Which) -> Result<Vec<String>, Fault> {
        Ok(diff(&self.settings(from)?, &self.settings(to)?))
    }

    /// The candidate, for whoever checks it further.
    ///
    /// # Errors
    ///
    /// Its values do not agree.
    pub fn checked(&self) -> Result<&Settings, Fault> {
        self.candidate.check().map(|()| &self.candidate)
    }

    /// The candidate is in force; with `confirm_s` it goes back by itself. Its generation.
    ///
    /// # Errors
    ///
    /// Its values do not agree, nothing differs, or it cannot be written: what was in force is in force.
    pub fn commit(
        &mut self,
        by: &str,
        words: &str,
        confirm_s: Option<u32>,
        now: Now,
    ) -> Result<u64, Fault> {
        self.candidate.check()?;
        if confirm_s.is_some_and(|s| !(1..=CONFIRM_S_MAX).contains(&s)) {
            let what = format!("a confirmation is waited for 1 to {CONFIRM_S_MAX} seconds");
            return Err(Fault::never(Blame::Operator, what));
        }
        let is_same = self.candidate == self.settings;
        if is_same && (self.trial.is_none() || confirm_s.is_some()) {
            return Err(Fault::never(Blame::Operator, "nothing differs from what is in force"));
        }
        let before = match &self.trial {
            Some(trial) => trial.before.clone(),
            None => self.settings.clone(),
        };
        let written = Written { by, words, trial: confirm_s.is_some() };
        self.put_in_force(self.candidate.clone(), written, now)?;
        let until_ms = |s: u32| now.ms.saturating_add(u64::from(s) * 1000);
        self.trial = confirm_s.map(|s| Trial { until_ms: until_ms(s), before });
        Ok(self.generation)
    }

    /// What was committed stays.
    ///
    /// # Errors
    ///
    /// Nothing waits for it.
    pub fn confirm(&mut self, by: &str, now: Now) -> Result<(), Fault> {
        if self.trial.is_none() {
            return Err(Fault::never(Blame::Operator, "no commit waits to be confirmed"));
        }
        let written = Written { by, words: "confirmed", trial: false };
        self.put_in_force(self.settings.clone(), written, now)?;
        self.trial = None;
        Ok(())
    }

    /// What time it is: a commit that nobody confirmed goes back. Whether one did.
    ///
    /// # Errors
    ///
    /// It cannot be written; it is tried again.
    pub fn tick(&mut self, now: Now) -> Result<bool, Fault> {
        let Some(trial) = self.trial.as_ref().filter(|trial| trial.until_ms <= now.ms) else {
            return Ok(false);
        };
        let words = format!("generation {} was not confirmed", self.generation);
        let before = trial.before.clone();
        self.put_in_force(before, Written { by: "steward", words: &words, trial: false }, now)?;
        self.trial = None;
        Ok(true)
    }

    /// What was in force, newest first.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn history(&self) -> Result<Vec<Past>, Fault> {
        let mut all = Vec::new();
        for back in 0..GENERATIONS {
            let Some(kept) = self.keep.back(Kind::Settings, back)? else { break };
            let past = match decode::<Generation>(Kind::Settings, &kept.payload) {
                Ok(Generation { at_s, by, words, trial, .. }) => {
                    Past { back, generation: kept.generation, at_s, by, words, trial }
                }
                Err(fault) => Past {
                    back,
                    generation: kept.generation,
                    at_s: 0,
                    by: "?".into(),
                    words: fault.what,
                    trial: false,
                },
            };
            all.push(past);
        }
        Ok(all)
    }

    /// Something that whoever comes next has to know. The oldest makes room.
    pub fn note(&mut self, words: String) {
        self.alarms.push(words);
        let surplus = self.alarms.len().saturating_sub(ALARMS_MAX);
        self.alarms.drain(..surplus);
    }

    /// How the links are.
    pub fn see_links(&mut self, mut links: Vec<LinkState>) {
        links.truncate(LINKS_MAX);
        self.links = links;
    }

    /// The box started.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn booted(&mut self, boot: Boot) -> Result<(), Fault> {
        let count = self.boots.count + 1;
        let asked = std::mem::take(&mut self.boots.asked);
        let why =
            if asked.is_empty() { boot.why.clone() } else { format!("{asked} was asked for") };
        let mut last = vec![Boot { number: count, why, ..boot }];
        last.extend(self.boots.last.iter().take(BOOTS_MAX - 1).cloned());
        self.put_boots(Boots { count, last, asked: String::new() })
    }

    fn put_boots(&mut self, boots: Boots) -> Result<(), Fault> {
        self.keep.write(Kind::Boot, &encode(&boots)?)?;
        self.boots = boots;
        Ok(())
    }

    /// The machine is about to stop, because this was asked for.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn stops(&mut self, asked: &str, now: Now) -> Result<(), Fault> {
        self.put_boots(Boots { asked: asked.into(), ..self.boots.clone() })?;
        self.put_time(now)
    }

    /// Every hour it is written down what time it is, for a start without a clock.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn note_time(&mut self, now: Now) -> Result<(), Fault> {
        match self.noted_ms.is_none_or(|noted| now.ms >= noted.saturating_add(NOTE_MS)) {
            true => self.put_time(now),
            false => Ok(()),
        }
    }

    fn put_time(&mut self, now: Now) -> Result<(), Fault> {
        self.noted_ms = Some(now.ms);
        self.keep.write(Kind::TimeFloor, &encode(&TimeFloor { at_s: now.s })?).map(drop)
    }

    /// Starts, newest first.
    pub fn boots(&self) -> Vec<Boot> {
        self.boots.last.clone()
    }
}

/// How a generation is told.
struct Written<'a> {
    by: &'a str,
    words: &'a str,
    trial: bool,
}

/// The digest of a key pair's public half, in words people can compare.
fn key_words(pkcs8: &[u8]) -> String {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    let Ok(pair) = Ed25519KeyPair::from_pkcs8(pkcs8) else { return "(damaged)".into() };
    let digest = blake3::hash(pair.public_key().as_ref());
    let words: Vec<String> = digest.as_bytes()[..12]
        .chunks(2)
        .map(|two| format!("{:02x}{:02x}", two[0], two[1]))
        .collect();
    words.join("-")
}
