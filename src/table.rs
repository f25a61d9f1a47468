//! Tables for people, and one way to print.
//!
//! Owns columns that stay where they are: each as wide as its widest cell, two blanks between, units
//! in the header. Owns also what a reader that leaves early means to a listing: nothing.

use std::io::{BufWriter, ErrorKind, StdoutLock, Write};

use crate::stream::Fault;

/// Where standard output goes while a command prints.
pub(crate) type Out = BufWriter<StdoutLock<'static>>;

/// Prints with `body`. `head` and `less` that have seen enough are no failure.
pub(crate) fn print(body: impl FnOnce(&mut Out) -> std::io::Result<()>) -> Result<(), Fault> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    match body(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::host("cannot print", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints one JSON value, indented.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), Fault> {
    print(|out| writeln!(out, "{value:#}"))
}

/// What is shown of something: data, and words about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Lines, each with its end.
    pub data: String,
    /// Lines about them, without.
    pub words: Vec<String>,
}

impl Shown {
    /// Data that `body` writes.
    pub(crate) fn of(
        body: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
    ) -> Result<Shown, Fault> {
        let mut data = Vec::new();
        body(&mut data).map_err(|e| Fault::host("cannot show it", &e))?;
        let data = String::from_utf8_lossy(&data).into_owned();
        Ok(Shown { data, words: Vec::new() })
    }

    /// One word about something that shows nothing.
    pub(crate) fn word(word: impl Into<String>) -> Shown {
        Shown { data: String::new(), words: vec![word.into()] }
    }
}

/// Rows under a header.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: &'static [usize],
}

impl Table {
    /// A table with these column heads; the columns numbered in `right` are numbers.
    pub(crate) fn new(heads: &[&str], right: &'static [usize]) -> Table {
        Table { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()], right }
    }

    /// Adds a row; an empty cell shows as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Writes it.
    pub(crate) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let wide = widths[at];
                match self.right.contains(&at) {
                    true => line.push_str(&format!("{cell:>wide$}  ")),
                    false => line.push_str(&format!("{cell:<wide$}  ")),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Two columns, for facts about one thing; facts that are not known are left out.
#[derive(Default)]
pub(crate) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    /// Adds a fact.
    pub(crate) fn add(&mut self, name: &'static str, value: impl ToString) {
        self.0.push((name, value.to_string()));
    }

    /// Adds a fact if it is known.
    pub(crate) fn maybe(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Writes them.
    pub(crate) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let wide = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.0.iter().try_for_each(|(name, value)| writeln!(out, "{name:<wide$}  {value}"))
    }
}

/// Bytes with a unit a person can compare: `512 B`, `3.4 MB`, `2.1 TB` (powers of ten, as printed
/// on cartridges).
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_where_they_are() {
        let mut table = Table::new(&["NAME", "BYTES", "NOTE"], &[1]);
        table.row(["a".into(), "7".into(), String::new()]);
        table.row(["longer".into(), "1234567".into(), "x".into()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = "NAME      BYTES  NOTE\na             7  -\nlonger  1234567  x\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn sizes_have_units() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_960, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
