//! Long answers, a screen at a time.
//!
//! Owns how many rows lines take and what the keys do: space for a screen, Enter for a line, `q` for enough.
//! No I/O.

use super::editor::COLUMNS;

/// Rows of the screen.
pub const ROWS: usize = 24;
/// What stands below a full screen.
pub const MORE: &str = "-- more: space, Enter, q --";

/// What is left to show.
#[derive(Debug)]
pub struct Pager<'a> {
    rest: std::iter::Peekable<std::str::Lines<'a>>,
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Another screen.
    Page,
    /// Another line.
    Line,
    /// Enough.
    Stop,
}

/// What a key means; none: nothing.
pub fn turn(key: u8) -> Option<Turn> {
    match key {
        b' ' | b'f' => Some(Turn::Page),
        b'\r' | b'\n' | b'j' => Some(Turn::Line),
        b'q' | b'Q' | 0x03 => Some(Turn::Stop),
        _ => None,
    }
}

fn rows(line: &str) -> usize {
    line.chars().count().div_ceil(COLUMNS).max(1)
}

impl<'a> Pager<'a> {
    /// Shows `text`.
    pub fn new(text: &'a str) -> Pager<'a> {
        Pager { rest: text.lines().peekable() }
    }

    /// Whether there is more.
    pub fn has_more(&mut self) -> bool {
        self.rest.peek().is_some()
    }

    /// The next lines: as many as fill a screen but for its last row, or one.
    pub fn next(&mut self, turn: Turn) -> Vec<&'a str> {
        let room = match turn {
            Turn::Page => ROWS - 1,
            Turn::Line => 1,
            Turn::Stop => return Vec::new(),
        };
        let mut taken = Vec::new();
        let mut used = 0;
        while let Some(line) = self.rest.peek() {
            used += rows(line);
            if used > room && !taken.is_empty() {
                break;
            }
            taken.extend(self.rest.next());
        }
        taken
    }
}
