//! Where a tree starts, and what it is called in the archive.
//!
//! Owns the rule for paths an operator gives: stored relative, leading slashes and `.` components
//! dropped; `..` is refused, as nothing above the place of restoring may be written.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::stream::Fault;

/// A path to be opened, and its name in the archive.
pub(super) struct Stored {
    /// The directory that holds it, as it is to be opened.
    pub(super) parent: CString,
    /// Its name there; `.` for the directory itself.
    pub(super) name: CString,
    /// Its path in the archive; `.` for the start itself.
    pub(super) stored: Vec<u8>,
}

impl Stored {
    pub(super) fn of(path: &Path) -> Result<Stored, Fault> {
        let shown = path.display();
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name.as_bytes()),
                Component::ParentDir => {
                    let what = format!("{shown} has a `..` in it, which cannot be restored");
                    return Err(Fault::usage(what).hint("give the directory with -C"));
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        if path.as_os_str().is_empty() {
            return Err(Fault::usage("a PATH is empty"));
        }
        let root: &[u8] = if path.is_absolute() { b"/" } else { b"." };
        let stored = if names.is_empty() { b".".to_vec() } else { names.join(&b'/') };
        let name = names.pop().unwrap_or(b".");
        let above = names.join(&b'/');
        let parent = match (above.is_empty(), path.is_absolute()) {
            (true, _) => root.to_vec(),
            (false, true) => [b"/", &above[..]].concat(),
            (false, false) => above,
        };
        let text = |bytes: &[u8]| {
            CString::new(bytes).map_err(|_| Fault::usage(format!("{shown} has a NUL in it")))
        };
        Ok(Stored { parent: text(&parent)?, name: text(name)?, stored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_stored_relative() {
        for (given, parent, name, stored) in [
            ("a", ".", "a", "a"),
            ("./a/./b//c/", "a/b", "c", "a/b/c"),
            ("/etc/passwd", "/etc", "passwd", "etc/passwd"),
            ("/etc", "/", "etc", "etc"),
            (".", ".", ".", "."),
            ("./", ".", ".", "."),
            ("/", "/", ".", "."),
        ] {
            let path = Stored::of(Path::new(given)).unwrap();
            assert_eq!(path.parent.to_bytes(), parent.as_bytes(), "{given}");
            assert_eq!(path.name.to_bytes(), name.as_bytes(), "{given}");
            assert_eq!(path.stored, stored.as_bytes(), "{given}");
        }
    }

    #[test]
    fn what_leads_out_is_refused() {
        for given in ["..", "a/../b", "/..", "", "a\0b"] {
            assert_eq!(Stored::of(Path::new(given)).err().map(|f| f.exit_code()), Some(2));
        }
    }
}
