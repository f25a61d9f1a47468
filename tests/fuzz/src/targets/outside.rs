//! What an operator says to the service: when something is due, and its file.
//!
//! Promises: what is understood is said back in words that mean the same, and time goes forward; every
//! complaint is one line, and one about a file points into it.

use tapioca::serve::calendar::{WHEN_BYTES_MAX, When, zone};
use tapioca::serve::config::{Config, DRIVES_MAX};
use tapioca::stream::Fault;

fn one_line(fault: &Fault) {
    assert!(!fault.what.contains(char::is_control), "{:?}", fault.what);
    assert!(fault.hint.as_ref().is_none_or(|hint| !hint.contains(char::is_control)));
}

pub fn when(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let when = match When::parse(text) {
        Ok(when) => when,
        Err(fault) => return one_line(&fault),
    };
    let words = when.words();
    assert!(words.len() <= WHEN_BYTES_MAX);
    let again = When::parse(&words).unwrap_or_else(|fault| panic!("{words}: {fault}"));
    assert_eq!(again.words(), words);
    let zone = zone("Europe/Berlin").expect("it is there");
    // A night in which clocks go back, one in which they go forward, and the end of the calendar.
    for start_s in [1_792_880_000, 1_806_190_000, 253_402_200_000] {
        let mut at_s = start_s;
        for _ in 0..3 {
            let next = when.next(at_s, &zone);
            assert_eq!(next, again.next(at_s, &zone), "{text}: {words}");
            let Some(next_s) = next else { break };
            assert!(next_s > at_s, "{text} goes back");
            at_s = next_s;
        }
    }
}

pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Ok(config) => {
            let drives = config.devices.drives.len();
            assert!((1..=DRIVES_MAX).contains(&drives) && config.state.is_absolute());
            assert!(config.limits.sync_s > 0 && config.limits.streams_per_drive > 0);
            assert!(config.mail.is_none_or(|mail| !mail.to.is_empty()));
        }
        Err(fault) => {
            one_line(&fault);
            let mut place = fault.what.splitn(3, ':').map(|part| part.parse::<usize>());
            let (Some(Ok(line)), Some(Ok(column))) = (place.next(), place.next()) else {
                panic!("{} has no place", fault.what);
            };
            let line = text.split('\n').nth(line - 1).expect("the line is there");
            assert!(column <= line.chars().count() + 1, "{} points nowhere", fault.what);
        }
    }
}
