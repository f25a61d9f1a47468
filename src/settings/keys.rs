//! The one list of what can be set.
//!
//! Owns the words of every setting, what its value is, and a line of help. Setting, deleting, completion, help
//! and documentation are made of it.

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A text of some form.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A whole number from and to.
    Number(i64, i64),
    /// A secret, which is never shown.
    Secret,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The words by which it is set; one in angle brackets stands for a name.
    pub words: &'static [&'static str],
    /// What its value is.
    pub sort: Sort,
    /// Whether it may have several.
    pub several: bool,
    /// An example of a value.
    pub example: &'static str,
    /// A line of help.
    pub help: &'static str,
}

const fn one(words: &'static [&'static str], example: &'static str, help: &'static str) -> Key {
    Key { words, sort: Sort::Text, several: false, example, help }
}

const fn several(words: &'static [&'static str], example: &'static str, help: &'static str) -> Key {
    Key { several: true, ..one(words, example, help) }
}

const fn sorted(
    words: &'static [&'static str],
    sort: Sort,
    example: &'static str,
    help: &'static str,
) -> Key {
    Key { sort, ..one(words, example, help) }
}

/// All settings.
pub const KEYS: &[Key] = &[
    one(&["name"], "tapioca", "name of the box"),
    one(&["time_zone"], "Europe/Berlin", "by whose clocks schedules go (UTC)"),
    several(&["ntp"], "pool.ntp.org", "who is asked for the time (what DHCP names)"),
    one(&["network", "<link>", "address"], "10.0.0.5/24", "dhcp (usual), off, or ADDRESS/PREFIX"),
    one(&["network", "<link>", "gateway"], "10.0.0.1", "where everything else is reached"),
    several(&["network", "<link>", "dns"], "10.0.0.1", "who knows names"),
    one(&["serve", "listen"], "0.0.0.0:7420", "where clients connect (0.0.0.0:7420)"),
    one(&["serve", "metrics"], "0.0.0.0:9420", "where Prometheus asks (nowhere)"),
    several(
        &["serve", "drives"],
        "drive-HU1234ABCD",
        "keys of the drives in their order, embedded, or attached (as the board has it)",
    ),
    one(
        &["serve", "changer"],
        "changer-00L4U78A1234_LL0",
        "key of the robot, or none (the one attached)",
    ),
    sorted(
        &["serve", "limits", "streams_per_drive"],
        Sort::Number(1, 64),
        "8",
        "streams that share a drive (8)",
    ),
    sorted(
        &["serve", "limits", "sync_memory_mib"],
        Sort::Number(16, 65_536),
        "512",
        "MiB a drive keeps until they are on tape (512)",
    ),
    sorted(
        &["serve", "limits", "sync_s"],
        Sort::Number(1, 3600),
        "60",
        "seconds a byte waits for that (60)",
    ),
    sorted(
        &["serve", "limits", "records_copy_s"],
        Sort::Number(0, 31_536_000),
        "86400",
        "seconds between copies of the records, 0 never (86400)",
    ),
    sorted(
        &["serve", "limits", "verify_after_s"],
        Sort::Number(0, 315_360_000),
        "7776000",
        "seconds until a backup is read back, 0 never (7776000)",
    ),
    one(&["serve", "mail", "server"], "mail.example.org", "who takes mail"),
    sorted(&["serve", "mail", "port"], Sort::Number(1, 65_535), "587", "its port (the usual one)"),
    sorted(
        &["serve", "mail", "tls"],
        Sort::OneOf(&["starttls", "tls", "none"]),
        "starttls",
        "how it is protected (starttls)",
    ),
    one(&["serve", "mail", "from"], "tapioca@example.org", "whom mail comes from"),
    several(&["serve", "mail", "to"], "ops@example.org", "who gets mail"),
    one(&["serve", "mail", "user"], "tapioca", "login at the mail server"),
    sorted(&["serve", "mail", "password"], Sort::Secret, "secret", "password there"),
    one(&["serve", "webhook", "url"], "https://chat.example.org/hooks", "what is told over HTTP"),
    sorted(&["serve", "webhook", "token"], Sort::Secret, "secret", "bearer token there"),
    sorted(
        &["console", "<port>", "speed"],
        Sort::Number(9600, 115_200),
        "115200",
        "baud of a serial line (115200)",
    ),
];

impl Key {
    /// Whether `words` begin with the words of this.
    pub fn begins(&self, words: &[&str]) -> bool {
        words.len() >= self.words.len() && self.agrees(words)
    }

    /// Whether as many words as there are of both agree.
    pub fn agrees(&self, words: &[&str]) -> bool {
        self.words.iter().zip(words).all(|(own, word)| own.starts_with('<') || own == word)
    }
}
