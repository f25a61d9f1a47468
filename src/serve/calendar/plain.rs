//! Plain words for when something is due, and back.
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
//! schedule is the same every day. Words have one form in which they are said back.

use std::collections::BTreeSet;
use std::fmt;

use croner::CronPattern;

use super::wrong;
use crate::stream::Fault;

const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "last"];
const TIMES: &str = "times are HH:MM from 00:00 to 23:59, noon or midnight";

/// Hour and minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u8, u8);

/// A day of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MonthDay {
    /// By number, from 1; a month without it has none.
    Number(u8),
    /// The last one.
    Last,
    /// Which, from 0 with 4 the last one, of a weekday, from 0 for monday.
    Nth(u8, u8),
}

/// On which days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// All.
    Every,
    /// Some of the week, from 0 for monday.
    Week(BTreeSet<u8>),
    /// Some of the month.
    Month(BTreeSet<MonthDay>),
}

/// What plain words can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// Every so many minutes.
    Minutes(u8),
    /// Every so many hours from midnight, so many minutes past.
    Hours(u8, u8),
    /// At times of a day.
    Days(Days, BTreeSet<Time>),
}

impl Plain {
    /// Reads lower-case words.
    pub fn parse(text: &str) -> Result<Plain, Fault> {
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

    /// Cron expressions that say the same together.
    pub fn crons(&self) -> Vec<String> {
        match self {
            Plain::Minutes(every) => vec![format!("*/{every} * * * *")],
            Plain::Hours(every, past) => vec![format!("{past} */{every} * * *")],
            Plain::Days(days, times) => {
                let days = days.cron();
                times.iter().map(|Time(hour, minute)| format!("{minute} {hour} {days}")).collect()
            }
        }
    }

    /// The words for a cron expression, if there are any. One that is fixed has one time of day.
    pub fn of_cron(pattern: &CronPattern, is_fixed: bool) -> Option<Plain> {
        let all_months = pattern.months.values().len() == 12;
        let odd = pattern.matches_dom_and_dow()
            || pattern.days.has_modifiers()
            || pattern.days_of_week.has_modifiers();
        if odd || !all_months {
            return None;
        }
        let days = Days::of_cron(pattern)?;
        let (minutes, hours) = (pattern.minutes.values(), pattern.hours.values());
        if is_fixed {
            let time = Time(small(*hours.first()?)?, small(*minutes.first()?)?);
            return Some(Plain::Days(days, BTreeSet::from([time])));
        }
        let steps = (step(&minutes, 60), step(&hours, 24));
        match (days, minutes[..].first(), minutes.len(), steps) {
            (Days::Every, _, _, (Some(every), Some(1))) if every < 60 => {
                Some(Plain::Minutes(every))
            }
            (Days::Every, Some(past), 1, (_, Some(every))) if every < 24 => {
                Some(Plain::Hours(every, small(*past)?))
            }
            _ => None,
        }
    }
}

fn small(value: u16) -> Option<u8> {
    u8::try_from(value).ok()
}

/// The step with which `values` go from 0 through all of `whole`, if it divides that.
fn step(values: &[u16], whole: u16) -> Option<u8> {
    let count = u16::try_from(values.len()).ok().filter(|count| *count > 0)?;
    let step = whole / count;
    let even = whole % count == 0 && values.iter().copied().eq((0..count).map(|n| n * step));
    even.then(|| small(step)).flatten()
}

impl Days {
    fn of_week(days: BTreeSet<u8>) -> Days {
        if days.len() == 7 { Days::Every } else { Days::Week(days) }
    }

    /// The last three fields.
    fn cron(&self) -> String {
        match self {
            Days::Every => "* * *".to_owned(),
            Days::Week(days) => format!("* * {}", list(days.iter().map(|day| day + 1), ",")),
            Days::Month(days) => {
                let of_month = days.iter().filter_map(|day| match day {
                    MonthDay::Number(number) => Some(number.to_string()),
                    MonthDay::Last => Some("l".to_owned()),
                    MonthDay::Nth(..) => None,
                });
                let of_week = days.iter().filter_map(|day| match day {
                    MonthDay::Nth(4, day) => Some(format!("{}#l", day + 1)),
                    MonthDay::Nth(nth, day) => Some(format!("{}#{}", day + 1, nth + 1)),
                    MonthDay::Number(_) | MonthDay::Last => None,
                });
                let or_star = |list: String| if list.is_empty() { "*".to_owned() } else { list };
                // Where both are given, cron takes a day on which either is right.
                format!("{} * {}", or_star(list(of_month, ",")), or_star(list(of_week, ",")))
            }
        }
    }

    fn of_cron(pattern: &CronPattern) -> Option<Days> {
        match (pattern.is_dom_wildcard(), pattern.is_dow_wildcard()) {
            (true, true) => Some(Days::Every),
            (true, false) => {
                let day = |value: u16| small((value + 6) % 7);
                let days =
                    pattern.days_of_week.values().into_iter().map(day).collect::<Option<_>>();
                days.map(Days::of_week)
            }
            (false, true) => {
                let day = |value| small(value).map(MonthDay::Number);
                pattern.days.values().into_iter().map(day).collect::<Option<_>>().map(Days::Month)
            }
            (false, false) => None,
        }
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

fn weekdays() -> Days {
    Days::Week((0..5).collect())
}

fn weekends() -> Days {
    Days::Week((5..7).collect())
}

/// A day of the week by its name, in the plural, or the first letters of it.
fn weekday(word: &str) -> Result<u8, Fault> {
    let singular = word.strip_suffix('s').filter(|word| word.ends_with("day")).unwrap_or(word);
    let is_named = |day: &&str| day.starts_with(singular) && singular.len() >= 3;
    match DAYS.iter().position(|day| is_named(&day)) {
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

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0, self.1)
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MonthDay::Number(day @ (1 | 21 | 31)) => write!(f, "{day}st"),
            MonthDay::Number(day @ (2 | 22)) => write!(f, "{day}nd"),
            MonthDay::Number(day @ (3 | 23)) => write!(f, "{day}rd"),
            MonthDay::Number(day) => write!(f, "{day}th"),
            MonthDay::Last => f.write_str("last day"),
            MonthDay::Nth(nth, day) => {
                write!(f, "{} {}", NTH[usize::from(*nth)], DAYS[usize::from(*day)])
            }
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Days::Every => f.write_str("daily"),
            days if *days == weekdays() => f.write_str("weekdays"),
            days if *days == weekends() => f.write_str("weekends"),
            Days::Week(days) => {
                let names = days.iter().map(|day| DAYS[usize::from(*day)]);
                write!(f, "every {}", and(names))
            }
            Days::Month(days) => write!(f, "on the {}", and(days.iter())),
        }
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::Minutes(1) => f.write_str("every minute"),
            Plain::Minutes(every) => write!(f, "every {every} minutes"),
            Plain::Hours(every, past) => {
                match every {
                    1 => f.write_str("every hour")?,
                    every => write!(f, "every {every} hours")?,
                }
                if *past > 0 { write!(f, " at minute {past}") } else { Ok(()) }
            }
            Plain::Days(days, times) => write!(f, "{days} at {}", and(times.iter())),
        }
    }
}

fn list(what: impl Iterator<Item = impl fmt::Display>, between: &str) -> String {
    what.map(|one| one.to_string()).collect::<Vec<_>>().join(between)
}

/// `a, b and c`.
fn and(what: impl Iterator<Item = impl fmt::Display>) -> String {
    let mut all: Vec<String> = what.map(|one| one.to_string()).collect();
    match all.pop() {
        Some(last) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        last => last.unwrap_or_default(),
    }
}
