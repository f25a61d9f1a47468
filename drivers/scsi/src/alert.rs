//! TapeAlert: what a tape drive wants its operator to know.
//!
//! Owns the 64 flags with name, severity and one plain line each. The same flags come in log page
//! 2Eh, log page 12h and vital product data page B2h. Source: SSC-5 annex A; flags 40 to 46 are the
//! loader flags of older drives. A changer's own page 2Eh has other meanings.

use std::fmt;

/// How bad a flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Information,
    /// Act soon.
    Warning,
    /// Data or operation are at stake: act now.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Information => "information",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        })
    }
}

/// One of the 64 flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// 1 to 64.
    pub number: u8,
    /// The standard's name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it means and what to do.
    pub words: &'static str,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TapeAlert {} {} ({}): {}", self.number, self.name, self.severity, self.words)
    }
}

/// The flags that are up.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Alerts(u64);

impl Alerts {
    /// From the eight bytes of page 12h or B2h as one number: flag 1 is the top bit.
    pub fn from_bits(bits: u64) -> Alerts {
        Alerts(bits)
    }

    /// All 64 flags as one number, flag 1 the top bit: what to store after each job.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Raises flag `number`; numbers outside 1 to 64 are ignored.
    pub fn raise(&mut self, number: u16) {
        if (1..=64).contains(&number) {
            self.0 |= 1 << (64 - number);
        }
    }

    /// True when flag `number` is up.
    pub fn is_raised(self, number: u16) -> bool {
        (1..=64).contains(&number) && self.0 & 1 << (64 - number) != 0
    }

    /// True when no flag is up.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The raised flags, by number.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        (1..=64u8).filter(move |&n| self.is_raised(u16::from(n))).filter_map(flag)
    }

    /// The worst severity among the raised flags.
    pub fn worst(self) -> Option<Severity> {
        self.iter().map(|flag| flag.severity).max()
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|flag| flag.number)).finish()
    }
}

/// Flag `number`, 1 to 64.
pub fn flag(number: u8) -> Option<Flag> {
    let (name, severity, words) = *FLAGS.get(usize::from(number).checked_sub(1)?)?;
    Some(Flag { number, name, severity, words })
}

use Severity::{Critical as C, Information as I, Warning as W};

const RESERVED: (&str, Severity, &str) =
    ("reserved", I, "the standard gives this flag no meaning; ask the drive's maker");

const FLAGS: [(&str, Severity, &str); 64] = [
    ("read warning", W, "reading is getting hard; copy this tape while it still reads"),
    ("write warning", W, "writing is getting hard; use another tape if it goes on"),
    ("hard error", W, "a read or write failed for good; see the flags beside this one"),
    ("medium", C, "this tape can no longer be trusted; copy its data and retire it"),
    ("read failure", C, "data could not be read; the tape or the drive is damaged"),
    ("write failure", C, "data could not be written; the tape or the drive is faulty"),
    ("medium life", W, "this tape has reached the end of its life; copy and retire it"),
    ("not data grade", W, "this cartridge is not made for data; do not use it"),
    ("write protect", C, "the cartridge is write-protected; move its tab or use another"),
    ("medium removal prevented", I, "the cartridge is locked in; the host must allow removal"),
    ("cleaning medium", I, "the cartridge in the drive is a cleaning cartridge"),
    ("unsupported format", I, "this drive cannot use a cartridge of this kind"),
    (
        "recoverable mechanical cartridge failure",
        C,
        "the cartridge broke but was ejected; retire it",
    ),
    (
        "unrecoverable mechanical cartridge failure",
        C,
        "the cartridge broke inside the drive; do not pull it out, call service",
    ),
    ("cartridge memory failure", W, "the cartridge's memory chip is faulty; copy and retire it"),
    ("forced eject", C, "the cartridge was ejected by hand while in use; the job is cut short"),
    ("read only format", W, "this drive can read this cartridge but not write it"),
    (
        "tape directory corrupted on load",
        W,
        "locating will be slow; read the whole tape to rebuild",
    ),
    ("nearing medium life", I, "this tape comes close to the end of its life; plan a copy"),
    ("cleaning required", C, "clean the drive now, before any other tape goes in"),
    ("cleaning requested", W, "the drive is due for cleaning; do it after this job"),
    ("expired cleaning medium", C, "the cleaning cartridge is used up; throw it away"),
    ("invalid cleaning medium", C, "this drive cannot use that cleaning cartridge"),
    ("retension requested", W, "the tape should be wound end to end once"),
    ("primary port interface error", W, "one of the drive's data ports fails; check its cable"),
    ("cooling fan failure", W, "a fan of the drive or its shelf has failed"),
    ("power supply failure", W, "a redundant power supply has failed; replace it"),
    ("power consumption", W, "the drive draws more power than it should"),
    ("preventive maintenance required", W, "the drive asks for routine maintenance"),
    ("hardware A", C, "the drive has a fault that a reset may cure"),
    ("hardware B", C, "the drive has a fault and failed its self-test; call service"),
    ("primary interface", W, "the drive has trouble with its host link; check cables"),
    ("eject medium", C, "the drive needs the cartridge out and in again to go on"),
    ("microcode update failed", W, "the firmware update did not work; try the right file again"),
    ("drive humidity", W, "the air at the drive is too damp or too dry"),
    ("drive temperature", W, "the drive is too hot or too cold"),
    ("drive voltage", W, "the drive's supply voltage is out of its limits"),
    ("predictive failure", C, "the drive expects to fail soon; have it replaced"),
    ("diagnostics required", W, "the drive wants its extended self-test to be run"),
    ("loader hardware A", C, "the loader has a fault that a power cycle may cure"),
    ("loader stray tape", C, "a cartridge was left somewhere in the loader; take it out"),
    ("loader hardware B", W, "the loader's mechanism has trouble; see its display"),
    ("loader door", C, "the loader's door is open; close it"),
    ("loader hardware C", C, "the loader has a fault; call service"),
    ("loader magazine", C, "the loader's magazine is missing; put it in"),
    ("loader predictive failure", W, "the loader expects to fail soon; have it replaced"),
    ("external key manager not reached", W, "the drive could not reach its key manager"),
    ("external key manager error", W, "the key manager gave the drive no key"),
    ("diminished native capacity", W, "this tape holds less than it was made for"),
    ("lost statistics", W, "the usage record of the drive or the tape was lost"),
    ("tape directory invalid at unload", W, "locating will be slow on this tape from now on"),
    (
        "tape system area write failure",
        C,
        "the tape's own area cannot be written; copy and retire it",
    ),
    (
        "tape system area read failure",
        C,
        "the tape's own area cannot be read; copy what still reads",
    ),
    (
        "no start of data",
        C,
        "no start of data was found; the tape was erased magnetically or damaged",
    ),
    ("loading or threading failure", C, "the tape could not be loaded or threaded; try another"),
    ("unrecoverable unload failure", C, "the drive cannot give the tape back; call service"),
    ("automation interface failure", C, "drive and library cannot talk; check the library"),
    ("microcode failure", W, "the drive's firmware went wrong and restarted"),
    ("WORM medium integrity check failed", W, "the drive doubts that this WORM tape is untouched"),
    ("WORM medium overwrite attempted", W, "something tried to overwrite a WORM tape"),
    (
        "encryption policy violation",
        W,
        "encryption was asked for that the policy forbids, or missing",
    ),
    RESERVED,
    RESERVED,
    RESERVED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_count_from_the_top_bit() {
        let mut alerts = Alerts::from_bits(1 << 63 | 1);
        assert!(alerts.is_raised(1) && alerts.is_raised(64) && !alerts.is_raised(2));
        alerts.raise(20);
        alerts.raise(0);
        alerts.raise(65);
        assert_eq!(alerts.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 20, 64]);
        assert_eq!(alerts.worst(), Some(Severity::Critical));
        assert_eq!(Alerts::default().worst(), None);
    }

    #[test]
    fn known_numbers_have_the_standards_names() {
        let name = |n| flag(n).unwrap().name;
        assert_eq!(name(3), "hard error");
        assert_eq!(name(20), "cleaning required");
        assert_eq!(name(38), "predictive failure");
        assert_eq!(name(52), "tape system area write failure");
        assert_eq!(name(60), "WORM medium overwrite attempted");
        assert_eq!(flag(0), None);
        assert_eq!(flag(65), None);
    }
}
