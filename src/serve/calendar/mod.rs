//! When a schedule is due.
//!
//! Owns the meaning of `when` in a schedule: plain words ([`words`]) or a cron expression of five fields, in a
//! time zone. Refuses what never comes. Knows no clock: it is asked for what comes after a time.
//!
//! Where clocks are put forward, what was to begin in the hour that is left out begins right after it; where
//! they are put back, what has a time of day begins once, at the first of the two. What comes every so many
//! hours or minutes goes by the clock on the wall too, and comes in both of the two hours that are alike.

mod plain;
#[cfg(test)]
mod tests;
mod words;

use croner::parser::{CronParser, Seconds as SecondsField, Year};
use croner::{Cron, JobType};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::catalogue::record::Seconds;
use crate::stream::Fault;
use plain::Plain;

/// The longest text that says when, bytes.
pub const WHEN_BYTES_MAX: usize = 300;

const EXAMPLES: &str = "for example: daily at 02:30, weekdays at 01:00, every monday and thursday at 22:00, on the 1st \
     at 04:00, every 6 hours, or five fields of cron: 30 2 * * mon-fri";

/// When something is due, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    form: Form,
    /// What is asked; the earliest answer counts.
    crons: Vec<Cron>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Plain(Plain),
    Cron(String),
}

impl When {
    /// Reads plain words or a cron expression. The fault names the word that is not understood, its hint what
    /// is possible.
    pub fn parse(text: &str) -> Result<When, Fault> {
        if text.len() > WHEN_BYTES_MAX {
            return Err(wrong(format!("it has more than {WHEN_BYTES_MAX} bytes")));
        }
        let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.contains(char::is_control) {
            return Err(wrong("it has a control character"));
        }
        let when = match text.strip_prefix("cron ") {
            Some(told) => told_cron(told)?,
            None if text.starts_with(|c: char| c.is_ascii_digit() || "*@".contains(c)) => {
                When::of_cron(&text)?
            }
            None => When::of_plain(words::read(&text)?)?,
        };
        if when.next(0, &TimeZone::UTC).is_none() {
            return Err(wrong(format!("{text} never comes")));
        }
        match when.words().len() {
            0..=WHEN_BYTES_MAX => Ok(when),
            _ => Err(wrong("it says too much at once").hint("make two schedules of it")),
        }
    }

    fn of_plain(plain: Plain) -> Result<When, Fault> {
        let crons = plain.crons();
        let crons = crons.iter().map(|text| cron(text)).collect::<Result<Vec<Cron>, Fault>>()?;
        Ok(When { form: Form::Plain(plain), crons })
    }

    /// A cron expression becomes plain words where words mean the same, through the hours that are left out or
    /// come twice as well.
    fn of_cron(text: &str) -> Result<When, Fault> {
        let cron = cron(text)?;
        let is_fixed = cron.determine_job_type() == JobType::FixedTime;
        match Plain::of_cron(&cron.pattern, is_fixed) {
            Some(plain) => When::of_plain(plain),
            None => Ok(When { form: Form::Cron(text.to_owned()), crons: vec![cron] }),
        }
    }

    /// The first second after `after_s` at which it is due by the clocks of `zone`; none when the calendar
    /// ends before.
    pub fn next(&self, after_s: Seconds, zone: &TimeZone) -> Option<Seconds> {
        let after = Zoned::new(Timestamp::from_second(after_s).ok()?, zone.clone());
        let next = |cron: &Cron| {
            let found = cron.find_next_occurrence(&after, false).ok()?.timestamp().as_second();
            (found > after_s).then_some(found)
        };
        self.crons.iter().filter_map(next).min()
    }

    /// The same in plain words, which [`parse`](When::parse) reads to the same meaning. What words have no
    /// form for begins with `cron`, and says what it means in parentheses.
    pub fn words(&self) -> String {
        match &self.form {
            Form::Plain(plain) => plain.to_string(),
            Form::Cron(text) => {
                let full = format!("cron {text} ({})", meaning(&self.crons[0]));
                if full.len() > WHEN_BYTES_MAX { format!("cron {text}") } else { full }
            }
        }
    }
}

/// A time zone by its name, such as `Europe/Berlin`.
pub fn zone(name: &str) -> Result<TimeZone, Fault> {
    TimeZone::get(name).map_err(|_| {
        Fault::usage(format!("there is no time zone {name:?}"))
            .hint("names are like Europe/Berlin, America/New_York or UTC")
    })
}

fn wrong(why: impl std::fmt::Display) -> Fault {
    Fault::usage(format!("cannot tell when that is: {why}")).hint(EXAMPLES)
}

fn cron(text: &str) -> Result<Cron, Fault> {
    let parser = CronParser::builder().seconds(SecondsField::Disallowed).year(Year::Disallowed);
    if !text.starts_with('@') && text.split_whitespace().count() != 5 {
        return Err(wrong(format!("{text}: a cron expression has five fields"))
            .hint("minute, hour, day of the month, month, day of the week: 30 2 * * mon-fri"));
    }
    // A list with nothing between its commas is no list, whatever a parser makes of it.
    if text.split([' ', ',']).any(str::is_empty) {
        return Err(wrong(format!("{text}: something is missing beside a comma")));
    }
    parser.build().parse(text).map_err(|error| {
        let why = error.to_string().trim_end_matches('.').replace('\n', " ");
        wrong(format!("{text}: {}{}", why[..1].to_lowercase(), &why[1..]))
    })
}

/// What a cron expression means, in words that only people read.
fn meaning(cron: &Cron) -> String {
    let said = cron.describe().to_lowercase().replace(['(', ')'], " ");
    said.trim_end_matches('.').split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `EXPRESSION` or `EXPRESSION (MEANING)`; a meaning that is not its own is refused.
fn told_cron(told: &str) -> Result<When, Fault> {
    let (text, said) = match told.split_once('(') {
        Some((text, said)) => (text.trim(), Some(said.trim_end_matches(')'))),
        None => (told.trim(), None),
    };
    let when = When::of_cron(text)?;
    match said.filter(|said| when.crons.len() != 1 || meaning(&when.crons[0]) != *said) {
        Some(said) => Err(wrong(format!("cron {text} does not mean {said}"))
            .hint("leave out what is in parentheses")),
        None => Ok(when),
    }
}
