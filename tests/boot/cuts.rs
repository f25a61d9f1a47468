//! The power is cut: of a box that did all that a box does, every state that its disk could have been in is looked at.
//!
//! The disk's writes and flushes are logged. At a cut everything that was flushed is there, of what was written since
//! the last flush any part. What the box had promised by then, on the serial line or to a client, must be kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use slots::{Kind, Slots};

use image::build::{BUNDLE, UKI};
use image::disk::{self, Content};

use super::client::{Client, plant};
use super::rig::{self, Extra, Machine, PATIENCE, image_as, keys};
use super::tree::{assert_same, snapshot};
use super::typist::PASSWORD;
use super::writes::Writes;

const MIB: u64 = 1 << 20;
/// What the disk is larger by than its image, so that the first start grows it.
const LARGER: u64 = 512 * MIB;
/// What starts on the boot partition, and what an update adds.
const OLD: &str = "EFI/Linux/tapioca_0.1.0.efi";
const NEW: &str = "EFI/Linux/tapioca_0.2.0+3.efi";

/// Moments that are looked at, and every how manyth of them is booted.
const CUTS: usize = 300;
const EACH: usize = 25;

/// What the box promised, and after how many entries of the log.
#[derive(Default)]
struct Promises {
    claimed: usize,
    named: usize,
    backups: Vec<(usize, &'static str)>,
    updated: usize,
}

/// Runs a box, and cuts its power in the end. Its client knows it by `port`.
fn live(dir: &Path, board: &board::Board, port: u16) -> Promises {
    let log = dir.join("writes");
    File::create(&log).unwrap();
    let extra = Extra { forward: Some(port), writes: Some(log.clone()), ..Extra::default() };
    let mut machine = Machine::start(board, dir, &extra);
    let line = machine.line.clone();
    let now = || Writes::read(&log).len();
    let mut promises = Promises::default();
    machine.insist("\r", "Name of the box");
    let plain = "cellar> ";
    for (typed, prompt) in
        [("cellar", "New password: "), (PASSWORD, "Once more: "), (PASSWORD, plain)]
    {
        line.say(typed, prompt);
    }
    promises.claimed = now();
    for (typed, prompt) in [
        ("configure", "(configure)# "),
        ("set time_zone Europe/Berlin", "(configure)# "),
        ("commit because it is there", "(configure)# "),
        ("exit", plain),
    ] {
        line.say(typed, prompt);
    }
    promises.named = now();
    super::until(&mut || line.say("show drives", plain), "idle");
    for (typed, prompt) in [
        ("user ada may look back-up restore administer", plain),
        ("user ada password", "New password: "),
        (PASSWORD, "Once more: "),
        (PASSWORD, plain),
    ] {
        line.say(typed, prompt);
    }
    let code = line.say("machine web enrol", plain);
    let client = Client::new(dir, format!("127.0.0.1:{port}"));
    client.enrol(super::code(&code));
    client.ok("login ada", Some(PASSWORD), &line);
    for name in ["one", "two"] {
        plant(&dir.join(name), promises.backups.len() as u64);
        client.ok(&format!("backup --name {name} -C {name} ."), None, &line);
        promises.backups.push((now(), name));
    }
    client.ok(&format!("update apply next/{BUNDLE}"), None, &line);
    promises.updated = now();
    promises
}

/// A disk at a moment, on which everything is looked at from outside.
struct Scene<'a> {
    dir: &'a Path,
    /// Where partitions begin, bytes.
    meta: u64,
    data: u64,
    /// What may lie on the boot partition, and nothing else.
    bootable: BTreeMap<String, Vec<u8>>,
    /// By which the client knows the box.
    port: u16,
}

impl Scene<'_> {
    fn part(&self, disk: &mut File, (from, to): (u64, u64), name: &str) -> PathBuf {
        let path = self.dir.join(name);
        let out = File::create(&path).unwrap();
        out.set_len(to - from).unwrap();
        disk.seek(SeekFrom::Start(from)).unwrap();
        let mut chunk = vec![0; MIB as usize];
        for at in (0..to - from).step_by(MIB as usize) {
            let bytes = usize::try_from(MIB.min(to - from - at)).unwrap();
            disk.read_exact(&mut chunk[..bytes]).unwrap();
            if chunk[..bytes].iter().any(|byte| *byte != 0) {
                out.write_all_at(&chunk[..bytes], at).unwrap();
            }
        }
        path
    }

    /// What is wrong with a disk that was cut after so many entries.
    fn judge(&self, disk: &mut File, after: usize, promises: &Promises) -> Result<(), String> {
        let length = disk.metadata().unwrap().len();
        let esp = self.part(disk, (MIB, self.meta), "esp");
        self.judge_esp(&esp, after, promises)?;
        let meta = self.part(disk, (self.meta, self.data), "meta");
        self.judge_meta(&meta, after, promises)?;
        let data = self.part(disk, (self.data, length), "data");
        self.judge_data(&data, after, promises)
    }

    fn judge_esp(&self, esp: &Path, after: usize, promises: &Promises) -> Result<(), String> {
        let files = disk::esp_files(&mut std::fs::read(esp).unwrap()).map_err(|e| e.to_string())?;
        let is_other =
            |(path, bytes): &(&String, &Vec<u8>)| self.bootable.get(*path) != Some(bytes);
        if let Some((path, bytes)) = files.iter().find(is_other) {
            return Err(format!("{path} of {} bytes is nothing that was put there", bytes.len()));
        }
        let is_gone = |path: &&String| {
            let promised = if *path == NEW { promises.updated } else { 0 };
            after >= promised && !files.contains_key(*path)
        };
        match self.bootable.keys().find(is_gone) {
            Some(path) => Err(format!("{path} is gone")),
            None => Ok(()),
        }
    }

    fn judge_meta(&self, meta: &Path, after: usize, promises: &Promises) -> Result<(), String> {
        let slots = Slots::open(meta).map_err(|e| e.to_string())?;
        let has = |kind: Kind, promised: usize, what: &str| match slots.latest(kind) {
            Ok(None) if after >= promised => Err(format!("{what} is gone")),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{what}: {error}")),
        };
        has(Kind::Identity, promises.claimed, "who the box is")?;
        has(Kind::Administrator, promises.claimed, "the administrator")?;
        has(Kind::Settings, promises.named, "what was committed")
    }

    fn judge_data(&self, data: &Path, after: usize, promises: &Promises) -> Result<(), String> {
        // What the kernel does when it mounts.
        let run = |program: &str, words: &[&str]| {
            let done = Command::new(program).args(words).arg(data).output().unwrap();
            (done.status.code().unwrap_or(99), String::from_utf8_lossy(&done.stdout).into_owned())
        };
        run("e2fsck", &["-y", "-E", "journal_only"]);
        let (status, said) = run("e2fsck", &["-f", "-n"]);
        if status != 0 {
            return Err(format!("the file system is damaged ({status}):\n{said}"));
        }
        let kept: Vec<&str> = promises
            .backups
            .iter()
            .filter(|(promised, _)| after >= *promised)
            .map(|(_, name)| *name)
            .collect();
        if kept.is_empty() {
            return Ok(());
        }
        let out = self.dir.join("out");
        if out.exists() {
            std::fs::remove_dir_all(&out).unwrap();
        }
        std::fs::create_dir(&out).unwrap();
        let dump = format!("rdump /tapioca {}", out.display());
        let done = Command::new("debugfs").args(["-R", &dump]).arg(data).output().unwrap();
        if !done.status.success() {
            return Err(format!("{done:?}"));
        }
        self.restore(&out.join("tapioca"), &kept)
    }

    /// The service, on this machine, gives back what it was given.
    fn restore(&self, state: &Path, kept: &[&str]) -> Result<(), String> {
        let address = format!("127.0.0.1:{}", self.port);
        let log = File::create(self.dir.join("serve-log")).unwrap();
        let words = ["serve", "--listen", &address, "--state"];
        let service = Command::new(super::EXE).args(words).arg(state).stderr(log).spawn().unwrap();
        let _service = Service(service);
        let ready = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(state.join("tapicom.sock")).is_err() {
            let log = || std::fs::read_to_string(self.dir.join("serve-log")).unwrap();
            if Instant::now() > ready {
                return Err(format!("the service does not start:\n{}", log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let client = Client::new(self.dir, address);
        for name in kept {
            let back = self.dir.join("back");
            if back.exists() {
                std::fs::remove_dir_all(&back).unwrap();
            }
            let done = client.tapicli(&format!("restore --name {name} --to back"), None);
            if !done.status.success() {
                return Err(format!("{name}: {done:?}"));
            }
            assert_same(&snapshot(&self.dir.join(name)), &snapshot(&back));
        }
        Ok(())
    }
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It ends its own processes in order.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// Whether a write came through, by a seed.
fn chance(seed: u64) -> impl FnMut() -> bool {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 63 == 0
    }
}

fn copy(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    let done = command.arg("--sparse=always").args([from, to]).stdin(Stdio::null()).status();
    assert!(done.unwrap().success());
}

/// Boots what a cut left, to the password's prompt, or the first question.
fn boots(dir: &Path, board: &board::Board, disk: &Path, claimed: bool) {
    let place = dir.join("boots");
    std::fs::create_dir_all(&place).unwrap();
    copy(disk, &place.join("disk.img"));
    let mut machine = Machine::start(board, &place, &Extra::default());
    // What was not promised yet may be there.
    let wanted: &[&str] =
        if claimed { &["Password: "] } else { &["Name of the box", "Password: "] };
    machine.insist_on("\r", wanted);
    let said = machine.said();
    assert!(!said.contains("init: data FAILED") && !said.contains("init: meta FAILED"), "{said}");
}

#[test]
fn whenever_the_power_is_cut_the_box_boots_and_keeps_what_it_promised() {
    if !rig::is_long("power cuts") || !rig::is_possible() {
        return;
    }
    let Some(exe) = rig::static_exe() else { return };
    let dir = tempfile::tempdir().unwrap();
    let board = rig::unoptimised("standalone", dir.path());
    rig::image(&board, &exe, &keys(dir.path()), dir.path());
    let disk = dir.path().join("disk.img");
    let length = disk.metadata().unwrap().len();
    File::options().write(true).open(&disk).unwrap().set_len(length + LARGER).unwrap();
    let base = dir.path().join("base.img");
    copy(&disk, &base);

    let next = dir.path().join("next");
    image_as("0.2.0", &board, &exe, &keys(dir.path()), &next);
    let Content { mut esp, .. } = disk::read(&base).unwrap();
    let mut bootable = disk::esp_files(&mut esp).unwrap();
    assert!(bootable.contains_key(OLD), "{:?}", bootable.keys());
    bootable.insert(NEW.into(), std::fs::read(next.join(UKI)).unwrap());

    let port = rig::free_port();
    let promises = live(dir.path(), &board, port);
    let writes = Writes::read(&dir.path().join("writes"));
    let layout = &board.machine.as_ref().unwrap().disk;
    let meta = (1 + layout.esp_mib) * MIB;
    let data = meta + layout.meta_mib * MIB;
    let scene = Scene { dir: dir.path(), meta, data, bootable, port };
    let (mut wrong, cut) = (Vec::new(), dir.path().join("cut.img"));
    for nth in 0..CUTS {
        // Evenly over the whole life, the last one at its end.
        let after = (nth + 1) * writes.len() / CUTS;
        copy(&base, &cut);
        let mut file = File::options().read(true).write(true).open(&cut).unwrap();
        writes.cut(&file, after, chance(nth as u64));
        if let Err(why) = scene.judge(&mut file, after, &promises) {
            wrong.push(format!("after {after} of {} writes: {why}", writes.len()));
        }
        if nth % EACH == EACH / 2 {
            boots(dir.path(), &board, &cut, after >= promises.claimed);
        }
    }
    eprintln!(
        "{} of {CUTS} cuts keep what was promised, of {} writes and flushes; {} booted",
        CUTS - wrong.len(),
        writes.len(),
        CUTS / EACH
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
