//! Plain words for when something is due, as they are read.
//!
//! Owns the grammar:
//!
//! ```text
//! daily at TIME            weekdays at TIME          weekends at TIME
//! every DAY and DAY at TIME                          mondays at TIME
//! on the 1st, 15th and last day at TIME              on the first monday at TIME and TIME
//! every N hours            every N hours at minute M every N minutes       hourly
//! ```
//!
//! TIME is `HH:MM`, `noon` or `midnight`; commas and `and` are alike; N divides a day or an hour, so that a
//! schedule is the same every day.

use std::collections::BTreeSet;

use super::plain::{DAYS, Days, MonthDay, NTH, Plain, Time, list, weekdays, weekends};
use super::wrong;
use crate::stream::Fault;

const TIMES: &str = "times are HH:MM from 00:00 to 23:59, noon or midnight";

/// Reads lower-case words.
pub fn read(text: &str) -> Result<Plain, Fault> {
    let spaced = text.replace(',', " and ");
    let mut words = Words { left: spaced.split_whitespace().collect() };
    words.left.dedup_by(|next, word| *word == "and" && *next == "and");
    if words.left.is_empty() {
        return Err(wrong("it is empty"));
    }
    let plain = words.plain()?;
    match words.left.first() {
        Some(word) => Err(wrong(format!("{word:?} is not expected there"))),
        None => Ok(plain),
    }
}

/// What is not read yet.
struct Words<'a> {
    left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        (!self.left.is_empty()).then(|| self.left.remove(0))
    }

    fn next_if(&mut self, is_wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.left.first().copied().filter(|word| is_wanted(word))?;
        self.next()
    }

    fn plain(&mut self) -> Result<Plain, Fault> {
        let first = self.next().unwrap_or_default();
        let days = match first {
            "hourly" => return self.hours(1),
            "daily" => Days::Every,
            "weekdays" => weekdays(),
            "weekends" => weekends(),
            "weekly" => {
                return Err(wrong("weekly does not say on which day").hint("every sunday at 03:00"));
            }
            "monthly" => {
                return Err(wrong("monthly does not say on which day").hint("on the 1st at 04:00"));
            }
            "every" | "each" => match self.next().unwrap_or_default() {
                "day" => Days::Every,
                "hour" => return self.hours(1),
                "minute" => return Ok(Plain::Minutes(1)),
                "weekday" => weekdays(),
                "weekend" => weekends(),
                word if word.starts_with(|c: char| c.is_ascii_digit()) => return self.every(word),
                word => self.week(word)?,
            },
            "on" => match self.next_if(|word| word == "the") {
                Some(_) => self.month()?,
                None => {
                    let word = self.next().unwrap_or_default();
                    self.week(word)?
                }
            },
            word => self.week(word)?,
        };
        Ok(Plain::Days(days, self.times(first)?))
    }

    fn every(&mut self, number: &str) -> Result<Plain, Fault> {
        let unit = self.next().unwrap_or_default();
        let whole = match unit {
            "hours" | "hour" => 24,
            "minutes" | "minute" => 60,
            _ => {
                return Err(wrong(format!("every {number} {unit:?} is not possible")).hint(
                    "every so many hours or minutes; days have names: every monday at 22:00",
                ));
            }
        };
        let every = number.parse::<u8>().ok().filter(|n| *n > 0 && *n < whole && whole % *n == 0);
        let Some(every) = every else {
            let possible = (1..whole).filter(|n| whole % n == 0);
            return Err(wrong(format!("every {number} {unit} is not the same every day"))
                .hint(format!("possible are every {} {unit}", list(possible, ", "))));
        };
        if whole == 60 { Ok(Plain::Minutes(every)) } else { self.hours(every) }
    }

    /// `at minute M`, or nothing.
    fn hours(&mut self, every: u8) -> Result<Plain, Fault> {
        if self.next_if(|word| word == "at").is_none() {
            return Ok(Plain::Hours(every, 0));
        }
        let (unit, number) = (self.next().unwrap_or_default(), self.next().unwrap_or_default());
        match number.parse::<u8>().ok().filter(|minute| unit == "minute" && *minute < 60) {
            Some(past) => Ok(Plain::Hours(every, past)),
            None => Err(wrong(format!("every so many hours at {unit:?} {number:?}"))
                .hint("at minute 0 to at minute 59")),
        }
    }

    /// Days of the week, `first` being read already.
    fn week(&mut self, first: &str) -> Result<Days, Fault> {
        let mut days = BTreeSet::from([weekday(first)?]);
        while self.next_if(|word| word == "and").is_some() {
            days.insert(weekday(self.next().unwrap_or_default())?);
        }
        Ok(Days::of_week(days))
    }

    /// Days of the month.
    fn month(&mut self) -> Result<Days, Fault> {
        let mut days = BTreeSet::from([self.month_day()?]);
        while self.next_if(|word| word == "and").is_some() {
            self.next_if(|word| word == "the");
            days.insert(self.month_day()?);
        }
        if self.next_if(|word| word == "of").is_some() {
            self.next_if(|word| ["the", "every", "each"].contains(&word));
            self.next_if(|word| word == "month")
                .ok_or_else(|| wrong("`of` what? only of the month"))?;
        }
        Ok(Days::Month(days))
    }

    fn month_day(&mut self) -> Result<MonthDay, Fault> {
        let word = self.next().unwrap_or_default();
        if word == "last" && self.next_if(|word| word == "day").is_some() {
            return Ok(MonthDay::Last);
        }
        if let Some(nth) = NTH.iter().position(|known| *known == word) {
            let day = self.next().unwrap_or_default();
            return Ok(MonthDay::Nth(nth as u8, weekday(day)?));
        }
        let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let ending = &word[number.len()..];
        let day = number.parse().ok().filter(|day| (1..=31).contains(day));
        match day.filter(|_| ["", "st", "nd", "rd", "th", "."].contains(&ending)) {
            Some(day) => Ok(MonthDay::Number(day)),
            None => Err(wrong(format!("{word:?} is no day of a month"))
                .hint("1st to 31st, last day, first monday to fourth sunday, last friday")),
        }
    }

    /// `at` and the times.
    fn times(&mut self, first: &str) -> Result<BTreeSet<Time>, Fault> {
        match self.next() {
            Some("at") => {}
            Some(word) => {
                return Err(wrong(format!("{word:?} is not expected there; `at` is")).hint(TIMES));
            }
            None => return Err(wrong(format!("{first} … at what time?")).hint(TIMES)),
        }
        let mut times = BTreeSet::from([time(self.next().unwrap_or_default())?]);
        while self.next_if(|word| word == "and").is_some() {
            times.insert(time(self.next().unwrap_or_default())?);
        }
        Ok(times)
    }
}

/// A day of the week by its name, in the plural, or the first letters of it.
fn weekday(word: &str) -> Result<u8, Fault> {
    let singular = word.strip_suffix('s').filter(|word| word.ends_with("day")).unwrap_or(word);
    let is_named = |day: &&str| day.starts_with(singular) && singular.len() >= 3;
    match DAYS.iter().position(is_named) {
        Some(nth) => Ok(nth as u8),
        None => Err(wrong(format!("{word:?} is no day")).hint(format!(
            "days are {}, weekdays and weekends; also daily, every 6 hours, on the 1st",
            DAYS.join(", ")
        ))),
    }
}

fn time(word: &str) -> Result<Time, Fault> {
    let parsed = match word {
        "noon" => Some((12, 0)),
        "midnight" => Some((0, 0)),
        _ => word.split_once(':').filter(|(_, minute)| minute.len() == 2).and_then(
            |(hour, minute)| {
                let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                let both = digits(hour) && digits(minute);
                both.then(|| Some((hour.parse().ok()?, minute.parse().ok()?))).flatten()
            },
        ),
    };
    match parsed.filter(|(hour, minute)| *hour < 24 && *minute < 60) {
        Some((hour, minute)) => Ok(Time(hour, minute)),
        None => Err(wrong(format!("{word:?} is no time of day")).hint(TIMES)),
    }
}
