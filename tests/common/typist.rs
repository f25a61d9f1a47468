//! A person at a terminal: what the line showed, and typing when a prompt is there.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "correct horse battery";

/// What a terminal shows of bytes: all lines there ever were, and the cursor.
#[derive(Default)]
pub struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// The beginning of what is not whole yet.
    rest: VecDeque<u8>,
    pub bytes: Vec<u8>,
    /// Whether only the console speaks, which sends few sequences.
    is_ours: bool,
    /// Nothing follows.
    is_over: bool,
}

impl Screen {
    fn show(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.rest.extend(bytes);
        loop {
            let waiting: Vec<u8> = self.rest.iter().copied().collect();
            let taken = self.one(&waiting);
            if taken == 0 {
                return;
            }
            self.rest.drain(..taken);
        }
    }

    /// Shows one character or sequence; how many bytes it has, 0: it is not whole.
    fn one(&mut self, bytes: &[u8]) -> usize {
        match bytes {
            [] | [0x1b] | [0x1b, b'['] => 0,
            [b'\r', ..] => self.to(self.row, 0),
            [b'\n', ..] => self.to(self.row + 1, self.column),
            [8, ..] => self.to(self.row, self.column.saturating_sub(1)),
            [0..=31, ..] if bytes[0] != 0x1b => 1,
            [0x1b, b'[', rest @ ..] => {
                let Some(end) = rest.iter().position(u8::is_ascii_alphabetic) else { return 0 };
                let words = std::str::from_utf8(&rest[..end]).unwrap();
                let number =
                    |nth: usize| words.split(';').nth(nth).and_then(|n| n.parse::<usize>().ok());
                match rest[end] {
                    b'K' => {
                        let column = self.column;
                        self.line().truncate(column);
                    }
                    b'D' => self.column = self.column.saturating_sub(number(0).unwrap_or(1)),
                    b'H' => {
                        let at = |nth| number(nth).map_or(0, |n| n.saturating_sub(1));
                        (self.row, self.column) = (at(0), at(1))
                    }
                    b'J' => self.lines.clear(),
                    other => assert!(!self.is_ours, "sequence {}", char::from(other)),
                }
                end + 3
            }
            _ => {
                let Some(c) =
                    bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next())
                else {
                    return if bytes.len() < 4 { 0 } else { 1 };
                };
                let column = self.column;
                let line = self.line();
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                self.column += 1;
                c.len_utf8()
            }
        }
    }

    fn to(&mut self, row: usize, column: usize) -> usize {
        (self.row, self.column) = (row, column);
        1
    }

    fn line(&mut self) -> &mut Vec<char> {
        self.lines.resize_with(self.lines.len().max(self.row + 1), Vec::new);
        &mut self.lines[self.row]
    }

    /// What came, as text.
    pub fn said(&self) -> String {
        // The firmware fills with NULs.
        let bytes: Vec<u8> = self.bytes.iter().copied().filter(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All lines, without blanks at their ends.
    pub fn text(&self) -> String {
        let line = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn last(&self) -> String {
        self.lines.get(self.row).map(|line| line.iter().collect()).unwrap_or_default()
    }
}

type Shown = Arc<(Mutex<Screen>, Condvar)>;

/// Whoever sits at the other end of a serial line.
pub struct Typist {
    to: Mutex<Box<dyn Write + Send>>,
    shown: Shown,
    patience: Duration,
}

fn listen(mut from: impl Read, shown: &Shown) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        shown.0.lock().unwrap().show(&bytes[..count]);
        shown.1.notify_all();
    }
    shown.0.lock().unwrap().is_over = true;
    shown.1.notify_all();
}

impl Typist {
    /// At a line on which only the console speaks, or others, too. Without `from` nobody reads it.
    pub fn new(
        from: Option<impl Read + Send + 'static>,
        to: impl Write + Send + 'static,
        is_ours: bool,
        patience: Duration,
    ) -> Typist {
        let screen = Screen { is_ours, ..Screen::default() };
        let shown = Arc::new((Mutex::new(screen), Condvar::new()));
        if let Some(from) = from {
            let shown = shown.clone();
            std::thread::spawn(move || listen(from, &shown));
        }
        Typist { to: Mutex::new(Box::new(to)), shown, patience }
    }

    pub fn send(&self, bytes: &[u8]) {
        self.to.lock().unwrap().write_all(bytes).unwrap();
    }

    /// Waits until what is shown is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> String {
        let deadline = Instant::now() + self.patience;
        let mut screen = self.shown.0.lock().unwrap();
        while !wanted(&screen) {
            let left = deadline.saturating_duration_since(Instant::now());
            let is_over = screen.is_over || left.is_zero();
            assert!(!is_over, "no {what:?} comes:\n{}", screen.text());
            screen = self.shown.1.wait_timeout(screen, left).unwrap().0;
        }
        screen.text()
    }

    pub fn expect(&self, text: &str) -> String {
        self.until(text, |screen| screen.text().contains(text))
    }

    /// Waits until the line with the cursor ends with `prompt`.
    pub fn prompt(&self, prompt: &str) -> String {
        self.until(prompt, |screen| screen.last().ends_with(prompt))
    }

    /// Types a line, and waits for a prompt below it; what was shown in between. News may push both down.
    pub fn say(&self, line: &str, prompt: &str) -> String {
        let before = self.text().lines().count();
        self.send(format!("{line}\r").as_bytes());
        let typed = |text: &str| {
            let at = text.lines().enumerate().filter(|(_, shown)| shown.ends_with(line)).last();
            at.map(|(at, _)| at).filter(|at| at + 1 >= before)
        };
        let is_secret = [PASSWORD, "recover"].contains(&line)
            || line.contains("password")
            || line == "too short";
        let begins = |text: &str| match is_secret || line.is_empty() {
            true => Some(before),
            false => typed(text).map(|at| at + 1),
        };
        let text = self.until(prompt, |screen| {
            let text = screen.text();
            let below = begins(&text).is_some_and(|at| text.lines().count() > at);
            below && screen.last().ends_with(prompt)
        });
        let at = begins(&text).unwrap_or(before);
        text.lines().skip(at).collect::<Vec<_>>().join("\n")
    }

    pub fn text(&self) -> String {
        self.shown.0.lock().unwrap().text()
    }

    pub fn said(&self) -> String {
        self.shown.0.lock().unwrap().said()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.shown.0.lock().unwrap().bytes.clone()
    }
}
