//! Whether a version that is tried may stay.
//!
//! Owns the judgement, purely: all that it should see is seen, and goes on being seen for a while; or it is not, and the
//! time is over. What only the machine can tell is handed in.

use std::time::Duration;

/// What a version sees of its box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Whether the data file system is there.
    pub data: bool,
    /// What is wrong with the settings; none: they are read.
    pub settings: Option<String>,
    /// Whether the box has an administrator, without whom it serves nobody.
    pub claimed: bool,
    /// Drives and changer, once the service read its catalogue and listens.
    pub devices: Option<Vec<String>>,
    /// Processes that do not run well; none: init does not say.
    pub ailing: Option<Vec<String>>,
}

/// How long a version is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For so long everything has to be well.
    pub settle: Duration,
    /// After so long it is given up.
    pub deadline: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Accept,
    /// It is not known yet, and why.
    Wait(String),
    /// It goes, and why.
    GiveUp(String),
}

/// The judge of one trial.
#[derive(Debug, Clone)]
pub struct Trial {
    patience: Patience,
    devices: Vec<String>,
    ailing: Vec<String>,
    well_since: Option<Duration>,
}

impl Trial {
    /// Of a version on a box that had these devices, and these processes that did not run well.
    pub fn new(patience: Patience, devices: Vec<String>, ailing: Vec<String>) -> Trial {
        Trial { patience, devices, ailing, well_since: None }
    }

    /// Judges what is seen at a time, counted from the start of the machine.
    pub fn judge(&mut self, sight: &Sight, now: Duration) -> Verdict {
        let lacks = self.lacks(sight);
        match &lacks {
            Some(_) => self.well_since = None,
            None => _ = self.well_since.get_or_insert(now),
        }
        let left = match self.well_since {
            Some(since) => (since + self.patience.settle).saturating_sub(now),
            None => Duration::MAX,
        };
        match lacks {
            None if left.is_zero() => Verdict::Accept,
            Some(why) if now >= self.patience.deadline => Verdict::GiveUp(why),
            Some(why) => Verdict::Wait(why),
            None => Verdict::Wait("all is well, and has to be for a while".into()),
        }
    }

    /// What is missing.
    fn lacks(&self, sight: &Sight) -> Option<String> {
        if !sight.data {
            return Some("the data file system is not there".into());
        }
        if let Some(why) = &sight.settings {
            return Some(format!("the settings are not read: {why}"));
        }
        let Some(ailing) = &sight.ailing else { return Some("init does not answer".into()) };
        if let Some(name) = ailing.iter().find(|name| !self.ailing.contains(name)) {
            return Some(format!("{name} does not run well"));
        }
        if !sight.claimed {
            return None;
        }
        let Some(devices) = &sight.devices else {
            return Some("the service does not say that it has its catalogue and listens".into());
        };
        let missing: Vec<&str> =
            self.devices.iter().filter(|one| !devices.contains(one)).map(String::as_str).collect();
        (!missing.is_empty()).then(|| format!("it does not see {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const PATIENCE: Patience =
        Patience { settle: Duration::from_secs(30), deadline: Duration::from_secs(600) };

    fn trial() -> Trial {
        Trial::new(PATIENCE, vec!["changer A".into(), "drive B".into()], vec!["net".into()])
    }

    fn well() -> Sight {
        Sight {
            data: true,
            settings: None,
            claimed: true,
            devices: Some(vec!["drive B".into(), "changer A".into(), "drive new".into()]),
            ailing: Some(vec!["net".into()]),
        }
    }

    #[test]
    fn what_is_well_for_a_while_is_accepted_and_an_interruption_begins_it_anew() {
        let mut trial = trial();
        assert!(matches!(trial.judge(&well(), S(10)), Verdict::Wait(_)));
        let ill = Sight { ailing: Some(vec!["serve".into()]), ..well() };
        assert!(matches!(trial.judge(&ill, S(30)), Verdict::Wait(_)));
        assert!(matches!(trial.judge(&well(), S(40)), Verdict::Wait(_)));
        assert!(matches!(trial.judge(&well(), S(69)), Verdict::Wait(_)));
        assert_eq!(trial.judge(&well(), S(70)), Verdict::Accept);
    }

    #[test]
    fn whatever_is_missing_is_said_and_ends_the_trial_when_the_time_is_over() {
        let cases = [
            (Sight { data: false, ..well() }, "data"),
            (Sight { settings: Some("no".into()), ..well() }, "settings"),
            (Sight { devices: None, ..well() }, "catalogue"),
            (Sight { devices: Some(vec!["changer A".into()]), ..well() }, "drive B"),
            (Sight { ailing: None, ..well() }, "init"),
            (Sight { ailing: Some(vec!["steward".into()]), ..well() }, "steward"),
        ];
        for (sight, word) in cases {
            let mut trial = trial();
            assert!(matches!(trial.judge(&sight, S(599)), Verdict::Wait(_)));
            let Verdict::GiveUp(why) = trial.judge(&sight, S(600)) else { panic!("{word}") };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_box_that_nobody_claimed_serves_nobody_and_is_well() {
        let mut trial = trial();
        let sight = Sight { claimed: false, devices: None, ..well() };
        trial.judge(&sight, S(0));
        assert_eq!(trial.judge(&sight, S(30)), Verdict::Accept);
    }

    #[test]
    fn what_becomes_well_at_the_last_moment_is_given_its_while() {
        let mut trial = trial();
        assert!(matches!(trial.judge(&well(), S(599)), Verdict::Wait(_)));
        assert!(matches!(trial.judge(&well(), S(610)), Verdict::Wait(_)));
        assert_eq!(trial.judge(&well(), S(629)), Verdict::Accept);
    }
}
