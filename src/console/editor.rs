//! One line, edited on a serial line.
//!
//! Owns the text, the cursor, the history, and what is sent so that the screen shows them: as few bytes as
//! will do, as the line may have 9600 baud, and ^L draws all of it again, as it may lose some. Fixed buffers, no
//! clock, no I/O: bytes go in, bytes and outcomes come out. Nothing wraps: a line longer than the screen is seen
//! through a window.

use heapless::{Deque, String as Text};

/// The longest line, bytes.
pub const LINE_BYTES_MAX: usize = 240;
/// Lines that are remembered.
pub const HISTORY_MAX: usize = 32;
/// Columns of the screen.
pub const COLUMNS: usize = 80;
/// The longest prompt, characters.
const PROMPT_MAX: usize = 48;

/// A line.
pub type Line = Text<LINE_BYTES_MAX>;

/// What came of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The line is still being written.
    Open,
    /// Enter: [`Editor::take`] has the line.
    Done,
    /// `?`: what could stand at the cursor is asked.
    Help,
    /// Tab.
    Complete,
    /// ^C.
    Interrupted,
    /// ^D on an empty line.
    Left,
    /// A BREAK, or a zero byte.
    Break,
}

/// Where in a sequence of bytes we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Plain,
    Escape,
    Bracket(u8),
    /// A character of several bytes: those that came, how many, how many are to come.
    Character([u8; 4], usize, usize),
}

/// The editor.
#[derive(Debug)]
pub struct Editor {
    line: Line,
    /// Byte at which the next character goes in.
    cursor: usize,
    /// Characters to the left of the window.
    scrolled: usize,
    prompt: Text<{ PROMPT_MAX * 4 }>,
    secret: bool,
    history: Deque<Line, HISTORY_MAX>,
    /// How far back in the history we are, and what was written before.
    at: Option<(usize, Line)>,
    keys: Keys,
    after_return: bool,
    /// ^A was the first byte of the line: a program may be there.
    marked: bool,
    touched: bool,
}

impl Default for Editor {
    fn default() -> Editor {
        Editor {
            line: Line::new(),
            cursor: 0,
            scrolled: 0,
            prompt: Text::new(),
            secret: false,
            history: Deque::new(),
            at: None,
            keys: Keys::Plain,
            after_return: false,
            marked: false,
            touched: false,
        }
    }
}

type Out = Vec<u8>;

fn back(out: &mut Out, columns: usize) {
    match columns {
        0 => {}
        // Shorter than a sequence, and works on anything.
        1..=4 => out.extend(std::iter::repeat_n(8, columns)),
        _ => out.extend_from_slice(format!("\x1b[{columns}D").as_bytes()),
    }
}

impl Editor {
    /// A new, empty line behind `prompt`; with `secret` nothing of it is shown or remembered.
    pub fn begin(&mut self, prompt: &str, secret: bool, out: &mut Out) {
        self.line.clear();
        (self.cursor, self.scrolled, self.at) = (0, 0, None);
        (self.secret, self.marked, self.touched) = (secret, false, false);
        self.prompt.clear();
        for c in prompt.chars().take(PROMPT_MAX) {
            if self.prompt.push(c).is_err() {
                break;
            }
        }
        self.draw(out);
    }

    /// The line as it is.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// What is to the left of the cursor.
    pub fn before_cursor(&self) -> &str {
        &self.line[..self.cursor]
    }

    /// Whether the line began with ^A, which people have no reason to type there.
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// The line, and remembers it.
    pub fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        self.cursor = 0;
        let is_new = self.history.back() != Some(&line);
        if !self.secret && !line.trim().is_empty() && is_new {
            if self.history.is_full() {
                self.history.pop_front();
            }
            // There is room now.
            let _ = self.history.push_back(line.clone());
        }
        line
    }

    /// Forgets all lines: somebody else may come.
    pub fn forget(&mut self) {
        self.history.clear();
    }

    /// Clears the screen's line for something that is printed there; [`draw`](Editor::draw) brings it back.
    pub fn lift(&self, out: &mut Out) {
        out.extend_from_slice(b"\r\x1b[K");
    }

    /// Draws prompt, line and cursor where the cursor's line is.
    pub fn draw(&mut self, out: &mut Out) {
        self.scroll();
        out.push(b'\r');
        out.extend_from_slice(self.prompt.as_bytes());
        self.draw_window(out);
    }

    fn width(&self) -> usize {
        // One column is left free: some terminals wrap when the last is written.
        COLUMNS - 1 - self.prompt.chars().count()
    }

    fn column(&self) -> usize {
        if self.secret { 0 } else { self.before_cursor().chars().count() }
    }

    /// Puts the window where the cursor is in it; whether it moved.
    fn scroll(&mut self) -> bool {
        let (column, width, before) = (self.column(), self.width(), self.scrolled);
        if column < self.scrolled {
            self.scrolled = column.saturating_sub(width / 2);
        } else if column >= self.scrolled + width {
            self.scrolled = column + 1 - width / 2;
        }
        self.scrolled != before
    }

    /// The window's characters from the prompt on, then the cursor's place.
    fn draw_window(&self, out: &mut Out) {
        let mut shown = 0;
        if !self.secret {
            for c in self.line.chars().skip(self.scrolled).take(self.width()) {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                shown += 1;
            }
        }
        out.extend_from_slice(b"\x1b[K");
        back(out, shown + self.scrolled - self.column());
    }

    /// Draws what stands right of the cursor, and goes back.
    fn draw_rest(&mut self, out: &mut Out) {
        if self.scroll() {
            return self.draw(out);
        }
        if self.secret {
            return;
        }
        let room = self.scrolled + self.width() - self.column();
        let mut shown = 0;
        for c in self.line[self.cursor..].chars().take(room) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            shown += 1;
        }
        out.extend_from_slice(b"\x1b[K");
        back(out, shown);
    }

    /// Puts text in at the cursor. What does not fit rings.
    pub fn insert(&mut self, text: &str, out: &mut Out) {
        let fits = self.line.len() + text.len() <= LINE_BYTES_MAX;
        if !fits || self.line.insert_str(self.cursor, text).is_err() {
            out.push(7);
            return;
        }
        let at_end = self.cursor + text.len() == self.line.len();
        self.cursor += text.len();
        if self.scroll() {
            return self.draw(out);
        }
        if self.secret {
            return;
        }
        out.extend_from_slice(text.as_bytes());
        if !at_end {
            self.draw_rest(out);
        }
    }

    /// Takes one byte.
    pub fn byte(&mut self, byte: u8, out: &mut Out) -> Edited {
        let follows_return = std::mem::replace(&mut self.after_return, false);
        if byte == b'\n' && follows_return {
            return Edited::Open;
        }
        let is_first = !std::mem::replace(&mut self.touched, true);
        match self.keys {
            Keys::Plain => self.plain(byte, is_first, out),
            Keys::Escape => {
                self.keys = match byte {
                    b'[' | b'O' => Keys::Bracket(0),
                    _ => Keys::Plain,
                };
                Edited::Open
            }
            Keys::Bracket(number) => self.sequence(number, byte, out),
            Keys::Character(bytes, have, more) => self.character(bytes, have, more, byte, out),
        }
    }

    fn plain(&mut self, byte: u8, is_first: bool, out: &mut Out) -> Edited {
        match byte {
            0 => return Edited::Break,
            0x01 => {
                self.marked |= is_first;
                self.go(0, out);
            }
            0x02 => self.left(out),
            0x03 => return Edited::Interrupted,
            0x04 if self.line.is_empty() => return Edited::Left,
            0x04 => self.delete(out),
            0x05 => self.go(self.line.len(), out),
            0x06 => self.right(out),
            0x08 | 0x7f => self.rub_out(out),
            b'\t' => return Edited::Complete,
            0x0b => {
                self.line.truncate(self.cursor);
                self.draw_rest(out);
            }
            0x0c => self.draw(out),
            b'\r' | b'\n' => {
                self.after_return = byte == b'\r';
                return Edited::Done;
            }
            0x0e => self.recall(false, out),
            0x10 => self.recall(true, out),
            0x15 => self.cut(0, out),
            0x17 => self.cut(self.word_begin(), out),
            0x1b => self.keys = Keys::Escape,
            b'?' if !self.secret && !self.in_quotes() => return Edited::Help,
            0x20..=0x7e => self.insert(char::from(byte).encode_utf8(&mut [0; 4]), out),
            0xc2..=0xdf => self.keys = Keys::Character([byte, 0, 0, 0], 1, 1),
            0xe0..=0xef => self.keys = Keys::Character([byte, 0, 0, 0], 1, 2),
            0xf0..=0xf4 => self.keys = Keys::Character([byte, 0, 0, 0], 1, 3),
            _ => {}
        }
        Edited::Open
    }

    fn character(
        &mut self,
        mut bytes: [u8; 4],
        have: usize,
        more: usize,
        byte: u8,
        out: &mut Out,
    ) -> Edited {
        self.keys = Keys::Plain;
        if !(0x80..=0xbf).contains(&byte) {
            // A byte was lost: what came is no character, and this one begins another.
            return self.plain(byte, false, out);
        }
        bytes[have] = byte;
        if more > 1 {
            self.keys = Keys::Character(bytes, have + 1, more - 1);
            return Edited::Open;
        }
        match std::str::from_utf8(&bytes[..=have]) {
            Ok(text) if !text.contains(char::is_control) => self.insert(text, out),
            _ => out.push(7),
        }
        Edited::Open
    }

    fn sequence(&mut self, number: u8, byte: u8, out: &mut Out) -> Edited {
        self.keys = Keys::Plain;
        match byte {
            b'0'..=b'9' => {
                let number = number.saturating_mul(10).saturating_add(byte - b'0');
                self.keys = Keys::Bracket(number);
            }
            b'A' => self.recall(true, out),
            b'B' => self.recall(false, out),
            b'C' => self.right(out),
            b'D' => self.left(out),
            b'H' => self.go(0, out),
            b'F' => self.go(self.line.len(), out),
            b'~' => match number {
                1 | 7 => self.go(0, out),
                4 | 8 => self.go(self.line.len(), out),
                3 => self.delete(out),
                _ => {}
            },
            b';' => self.keys = Keys::Bracket(0),
            _ => {}
        }
        Edited::Open
    }

    fn in_quotes(&self) -> bool {
        self.before_cursor().matches('"').count() % 2 == 1
    }

    fn left(&mut self, out: &mut Out) {
        if let Some(c) = self.before_cursor().chars().next_back() {
            self.go(self.cursor - c.len_utf8(), out);
        }
    }

    fn right(&mut self, out: &mut Out) {
        if let Some(c) = self.line[self.cursor..].chars().next() {
            self.go(self.cursor + c.len_utf8(), out);
        }
    }

    fn go(&mut self, to: usize, out: &mut Out) {
        let before = self.column();
        let passed = self.line.get(self.cursor..to).unwrap_or("").to_owned();
        self.cursor = to;
        if self.scroll() {
            return self.draw(out);
        }
        match (self.secret, before.checked_sub(self.column())) {
            (true, _) => {}
            (false, Some(columns)) => back(out, columns),
            // Forward by what is there already.
            (false, None) => out.extend_from_slice(passed.as_bytes()),
        }
    }

    fn delete(&mut self, out: &mut Out) {
        if self.cursor < self.line.len() {
            self.line.remove(self.cursor);
            self.draw_rest(out);
        }
    }

    fn rub_out(&mut self, out: &mut Out) {
        if let Some(c) = self.before_cursor().chars().next_back() {
            self.cut(self.cursor - c.len_utf8(), out);
        }
    }

    fn word_begin(&self) -> usize {
        let before = self.before_cursor().trim_end_matches(' ');
        before.rfind(' ').map_or(0, |space| space + 1)
    }

    /// Takes out what is between `from` and the cursor.
    fn cut(&mut self, from: usize, out: &mut Out) {
        let rest = Line::try_from(&self.line[self.cursor..]).unwrap_or_default();
        self.go(from, out);
        self.line.truncate(from);
        // It was in there before.
        let _ = self.line.push_str(&rest);
        self.draw_rest(out);
    }

    fn recall(&mut self, older: bool, out: &mut Out) {
        if self.secret {
            return;
        }
        let at = self.at.as_ref().map(|(at, _)| *at);
        let to = match (at, older) {
            (None, true) => Some(1),
            (Some(at), true) => Some(at + 1),
            (Some(at), false) if at > 1 => Some(at - 1),
            (Some(_), false) => None,
            (None, false) => return,
        };
        let written = self.at.take().map_or_else(|| self.line.clone(), |(_, written)| written);
        let found = to.and_then(|to| self.history.iter().rev().nth(to - 1).cloned());
        match (to, found) {
            (Some(to), Some(line)) => {
                self.line = line;
                self.at = Some((to, written));
            }
            (Some(_), None) => {
                self.at = at.map(|at| (at, written));
                out.push(7);
                return;
            }
            (None, _) => self.line = written,
        }
        self.cursor = self.line.len();
        self.scrolled = 0;
        self.draw(out);
    }
}
