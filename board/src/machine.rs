//! What the bootable image of a machine is made of, and what runs in it.
//!
//! Owns the types; the words a manifest has for them are in [`schema`](crate::schema).

use std::collections::BTreeMap;

/// A machine that boots the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// 1 is booted by every test run, 2 is built by it, 3 is only checked.
    pub tier: u8,
    /// The kernel.
    pub kernel: Kernel,
    /// Its modules.
    pub modules: Modules,
    /// Serial ports with a console, by name.
    pub serial: Vec<Serial>,
    /// The watchdog, should the machine have one.
    pub watchdog: Watchdog,
    /// How a new version is tried.
    pub update: Update,
    /// The network until somebody sets it.
    pub net: Net,
    /// The disk.
    pub disk: Disk,
    /// What the first process starts, by name.
    pub processes: Vec<Process>,
    /// What should be there, by name.
    pub hardware: Vec<Hardware>,
    /// What mix-ins for the bench set.
    pub debug: Debug,
    /// What must not be exceeded.
    pub limits: Limits,
    /// How QEMU plays this machine, if it can.
    pub qemu: Option<Qemu>,
}

impl Machine {
    /// The kernel's command line.
    pub fn cmdline(&self) -> String {
        self.kernel.cmdline.join(" ")
    }
}

/// Which kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// A Debian package, or one that depends on it.
    pub package: String,
    /// Words of its command line.
    pub cmdline: Vec<String>,
}

/// Modules by their names in the kernel's tree, without those they depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modules {
    /// Loaded first: before the console.
    pub early: Vec<String>,
    /// What the box's own disk hangs on.
    pub storage: Vec<String>,
    /// What drives and changers hang on.
    pub tape: Vec<String>,
    /// Network adapters.
    pub net: Vec<String>,
    /// Watchdogs and the rest.
    pub platform: Vec<String>,
    /// Those without which a boot is not a good one.
    pub required: Vec<String>,
    /// Options, by module.
    pub options: BTreeMap<String, String>,
}

impl Modules {
    /// The groups in the order of loading.
    pub fn groups(&self) -> [(&'static str, &[String]); 5] {
        [
            ("early", &self.early),
            ("storage", &self.storage),
            ("tape", &self.tape),
            ("net", &self.net),
            ("platform", &self.platform),
        ]
    }
}

/// A serial port with a console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    /// `ttyS0`.
    pub port: String,
    /// The speed it starts with and those a BREAK turns to, baud.
    pub speeds_baud: Vec<u32>,
    /// Silent until somebody presses Enter.
    pub ask_first: bool,
}

/// How patient the watchdog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    /// Seconds without being fed until it resets the machine.
    pub timeout_s: u32,
    /// Seconds that children may take to report for the first time.
    pub first_s: u32,
}

/// How a new version is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// Seconds for which everything has to be well until it is accepted.
    pub settle_s: u32,
    /// Seconds after the start at which it is left if it is not well.
    pub deadline_s: u32,
}

/// The network of a box that nobody configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// Every link with a carrier asks for an address.
    pub dhcp: bool,
    /// Time servers.
    pub ntp: Vec<String>,
}

/// The disk the box lives on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where it may hang: `virtio`, `nvme`, `scsi`, `usb`.
    pub buses: Vec<String>,
    /// Mebibytes of the partition the firmware reads.
    pub esp_mib: u64,
    /// Mebibytes of the raw partition of settings and boot state.
    pub meta_mib: u64,
    /// Mebibytes of the data file system in the image; it grows at the first boot.
    pub data_mib: u64,
}

/// A process that the first one starts and watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Name of the command of the executable.
    pub name: String,
    /// User and group it runs as.
    pub user: u32,
    /// `CAP_…` it keeps.
    pub capabilities: Vec<String>,
    /// Name of its sandbox.
    pub sandbox: String,
    /// How many there are.
    pub each: Each,
    /// When it starts.
    pub start: Start,
    /// Started again when it ends.
    pub restart: bool,
    /// Seconds between two signs of life after which the watchdog is not fed; 0: gives none.
    pub alive_s: u32,
    /// Seconds it gets to end by itself.
    pub stop_s: u32,
}

/// How many there are of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Each {
    /// One.
    Box,
    /// One for each serial port.
    Serial,
    /// One for each drive and changer.
    Device,
}

impl From<&str> for Each {
    fn from(word: &str) -> Each {
        match word {
            "serial" => Each::Serial,
            "device" => Each::Device,
            _ => Each::Box,
        }
    }
}

/// When a process starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Before data, network and tape.
    Early,
    /// When those were tried.
    Ready,
    /// Not before the box has an owner.
    Claimed,
}

impl From<&str> for Start {
    fn from(word: &str) -> Start {
        match word {
            "early" => Start::Early,
            "claimed" => Start::Claimed,
            _ => Start::Ready,
        }
    }
}

/// Something that should be in the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Its name in the manifest.
    pub name: String,
    /// What people call it: `upper HBA`.
    pub label: String,
    /// `changer`, `disk`, `drive`, `hba`, `net` or `watchdog`.
    pub kind: String,
    /// A kernel's module alias, `*` for any run of characters.
    pub modalias: String,
    /// Whether it may be missing without a complaint.
    pub removable: bool,
}

/// What mix-ins for the bench set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debug {
    /// Moves no medium and writes no tape before somebody armed it.
    pub lab: bool,
    /// What is logged, as `tracing` filters it.
    pub log: String,
}

/// What must not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Mebibytes of the bootable file.
    pub uki_mib_max: u64,
    /// Mebibytes of memory in use when idle.
    pub ram_mib_max: u64,
    /// Milliseconds from power-on to the console's prompt, under emulation.
    pub boot_ms_max: u64,
    /// Restarts of one process in ten minutes until the box calls itself degraded.
    pub restarts_max: u32,
}

/// How QEMU plays a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// `-machine`.
    pub machine: String,
    /// `-cpu`.
    pub cpu: String,
    /// `-m`.
    pub memory_mib: u64,
    /// `-device`, each; `{disk}` and `{net}` are the image's drive and the network.
    pub devices: Vec<String>,
}
