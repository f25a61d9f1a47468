//! Settings through commits, timers and power cuts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::core::{Core, Now, RECOVER_MS};
use super::keep::{Identity, Keep, Kept, Kind, Resetting, newest};
use super::message::{Ask, Boot, Reset, Which};
use super::serve::{Guest, NoInit, Others, Part, Places, Steward};
use crate::serve::config::{Config, Robot};
use crate::settings::{Around, Settings};
use crate::stream::{Blame, Fault};

/// Records in memory, of which so many writes more come through: the power is cut then.
#[derive(Default)]
struct Disk {
    records: BTreeMap<Kind, Vec<Vec<u8>>>,
    writes: usize,
    writes_max: Option<usize>,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Disk>>);

impl Keep for Memory {
    fn back(&self, kind: Kind, n: u32) -> Result<Option<Kept>, Fault> {
        let disk = self.0.lock().unwrap();
        let all = disk.records.get(&kind).map_or(&[][..], Vec::as_slice);
        let at = all.len().checked_sub(1 + n as usize);
        Ok(at.map(|at| Kept { generation: at as u64 + 1, payload: all[at].clone() }))
    }

    fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<u64, Fault> {
        let mut disk = self.0.lock().unwrap();
        if disk.writes_max.is_some_and(|most| disk.writes >= most) {
            return Err(Fault::later(Blame::Host, "the power is gone"));
        }
        disk.writes += 1;
        let all = disk.records.entry(kind).or_default();
        all.push(payload.to_vec());
        Ok(all.len() as u64)
    }
}

impl Memory {
    fn power_back(&self) {
        self.0.lock().unwrap().writes_max = None;
    }
}

fn at(ms: u64) -> Now {
    Now { ms, s: 1_800_000_000 + i64::try_from(ms / 1000).unwrap() }
}

fn identity() -> Result<Identity, Fault> {
    Ok(Identity { serial: "TAP-0000-0001".into(), key: Vec::new(), made_s: 0 })
}

fn start(disk: &Memory) -> Core {
    Core::start(Box::new(disk.clone()), &identity, at(0)).unwrap()
}

fn address(core: &Core) -> String {
    let lines = core.settings(Which::Current).unwrap().lines();
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_is_confirmed_stays_and_what_is_not_goes_back() {
    let disk = Memory::default();
    let mut core = start(&disk);
    core.set(&["network", "any", "address", "10.0.0.5/24"]).unwrap();
    assert_eq!(core.commit("ttyS0", "", None, at(0)), Ok(1));
    core.set(&["network", "any", "address", "10.0.0.6/24"]).unwrap();
    assert_eq!(core.commit("ttyS0", "", Some(300), at(1000)), Ok(2));
    assert_eq!(address(&core), "network any address 10.0.0.6/24");
    assert_eq!(core.state(at(2000)).back_in_ms, Some(299_000));
    assert_eq!(core.tick(at(300_999)), Ok(false));
    assert_eq!(core.tick(at(301_000)), Ok(true));
    assert_eq!(address(&core), "network any address 10.0.0.5/24");
    assert!(core.state(at(301_000)).edited, "what was typed is still there to be mended");
    core.commit("ttyS0", "", Some(300), at(302_000)).unwrap();
    core.confirm("ttyS0", at(303_000)).unwrap();
    assert_eq!(core.tick(at(999_999)), Ok(false));
    assert_eq!(address(&core), "network any address 10.0.0.6/24");
    assert!(core.confirm("ttyS0", at(0)).is_err(), "nothing waits any more");
    let told = core.history().unwrap();
    let words: Vec<(&str, bool)> =
        told.iter().map(|past| (past.words.as_str(), past.trial)).collect();
    let expected = [
        ("confirmed", false),
        ("", true),
        ("generation 2 was not confirmed", false),
        ("", true),
        ("", false),
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_restart_ends_what_was_not_confirmed() {
    let disk = Memory::default();
    let mut core = start(&disk);
    core.set(&["name", "one"]).unwrap();
    core.commit("ttyS0", "", None, at(0)).unwrap();
    core.set(&["name", "two"]).unwrap();
    core.commit("ttyS0", "", Some(300), at(0)).unwrap();
    core.set(&["name", "three"]).unwrap();
    core.commit("ttyS0", "", Some(300), at(0)).unwrap();
    drop(core);
    let core = start(&disk);
    assert_eq!(core.state(at(0)).name, "one");
    assert_eq!(core.state(at(0)).back_in_ms, None);
    drop(core);
    assert_eq!(start(&disk).state(at(0)).name, "one");
}

#[test]
fn a_later_commit_confirms_and_a_second_timer_goes_back_to_what_was_confirmed() {
    let disk = Memory::default();
    let mut core = start(&disk);
    core.set(&["name", "two"]).unwrap();
    core.commit("ttyS0", "", Some(60), at(0)).unwrap();
    core.set(&["name", "three"]).unwrap();
    core.commit("ttyS0", "", Some(60), at(0)).unwrap();
    assert_eq!(core.tick(at(60_000)), Ok(true));
    assert_eq!(core.state(at(0)).name, "tapioca");
    core.commit("ttyS0", "", Some(60), at(0)).unwrap();
    core.commit("ttyS0", "it works", None, at(0)).unwrap();
    drop(core);
    assert_eq!(start(&disk).state(at(0)).name, "three");
}

/// Everything an administrator does, cut at every write: the box starts with settings that were confirmed.
#[test]
fn the_power_may_go_at_any_write() {
    let script = |core: &mut Core| -> Result<(), Fault> {
        core.claim("hash".into(), Some("one"), at(0))?;
        core.set(&["name", "two"])?;
        core.commit("ttyS0", "", Some(60), at(0))?;
        core.confirm("ttyS0", at(0))?;
        core.set(&["name", "three"])?;
        core.commit("ttyS0", "", Some(60), at(0))?;
        core.tick(at(60_000)).map(drop)
    };
    let mut cuts = 0;
    for writes in 0.. {
        let disk = Memory::default();
        disk.0.lock().unwrap().writes_max = Some(writes);
        let done = match Core::start(Box::new(disk.clone()), &identity, at(0)) {
            Ok(mut core) => script(&mut core),
            Err(fault) => Err(fault),
        };
        disk.power_back();
        let core = start(&disk);
        let (state, name) = (core.state(at(0)), core.state(at(0)).name);
        let expected: &[&str] = match writes {
            0 => &["tapioca"],
            1 | 2 => &["tapioca"],
            3 | 4 => &["one"],
            _ => &["two"],
        };
        assert!(expected.contains(&name.as_str()), "after {writes} writes: {name}");
        assert_eq!(state.claimed, writes >= 2, "after {writes} writes");
        cuts += 1;
        if done.is_ok() {
            break;
        }
    }
    assert_eq!(cuts, 8, "a write of the script is not cut");
}

#[test]
fn the_password_is_set_once_and_forgotten_only_soon_after_the_start() {
    let disk = Memory::default();
    let mut core = start(&disk);
    assert!(!core.is_claimed());
    core.claim("first".into(), None, at(0)).unwrap();
    assert!(core.claim("second".into(), None, at(0)).is_err());
    assert_eq!(core.password_hash().as_deref(), Some("first"));
    assert!(core.recover("tap-0000-0001", at(RECOVER_MS + 1)).is_err(), "too late");
    assert!(core.recover("TAP-0000-0002", at(0)).is_err(), "another box");
    core.recover("tap-0000-0001", at(RECOVER_MS)).unwrap();
    assert!(!core.is_claimed());
    drop(core);
    let mut core = start(&disk);
    assert!(!core.is_claimed());
    core.claim("second".into(), None, at(0)).unwrap();
}

#[test]
fn wrong_passwords_cost_time() {
    let mut core = start(&Memory::default());
    core.judged(false, at(0));
    assert_eq!(core.wait_ms(at(0)), 1000);
    core.judged(false, at(1000));
    assert_eq!(core.state(at(1000)).wait_ms, 2000);
    core.judged(true, at(3000));
    assert_eq!(core.wait_ms(at(3000)), 0);
}

#[test]
fn each_process_reports_what_is_its_own() {
    let path = |name: &str| Path::new("/nowhere").join(name);
    let places = Places {
        socket: path("socket"),
        run: path("run"),
        state: path("state"),
        doors: path("doors"),
        takes_attached: false,
        sync_memory_mib: None,
    };
    let keep = Box::new(Memory::default());
    let steward = Steward::new(keep, Box::new(NoInit), places, Others::new()).unwrap();
    let boot = || Boot {
        number: 0,
        at_s: 0,
        version: "1".into(),
        why: "power".into(),
        without: Vec::new(),
    };
    let asks: [(fn() -> Ask, Part); 3] = [
        (|| Ask::Links(Vec::new()), Part::Net),
        (|| Ask::Note("an update left".into()), Part::Updater),
        (|| Ask::Recover { serial: "none".into() }, Part::Console),
    ];
    let all = [Part::Console, Part::Net, Part::Updater, Part::Other, Part::Root];
    let is_refused = |ask: Ask, part: Part| {
        let answer = steward.answer(ask, &mut Guest { part, administrator: true });
        answer.is_err_and(|fault| fault.what.contains("not for this process"))
    };
    for part in all {
        for (ask, whose) in asks {
            assert_eq!(is_refused(ask(), part), part != whose && part != Part::Root, "{part:?}");
        }
        assert_eq!(is_refused(Ask::Booted(boot()), part), part != Part::Root, "{part:?}");
    }
}

#[test]
fn a_reset_needs_the_serial_number() {
    let disk = Memory::default();
    let mut core = start(&disk);
    assert!(core.reset("TAP", Reset::Everything, at(0)).is_err());
    core.reset("TAP-0000-0001", Reset::Everything, at(0)).unwrap();
    let kept: Resetting = newest(&disk, Kind::Reset).unwrap().unwrap();
    assert_eq!(kept.what, Some(Reset::Everything));
}

#[test]
fn settings_nobody_can_read_are_passed_over_and_told() {
    let disk = Memory::default();
    let mut core = start(&disk);
    core.set(&["name", "one"]).unwrap();
    core.commit("ttyS0", "", None, at(0)).unwrap();
    drop(core);
    disk.clone().write(Kind::Settings, b"\x01rubbish").unwrap();
    let state = start(&disk).state(at(0));
    assert_eq!(state.name, "one");
    assert_eq!(state.alarms.len(), 1, "{:?}", state.alarms);
}

#[test]
fn the_service_takes_what_is_rendered() {
    let settings = [
        "time_zone Europe/Berlin",
        "serve listen 0.0.0.0:7420",
        "serve metrics 127.0.0.1:9420",
        "serve drives drive-2 drive-1",
        "serve changer changer-1",
        "serve limits sync_s 30",
        "serve mail server mail.example.org",
        "serve mail from box@example.org",
        "serve mail to ops@example.org",
        "serve mail user box",
        "serve mail password secret",
        "serve webhook url https://a/b",
        "serve webhook token secret",
    ]
    .iter()
    .fold(Settings::default(), |settings, line| {
        settings.set(&line.split(' ').collect::<Vec<_>>()).unwrap()
    });
    let around = Around {
        state: "/data/tapioca".into(),
        beside: "/run/tapioca".into(),
        doors: "/run/tapioca/doors".into(),
        takes_attached: false,
        sync_memory_mib: Some(16),
        is_claimed: true,
        rebuild: None,
    };
    let rendered = settings.render(&around);
    assert!(!rendered.text.contains("secret"), "{}", rendered.text);
    assert_eq!(rendered.secrets.len(), 2);
    let config = Config::parse(&rendered.text).unwrap();
    let key = |text: &str| text.parse::<discover::Key>().unwrap();
    let doors = config.devices.doors.unwrap();
    assert_eq!(doors.folder, around.doors);
    assert_eq!(doors.drives, [key("drive-2"), key("drive-1")]);
    assert_eq!(doors.changer, Robot::This(key("changer-1")));
    assert_eq!(config.limits.sync_s, 30);
    assert_eq!(config.limits.sync_memory_mib, 16);
    assert_eq!(config.administrator_file.unwrap(), Path::new("/run/tapioca/administrator"));
    assert_eq!(config.mail.unwrap().login.unwrap().1, Path::new("/run/tapioca/mail-password"));
    let devices = |around: &Around, lines: &[&str]| {
        let words = |line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let settings = lines.iter().map(words).fold(Settings::default(), |settings, words| {
            settings.set(&words.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
        });
        settings.check().unwrap();
        Config::parse(&settings.render(around).text).unwrap().devices
    };
    let attached = Around { takes_attached: true, ..around.clone() };
    for (around, lines, is_embedded) in [
        (&around, &[][..], true),
        (&attached, &[], false),
        (&around, &["serve drives attached"], false),
        (&attached, &["serve drives embedded"], true),
        (&around, &["serve changer none"], false),
    ] {
        let devices = devices(around, lines);
        assert_eq!(
            (devices.embedded.is_some(), devices.doors.is_some()),
            (is_embedded, !is_embedded)
        );
    }
    assert_eq!(devices(&around, &["serve changer none"]).doors.unwrap().changer, Robot::None);
    let unclaimed = Around { is_claimed: false, sync_memory_mib: None, ..around };
    let config = Config::parse(&Settings::default().render(&unclaimed).text).unwrap();
    assert_eq!((config.administrator_file, config.limits.sync_memory_mib), (None, 512));
}
