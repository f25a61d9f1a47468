//! Text of 80 columns: paragraphs, pairs and lists; numbers and times as people read them.
//!
//! Owns where lines are broken. A character counts as one column.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalogue::record::Seconds;

/// Columns of a line at most.
pub const COLUMNS: usize = 80;
/// Characters that a name or a reason is given at most.
const CLEAN_CHARS_MAX: usize = 240;
/// Where the second column of pairs begins.
const SECOND: usize = 14;

/// A text that grows by lines, each within [`COLUMNS`].
#[derive(Default)]
pub struct Sheet(String);

impl Sheet {
    /// Text from the left edge.
    pub fn paragraph(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.0.push('\n');
    }

    /// A heading, with an empty line before it.
    pub fn head(&mut self, text: &str) {
        self.gap();
        self.paragraph(text);
    }

    /// What is said about a word.
    pub fn pair(&mut self, word: &str, text: &str) {
        let hang = " ".repeat(SECOND);
        self.wrapped(&format!("{:<SECOND$}", format!("  {word}")), &hang, text);
    }

    /// Something more about the last pair.
    pub fn more(&mut self, text: &str) {
        let hang = " ".repeat(SECOND);
        self.wrapped(&hang, &format!("{hang}  "), text);
    }

    /// An item of a list.
    pub fn item(&mut self, text: &str) {
        self.wrapped("  - ", "    ", text);
    }

    /// A line that is taken as it is.
    pub fn line(&mut self, text: &str) {
        self.0.push_str(&format!("  {text}\n"));
    }

    /// All of it.
    pub fn text(self) -> String {
        self.0
    }

    /// Breaks at spaces, and words that are longer than a line anywhere.
    fn wrapped(&mut self, first: &str, hang: &str, text: &str) {
        let mut line = first.to_owned();
        let mut room = COLUMNS.saturating_sub(first.chars().count());
        let mut is_empty = true;
        for word in text.split_whitespace() {
            let mut word = word;
            while !word.is_empty() {
                let length = word.chars().count() + usize::from(!is_empty);
                if length <= room {
                    if !is_empty {
                        line.push(' ');
                    }
                    line.push_str(word);
                    (room, word, is_empty) = (room - length, "", false);
                    continue;
                }
                if is_empty {
                    let at = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                    line.push_str(&word[..at]);
                    word = &word[at..];
                }
                self.0.push_str(line.trim_end());
                self.0.push('\n');
                line = hang.to_owned();
                (room, is_empty) = (COLUMNS - hang.chars().count(), true);
            }
        }
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }
}

/// One line of bounded length without control characters, whatever it was.
pub fn clean(text: &str) -> String {
    let text = shortened(text, CLEAN_CHARS_MAX);
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Without its middle, if it is longer than `columns`.
pub fn shortened(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let (head, tail) = (columns / 2 - 1, columns - columns / 2);
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

/// `1 entry`, `2 entries`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Bytes in units of thousands, cut and not rounded: nothing is said to be there that is not.
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut nth = 0;
    let mut unit: u64 = 1;
    while bytes / unit >= 1000 {
        (nth, unit) = (nth + 1, unit * 1000);
    }
    match nth {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", bytes / unit, bytes % unit / (unit / 10), units[nth]),
    }
}

/// The two greatest units of a time that passed.
pub fn duration(seconds: Seconds) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A time by the clocks of a zone, with the difference to UTC.
pub fn time(at_s: Seconds, zone: &TimeZone) -> String {
    match Timestamp::from_second(at_s) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => format!("{at_s} s after 1970"),
    }
}
