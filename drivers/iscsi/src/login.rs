//! What both ends agree on before the first command.
//!
//! Owns text negotiation (RFC 7143 sections 6 and 13): `KEY=VALUE`, each ended by a zero byte.

use crate::TARGET;
use crate::pdu::SEGMENT_MAX;

/// The longest burst we take or send, bytes (MaxBurstLength).
const BURST_MAX: u32 = 1 << 20;
/// The most that comes without being asked for, bytes (FirstBurstLength).
const FIRST_BURST: u32 = 64 << 10;

/// What holds for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The longest data segment that the initiator takes, bytes.
    pub(crate) segment: usize,
    /// The longest burst, bytes.
    pub(crate) burst: usize,
    /// The session only asks which targets there are.
    pub(crate) discovery: bool,
}

impl Default for Terms {
    /// What holds where nothing was said (RFC 7143 sections 13.12 and 13.13).
    fn default() -> Terms {
        Terms { segment: 8 << 10, burst: 256 << 10, discovery: false }
    }
}

/// `KEY=VALUE` pairs of a data segment; what is no pair is left out.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.split(|byte| *byte == 0);
    lines.filter_map(|line| std::str::from_utf8(line).ok()?.split_once('='))
}

/// Appends one pair to a data segment.
pub(crate) fn say(answer: &mut Vec<u8>, key: &str, value: &str) {
    answer.extend_from_slice(format!("{key}={value}\0").as_bytes());
}

impl Terms {
    /// Takes what the initiator says and answers it.
    ///
    /// # Errors
    ///
    /// Status class and detail of the refusal (RFC 7143 11.13.5).
    pub(crate) fn agree(&mut self, said: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
        let mut answer = Vec::new();
        for (key, value) in pairs(said) {
            let least = |ours: u32| value.parse().map_or(ours, |theirs: u32| theirs.min(ours));
            match key {
                "InitiatorName" | "InitiatorAlias" => {}
                "TargetName" if value == TARGET => {}
                "TargetName" => return Err([0x02, 0x03]),
                "SessionType" => self.discovery = value == "Discovery",
                // Declared by each side for itself.
                "MaxRecvDataSegmentLength" => {
                    self.segment = (least(1 << 24) as usize).clamp(512, SEGMENT_MAX);
                    say(&mut answer, key, &SEGMENT_MAX.to_string());
                }
                "AuthMethod" | "HeaderDigest" | "DataDigest" => {
                    if !value.split(',').any(|offer| offer == "None") {
                        return Err([0x02, 0x00]);
                    }
                    say(&mut answer, key, "None");
                }
                "MaxBurstLength" => {
                    let burst = least(BURST_MAX).max(512);
                    self.burst = burst as usize;
                    say(&mut answer, key, &burst.to_string());
                }
                "FirstBurstLength" => say(&mut answer, key, &least(FIRST_BURST).to_string()),
                "InitialR2T" | "ImmediateData" | "DataPDUInOrder" | "DataSequenceInOrder" => {
                    say(&mut answer, key, "Yes");
                }
                "MaxConnections" | "MaxOutstandingR2T" => say(&mut answer, key, "1"),
                "DefaultTime2Wait" => {
                    say(&mut answer, key, &value.parse().unwrap_or(2_u32).max(2).to_string())
                }
                "DefaultTime2Retain" | "ErrorRecoveryLevel" => say(&mut answer, key, "0"),
                _ => say(&mut answer, key, "NotUnderstood"),
            }
        }
        Ok(answer)
    }
}
