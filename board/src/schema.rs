//! The table of everything a manifest may say.
//!
//! Owns the keys, their types and their bounds. A key that is not here is an error wherever it
//! stands, so a misspelt one is never silently a default.

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
        /// It must be a multiple of this.
        step: u64,
    },
    /// Lines of text, each once. [`INHERITED`] among them stands for those of the inherited list.
    Texts,
    /// Words out of these, each once; [`INHERITED`] likewise.
    Words(&'static [&'static str]),
    /// Whole numbers, at least one, the greatest given.
    Numbers(u64),
}

/// In a list: here stands what the inherited list says.
pub const INHERITED: &str = "...";

/// One thing a manifest may say.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted: `section.word`. A `*` is any name: `process.*.user`.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

const fn number(path: &'static str, min: u64, max: u64, step: u64) -> Key {
    key(path, Kind::Number { min, max, step })
}

/// Capabilities of Linux that a process of the box may be given.
const CAPABILITIES: &[&str] = &[
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYSLOG",
    "CAP_SYS_BOOT",
    "CAP_SYS_RAWIO",
    "CAP_SYS_TIME",
];

/// Every key but `inherits`, which is the manifests' own affair.
pub const KEYS: &[Key] = &[
    key("title", Kind::Text),
    number("tier", 1, 3, 1),
    number("tape.block_bytes", 65_536, 1_048_576, 4096),
    number("tape.sync_mib", 1, 1 << 20, 1),
    number("virtual_library.drives", 1, 256, 1),
    number("virtual_library.slots", 1, 32_768, 1),
    number("virtual_library.mail_slots", 0, 240, 1),
    number("virtual_library.cartridges", 0, 32_768, 1),
    number("virtual_library.cartridge_mib", 1, 1 << 30, 1),
    key("kernel.package", Kind::Text),
    key("kernel.cmdline", Kind::Texts),
    key("modules.early", Kind::Texts),
    key("modules.storage", Kind::Texts),
    key("modules.tape", Kind::Texts),
    key("modules.net", Kind::Texts),
    key("modules.platform", Kind::Texts),
    key("modules.required", Kind::Texts),
    key("modules.options.*", Kind::Text),
    key("serial.*.speeds", Kind::Numbers(4_000_000)),
    key("serial.*.ask_first", Kind::Flag),
    number("watchdog.timeout_s", 10, 3600, 1),
    number("watchdog.first_s", 10, 3600, 1),
    number("update.settle_s", 10, 3600, 1),
    number("update.deadline_s", 60, 86_400, 1),
    key("net.method", Kind::Word(&["dhcp", "none"])),
    key("net.ntp", Kind::Texts),
    key("disk.buses", Kind::Words(&["virtio", "nvme", "scsi", "usb"])),
    number("disk.esp_mib", 64, 4096, 1),
    number("disk.meta_mib", 16, 16, 1),
    number("disk.data_mib", 64, 1 << 20, 1),
    number("process.*.user", 1, 65_533, 1),
    key("process.*.capabilities", Kind::Words(CAPABILITIES)),
    key("process.*.sandbox", Kind::Text),
    key("process.*.each", Kind::Word(&["box", "serial", "device"])),
    key("process.*.start", Kind::Word(&["early", "ready", "claimed"])),
    key("process.*.restart", Kind::Word(&["always", "never"])),
    number("process.*.alive_s", 0, 3600, 1),
    number("process.*.stop_s", 1, 3600, 1),
    key("hardware.*.label", Kind::Text),
    key("hardware.*.kind", Kind::Word(&["changer", "disk", "drive", "hba", "net", "watchdog"])),
    key("hardware.*.modalias", Kind::Text),
    key("hardware.*.removable", Kind::Flag),
    key("debug.lab", Kind::Flag),
    key("debug.log", Kind::Text),
    number("limits.uki_mib_max", 1, 1024, 1),
    number("limits.ram_mib_max", 64, 1 << 20, 1),
    number("limits.boot_ms_max", 1000, 600_000, 1),
    number("limits.restarts_max", 1, 1000, 1),
    key("qemu.machine", Kind::Text),
    key("qemu.cpu", Kind::Text),
    number("qemu.memory_mib", 128, 1 << 20, 1),
    key("qemu.devices", Kind::Texts),
];

/// A value that was checked against its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One line of text, or a word.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// Lines of text, or words.
    Texts(Vec<String>),
    /// Whole numbers.
    Numbers(Vec<u64>),
}

impl Value {
    /// As it stands in a manifest.
    pub fn as_toml(&self) -> String {
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        let list = |parts: Vec<String>| format!("[{}]", parts.join(", "));
        match self {
            Value::Text(text) => quoted(text),
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Texts(texts) => list(texts.iter().map(quoted).collect()),
            Value::Numbers(numbers) => list(numbers.iter().map(u64::to_string).collect()),
        }
    }
}

/// The key of this dotted path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.matches(path))
}

/// Whether keys stand below this dotted path.
pub fn is_section(path: &str) -> bool {
    let words = path.split('.').count();
    KEYS.iter().any(|key| {
        let mut ends = key.path.match_indices('.').map(|(at, _)| at);
        ends.nth(words - 1).is_some_and(|end| path_matches(&key.path[..end], path))
    })
}

fn path_matches(pattern: &str, path: &str) -> bool {
    pattern.split('.').count() == path.split('.').count()
        && pattern.split('.').zip(path.split('.')).all(|(want, word)| want == "*" || want == word)
}

impl Key {
    fn matches(&self, path: &str) -> bool {
        path_matches(self.path, path)
    }

    /// Takes a value from TOML, or says why not.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to stand behind the key's name.
    pub fn check(&self, value: &toml::Value) -> Result<Value, String> {
        match (self.kind, value) {
            (Kind::Text, _) => line(value).map(Value::Text),
            (Kind::Word(words), _) => word(value, words).map(Value::Text),
            (Kind::Flag, toml::Value::Boolean(flag)) => Ok(Value::Flag(*flag)),
            (Kind::Flag, other) => Err(format!("must be true or false, not {}", other.type_str())),
            (Kind::Number { min, max, step }, _) => {
                number_in(value, min, max, step).map(Value::Number)
            }
            (Kind::Texts, _) => each_once(value, line).map(Value::Texts),
            (Kind::Words(words), _) => {
                let of = |value: &toml::Value| match value.as_str() {
                    Some(INHERITED) => Ok(INHERITED.to_owned()),
                    _ => word(value, words),
                };
                each_once(value, of).map(Value::Texts)
            }
            (Kind::Numbers(max), _) => {
                let numbers: Result<Vec<u64>, String> =
                    array(value)?.iter().map(|value| number_in(value, 1, max, 1)).collect();
                let numbers = numbers?;
                let some = (!numbers.is_empty()).then_some(numbers);
                some.map(Value::Numbers).ok_or_else(|| "must hold at least one number".to_owned())
            }
        }
    }
}

fn line(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) if text.contains(char::is_control) => {
            Err("must be one line".to_owned())
        }
        toml::Value::String(text) => Ok(text.clone()),
        other => Err(format!("must be text, not {}", other.type_str())),
    }
}

fn word(value: &toml::Value, words: &[&str]) -> Result<String, String> {
    let text = line(value)?;
    match words.contains(&text.as_str()) {
        true => Ok(text),
        false => Err(format!("{text:?} is none of {}", words.join(", "))),
    }
}

fn array(value: &toml::Value) -> Result<&[toml::Value], String> {
    let why = || format!("must be a list, not {}", value.type_str());
    value.as_array().map(Vec::as_slice).ok_or_else(why)
}

fn each_once(
    value: &toml::Value,
    take: impl Fn(&toml::Value) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    for value in array(value)? {
        let text = take(value).map_err(|why| format!("an entry {why}"))?;
        if texts.contains(&text) {
            return Err(format!("{text:?} stands twice"));
        }
        texts.push(text);
    }
    Ok(texts)
}

fn number_in(value: &toml::Value, min: u64, max: u64, step: u64) -> Result<u64, String> {
    let toml::Value::Integer(number) = value else {
        return Err(format!("must be a whole number, not {}", value.type_str()));
    };
    let fits = |n: &u64| (min..=max).contains(n) && n.is_multiple_of(step);
    u64::try_from(*number).ok().filter(fits).ok_or_else(|| match step {
        1 => format!("must be {min} to {max}"),
        _ => format!("must be a multiple of {step} from {min} to {max}"),
    })
}
