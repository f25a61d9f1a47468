//! Merged settings, while they are taken apart into types.
//!
//! Owns what must hold among several keys; what holds for one alone is the schema's.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::{
    Debug, Disk, Hardware, Kernel, Limits, Machine, Modules, Net, Process, Qemu, Serial, Update,
    Watchdog,
};
use crate::{Error, Setting, Value, VirtualLibrary};

pub(crate) struct Found<'a> {
    pub(crate) name: &'a str,
    pub(crate) settings: &'a BTreeMap<String, Setting>,
}

impl Found<'_> {
    /// Whether anything is said in a section.
    pub(crate) fn has(&self, section: &str) -> bool {
        let below = |key: &String| key.strip_prefix(section).is_some_and(|k| k.starts_with('.'));
        self.settings.keys().any(below)
    }

    fn value(&self, key: &str) -> Result<&Value, Error> {
        let missing = || Error::Missing { manifest: self.name.to_owned(), key: key.to_owned() };
        self.settings.get(key).map(|setting| &setting.value).ok_or_else(missing)
    }

    fn wrong(&self, key: &str, why: impl Into<String>) -> Error {
        Error::Value { manifest: self.name.to_owned(), key: key.to_owned(), why: why.into() }
    }

    pub(crate) fn text(&self, key: &str) -> Result<String, Error> {
        match self.value(key)? {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong(key, "must be text")),
        }
    }

    /// A number that the schema bounds to what `T` holds.
    pub(crate) fn number<T: TryFrom<u64>>(&self, key: &str) -> Result<T, Error> {
        let number = match self.value(key)? {
            Value::Number(number) => T::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong(key, "must be a smaller number"))
    }

    fn flag(&self, key: &str) -> Result<bool, Error> {
        match self.value(key)? {
            Value::Flag(flag) => Ok(*flag),
            _ => Err(self.wrong(key, "must be true or false")),
        }
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, Error> {
        match self.value(key)? {
            Value::Texts(texts) => Ok(texts.clone()),
            _ => Err(self.wrong(key, "must be a list")),
        }
    }

    /// Names of the tables in a section: `ttyS0` of `serial.ttyS0.speeds`.
    fn names(&self, section: &str) -> BTreeSet<String> {
        let name = |key: &String| {
            let rest = key.strip_prefix(section)?.strip_prefix('.')?;
            rest.split_once('.').map(|(name, _)| name.to_owned())
        };
        self.settings.keys().filter_map(name).collect()
    }

    pub(crate) fn virtual_library(&self) -> Result<VirtualLibrary, Error> {
        let library = VirtualLibrary {
            drives: self.number("virtual_library.drives")?,
            slots: self.number("virtual_library.slots")?,
            mail_slots: self.number("virtual_library.mail_slots")?,
            cartridges: self.number("virtual_library.cartridges")?,
            cartridge_mib: self.number("virtual_library.cartridge_mib")?,
        };
        if library.cartridges > library.slots {
            let why = format!("{} do not fit into {} slots", library.cartridges, library.slots);
            return Err(self.wrong("virtual_library.cartridges", why));
        }
        Ok(library)
    }

    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        let per_name = |section| self.names(section).into_iter();
        Ok(Machine {
            tier: self.number("tier")?,
            kernel: self.kernel()?,
            modules: self.modules()?,
            serial: per_name("serial").map(|port| self.serial(port)).collect::<Result<_, _>>()?,
            watchdog: Watchdog {
                timeout_s: self.number("watchdog.timeout_s")?,
                first_s: self.number("watchdog.first_s")?,
            },
            update: Update {
                settle_s: self.number("update.settle_s")?,
                deadline_s: self.number("update.deadline_s")?,
            },
            net: Net { dhcp: self.text("net.method")? == "dhcp", ntp: self.texts("net.ntp")? },
            disk: Disk {
                buses: self.texts("disk.buses")?,
                esp_mib: self.number("disk.esp_mib")?,
                meta_mib: self.number("disk.meta_mib")?,
                data_mib: self.number("disk.data_mib")?,
            },
            processes: self.processes()?,
            hardware: per_name("hardware").map(|n| self.hardware(&n)).collect::<Result<_, _>>()?,
            debug: Debug { lab: self.flag("debug.lab")?, log: self.text("debug.log")? },
            limits: self.limits()?,
            qemu: self.has("qemu").then(|| self.qemu()).transpose()?,
        })
    }

    fn kernel(&self) -> Result<Kernel, Error> {
        let package = self.text("kernel.package")?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        if !package.starts_with("linux-image-") || !package.chars().all(plain) {
            return Err(self.wrong("kernel.package", "must name a package linux-image-…"));
        }
        Ok(Kernel { package, cmdline: self.texts("kernel.cmdline")? })
    }

    fn modules(&self) -> Result<Modules, Error> {
        let mut options = BTreeMap::new();
        let below = "modules.options.";
        for key in self.settings.keys().filter(|key| key.starts_with(below)) {
            options.insert(key[below.len()..].to_owned(), self.text(key)?);
        }
        let modules = Modules {
            early: self.texts("modules.early")?,
            storage: self.texts("modules.storage")?,
            tape: self.texts("modules.tape")?,
            net: self.texts("modules.net")?,
            platform: self.texts("modules.platform")?,
            required: self.texts("modules.required")?,
            options,
        };
        let named: Vec<&String> = modules.groups().iter().flat_map(|(_, list)| *list).collect();
        let is_stranger = |name: &&String| !named.contains(name);
        if let Some(name) = modules.required.iter().find(is_stranger) {
            return Err(self.wrong("modules.required", format!("{name} is in no group")));
        }
        if let Some(name) = modules.options.keys().find(is_stranger) {
            return Err(self.wrong(&format!("{below}{name}"), "the module is in no group"));
        }
        Ok(modules)
    }

    fn serial(&self, port: String) -> Result<Serial, Error> {
        let key = format!("serial.{port}.speeds");
        let speeds_baud = match self.value(&key)? {
            Value::Numbers(speeds) => {
                speeds.iter().filter_map(|s| u32::try_from(*s).ok()).collect()
            }
            _ => return Err(self.wrong(&key, "must be a list of numbers")),
        };
        let ask_first = self.flag(&format!("serial.{port}.ask_first"))?;
        Ok(Serial { port, speeds_baud, ask_first })
    }

    fn processes(&self) -> Result<Vec<Process>, Error> {
        let processes: Vec<Process> = self
            .names("process")
            .into_iter()
            .map(|name| self.process(name))
            .collect::<Result<_, _>>()?;
        for (at, process) in processes.iter().enumerate() {
            if let Some(other) = processes[..at].iter().find(|p| p.user == process.user) {
                let why = format!("{} is the user of {}, too", process.user, other.name);
                return Err(self.wrong(&format!("process.{}.user", process.name), why));
            }
        }
        Ok(processes)
    }

    fn process(&self, name: String) -> Result<Process, Error> {
        let key = |word: &str| format!("process.{name}.{word}");
        Ok(Process {
            user: self.number(&key("user"))?,
            capabilities: self.texts(&key("capabilities"))?,
            sandbox: self.text(&key("sandbox"))?,
            each: self.text(&key("each"))?.as_str().into(),
            start: self.text(&key("start"))?.as_str().into(),
            restart: self.text(&key("restart"))? == "always",
            alive_s: self.number(&key("alive_s"))?,
            stop_s: self.number(&key("stop_s"))?,
            name,
        })
    }

    fn hardware(&self, name: &str) -> Result<Hardware, Error> {
        let key = |word: &str| format!("hardware.{name}.{word}");
        Ok(Hardware {
            name: name.to_owned(),
            label: self.text(&key("label"))?,
            kind: self.text(&key("kind"))?,
            modalias: self.text(&key("modalias"))?,
            removable: self.flag(&key("removable"))?,
        })
    }

    fn limits(&self) -> Result<Limits, Error> {
        Ok(Limits {
            uki_mib_max: self.number("limits.uki_mib_max")?,
            ram_mib_max: self.number("limits.ram_mib_max")?,
            boot_ms_max: self.number("limits.boot_ms_max")?,
            restarts_max: self.number("limits.restarts_max")?,
        })
    }

    fn qemu(&self) -> Result<Qemu, Error> {
        Ok(Qemu {
            machine: self.text("qemu.machine")?,
            cpu: self.text("qemu.cpu")?,
            memory_mib: self.number("qemu.memory_mib")?,
            devices: self.texts("qemu.devices")?,
        })
    }
}
