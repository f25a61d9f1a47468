//! Lists of names from a file.
//!
//! Owns their separation: by newline, or by NUL so that any name can be listed.

use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::stream::Fault;

/// Names to take one by one, directories without what is in them.
pub struct NameList {
    from: Box<dyn BufRead + Send>,
    separator: u8,
}

impl NameList {
    /// Names from `from`, separated by NUL or by newline.
    pub fn new(from: Box<dyn BufRead + Send>, by_nul: bool) -> NameList {
        NameList { from, separator: if by_nul { 0 } else { b'\n' } }
    }

    /// The next name that is not empty.
    pub(super) fn next_name(&mut self) -> Result<Option<PathBuf>, Fault> {
        loop {
            let mut name = Vec::new();
            let read = self.from.read_until(self.separator, &mut name);
            if read.map_err(|e| Fault::host("cannot read the list of names", &e))? == 0 {
                return Ok(None);
            }
            if name.last() == Some(&self.separator) {
                name.pop();
            }
            if !name.is_empty() {
                return Ok(Some(std::ffi::OsString::from_vec(name).into()));
            }
        }
    }
}
