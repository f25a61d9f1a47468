//! Kernel modules: what each needs, and one flat order for all.
//!
//! Owns the reading of a module's own words about itself (`.modinfo`: name, dependencies, aliases)
//! and the order of loading, so that the box needs no resolver. Modules are taken as they are: they
//! are signed. Source: the ELF-64 layout; the kernel's documentation, kbuild/modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::fetch::Package;
use crate::host::read;

/// A module in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// File name: `virtio-rng.ko`.
    pub file: String,
    /// Group of the board it is loaded with.
    pub group: &'static str,
    /// Whether a boot without it is not a good one.
    pub required: bool,
    /// Its options.
    pub options: String,
    /// Devices it is for, as patterns.
    pub aliases: Vec<String>,
    /// The file.
    pub bytes: Vec<u8>,
}

/// All modules of a kernel package.
#[derive(Debug)]
pub struct Tree {
    package: String,
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

/// `-` and `_` are the same in a module's name.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

impl Tree {
    /// Finds every module of the package.
    ///
    /// # Errors
    ///
    /// The package has none, or they cannot be read.
    pub fn of(package: &Package) -> Result<Tree, Error> {
        let root = package.root.join("lib/modules").join(package.kernel_version()?);
        let list = root.join("modules.builtin");
        let builtin = String::from_utf8_lossy(&read(&list)?).into_owned();
        let stem = |line: &str| {
            let name = Path::new(line).file_stem()?.to_str()?;
            Some(canonical(name))
        };
        let mut tree = Tree {
            package: package.name.clone(),
            files: BTreeMap::new(),
            builtin: builtin.lines().filter_map(stem).collect(),
        };
        tree.find(&root)?;
        Ok(tree)
    }

    fn find(&mut self, dir: &Path) -> Result<(), Error> {
        for entry in fs::read_dir(dir).map_err(Error::input(dir))? {
            let path = entry.map_err(Error::input(dir))?.path();
            if path.is_dir() {
                self.find(&path)?;
            } else if path.extension().is_some_and(|ext| ext == "ko") {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                self.files.insert(canonical(&stem), path);
            }
        }
        Ok(())
    }

    /// Whether the kernel has this module, as a file or built in.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(&canonical(name)) || self.builtin.contains(&canonical(name))
    }

    /// Every module a board names, with all they need, in an order in which each finds what it needs.
    ///
    /// # Errors
    ///
    /// The board names a module that the package has not; a module is no ELF file.
    pub fn select(&self, wanted: &board::machine::Modules) -> Result<Vec<Module>, Error> {
        let mut picked = Picked { tree: self, wanted, done: BTreeSet::new(), modules: Vec::new() };
        for (group, names) in wanted.groups() {
            for name in names {
                if !self.has(name) {
                    return Err(Error::Asked(format!(
                        "modules.{group}: {} has no module {name}",
                        self.package
                    )));
                }
                picked.take(name, group)?;
            }
        }
        Ok(picked.modules)
    }
}

struct Picked<'a> {
    tree: &'a Tree,
    wanted: &'a board::machine::Modules,
    done: BTreeSet<String>,
    modules: Vec<Module>,
}

impl Picked<'_> {
    fn take(&mut self, name: &str, group: &'static str) -> Result<(), Error> {
        let name = canonical(name);
        if self.tree.builtin.contains(&name) || !self.done.insert(name.clone()) {
            return Ok(());
        }
        let path = self.tree.files.get(&name).ok_or_else(|| {
            Error::broken(&self.tree.package, format!("a module needs {name}, which is not there"))
        })?;
        let bytes = read(path)?;
        let info = Info::of(&bytes).ok_or_else(|| Error::broken(path.display(), "is no module"))?;
        for needed in &info.depends {
            self.take(needed, group)?;
        }
        let is = |other: &&String| canonical(other) == name;
        let options = self.wanted.options.iter().find(|(other, _)| is(other));
        self.modules.push(Module {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            group,
            required: self.wanted.required.iter().any(|other| is(&other)),
            options: options.map(|(_, text)| text.clone()).unwrap_or_default(),
            aliases: info.aliases,
            bytes,
        });
        Ok(())
    }
}

/// What the box loads, a line each: `GROUP FILE [required] [OPTION…]`, in the order of loading.
pub fn list(modules: &[Module]) -> String {
    let mut text = String::new();
    for module in modules {
        let required = if module.required { " required" } else { "" };
        let space = if module.options.is_empty() { "" } else { " " };
        let Module { group, file, options, .. } = module;
        text.push_str(&format!("{group} {file}{required}{space}{options}\n"));
    }
    text
}

/// Which module is for which device, a line each: `PATTERN FILE`.
pub fn aliases(modules: &[Module]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for module in modules {
        // An alias without a bus is a name by which programs ask, not a device.
        let devices = module.aliases.iter().filter(|alias| alias.contains(':'));
        lines.extend(devices.map(|alias| format!("{alias} {}\n", module.file)));
    }
    lines.sort();
    lines.concat()
}

/// What a module says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Info {
    depends: Vec<String>,
    aliases: Vec<String>,
}

impl Info {
    fn of(elf: &[u8]) -> Option<Info> {
        let mut info = Info::default();
        for entry in section(elf, b".modinfo")?.split(|byte| *byte == 0) {
            let entry = std::str::from_utf8(entry).ok()?;
            match entry.split_once('=') {
                Some(("depends", names)) => {
                    info.depends
                        .extend(names.split(',').filter(|n| !n.is_empty()).map(str::to_owned));
                }
                Some(("alias", alias)) => info.aliases.push(alias.to_owned()),
                _ => {}
            }
        }
        Some(info)
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}

/// A section of a little-endian ELF-64 file by its name.
fn section<'a>(elf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, entry) = (number::<8>(elf, 40)?, number::<2>(elf, 58)?);
    let (count, names_at) = (number::<2>(elf, 60)?, number::<2>(elf, 62)?);
    let header = |n: usize| table.checked_add(n.checked_mul(entry)?);
    let content = |n: usize| {
        let at = header(n)?;
        let from = number::<8>(elf, at.checked_add(24)?)?;
        elf.get(from..from.checked_add(number::<8>(elf, at.checked_add(32)?)?)?)
    };
    let names = content(names_at)?;
    let is_named = |n: &usize| {
        let from = header(*n).and_then(|at| number::<4>(elf, at)).unwrap_or(usize::MAX);
        let word = names.get(from..).and_then(|rest| rest.split(|byte| *byte == 0).next());
        word == Some(name)
    };
    content((0..count).find(is_named)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_cut_off_is_read_past_its_end() {
        let exe = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(section(&exe, b".text").is_some_and(|text| !text.is_empty()));
        assert_eq!(section(&exe, b".modinfo"), None);
        for length in (0..64).chain([100, 1000, exe.len() - 1]) {
            assert_eq!(section(&exe[..length], b".modinfo"), None);
        }
    }

    #[test]
    fn lines_say_group_file_mark_and_options() {
        let module = |file: &str, required, options: &str| Module {
            file: file.to_owned(),
            group: "storage",
            required,
            options: options.to_owned(),
            aliases: vec!["pci:v1*".to_owned(), "fs-ext4".to_owned()],
            bytes: Vec::new(),
        };
        let modules = [module("b.ko", false, "x=1"), module("a.ko", true, "")];
        assert_eq!(list(&modules), "storage b.ko x=1\nstorage a.ko required\n");
        assert_eq!(aliases(&modules), "pci:v1* a.ko\npci:v1* b.ko\n");
    }
}
