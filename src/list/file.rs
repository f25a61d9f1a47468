//! Lists: index lines in a file, between a head and a tail.
//!
//! Owns both ends. The head says which stream the lines are of and when its source began, which is
//! what a later backup must know to find what changed since. The tail counts the lines and has their
//! digest: a list that was cut, or edited, is known as such. Takes a line's memory.

use std::io::{self, BufRead, Write};

use super::{Head, Line, read_line};
use crate::stream::{Begin, Blame, Fault, Retry};

/// Writes a list. Whatever is written must be whole lines.
pub struct ListWriter<W> {
    out: W,
    lines: u64,
    digest: blake3::Hasher,
}

impl<W: Write> ListWriter<W> {
    /// A list that goes to `out`; begins with [`head`](ListWriter::head).
    pub fn new(out: W) -> ListWriter<W> {
        ListWriter { out, lines: 0, digest: blake3::Hasher::new() }
    }

    /// Writes the first line.
    pub fn head(&mut self, begin: &Begin) -> io::Result<()> {
        let Begin { stream, created_s, kind, name, .. } = begin.clone();
        let mut line = Vec::new();
        Line::Head(Head { stream, began: (created_s, 0), kind, name }).write(&mut line);
        self.write_all(&line)
    }

    /// Writes the last line and gives back where all went.
    pub fn finish(mut self) -> io::Result<W> {
        let mut line = Vec::new();
        let digest = *self.digest.finalize().as_bytes();
        Line::Tail { lines: self.lines, digest }.write(&mut line);
        self.out.write_all(&line)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Where the lines go.
    pub fn out(&self) -> &W {
        &self.out
    }
}

impl<W: Write> Write for ListWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.digest.update(&bytes[..count]);
        self.lines += bytes[..count].iter().filter(|&&b| b == b'\n').count() as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a list that must be whole: gives its lines, and a fault where it is not what it should be.
pub struct ListReader<R> {
    from: Hashed<R>,
    /// For messages.
    name: String,
    head: Head,
    lines: u64,
    over: bool,
}

/// Passes bytes on and keeps their digest.
struct Hashed<R> {
    inner: R,
    digest: blake3::Hasher,
    /// Digest of all lines but the last one taken.
    before: [u8; 32],
    last: u8,
}

impl<R: BufRead> Hashed<R> {
    /// The next line; `None` where there is no whole one.
    fn line(&mut self) -> Result<Option<Line>, Fault> {
        self.before = *self.digest.finalize().as_bytes();
        match read_line(self) {
            // What the host says of its disk is another matter.
            Err(fault) if fault.retry == Retry::Later => Err(fault),
            line if self.last == b'\n' => line,
            _ => Ok(None),
        }
    }

    fn take_in(digest: &mut blake3::Hasher, last: &mut u8, bytes: &[u8]) {
        digest.update(bytes);
        *last = bytes.last().copied().unwrap_or(*last);
    }
}

impl<R: BufRead> io::Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        Self::take_in(&mut self.digest, &mut self.last, &bytes[..count]);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(bytes) = self.inner.fill_buf() {
            Self::take_in(&mut self.digest, &mut self.last, &bytes[..count.min(bytes.len())]);
        }
        self.inner.consume(count);
    }
}

impl<R: BufRead> ListReader<R> {
    /// Reads the head. `name` is for messages.
    pub fn open(from: R, name: impl Into<String>) -> Result<ListReader<R>, Fault> {
        let mut from =
            Hashed { inner: from, digest: blake3::Hasher::new(), before: [0; 32], last: 0 };
        let name = name.into();
        match from.line() {
            Ok(Some(Line::Head(head))) => {
                Ok(ListReader { from, name, head, lines: 1, over: false })
            }
            Err(fault) if fault.retry == Retry::Later => Err(fault),
            Ok(_) | Err(_) => {
                Err(refused(&name, 1, "it does not begin as a list of proc_record does").hint(
                    "proc_record --list writes such a list, and library rebuild writes one anew",
                ))
            }
        }
    }

    /// Which stream it is of.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next line between head and tail; `None` once the tail was there and is right.
    pub fn next_line(&mut self) -> Result<Option<Line>, Fault> {
        if self.over {
            return Ok(None);
        }
        let number = self.lines + 1;
        let line = self.from.line().map_err(|fault| Fault {
            what: format!("{}:{number}: {}", self.name, fault.what),
            ..fault
        })?;
        match line {
            Some(Line::Tail { lines, digest }) => self.tail(lines, digest).map(|()| None),
            Some(Line::Head(_)) => Err(refused(&self.name, number, "another list begins here")),
            Some(line) => {
                self.lines = number;
                Ok(Some(line))
            }
            None => Err(refused(&self.name, number, "it is cut: its last line is missing")),
        }
    }

    fn tail(&mut self, lines: u64, digest: [u8; 32]) -> Result<(), Fault> {
        let number = self.lines + 1;
        if lines != self.lines || digest != self.from.before {
            return Err(refused(&self.name, number, "what is before this line was changed"));
        }
        let more = self.from.inner.fill_buf().map(|bytes| !bytes.is_empty());
        match more.map_err(|e| Fault::host(format_args!("cannot read {}", self.name), &e))? {
            true => Err(refused(&self.name, number + 1, "something follows the last line")),
            false => {
                self.over = true;
                Ok(())
            }
        }
    }
}

fn refused(name: &str, line: u64, why: &str) -> Fault {
    Fault::never(Blame::Operator, format!("{name}:{line}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<u8> {
        let mut list = ListWriter::new(Vec::new());
        let begin =
            Begin { created_s: 5, kind: "pax".into(), name: "a b".into(), ..Begin::default() };
        list.head(&begin).unwrap();
        list.write_all(b"- a\n- b\n").unwrap();
        list.finish().unwrap()
    }

    fn read(list: &[u8]) -> Result<Vec<Line>, Fault> {
        let mut reader = ListReader::open(list, "L")?;
        assert_eq!((reader.head().began, &reader.head().name[..]), ((5, 0), "a b"));
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line()? {
            lines.push(line);
        }
        assert_eq!(reader.next_line(), Ok(None));
        Ok(lines)
    }

    #[test]
    fn lines_come_back_and_a_list_cut_anywhere_does_not() {
        let whole = list();
        let gone = |path: &[u8]| Line::Gone { path: path.to_vec() };
        assert_eq!(read(&whole).unwrap(), [gone(b"a"), gone(b"b")]);
        for length in 0..whole.len() {
            let fault = read(&whole[..length]).unwrap_err();
            assert!(fault.what.starts_with("L:"), "cut after {length}: {fault}");
        }
    }

    #[test]
    fn a_list_that_was_changed_is_refused_by_file_and_line() {
        let whole = String::from_utf8(list()).unwrap();
        let head = whole.lines().next().unwrap();
        for (text, what) in [
            (whole.replace("- b\n", ""), "L:3: what is before this line was changed"),
            (whole.replace("- b", "- c"), "L:4: what is before this line was changed"),
            (format!("{whole}- c\n"), "L:5: something follows the last line"),
            (format!("{head}\n{head}\n"), "L:2: another list begins here"),
            ("- a\n".into(), "L:1: it does not begin as a list of proc_record does"),
            ("\0\x01rubbish".into(), "L:1: it does not begin as a list of proc_record does"),
            (format!("{head}\nwhat\n"), "L:2: not an index line: \"what\""),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().what, what);
        }
    }
}
