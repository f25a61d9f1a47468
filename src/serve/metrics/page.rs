//! A snapshot as text that Prometheus reads: the exposition format 0.0.4.
//!
//! Owns the names, which stay what they are, and the escapes. Units are bytes and seconds; what only grows ends
//! in `_total` and starts from 0 with the service, but for what drives count: that goes on.

use std::fmt::{Display, Write};

use crate::catalogue::record::Counted;

use super::snapshot::{DriveNow, DriveState, JOB_STATES, Snapshot};

/// Names of labels with their values.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// All of a page.
pub fn page(now: &Snapshot) -> String {
    let mut page = Page(String::new());
    page.gauge(
        "build_info",
        "Which tapioca this is.",
        [(vec![("version", env!("CARGO_PKG_VERSION"))], 1)],
    );
    drives(&mut page, &now.drives);
    let jobs =
        JOB_STATES.map(|state| (vec![("state", state)], now.jobs.get(state).copied().unwrap_or(0)));
    page.gauge("jobs", "Jobs that the catalogue knows, by state.", jobs);
    let media = now
        .media
        .iter()
        .map(|((state, pool), count)| (vec![("state", *state), ("pool", pool.as_str())], *count));
    page.gauge("media", "Cartridges, by state and pool.", media);
    page.counter(
        "recorded_bytes_total",
        "Stream bytes that are on tape and recorded in the catalogue.",
        one(now.recorded_bytes),
    );
    let successes = now.last_success_s.iter().map(|((machine, backup), at)| {
        (vec![("machine", machine.as_str()), ("backup", backup.as_str())], *at)
    });
    page.gauge(
        "backup_last_success_timestamp_seconds",
        "When the last backup of this name was done, with or without things left out.",
        successes,
    );
    page.gauge("requests_waiting", "Requests that wait for a person.", one(now.requests));
    page.gauge("catalogue_bytes", "Bytes of the catalogue on disk.", one(now.catalogue_bytes));
    if !now.counted.is_empty() {
        health(&mut page, now);
    }
    notes(&mut page, now);
    page.0
}

fn one(value: u64) -> [(Labels<'static>, u64); 1] {
    [(Vec::new(), value)]
}

fn drives(page: &mut Page, drives: &[DriveNow]) {
    let states = drives.iter().flat_map(|drive| {
        DriveState::ALL.map(|(state, word)| {
            let labels = vec![("drive", drive.name.as_str()), ("state", word)];
            (labels, u64::from(drive.state == state))
        })
    });
    page.gauge("drive_state", "1 for the state a drive is in, 0 for the others.", states);
    let each = |value: fn(&DriveNow) -> u64| {
        drives.iter().map(move |drive| (vec![("drive", drive.name.as_str())], value(drive)))
    };
    let written = each(|drive| drive.written_bytes);
    page.counter("drive_written_bytes_total", "Bytes that a drive wrote.", written);
    page.counter(
        "drive_read_bytes_total",
        "Bytes that a drive read.",
        each(|drive| drive.read_bytes),
    );
    page.gauge(
        "drive_speed_bytes_per_second",
        "Bytes that go through a drive now.",
        each(|drive| drive.bytes_per_s),
    );
    let alerts = drives.iter().flat_map(|drive| {
        drive.alerts.iter().map(|(alert, times)| {
            (vec![("drive", drive.name.as_str()), ("alert", alert.as_str())], *times)
        })
    });
    page.counter("drive_tapealerts_total", "TapeAlert flags that a drive raised.", alerts);
}

fn health(page: &mut Page, now: &Snapshot) {
    let each = |value: fn(&Counted) -> u64| {
        now.counted.iter().flat_map(move |(medium, counted)| {
            ["write", "read"].into_iter().zip(counted).map(move |(does, counted)| {
                (vec![("medium", medium.as_str()), ("does", does)], value(counted))
            })
        })
    };
    let name = "medium_corrected_errors_total";
    page.counter(name, "Errors that drives corrected on a medium.", each(|c| c.corrected));
    let name = "medium_hard_errors_total";
    page.counter(name, "Errors that drives could not correct on a medium.", each(|c| c.hard));
    page.counter("medium_bytes_total", "Bytes to and from a medium.", each(|c| c.bytes));
}

fn notes(page: &mut Page, now: &Snapshot) {
    let each = |value: fn(&crate::serve::notify::post::Counts) -> u64| {
        now.notes.iter().map(move |(to, counts)| (vec![("receiver", to.as_str())], value(counts)))
    };
    page.counter("notes_sent_total", "Notes that a receiver took.", each(|counts| counts.sent));
    page.counter(
        "notes_failures_total",
        "Tries to send a note that failed.",
        each(|counts| counts.failures),
    );
    page.counter("notes_dropped_total", "Notes that nobody got.", each(|counts| counts.dropped));
}

/// What is written so far.
struct Page(String);

impl Page {
    fn gauge<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) {
        self.family(name, "gauge", help, samples);
    }

    fn counter<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) {
        self.family(name, "counter", help, samples);
    }

    /// Head and samples of one name; a name without samples is left out.
    fn family<'a, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.put(format_args!("# HELP tapioca_{name} {help}\n# TYPE tapioca_{name} {kind}\n"));
        for (labels, value) in samples {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
                .collect();
            match labels.is_empty() {
                true => self.put(format_args!("tapioca_{name} {value}\n")),
                false => self.put(format_args!("tapioca_{name}{{{}}} {value}\n", labels.join(","))),
            }
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes everything");
    }
}

/// The value of a label: three characters have escapes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
