//! Kernel modules: loaded from files, in a given order.
//!
//! Owns the list that the image comes with (`GROUP FILE [required] [OPTION…]`, a line each, every module after
//! those it needs), so that no dependency is worked out here, and the one system call. That a module is there
//! already, or has no device, is no error. Source: finit_module(2).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// What it is loaded with: `early`, `storage`, `tape`, `net` or `platform`.
    pub group: String,
    /// File name.
    pub file: String,
    /// Whether the box is not as it should be without it.
    pub required: bool,
    /// What is said to it.
    pub options: String,
}

/// What loading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It is there now.
    Now,
    /// It was there already, or is built in.
    Before,
    /// There is no device for it.
    NoDevice,
}

/// Takes the list apart. What is no line of it is left out and returned apart.
pub fn list(text: &str) -> (Vec<Module>, Vec<&str>) {
    let (mut modules, mut strange) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match module(line) {
            Some(module) => modules.push(module),
            None => strange.push(line),
        }
    }
    (modules, strange)
}

fn module(line: &str) -> Option<Module> {
    let mut words = line.split_whitespace().peekable();
    let (group, file) = (words.next()?.to_owned(), words.next()?.to_owned());
    let is_plain = file.ends_with(".ko") && !file.contains('/');
    let required = words.next_if_eq(&"required").is_some();
    let options = words.collect::<Vec<_>>().join(" ");
    is_plain.then_some(Module { group, file, required, options })
}

/// Loads a module from a folder; waits until it is initialised.
///
/// # Errors
///
/// The file cannot be read, or the kernel refuses it: another kernel's, unsigned, or one that needs another first.
pub fn load(folder: &Path, module: &Module) -> io::Result<Loaded> {
    let file = File::open(folder.join(&module.file))?;
    let options = CString::new(module.options.as_str())?;
    match rustix::system::finit_module(&file, &options, 0) {
        Ok(()) => Ok(Loaded::Now),
        Err(Errno::EXIST) => Ok(Loaded::Before),
        Err(Errno::NODEV) => Ok(Loaded::NoDevice),
        Err(error) => Err(error.into()),
    }
}

/// Whether a device's alias is what a module's pattern means; `*` stands for any characters.
pub fn is_for(pattern: &str, alias: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == alias };
    let Some(mut left) = alias.strip_prefix(head) else { return false };
    let pieces: Vec<&str> = rest.split('*').collect();
    let (last, middle) = pieces.split_last().expect("a split has one piece at least");
    for piece in middle {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart_and_strange_ones_named() {
        let text = "early virtio.ko\n\nstorage ext4.ko required\nplatform x.ko required a=1 b=2\n\
                    net\ntape ../evil.ko\n";
        let (modules, strange) = list(text);
        let expected = [
            ("early", "virtio.ko", false, ""),
            ("storage", "ext4.ko", true, ""),
            ("platform", "x.ko", true, "a=1 b=2"),
        ];
        let found: Vec<_> = modules
            .iter()
            .map(|m| (m.group.as_str(), m.file.as_str(), m.required, m.options.as_str()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(strange, ["net", "tape ../evil.ko"]);
    }

    #[test]
    fn patterns_match_as_the_kernel_means_them() {
        let alias = "virtio:d00000002v00001AF4";
        for yes in ["virtio:d00000002v*", "virtio:*", "*", alias, "virtio:d*v*F4", "virtio:*v*"] {
            assert!(is_for(yes, alias), "{yes}");
        }
        for no in ["virtio:d00000001v*", "pci:*", "virtio:d*v*F5", "virtio:d0000000", ""] {
            assert!(!is_for(no, alias), "{no}");
        }
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let module = Module {
            group: "early".into(),
            file: "Cargo.toml".into(),
            required: false,
            options: String::new(),
        };
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(load(here, &module).is_err());
        assert!(load(Path::new("/nonexistent"), &module).is_err());
    }
}
