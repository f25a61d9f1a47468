//! Words and cron expressions mean what they say, in summer and winter, and are said back.

#![allow(clippy::unwrap_used, reason = "in tests it says what failed and where")]

use super::*;

fn when(text: &str) -> When {
    When::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn at(text: &str) -> Seconds {
    text.parse::<Zoned>().unwrap_or_else(|error| panic!("{text}: {error}")).timestamp().as_second()
}

/// The next `count` times after `from`, which names its zone.
fn next(text: &str, from: &str, count: usize) -> Vec<String> {
    let from: Zoned = from.parse().unwrap();
    let mut last = from.timestamp().as_second();
    let mut found = Vec::new();
    for _ in 0..count {
        last = when(text).next(last, from.time_zone()).unwrap();
        let local = Timestamp::from_second(last).unwrap().to_zoned(from.time_zone().clone());
        found.push(local.strftime("%a %Y-%m-%d %H:%M %:z").to_string());
    }
    found
}

#[test]
fn words_say_when() {
    let from = "2026-01-01T12:00[UTC]"; // A Thursday.
    for (text, expected) in [
        ("daily at 02:30", ["Fri 2026-01-02 02:30", "Sat 2026-01-03 02:30"]),
        ("every day at noon and 13:05", ["Thu 2026-01-01 13:05", "Fri 2026-01-02 12:00"]),
        ("every Monday and Thursday at 22:00", ["Thu 2026-01-01 22:00", "Mon 2026-01-05 22:00"]),
        ("weekdays at 1:00", ["Fri 2026-01-02 01:00", "Mon 2026-01-05 01:00"]),
        ("weekends at midnight", ["Sat 2026-01-03 00:00", "Sun 2026-01-04 00:00"]),
        ("sundays at 06:00", ["Sun 2026-01-04 06:00", "Sun 2026-01-11 06:00"]),
        ("every 6 hours", ["Thu 2026-01-01 18:00", "Fri 2026-01-02 00:00"]),
        ("hourly", ["Thu 2026-01-01 13:00", "Thu 2026-01-01 14:00"]),
        ("every 12 hours at minute 5", ["Thu 2026-01-01 12:05", "Fri 2026-01-02 00:05"]),
        ("every 20 minutes", ["Thu 2026-01-01 12:20", "Thu 2026-01-01 12:40"]),
        ("on the 1st at 04:00", ["Sun 2026-02-01 04:00", "Sun 2026-03-01 04:00"]),
        ("on the 31st at 04:00", ["Sat 2026-01-31 04:00", "Tue 2026-03-31 04:00"]),
        ("on the last day at 04:00", ["Sat 2026-01-31 04:00", "Sat 2026-02-28 04:00"]),
        (
            "on the first sunday of the month at 4:00",
            ["Sun 2026-01-04 04:00", "Sun 2026-02-01 04:00"],
        ),
        (
            "on the last friday and the 15th at 4:00",
            ["Thu 2026-01-15 04:00", "Fri 2026-01-30 04:00"],
        ),
        ("30 2 * * mon-fri", ["Fri 2026-01-02 02:30", "Mon 2026-01-05 02:30"]),
        ("*/15 2 1 */3 *", ["Wed 2026-04-01 02:00", "Wed 2026-04-01 02:15"]),
        ("@weekly", ["Sun 2026-01-04 00:00", "Sun 2026-01-11 00:00"]),
    ] {
        assert_eq!(next(text, from, 2), expected.map(|time| format!("{time} +00:00")), "{text}");
    }
}

#[test]
fn an_hour_that_is_left_out_moves_what_was_in_it() {
    // Clocks went from 02:00 to 03:00 on 29 March.
    let from = "2026-03-28T02:30[Europe/Berlin]";
    let nights = ["Sun 2026-03-29 03:00 +02:00", "Mon 2026-03-30 02:30 +02:00"];
    assert_eq!(next("daily at 02:30", from, 2), nights);
    // What is moved there together begins once.
    let both = next("daily at 02:30 and 02:45", "2026-03-29T00:00[Europe/Berlin]", 2);
    assert_eq!(both, ["Sun 2026-03-29 03:00 +02:00", "Mon 2026-03-30 02:30 +02:00"]);
    let hours = next("every hour", "2026-03-29T00:30[Europe/Berlin]", 3);
    assert_eq!(hours.map_each(), ["01:00", "03:00", "04:00"]);
    // At midnight, in Santiago: the day has 23 hours and begins at one.
    let from = "2026-09-05T12:00[America/Santiago]";
    assert_eq!(next("daily at midnight", from, 1), ["Sun 2026-09-06 01:00 -03:00"]);
}

#[test]
fn an_hour_that_comes_twice_begins_a_time_of_day_once() {
    // Clocks went from 03:00 to 02:00 on 25 October.
    let from = "2026-10-24T12:00[Europe/Berlin]";
    let nights = ["Sun 2026-10-25 02:30 +02:00", "Mon 2026-10-26 02:30 +01:00"];
    assert_eq!(next("daily at 02:30", from, 2), nights);
    assert_eq!(next("30 2 * * *", from, 2), nights);
    // Asked in the second of the two hours, it does not come again that night.
    let second = at("2026-10-25T02:10+01:00[Europe/Berlin]");
    let after = when("daily at 02:30").next(second, &zone("Europe/Berlin").unwrap());
    assert_eq!(after, Some(at("2026-10-26T02:30[Europe/Berlin]")));
    let hours = next("every hour", "2026-10-25T01:30[Europe/Berlin]", 3);
    let both = ["02:00 +02:00", "02:00 +01:00", "03:00 +01:00"];
    assert_eq!(hours, both.map(|time| format!("Sun 2026-10-25 {time}")));
}

#[test]
fn half_an_hour_of_summer_is_known_too() {
    // Lord Howe Island goes from 02:00 to 02:30.
    let from = "2026-10-03T12:00[Australia/Lord_Howe]";
    assert_eq!(next("daily at 02:10", from, 1), ["Sun 2026-10-04 02:30 +11:00"]);
}

trait MapEach {
    fn map_each(&self) -> Vec<&str>;
}

impl MapEach for Vec<String> {
    /// Only the times of day.
    fn map_each(&self) -> Vec<&str> {
        self.iter().map(|time| time.split(' ').nth(2).unwrap()).collect()
    }
}

#[test]
fn there_is_one_way_to_say_it_back() {
    for (text, words) in [
        ("EVERY day at 2:30", "daily at 02:30"),
        ("30 2 * * *", "daily at 02:30"),
        ("30 2 * * 1-5", "weekdays at 02:30"),
        ("30 2 * * 0,6", "weekends at 02:30"),
        ("0 22 * * thu,mon", "every monday and thursday at 22:00"),
        (
            "mon, wed, and fri at 22:00, 4:00",
            "every monday, wednesday and friday at 04:00 and 22:00",
        ),
        ("0 4 1,15 * *", "on the 1st and 15th at 04:00"),
        ("on the last day and the 2nd at 4:00", "on the 2nd and last day at 04:00"),
        ("0 */6 * * *", "every 6 hours"),
        ("5 * * * *", "every hour at minute 5"),
        ("*/10 * * * *", "every 10 minutes"),
        ("* * * * *", "every minute"),
        ("0 2 * * 0-6", "daily at 02:00"),
        ("0 4 1 1 *", "cron 0 4 1 1 * (at 04:00, on day 1, in january)"),
        ("0 2,14 * * *", "cron 0 2,14 * * * (at minute 0, of hour 2 and 14)"),
    ] {
        assert_eq!(when(text).words(), words, "{text}");
    }
}

/// Expressions of all kinds, made by counting.
fn many() -> Vec<String> {
    let minutes = ["0", "30", "*", "*/7", "*/15", "5,50", "59"];
    let hours = ["2", "0", "*", "*/6", "2-4", "*/5", "23"];
    let days = ["*", "1", "31", "l", "1,15,29", "*/10", "15w"];
    let months = ["*", "*", "2", "*/3"];
    let weekdays = ["*", "1", "7", "1-5", "6,0", "fri#2", "5#l", "0-7"];
    let mut found = Vec::new();
    for nth in 0..minutes.len() * hours.len() * days.len() * months.len() * weekdays.len() {
        // Every thirteenth of all, which is a stride that shares no factor with the counts.
        let (mut left, mut pick) = (nth * 13, Vec::new());
        for choice in [&minutes[..], &hours, &days, &months, &weekdays] {
            pick.push(choice[left % choice.len()]);
            left /= choice.len();
        }
        if nth % 17 == 0 {
            found.push(pick.join(" "));
        }
    }
    let starts =
        ["daily", "weekdays", "every tuesday and sunday", "on the 3rd, last day and last monday"];
    let times = ["02:30", "noon", "00:00 and 02:15 and 02:59", "1:00, 2:00"];
    found.extend(starts.iter().flat_map(|day| times.map(|time| format!("{day} at {time}"))));
    found.extend([1, 2, 3, 4, 6, 8, 12].map(|n| format!("every {n} hours at minute {}", n * 4)));
    found.extend([1, 5, 30].map(|n| format!("every {n} minutes")));
    found
}

#[test]
fn what_is_said_back_means_the_same() {
    let zones = ["UTC", "Europe/Berlin", "America/Santiago"].map(|name| zone(name).unwrap());
    let starts = ["2026-03-28T22:00Z[UTC]", "2026-10-24T22:00Z[UTC]", "2027-12-31T23:59Z[UTC]"];
    let (mut seen, mut plain) = (0, 0);
    for text in many() {
        let Ok(first) = When::parse(&text) else { continue };
        let words = first.words();
        let again = when(&words);
        assert_eq!(again.words(), words, "{text}");
        seen += 1;
        plain += usize::from(!words.starts_with("cron"));
        // Of a cron expression that became words, the expression as it stands.
        let told =
            cron(&text).map(|cron| When { form: Form::Cron(text.clone()), crons: vec![cron] });
        let told = told.unwrap_or(first);
        for (zone, start) in zones.iter().flat_map(|zone| starts.map(|start| (zone, at(start)))) {
            let (mut one, mut other) = (start, start);
            for _ in 0..6 {
                one = told.next(one, zone).unwrap();
                other = again.next(other, zone).unwrap();
                assert_eq!(one, other, "{text} is not {words}");
            }
        }
    }
    assert!(seen > 300 && plain > 30, "{seen} were tried, {plain} of them plain");
}

#[test]
fn what_is_not_understood_is_named() {
    for (text, names, hint) in [
        ("", "it is empty", "daily at 02:30"),
        ("daily", "at what time?", "HH:MM"),
        ("daily at 25:00", "\"25:00\" is no time", "00:00 to 23:59"),
        ("daily at 2", "\"2\" is no time", "HH:MM"),
        ("daily at 2:3", "\"2:3\" is no time", "HH:MM"),
        ("every moonday at 2:00", "\"moonday\" is no day", "monday"),
        ("every 5 hours", "every 5 hours is not the same every day", "1, 2, 3, 4, 6, 8, 12"),
        ("every 0 minutes", "every 0 minutes", "1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30"),
        ("every 3 days", "\"days\"", "hours or minutes"),
        ("every 2 hours at noon", "\"noon\"", "at minute"),
        ("on the 32nd at 4:00", "\"32nd\" is no day of a month", "31st"),
        ("on the fifth monday at 4:00", "\"fifth\"", "last friday"),
        ("weekly", "on which day", "every sunday"),
        ("daily at 2:00 in the morning", "\"in\"", "daily"),
        ("weekdays 2:00", "\"2:00\" is not expected there; `at` is", "HH:MM"),
        ("0 2 * *", "five fields", "30 2 * *"),
        ("0 0 2 * * *", "five fields", "30 2 * *"),
        ("30 2 , * mon-fri", "missing beside a comma", "cron"),
        ("61 2 * * *", "61", "cron"),
        ("0 2 30 2 *", "never comes", "daily"),
        ("on the 30th at 4:00 and", "\"\" is no time", "HH:MM"),
        ("cron 0 4 1 1 * (daily)", "does not mean daily", "leave out"),
        ("daily\u{1b}[31m at 2:00", "control character", "daily"),
        ("dä at 2:00", "\"dä\" is no day", "monday"),
    ] {
        let fault = When::parse(text).expect_err(text);
        assert!(fault.what.contains(names), "{text}: {}", fault.what);
        assert!(!fault.what.contains('\n'), "{}", fault.what);
        let said = fault.hint.unwrap_or_default();
        assert!(said.contains(hint), "{text}: {said}");
    }
    assert!(When::parse(&"1".repeat(WHEN_BYTES_MAX + 1)).unwrap_err().what.contains("bytes"));
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let daily = when("daily at 02:30");
    for after in [Seconds::MIN, -377_705_116_800, 0, 253_402_200_000, Seconds::MAX] {
        if let Some(next) = daily.next(after, &TimeZone::UTC) {
            assert!(next > after);
        }
    }
    assert!(zone("Europe/Atlantis").unwrap_err().what.contains("Europe/Atlantis"));
}
