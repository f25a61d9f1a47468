//! Rows: index lines that are about a path, as runs keep them.
//!
//! Owns the way from a line to a row and back, and in which order the rows of one path count. Lines
//! about no path stay lines.

use serde::{Deserialize, Serialize};

use super::key;
use crate::list::{Entry, Line};

/// One line about a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its path's key.
    pub key: Vec<u8>,
    /// The path as stored, where it is spelled in another way than its key says.
    pub stored: Option<Vec<u8>>,
    /// What is said about it.
    pub said: Said,
}

/// What a line says about its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// It is there no more.
    Gone,
    /// It is an entry.
    Entry(Facts),
    /// The number of a directory's inode.
    Inode(u64),
    /// It was left out, and why.
    Missing(String),
}

/// What an entry's line says beside its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// One of [`ENTRY_TYPES`](crate::list::ENTRY_TYPES).
    pub kind: u8,
    /// Payload offset of the first header.
    pub offset: u64,
    /// Payload bytes from there to the end of the data's padding.
    pub span: u64,
    /// Size of the file.
    pub size: u64,
    /// Modification time.
    pub mtime: (i64, u32),
    /// BLAKE3 of the content.
    pub digest: Option<[u8; 32]>,
    /// Target of a link.
    pub link: Option<Vec<u8>>,
}

impl Row {
    /// Of a line; a line about no path comes back.
    #[allow(clippy::result_large_err, reason = "a line that is no row is as good as one that is")]
    pub fn of(line: Line) -> Result<Row, Line> {
        let (path, said) = match line {
            Line::Entry(Entry { kind, offset, span, size, mtime, digest, path, link }) => {
                (path, Said::Entry(Facts { kind, offset, span, size, mtime, digest, link }))
            }
            Line::Gone { path } => (path, Said::Gone),
            Line::Missing { why, path } => (path, Said::Missing(why)),
            Line::Inode { number, path } => (path, Said::Inode(number)),
            other => return Err(other),
        };
        if let Some(key) = key::of_plain(&path) {
            return Ok(Row { key, stored: None, said });
        }
        let key = key::of_path(&path);
        let stored = key::path(&key).filter(|usual| *usual != path).map(|_| path);
        Ok(Row { key, stored, said })
    }

    /// The path as stored; `None` if the key is none.
    pub fn path(&self) -> Option<Vec<u8>> {
        self.stored.clone().or_else(|| key::path(&self.key))
    }

    /// The line it was made of; `None` if the key is none.
    pub fn line(&self) -> Option<Line> {
        let path = self.path()?;
        Some(match self.said.clone() {
            Said::Gone => Line::Gone { path },
            Said::Missing(why) => Line::Missing { why, path },
            Said::Inode(number) => Line::Inode { number, path },
            Said::Entry(Facts { kind, offset, span, size, mtime, digest, link }) => {
                Line::Entry(Entry { kind, offset, span, size, mtime, digest, path, link })
            }
        })
    }

    /// In which order rows about one path count, however they came: it is gone before it is anything new.
    pub fn rank(&self) -> u8 {
        match self.said {
            Said::Gone => 0,
            Said::Entry(_) => 1,
            Said::Inode(_) => 2,
            Said::Missing(_) => 3,
        }
    }

    /// Bytes that it takes in memory, about.
    pub fn weight(&self) -> usize {
        let text = match &self.said {
            Said::Entry(facts) => facts.link.as_ref().map_or(0, Vec::len),
            Said::Missing(why) => why.len(),
            Said::Gone | Said::Inode(_) => 0,
        };
        size_of::<Row>() + self.key.len() + self.stored.as_ref().map_or(0, Vec::len) + text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::lines;

    #[test]
    fn every_line_about_a_path_comes_back() {
        let text = b"f 512 4608 3000 -1.000000001 - a\\x20b\nd 0 512 0 0.000000000 - .\n\
            l 0 512 0 0.000000000 - ./a/ target\n! vanished /x\xff\ni 77 a//b\n- a\\x00b\n- \\e\n";
        let mut again = Vec::new();
        for line in lines(text) {
            Row::of(line.unwrap()).unwrap().line().unwrap().write(&mut again);
        }
        assert_eq!(again, text);
        assert!(Row::of(Line::Seek { depth: 1, input: 0, output: 0 }).is_err());
    }
}
