//! Text payloads: lines `key: value`.
//!
//! Owns the little language of labels and of the blocks that begin, sync and end a part
//! (`docs/format.md` section 4). Unknown keys are kept out of the way, a missing or senseless one is
//! named.

use std::fmt::Display;
use std::str::FromStr;

use crate::list::{escape, unescape};

/// Writes lines `key: value`.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Appends a line; the value is escaped as it needs.
    #[must_use]
    pub fn line(mut self, key: &str, value: impl Display) -> Writer {
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(&escape(value.to_string().as_bytes()));
        self.0.push(b'\n');
        self
    }

    /// The text.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads lines `key: value`.
pub struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    /// Over a payload, which must be UTF-8.
    pub fn new(payload: &'a [u8]) -> Result<Reader<'a>, String> {
        std::str::from_utf8(payload).map(Reader).map_err(|_| "its text is not UTF-8".into())
    }

    /// The value of `key`, unescaped, if there is one.
    pub fn optional(&self, key: &str) -> Result<Option<String>, String> {
        let found = self.0.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        let Some(value) = found else { return Ok(None) };
        let text = unescape(value.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Some).ok_or_else(|| format!("the value of `{key}` cannot be read"))
    }

    /// The value of `key`.
    pub fn text(&self, key: &str) -> Result<String, String> {
        self.optional(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    /// The value of `key`, parsed.
    pub fn value<T: FromStr>(&self, key: &str) -> Result<T, String> {
        self.text(key)?.parse().map_err(|_| format!("the value of `{key}` makes no sense"))
    }

    /// The value of `key` as hexadecimal.
    pub fn hex(&self, key: &str) -> Result<u32, String> {
        u32::from_str_radix(&self.text(key)?, 16)
            .map_err(|_| format!("the value of `{key}` makes no sense"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_whatever_they_hold() {
        let text =
            Writer::default().line("name", "a b\nc: \\").line("empty", "").line("n", 5).done();
        let reader = Reader::new(&text).unwrap();
        assert_eq!(reader.text("name").unwrap(), "a b\nc: \\");
        assert_eq!(reader.text("empty").unwrap(), "");
        assert_eq!(reader.value::<u64>("n"), Ok(5));
        assert_eq!(reader.optional("other"), Ok(None));
        assert!(reader.text("other").unwrap_err().contains("`other` is missing"));
    }
}
