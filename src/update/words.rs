//! How updates stand, for people.

use super::message::State;

impl State {
    /// What runs, what could, and what happened: a word and what there is to say, in the order of reading.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("version", self.version.clone()), ("board", self.board.clone())];
        facts.push(match &self.waits_for {
            None => ("accepted", "yes".into()),
            Some(why) => ("accepted", format!("not yet, for {} s more: {why}", self.left_s)),
        });
        for image in &self.images {
            let mib = image.bytes >> 20;
            facts.push(("has", format!("{}, which {} ({mib} MiB)", image.version, image.standing)));
        }
        if !self.doing.is_empty() {
            facts.push(("now", self.doing.clone()));
        }
        for told in &self.told {
            let at = match jiff::Timestamp::from_second(told.at_s) {
                Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                Err(_) => told.at_s.to_string(),
            };
            facts.push(("told", format!("{at} {}", told.words)));
        }
        facts
    }
}
