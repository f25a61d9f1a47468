//! What counters and alerts of a cartridge or a drive mean, in words.
//!
//! Owns the judgement: when somebody should look, and what they should do.

use crate::authority::State;
use crate::authority::event::DriveId;
use crate::catalogue::record::{Counted, Health, Patient};
use crate::tapicom::message::{Condition, Severity};

/// Corrected errors a GiB above which a cartridge or a drive gets old.
const CORRECTED_A_GIB: u64 = 1000;
const GIB: u64 = 1 << 30;

/// How a cartridge, or all drives, are.
pub fn conditions(
    state: &State,
    medium: Option<&str>,
    drive_of: impl Fn(&str) -> Option<DriveId>,
) -> Vec<Condition> {
    let is_wanted = |health: &&Health| match (&health.of, medium) {
        (Patient::Medium(tag), Some(wanted)) => tag == wanted,
        (Patient::Drive(_), None) => true,
        _ => false,
    };
    let wanted = state.records.health.values().filter(is_wanted);
    let one = |health: &Health| {
        let drive = match &health.of {
            Patient::Drive(serial) => drive_of(serial).map(|id| u32::from(id.0)),
            Patient::Medium(_) => None,
        };
        let (severity, words) = judged(health);
        Condition { health: health.clone(), drive, words, severity }
    };
    wanted.map(one).collect()
}

/// How bad it is, and the words.
fn judged(health: &Health) -> (Option<Severity>, Vec<String>) {
    let is_drive = matches!(health.of, Patient::Drive(_));
    let (mut severity, mut words) = (None, Vec::new());
    let mut say = |how: Option<Severity>, line: String| {
        severity = severity.max(how);
        words.push(line);
    };
    if is_drive {
        say(None, format!("cleaned {}", times(health.cleaned)));
    }
    for (verb, counted) in [("writing", health.written), ("reading", health.read)] {
        if counted.bytes > 0 || counted.corrected > 0 {
            let rate = a_gib(counted);
            let how = (rate > CORRECTED_A_GIB).then_some(Severity::Warning);
            say(how, format!("{verb}: {rate} corrected errors per GiB"));
        }
        if counted.hard > 0 {
            let (error, what) = match is_drive {
                false => ("hard", "copy what is on it, and replace it"),
                true => ("hard", "if other drives read the same cartridges, have it serviced"),
            };
            let line = format!("{verb}: {} {error} errors: {what}", counted.hard);
            say(Some(Severity::Alarm), line);
        }
    }
    for (number, alerted) in &health.alerts {
        let Some(flag) = scsi::alert::flag(*number) else { continue };
        let how = match flag.severity {
            scsi::alert::Severity::Information => Severity::Note,
            scsi::alert::Severity::Warning => Severity::Warning,
            scsi::alert::Severity::Critical => Severity::Alarm,
        };
        say(Some(how), format!("{}, {}: {}", flag.name, times(alerted.times), flag.words));
    }
    (severity, words)
}

fn a_gib(counted: Counted) -> u64 {
    let all = u128::from(counted.corrected) * u128::from(GIB);
    u64::try_from(all / u128::from(counted.bytes.max(1))).unwrap_or(u64::MAX)
}

fn times(count: u64) -> String {
    match count {
        0 => "never".into(),
        1 => "once".into(),
        many => format!("{many} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::record::Alerted;

    #[test]
    fn numbers_become_words_that_say_what_to_do() {
        let none = Counted::default();
        let read = Counted { bytes: 10 * GIB, ms: 1, corrected: 120, hard: 2 };
        let health = Health {
            of: Patient::Medium("A".into()),
            mounts: 3,
            last_s: 0,
            written: none,
            read,
            last_written: none,
            last_read: read,
            alerts: [(3, Alerted { times: 2, last_s: 0 })].into(),
            cleaned: 0,
        };
        let (severity, words) = judged(&health);
        assert_eq!(severity, Some(Severity::Alarm));
        assert_eq!(words[0], "reading: 12 corrected errors per GiB");
        assert_eq!(words[1], "reading: 2 hard errors: copy what is on it, and replace it");
        assert!(words[2].starts_with("hard error, 2 times: "), "{words:?}");
        let drive = Health {
            of: Patient::Drive("S".into()),
            cleaned: 3,
            alerts: [].into(),
            read: none,
            ..health
        };
        assert_eq!(judged(&drive), (None, vec!["cleaned 3 times".into()]));
    }
}
