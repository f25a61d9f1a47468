//! How long each command may take.
//!
//! Owns the time limits: what the drive states in REPORT SUPPORTED OPERATION CODES (recommended
//! command timeout, SPC-5 6.35.4), never below a table made from the longest figures current
//! full-height LTO drives state. A limit that is too short aborts a command the drive would have
//! finished, and the medium then stands nobody knows where; one that is too long costs patience.

use std::collections::BTreeMap;
use std::time::Duration;

use scsi::opcodes::SupportedCommands;

/// Limits by operation code, and by service action where the code has several.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    stated: BTreeMap<(u8, Option<u16>), Duration>,
}

impl Limits {
    /// Takes what the drive states.
    pub(crate) fn learn(&mut self, list: &SupportedCommands) {
        for command in &list.commands {
            if let Some(limit) = command.timeouts.and_then(|t| t.recommended) {
                let key = (command.opcode, command.service_action);
                self.stated.insert(key, limit.min(CEILING));
            }
        }
    }

    /// The limit for one command descriptor block: what the drive states, at least the floor and at
    /// most a week.
    pub fn of(&self, cdb: &[u8]) -> Duration {
        let opcode = cdb.first().copied().unwrap_or(0);
        let action = cdb.get(1).map(|b| u16::from(b & 0x1f));
        let stated =
            self.stated.get(&(opcode, action)).or_else(|| self.stated.get(&(opcode, None)));
        stated.copied().unwrap_or_default().max(floor(opcode))
    }

    /// How many operation codes the drive stated a limit for.
    pub fn stated(&self) -> usize {
        self.stated.len()
    }
}

/// The most any command gets: three times the longest there is. The field has room for 136 years,
/// and a host that believed garbage there would never give a command up.
const CEILING: Duration = Duration::from_secs(7 * 24 * 3600);

/// The least any command gets.
fn floor(opcode: u8) -> Duration {
    Duration::from_secs(match opcode {
        0x01 => 600,               // REWIND
        0x04 => 7_920,             // FORMAT MEDIUM; an LTO-9 drive calibrates again
        0x08 | 0x88 => 2_340,      // READ
        0x0a | 0x8a => 1_500,      // WRITE
        0x10 | 0x80 => 1_620,      // WRITE FILEMARKS
        0x11 | 0x91 => 2_940,      // SPACE
        0x13 | 0x8f => 104_880,    // VERIFY
        0x19 | 0x93 => 166_370,    // ERASE, long
        0x1b => 7_920,             // LOAD UNLOAD; first load of an LTO-9 cartridge calibrates
        0x2b | 0x92 => 2_940,      // LOCATE
        0x15 | 0x55 | 0x4c => 120, // MODE SELECT, LOG SELECT
        0x8c | 0x8d => 120,        // READ and WRITE ATTRIBUTE
        _ => 60,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_drive_states_counts_when_it_is_longer() {
        let stated = |opcode: u8, action: u16, servactv: u8, seconds: u32| {
            let [s0, s1] = action.to_be_bytes();
            let mut entry = vec![opcode, 0, s0, s1, 0, 0x02 | servactv, 0, 10, 0, 10, 0, 0];
            entry.extend_from_slice(&[0; 4]);
            entry.extend_from_slice(&seconds.to_be_bytes());
            entry
        };
        let entries = [
            stated(0x0a, 0, 0, 9_000),
            stated(0x08, 0, 0, 5),
            stated(0x34, 6, 1, 333),
            stated(0x01, 0, 0, 0),
            stated(0x1b, 0, 0, u32::MAX),
        ]
        .concat();
        let mut reply = (entries.len() as u32).to_be_bytes().to_vec();
        reply.extend_from_slice(&entries);
        let mut limits = Limits::default();
        limits.learn(&SupportedCommands::decode(&reply).unwrap());
        let seconds = |cdb: &[u8]| limits.of(cdb).as_secs();
        assert_eq!(limits.stated(), 4);
        assert_eq!(seconds(&[0x0a, 0]), 9_000);
        assert_eq!(seconds(&[0x08, 0]), 2_340);
        assert_eq!((seconds(&[0x34, 6]), seconds(&[0x34, 0])), (333, 60));
        assert_eq!(seconds(&[0x01, 0]), 600);
        assert_eq!(seconds(&[0x1b, 0]), 604_800, "136 years are not believed");
    }
}
