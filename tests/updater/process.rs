//! The process, asked as a box asks it; init, the steward and the loader are played.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bundle::Release;
use tapioca::packet;
use tapioca::steward::message as steward;
use tapioca::stream::Fault;
use tapioca::update::{Answer, Ask, PIECE_BYTES_MAX, Seen, State, Updater, Wish};
use tapioca::updater::process::{Given, Host, Places, run};
use tapioca::updater::trial::Patience;

use crate::world::{BYTES, bundled, count_down, files, lay, names, public_key, release, uki};

const WAIT: Duration = Duration::from_secs(30);
/// A trial that never comes to its end.
const LONG: Patience =
    Patience { settle: Duration::from_secs(1 << 30), deadline: Duration::from_secs(1 << 31) };
/// All is well at once, and time is never over.
const QUICK: Patience = Patience { settle: Duration::ZERO, deadline: LONG.deadline };
/// Time is over at once.
const OVER: Patience = Patience { settle: LONG.settle, deadline: Duration::ZERO };

/// What init was asked for.
#[derive(Default)]
struct Asked {
    reboots: AtomicUsize,
    stick: Mutex<Option<(PathBuf, Vec<u8>)>>,
}

struct PlayedInit(Arc<Asked>);

impl Host for PlayedInit {
    fn ailing(&self) -> Option<Vec<String>> {
        Some(Vec::new())
    }

    fn reboot(&self) -> Result<(), Fault> {
        self.0.reboots.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn stick(&self, wanted: bool) -> Result<(), Fault> {
        if let Some((folder, bundle)) = self.0.stick.lock().unwrap().as_ref() {
            let path = folder.join("update.tapioca");
            match wanted {
                true => std::fs::write(path, bundle).unwrap(),
                false => std::fs::remove_file(path).unwrap(),
            }
        }
        Ok(())
    }

    fn alive(&self) {}
}

/// A box in a folder.
struct Played {
    folder: tempfile::TempDir,
    asked: Arc<Asked>,
    notes: Arc<Mutex<Vec<String>>>,
    starts: usize,
}

impl Played {
    /// Delivered with 0.1.0.
    fn new(is_claimed: bool) -> Played {
        let folder = tempfile::tempdir().unwrap();
        let esp = File::create_new(folder.path().join("esp")).unwrap();
        esp.set_len(BYTES).unwrap();
        let esp = File::options().read(true).write(true).open(folder.path().join("esp")).unwrap();
        lay(esp, "0.1.0", &uki(Path::new("/bin/true")));
        std::fs::create_dir(folder.path().join("shelf")).unwrap();
        std::fs::create_dir(folder.path().join("stick")).unwrap();
        let notes = Arc::default();
        play_steward(&folder.path().join("steward"), is_claimed, Arc::clone(&notes));
        Played { folder, asked: Arc::default(), notes, starts: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn esp(&self) -> File {
        File::options().read(true).write(true).open(self.path("esp")).unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(self.esp())
    }

    /// A start of the kernel with this version.
    fn start(&mut self, release: Release, patience: Patience) -> Line {
        self.starts += 1;
        let socket = self.path(&format!("socket{}", self.starts));
        let places = Places {
            socket: socket.clone(),
            esp: self.path("esp"),
            shelf: self.path("shelf"),
            steward: self.path("steward"),
            config: self.path("none.toml"),
            stick: self.path("stick"),
        };
        let given = Given {
            places,
            release,
            key: Some(public_key()),
            patience,
            data: true,
            boot: format!("start {}", self.starts),
            peers: BTreeSet::new(),
            host: Box::new(PlayedInit(self.asked.clone())),
        };
        // It lives as long as the test's process, as it does on a box.
        std::thread::spawn(move || run(given));
        Line { socket }
    }

    fn reboots(&self) -> usize {
        self.asked.reboots.load(Ordering::SeqCst)
    }
}

/// Says who the box belongs to, has no settings, and keeps what is to be told.
fn play_steward(path: &Path, claimed: bool, notes: Arc<Mutex<Vec<String>>>) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            while let Ok(Some(ask)) = packet::read::<steward::Ask>(&mut socket) {
                let answer = match ask {
                    steward::Ask::State => {
                        let state = steward::State { claimed, ..Default::default() };
                        steward::Answer::State(state)
                    }
                    steward::Ask::Watch { .. } => {
                        let (text, lines) = (String::new(), Vec::new());
                        steward::Answer::Settings { change: 1, text, lines }
                    }
                    steward::Ask::Note(words) => {
                        notes.lock().unwrap().push(words);
                        steward::Answer::Done
                    }
                    other => panic!("{other:?}"),
                };
                packet::write(&answer, &mut socket).unwrap();
            }
        }
    });
}

/// Whoever asks.
struct Line {
    socket: PathBuf,
}

impl Line {
    fn updater(&self) -> Updater {
        let begun = Instant::now();
        loop {
            match Updater::connect(&self.socket) {
                Ok(updater) => return updater,
                Err(fault) => assert!(begun.elapsed() < WAIT, "{fault}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wish(&self, wish: Wish) -> Result<State, Fault> {
        self.updater().wish(wish)
    }

    /// How updates stand, once that is so.
    fn until(&self, what: &str, is: impl Fn(&State) -> bool) -> State {
        let begun = Instant::now();
        loop {
            let state = self.wish(Wish::Show).unwrap();
            if is(&state) {
                return state;
            }
            assert!(begun.elapsed() < WAIT, "never: {what}: {state:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn idle(&self) -> State {
        self.until("idle", |state| state.doing.is_empty())
    }

    /// Does something that takes its time; what came of it.
    fn done(&self, wish: Wish) -> String {
        self.idle();
        self.wish(wish).unwrap();
        self.idle().told[0].words.clone()
    }

    fn give(&self, bundle: &[u8]) -> String {
        self.idle();
        let mut updater = self.updater();
        for (n, piece) in bundle.chunks(PIECE_BYTES_MAX).enumerate() {
            let offset = (n * PIECE_BYTES_MAX) as u64;
            updater.wish(Wish::Piece { offset, bytes: piece.to_vec() }).unwrap();
        }
        self.done(Wish::Take)
    }

    fn sees(&self, devices: &[&str]) -> Answer {
        let devices = devices.iter().map(|one| (*one).to_owned()).collect();
        self.updater().ask(&Ask::Seen(Seen { devices })).unwrap()
    }
}

fn good(text: &str) -> Vec<u8> {
    bundled(&release(text), &uki(Path::new("/bin/true")))
}

/// All there is: boot partition, and copies but for the journal.
fn all(played: &Played) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = files(played.esp()).into_iter().collect();
    for entry in std::fs::read_dir(played.path("shelf")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name != "journal" {
            all.push((name, std::fs::read(path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_good_update_is_put_aside_tried_accepted_and_gone_back_from() {
    let mut played = Played::new(false);
    let line = played.start(release("0.1.0"), LONG);
    assert!(line.give(&good("0.2.0")).contains("tried at the next start"));
    assert_eq!(played.names(), ["0.1.0", "0.2.0+3"]);
    let state = line.idle();
    assert_eq!(state.images[1].standing, "is tried at the next start");
    // It can be thought over.
    assert!(line.done(Wish::Rollback).contains("0.1.0 stays"));
    assert_eq!(played.names(), ["0.1.0"]);
    line.give(&good("0.2.0"));

    count_down(played.esp(), "0.2.0+3", "0.2.0+2-1");
    let line = played.start(release("0.2.0"), QUICK);
    let is_accepted =
        |s: &State| s.told.first().is_some_and(|told| told.words.contains("0.2.0 is accepted"));
    let state = line.until("accepted", is_accepted);
    assert_eq!((state.waits_for, state.doing.as_str()), (None, ""));
    assert_eq!(played.names(), ["0.1.0", "0.2.0"]);

    assert!(line.done(Wish::Rollback).contains("0.1.0 is what is started next"));
    assert_eq!(played.names(), ["0.1.0", "0.2.0+0"]);
    let line = played.start(release("0.1.0"), LONG);
    assert_eq!(line.idle().waits_for, None);
    // And forward again.
    assert!(line.done(Wish::Rollback).contains("0.2.0 is what is started next"));
    assert_eq!(played.names(), ["0.1.0", "0.2.0"]);
    assert_eq!(played.reboots(), 0);
}

#[test]
fn what_is_no_update_for_this_box_is_refused_in_words_and_changes_nothing() {
    let mut played = Played::new(false);
    let line = played.start(release("0.1.0"), LONG);
    line.idle();
    let before = all(&played);
    let whole = good("0.2.0");
    let mut signature = whole.clone();
    signature[30] ^= 1;
    let mut board = release("0.2.0");
    board.board = "another".into();
    let mut floor = release("0.2.0");
    floor.security_floor = 1;
    let failing = bundled(&release("0.2.0"), &uki(Path::new("/bin/false")));
    let cases = [
        (signature, "not signed by this box's key"),
        (whole[..whole.len() / 2].to_vec(), "cut off"),
        (bundled(&board, &uki(Path::new("/bin/true"))), "made for another"),
        (bundled(&floor, &uki(Path::new("/bin/true"))), "security floor 1"),
        (failing, "does not read what this box has"),
        (bundled(&release("0.2.0"), b"no bootable file"), "is no 64-bit PE file"),
    ];
    for (bundle, word) in cases {
        let words = line.give(&bundle);
        assert!(words.starts_with("no update: ") && words.contains(word), "{words}");
        assert!(all(&played) == before, "{word}: something changed");
    }
    assert!(line.done(Wish::Rollback).contains("no other version"));
    // A piece that does not follow what came is refused at once.
    line.wish(Wish::Piece { offset: 0, bytes: vec![1; 10] }).unwrap();
    let refused = line.wish(Wish::Piece { offset: 5, bytes: vec![1; 10] }).unwrap_err();
    assert!(refused.what.contains("begins at 10"), "{}", refused.what);
}

#[test]
fn a_version_that_does_not_see_what_was_there_goes_back_and_the_reason_is_kept() {
    let mut played = Played::new(true);
    let line = played.start(release("0.1.0"), LONG);
    line.sees(&["drive A", "changer B"]);
    line.idle();
    line.wish(Wish::Piece { offset: 0, bytes: good("0.2.0") }).unwrap();
    line.wish(Wish::Take).unwrap();
    // The service gives its records when it is asked for them.
    let begun = Instant::now();
    while line.sees(&["drive A", "changer B"]) != (Answer::Noted { records: true }) {
        assert!(begun.elapsed() < WAIT);
        std::thread::sleep(Duration::from_millis(20));
    }
    let records = |first, bytes| line.updater().ask(&Ask::Records { first, bytes }).unwrap();
    records(true, b"records".to_vec());
    records(false, Vec::new());
    assert!(line.idle().told[0].words.contains("is tried at the next start"));

    count_down(played.esp(), "0.2.0+3", "0.2.0+2-1");
    let line = played.start(release("0.2.0"), LONG);
    line.sees(&["changer B"]);
    let state = line.until("a reason", |s| s.waits_for.as_ref().is_some_and(|w| w.contains("see")));
    assert_eq!(state.waits_for.as_deref(), Some("it does not see drive A"));
    // As long as it is not accepted nothing else is taken.
    assert!(line.give(&good("0.3.0")).contains("not accepted yet"));
    let line = played.start(release("0.2.0"), OVER);
    line.sees(&["changer B"]);
    let begun = Instant::now();
    while played.reboots() == 0 {
        assert!(begun.elapsed() < WAIT, "{:?}", line.wish(Wish::Show));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(played.names(), ["0.1.0", "0.2.0+0"]);

    let line = played.start(release("0.1.0"), LONG);
    let state = line.idle();
    let why = &state.told[0].words;
    assert!(why.starts_with("0.2.0 was left, and 0.1.0 runs: "), "{why}");
    assert_eq!(played.names(), ["0.1.0"]);
    assert_eq!(played.notes.lock().unwrap().last(), Some(why));
    assert_eq!(state.waits_for, None);
}

#[test]
fn a_version_that_never_comes_up_is_left_by_the_loader_and_that_is_said() {
    let mut played = Played::new(false);
    let line = played.start(release("0.1.0"), LONG);
    line.give(&good("0.2.0"));
    count_down(played.esp(), "0.2.0+3", "0.2.0+0-3");
    let line = played.start(release("0.1.0"), LONG);
    let why = line.idle().told[0].words.clone();
    assert!(why.contains("started 3 times and never came up"), "{why}");
    assert_eq!(played.names(), ["0.1.0"]);
}

#[test]
fn a_version_with_nothing_to_go_back_to_stays_and_says_what_is_wrong() {
    let mut played = Played::new(true);
    let line = played.start(release("0.1.0"), LONG);
    line.idle();
    // The only file there is counts.
    count_down(played.esp(), "0.1.0", "0.1.0+2-1");
    let line = played.start(release("0.1.0"), OVER);
    let state = line.until("given up", |s| s.told.iter().any(|t| t.words.contains("go back")));
    assert!(state.told[0].words.contains("no other version that is good"), "{:?}", state.told);
    assert_eq!(played.reboots(), 0);
    assert_eq!(played.names(), ["0.1.0+2-1"]);
}

#[test]
fn a_bundle_on_a_stick_is_taken() {
    let mut played = Played::new(false);
    let line = played.start(release("0.1.0"), LONG);
    *played.asked.stick.lock().unwrap() = Some((played.path("stick"), good("0.2.0")));
    assert!(line.done(Wish::Stick).contains("is tried at the next start"));
    assert_eq!(played.names(), ["0.1.0", "0.2.0+3"]);
    assert!(!played.path("stick").join("update.tapioca").exists());
}

#[test]
fn what_is_damaged_is_mended_at_the_start_and_told() {
    let mut played = Played::new(false);
    played.start(release("0.1.0"), LONG).idle();
    esp::Esp::open(played.esp()).unwrap().remove("EFI/BOOT/BOOTX64.EFI").unwrap();
    let state = played.start(release("0.1.0"), LONG).idle();
    assert!(state.told[0].words.contains("BOOTX64.EFI"), "{:?}", state.told);
    assert!(files(played.esp()).contains_key("EFI/BOOT/BOOTX64.EFI"));
}
