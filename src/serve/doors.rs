//! Drives and changers that other processes hold, as they come and go.
//!
//! Owns which number a drive has: the order that is given, or else the order in which drives were first seen, which
//! is kept in a file, so that drive 2 is drive 2 after every start, also when drive 1 is away. And which robot is
//! used when none is named: the only one there is. Whoever comes is given a moment, so that nothing depends on who
//! of several is first. What is away for long is lost, and used again when it is back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use discover::{Key, Kind};

use super::config::{self, DRIVES_MAX, Robot};
use crate::authority::event::DriveId;
use crate::parts::whole_file::WholeFile;
use crate::stream::Fault;

/// How long a robot is there until it is taken for the only one.
const ROBOT_SETTLES: Duration = Duration::from_secs(5);
/// How long a drive waits for a robot that may come with it.
const DRIVE_SETTLES: Duration = Duration::from_secs(6);
/// How long a drive may be away until it counts as lost: a reset or a new process for it takes less.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// Sockets that are looked at, at most.
const DOORS_MAX: usize = 256;

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A drive is there, the first time or again. Its index.
    DriveCame(usize),
    /// A drive is away for long. Its index.
    DriveLost(usize),
    /// There is a robot from now on, called so.
    RobotCame(String),
    /// People should know.
    Trouble(String),
}

/// Since when a door is there, or away.
#[derive(Debug, Clone, Copy)]
enum Presence {
    There(Instant),
    Away(Instant),
}

/// Who keeps account of doors.
pub struct Doors {
    given: config::Doors,
    book: PathBuf,
    /// Drives in the order of their numbers, also such as never came.
    order: Vec<Key>,
    seen: BTreeMap<Key, Presence>,
    /// Drives that count as there.
    used: BTreeSet<usize>,
    /// Drives that ever counted as there since the start.
    known: BTreeSet<usize>,
    robot: Option<Key>,
    told: BTreeSet<String>,
}

impl Doors {
    /// Those of a folder. The file of numbers is in the service's state folder.
    pub fn new(given: config::Doors, state: &Path) -> Doors {
        let book = state.join("drives");
        let order = match given.drives.is_empty() {
            true => read_book(&book),
            false => given.drives.clone(),
        };
        let robot = match &given.changer {
            Robot::This(key) => Some(key.clone()),
            Robot::Whichever | Robot::None => None,
        };
        let (seen, used, known) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Doors { given, book, order, seen, used, known, robot, told: BTreeSet::new() }
    }

    /// What the robot is opened as, if there is one.
    pub fn robot(&self) -> Option<String> {
        self.robot.as_ref().map(|key| self.name(key))
    }

    /// What drives are opened as, in the order of their numbers.
    pub fn names(&self) -> Vec<String> {
        self.order.iter().map(|key| self.name(key)).collect()
    }

    /// The key of each drive.
    pub fn keys(&self) -> impl Iterator<Item = (DriveId, String)> {
        let of = |(index, key): (usize, &Key)| (DriveId::of(index), key.to_string());
        self.order.iter().enumerate().map(of)
    }

    /// Whether a person said in which order drives are.
    pub fn order_is_given(&self) -> bool {
        !self.given.drives.is_empty()
    }

    fn name(&self, key: &Key) -> String {
        format!("door:{}", self.given.folder.join(key.as_str()).display())
    }

    /// What changed since the last look.
    pub fn look(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        match sockets(&self.given.folder) {
            Ok(there) => self.note(&there, now),
            Err(fault) => self.tell(fault.to_string(), &mut changes),
        }
        self.choose_robot(now, &mut changes);
        self.number(&mut changes);
        for index in 0..self.order.len() {
            changes.extend(self.judge(index, now));
        }
        changes
    }

    fn note(&mut self, there: &BTreeSet<Key>, now: Instant) {
        for key in there {
            let presence = self.seen.entry(key.clone()).or_insert(Presence::There(now));
            if let Presence::Away(_) = presence {
                *presence = Presence::There(now);
            }
        }
        for (_, presence) in self.seen.iter_mut().filter(|(key, _)| !there.contains(*key)) {
            if let Presence::There(_) = presence {
                *presence = Presence::Away(now);
            }
        }
        let numbered = |key: &Key| self.order.contains(key);
        // What has no number and is away was never of use.
        self.seen.retain(|key, presence| numbered(key) || matches!(presence, Presence::There(_)));
    }

    /// Those of a kind that are there, and since when.
    fn there(&self, kind: Kind) -> impl Iterator<Item = (&Key, Instant)> {
        self.seen.iter().filter_map(move |(key, presence)| match presence {
            Presence::There(since) if key.kind() == kind => Some((key, *since)),
            _ => None,
        })
    }

    fn choose_robot(&mut self, now: Instant, changes: &mut Vec<Change>) {
        if self.given.changer != Robot::Whichever {
            return;
        }
        let others: Vec<(Key, Instant)> = self
            .there(Kind::Changer)
            .filter(|(key, _)| self.robot.as_ref() != Some(key))
            .map(|(key, since)| (key.clone(), since))
            .collect();
        let names: Vec<&str> = others.iter().map(|(key, _)| key.as_str()).collect();
        match (&self.robot, others.as_slice()) {
            (_, []) => {}
            (None, [(key, since)]) => {
                if now >= *since + ROBOT_SETTLES {
                    self.robot = Some(key.clone());
                    changes.push(Change::RobotCame(self.name(key)));
                }
            }
            (None, _) => {
                let words = format!(
                    "several changers are attached: {}. None is used until one is chosen: set serve changer",
                    names.join(", ")
                );
                self.tell(words, changes);
            }
            (Some(robot), _) => {
                let words = format!(
                    "{} is attached and not used: the changer here is {robot}",
                    names.join(", ")
                );
                self.tell(words, changes);
            }
        }
    }

    /// Once.
    fn tell(&mut self, words: String, changes: &mut Vec<Change>) {
        if self.told.len() < DOORS_MAX && self.told.insert(words.clone()) {
            changes.push(Change::Trouble(words));
        }
    }

    /// Gives a number to each drive that is there and has none.
    fn number(&mut self, changes: &mut Vec<Change>) {
        let is_new = |key: &&Key| !self.order.contains(key);
        let new: Vec<Key> =
            self.there(Kind::Drive).map(|(key, _)| key).filter(is_new).cloned().collect();
        if new.is_empty() {
            return;
        }
        if self.order_is_given() {
            for key in new {
                self.tell(format!("{key} is attached and not used: the drives are named"), changes);
            }
            return;
        }
        for key in new {
            match self.free() {
                Some(index) if index == self.order.len() => self.order.push(key),
                Some(index) => self.order[index] = key,
                None => self.tell(format!("{key} is not used: {DRIVES_MAX} drives are"), changes),
            }
        }
        if let Err(fault) = write_book(&self.book, &self.order) {
            let words = format!("{fault}; drives may have other numbers after the next start");
            self.tell(words, changes);
        }
    }

    /// A number that nobody has: the next one, or at the end that of a drive that did not come since the start.
    fn free(&self) -> Option<usize> {
        match self.order.len() {
            length if length < DRIVES_MAX => Some(length),
            length => (0..length).find(|index| {
                !self.known.contains(index) && !self.seen.contains_key(&self.order[*index])
            }),
        }
    }

    fn judge(&mut self, index: usize, now: Instant) -> Option<Change> {
        let presence = *self.seen.get(&self.order[index])?;
        let is_alone = self.robot.is_none() && self.given.changer == Robot::Whichever;
        let settles = if is_alone { DRIVE_SETTLES } else { Duration::ZERO };
        match presence {
            Presence::There(since) if now >= since + settles && self.used.insert(index) => {
                self.known.insert(index);
                Some(Change::DriveCame(index))
            }
            Presence::Away(since) if now >= since + LOST_AFTER && self.used.remove(&index) => {
                Some(Change::DriveLost(index))
            }
            _ => None,
        }
    }
}

/// The names of the sockets of a folder; none when it is not there yet.
fn sockets(folder: &Path) -> Result<BTreeSet<Key>, Fault> {
    let failed =
        |e: std::io::Error| Fault::host(format!("cannot look into {}", folder.display()), &e);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = BTreeSet::new();
    for entry in entries.take(DOORS_MAX) {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<Key>().ok()));
    }
    Ok(found)
}

/// The keys of a file, a line each. What cannot be read begins anew, and that is said.
fn read_book(book: &Path) -> Vec<Key> {
    let text = match std::fs::read_to_string(book) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        text => text.map_err(|error| error.to_string()),
    };
    let keys =
        text.and_then(|text| text.lines().map(str::parse::<Key>).collect::<Result<Vec<_>, _>>());
    match keys {
        Ok(keys) if keys.len() <= DRIVES_MAX => keys,
        Ok(keys) => {
            tracing::error!("{}: {} drives: numbers are given anew", book.display(), keys.len());
            Vec::new()
        }
        Err(error) => {
            tracing::error!("{}: {error}: numbers are given anew", book.display());
            Vec::new()
        }
    }
}

fn write_book(book: &Path, order: &[Key]) -> Result<(), Fault> {
    let text: String = order.iter().map(|key| format!("{key}\n")).collect();
    let mut file = WholeFile::create(book)?;
    file.write_all(text.as_bytes())
        .map_err(|e| Fault::host(format!("cannot write {}", book.display()), &e))?;
    file.publish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    struct Scene {
        folder: tempfile::TempDir,
        begun: Instant,
    }

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("doors")).unwrap();
            Scene { folder, begun: Instant::now() }
        }

        fn doors(&self, drives: &[&str], changer: Robot) -> Doors {
            let drives = drives.iter().map(|key| key.parse().unwrap()).collect();
            let folder = self.folder.path().join("doors");
            Doors::new(config::Doors { folder, drives, changer }, self.folder.path())
        }

        fn opens(&self, key: &str) {
            std::fs::write(self.folder.path().join("doors").join(key), "").unwrap();
        }

        fn shuts(&self, key: &str) {
            std::fs::remove_file(self.folder.path().join("doors").join(key)).unwrap();
        }

        fn at(&self, seconds: u32) -> Instant {
            self.begun + seconds * S
        }

        fn robot(&self, key: &str) -> Change {
            let path = self.folder.path().join("doors").join(key);
            Change::RobotCame(format!("door:{}", path.display()))
        }
    }

    fn trouble(changes: &[Change]) -> String {
        match changes {
            [Change::Trouble(words)] => words.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn drives_come_with_their_robot_go_and_come_back_under_their_numbers() {
        let scene = Scene::new();
        let mut doors = scene.doors(&[], Robot::Whichever);
        assert_eq!(doors.look(scene.at(0)), []);
        scene.opens("drive-B");
        scene.opens("drive-A");
        scene.opens("strange name");
        assert_eq!(doors.look(scene.at(1)), []);
        scene.opens("changer-R");
        assert_eq!(doors.look(scene.at(1)), []);
        assert_eq!(
            doors.look(scene.at(6)),
            [scene.robot("changer-R"), Change::DriveCame(0), Change::DriveCame(1)]
        );
        assert!(doors.names()[0].ends_with("/doors/drive-A"), "{:?}", doors.names());
        // A new process for a drive takes a moment: nobody hears of it.
        scene.shuts("drive-A");
        assert_eq!(doors.look(scene.at(10)), []);
        scene.opens("drive-A");
        assert_eq!(doors.look(scene.at(12)), []);
        scene.shuts("drive-A");
        assert_eq!(doors.look(scene.at(20)), []);
        assert_eq!(doors.look(scene.at(30)), [Change::DriveLost(0)]);
        scene.opens("drive-A");
        scene.opens("drive-0");
        assert_eq!(doors.look(scene.at(99)), [Change::DriveCame(0), Change::DriveCame(2)]);
        // After a start drives have the numbers they had, also when one is away.
        scene.shuts("drive-A");
        let mut again = scene.doors(&[], Robot::Whichever);
        again.look(scene.at(0));
        assert_eq!(
            again.look(scene.at(9)),
            [scene.robot("changer-R"), Change::DriveCame(1), Change::DriveCame(2)]
        );
    }

    #[test]
    fn a_drive_without_a_robot_is_used_after_a_moment_and_served_by_one_that_comes_later() {
        let scene = Scene::new();
        let mut doors = scene.doors(&[], Robot::Whichever);
        scene.opens("drive-A");
        assert_eq!(doors.look(scene.at(0)), []);
        assert_eq!(doors.look(scene.at(6)), [Change::DriveCame(0)]);
        scene.opens("changer-R");
        assert_eq!(doors.look(scene.at(7)), []);
        assert_eq!(doors.look(scene.at(12)), [scene.robot("changer-R")]);
        let mut by_hand = scene.doors(&[], Robot::None);
        assert_eq!(by_hand.look(scene.at(0)), [Change::DriveCame(0)]);
        assert_eq!(by_hand.look(scene.at(99)), []);
    }

    #[test]
    fn of_several_robots_none_is_taken_unless_it_is_named() {
        let scene = Scene::new();
        scene.opens("changer-R");
        scene.opens("changer-S");
        let mut doors = scene.doors(&[], Robot::Whichever);
        let words = trouble(&doors.look(scene.at(0)));
        assert!(
            words.starts_with("several changers are attached: changer-R, changer-S."),
            "{words}"
        );
        assert_eq!(doors.look(scene.at(99)), []);
        scene.shuts("changer-R");
        assert_eq!(doors.look(scene.at(100)), [scene.robot("changer-S")]);
        scene.opens("changer-R");
        let words = trouble(&doors.look(scene.at(101)));
        assert_eq!(words, "changer-R is attached and not used: the changer here is changer-S");
        let mut named = scene.doors(&[], Robot::This("changer-R".parse().unwrap()));
        assert!(named.robot().unwrap().ends_with("/changer-R"));
        assert_eq!(named.look(scene.at(0)), []);
    }

    #[test]
    fn named_drives_have_the_order_in_which_they_are_named_and_others_are_left_alone() {
        let scene = Scene::new();
        let mut doors = scene.doors(&["drive-B", "drive-A"], Robot::None);
        scene.opens("drive-A");
        scene.opens("drive-C");
        let changes = doors.look(scene.at(0));
        let words = "drive-C is attached and not used: the drives are named".to_owned();
        assert_eq!(changes, [Change::Trouble(words), Change::DriveCame(1)]);
        assert!(!scene.folder.path().join("drives").exists());
    }

    #[test]
    fn a_book_that_is_none_and_a_full_one_are_no_end() {
        let scene = Scene::new();
        std::fs::write(scene.folder.path().join("drives"), "drive-A\n../x\n").unwrap();
        assert!(scene.doors(&[], Robot::None).names().is_empty());
        let full: String = (0..DRIVES_MAX).map(|n| format!("drive-{n}\n")).collect();
        std::fs::write(scene.folder.path().join("drives"), full).unwrap();
        scene.opens("drive-0");
        scene.opens("drive-new");
        let mut doors = scene.doors(&[], Robot::None);
        // The number of one that is not there.
        assert_eq!(doors.look(scene.at(0)), [Change::DriveCame(0), Change::DriveCame(1)]);
        assert!(doors.names()[1].ends_with("/drive-new"));
    }
}
