//! What plain words can say about when something is due.
//!
//! Owns the forms of it, the cron expressions that mean the same, and the one way in which a form is said. How
//! words are read is in [`words`](super::words).

use std::collections::BTreeSet;
use std::fmt;

use croner::CronPattern;

pub(super) const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
pub(super) const NTH: [&str; 5] = ["first", "second", "third", "fourth", "last"];

/// Hour and minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub(super) u8, pub(super) u8);

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
    let even =
        whole.is_multiple_of(count) && values.iter().copied().eq((0..count).map(|n| n * step));
    even.then(|| small(step)).flatten()
}

impl Days {
    pub(super) fn of_week(days: BTreeSet<u8>) -> Days {
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

pub(super) fn weekdays() -> Days {
    Days::Week((0..5).collect())
}

pub(super) fn weekends() -> Days {
    Days::Week((5..7).collect())
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

pub(super) fn list(what: impl Iterator<Item = impl fmt::Display>, between: &str) -> String {
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
