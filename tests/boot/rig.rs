//! A virtual machine of one test: its image, its serial line, and its end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use board::Board;
use image::build::{Built, Input, build};
use image::fetch::Packages;
use image::firmware;
use image::keys::Keys;
use image::run::{Run, Serial};
use serde_json::{Value, json};

pub use crate::typist::Typist;

/// Longer than anything takes on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// Fast, and good enough to keep the limits.
const LEVEL: i32 = 9;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Says why nothing is tested when what only Debian's packages bring is not here.
pub fn is_possible() -> bool {
    let programs = ["qemu-system-x86_64", "apt-get", "dpkg-deb", "strip", "readelf"];
    let path = std::env::var("PATH").unwrap_or_default();
    let is_there = |name: &&str| path.split(':').any(|dir| Path::new(dir).join(name).exists());
    let mut missing: Vec<&str> = programs.into_iter().filter(|name| !is_there(name)).collect();
    missing.extend([firmware::CODE_SECURE].iter().filter(|file| !Path::new(file).exists()));
    if !missing.is_empty() {
        eprintln!("SKIPPED, the boot of an image: not here: {}", missing.join(", "));
    }
    missing.is_empty()
}

/// Builds the test's own first process.
pub fn small_init(dir: &Path) -> PathBuf {
    broken_init(dir, None)
}

/// The same, and how it fails.
pub fn broken_init(dir: &Path, how: Option<&str>) -> PathBuf {
    let exe = dir.join(format!("small-init-{}", how.unwrap_or("waits")));
    let source = root().join("tests/boot/init.rs");
    let built = Command::new("rustc")
        .args(["--edition=2024", "-O", "-C", "target-feature=+crt-static", "-o"])
        .args([&exe, &source])
        .envs(how.map(|how| ("BROKEN", how)))
        .status()
        .unwrap();
    assert!(built.success());
    exe
}

/// Whether the executable of this build can be a first process: dynamic ones find no loader.
pub fn static_exe() -> Option<PathBuf> {
    let exe = std::env::var_os("TAPIOCA_STATIC_EXE").map(PathBuf::from);
    let exe = exe.unwrap_or_else(|| env!("CARGO_BIN_EXE_tapioca").into());
    let headers = Command::new("readelf").arg("-lW").arg(&exe).output().unwrap();
    let is_static = !String::from_utf8_lossy(&headers.stdout).contains(" INTERP ");
    if !is_static {
        eprintln!(
            "SKIPPED, the boot of the appliance: {} is not static; tests/run builds it so, or name one in \
             TAPIOCA_STATIC_EXE",
            exe.display()
        );
    }
    is_static.then_some(exe)
}

/// A board; what a build for tests is larger by, its file may be, too.
pub fn unoptimised(name: &str, dir: &Path) -> Board {
    if !cfg!(debug_assertions) {
        return Board::load(name).unwrap();
    }
    let path = dir.join("unoptimised.toml");
    std::fs::write(&path, format!("inherits = \"{name}\"\n[limits]\nuki_mib_max = 32\n")).unwrap();
    Board::load(path.to_str().unwrap()).unwrap()
}

/// Says why nothing is tested of what takes longer than the rest together.
pub fn is_long(what: &str) -> bool {
    let long = std::env::var_os("TAPIOCA_LONG").is_some();
    if !long {
        eprintln!("SKIPPED, {what}: it is part of the long campaigns, `tests/run --long`");
    }
    long
}

/// Says why nothing is tested when there is no library of somebody else's.
pub fn has_tgt() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let has = is_root && Command::new("tgtadm").arg("--version").output().is_ok();
    if !has {
        eprintln!("SKIPPED, a library of somebody else's: it needs root and Debian's tgt");
    }
    has
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// QEMU's arguments for units of an iSCSI target, as hardware.
pub fn scsi_devices(url: &str, units: &[u32]) -> Vec<String> {
    let mut words = vec!["-device".into(), "virtio-scsi-pci,id=bus".into()];
    for unit in units {
        words.extend([
            "-drive".into(),
            format!("if=none,id=lun{unit},format=raw,file={url}/{unit}"),
        ]);
        let device = format!("scsi-generic,drive=lun{unit},bus=bus.0,scsi-id=0,lun={unit}");
        words.extend(["-device".into(), device]);
    }
    words
}

pub fn keys(dir: &Path) -> Keys {
    Keys::open(&dir.join("keys")).unwrap()
}

/// Makes the image of a board in `dir`.
pub fn image(board: &Board, exe: &Path, keys: &Keys, dir: &Path) -> Built {
    image_as("0.1.0", board, exe, keys, dir)
}

/// The same, of another version.
pub fn image_as(version: &str, board: &Board, exe: &Path, keys: &Keys, dir: &Path) -> Built {
    let kernel = &board.machine.as_ref().unwrap().kernel.package;
    let packages = Packages::fetch(kernel, &root().join("target/image/cache")).unwrap();
    let input = Input {
        board,
        packages: &packages,
        exe,
        cargo_lock: &root().join("Cargo.lock"),
        keys: Some(keys),
        version,
        level: LEVEL,
    };
    build(&input, dir).unwrap()
}

/// A machine that runs; it ends with the test.
pub struct Machine {
    qemu: Child,
    /// Its serial line.
    pub line: Arc<Typist>,
    control: Control,
    start: Instant,
}

/// What it has beside its board, and how it is started.
#[derive(Default)]
pub struct Extra<'a> {
    /// Firmware starts only what these signed.
    pub keys: Option<&'a Keys>,
    /// A port of the host that leads to the box's service.
    pub forward: Option<u16>,
    /// File in which the disk's writes are logged.
    pub writes: Option<PathBuf>,
    /// More of QEMU's arguments.
    pub more: Vec<String>,
}

impl Machine {
    /// Starts the image in `dir`.
    pub fn start(board: &Board, dir: &Path, extra: &Extra<'_>) -> Machine {
        let keys = extra.keys;
        let (variables, socket) = (dir.join("variables"), dir.join("serial"));
        if !variables.exists() {
            std::fs::write(&variables, firmware::variables(keys).unwrap()).unwrap();
        }
        let control = dir.join("control");
        let [listener, controls] = [&socket, &control].map(|path| {
            // One of an earlier machine on this image.
            let _ = std::fs::remove_file(path);
            UnixListener::bind(path).unwrap()
        });
        let run = Run {
            board,
            dir,
            variables: &variables,
            secure_boot: keys.is_some(),
            serial: Serial::Listening(socket),
            qmp: Some(&control),
            forward: extra.forward,
            writes: extra.writes.as_deref(),
            more: &extra.more,
        };
        let mut command = run.command().unwrap();
        let qemu = command.stdin(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        let (line, _) = listener.accept().unwrap();
        let control = Control::on(controls.accept().unwrap().0);
        let line = Arc::new(Typist::new(Some(line.try_clone().unwrap()), line, false, PATIENCE));
        Machine { qemu, line, control, start }
    }

    /// Waits until the line has said one of `texts`, and says which and how long after power-on.
    pub fn wait_for(&mut self, texts: &[&str]) -> (usize, Duration) {
        let said = self.line.until(&texts.join(" or "), |screen| {
            let said = screen.said();
            texts.iter().any(|text| said.contains(text))
        });
        drop(said);
        let said = self.said();
        let found = texts.iter().position(|text| said.contains(text));
        (found.expect("it was said"), self.start.elapsed())
    }

    /// Types again and again, as people do, until the line says `text`; how long after power-on.
    pub fn insist(&mut self, keys: &str, text: &str) -> Duration {
        self.insist_on(keys, &[text])
    }

    /// The same, until it says one of `texts`.
    pub fn insist_on(&mut self, keys: &str, texts: &[&str]) -> Duration {
        let deadline = Instant::now() + PATIENCE;
        while !texts.iter().any(|text| self.said().contains(text)) {
            assert!(Instant::now() < deadline, "no {texts:?}; the line said:\n{}", self.said());
            self.line.send(keys.as_bytes());
            std::thread::sleep(Duration::from_secs(2));
        }
        self.start.elapsed()
    }

    /// Mebibytes of the machine's memory that are in use, as its kernel tells the balloon.
    pub fn memory_mib(&mut self, whole_mib: u64) -> u64 {
        let balloon = "/machine/peripheral/balloon";
        let of = |property| json!({ "path": balloon, "property": property });
        let mut every = of("guest-stats-polling-interval");
        every["value"] = json!(1);
        self.control.ask(&json!({ "execute": "qom-set", "arguments": every }));
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ask = json!({ "execute": "qom-get", "arguments": of("guest-stats") });
            let said = self.control.ask(&ask);
            // All ones until the guest was asked for the first time.
            let available = said["stats"]["stat-available-memory"].as_u64();
            if let Some(bytes) = available.filter(|bytes| bytes >> 20 < whole_mib) {
                return whole_mib - (bytes >> 20);
            }
            assert!(Instant::now() < deadline, "the balloon says nothing: {said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Since it was switched on.
    pub fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until it is off.
    pub fn ends(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.qemu.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it stays on:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// All the line said so far.
    pub fn said(&self) -> String {
        self.line.said()
    }
}

/// QEMU's control protocol: JSON, a line each.
struct Control {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Control {
    fn on(to: UnixStream) -> Control {
        let from = BufReader::new(to.try_clone().unwrap());
        let mut control = Control { to, from };
        control.line();
        control.ask(&json!({ "execute": "qmp_capabilities" }));
        control
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.to, "{command}").unwrap();
        loop {
            let mut answer = self.line();
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            // Events come in between.
            if answer.get("return").is_some() {
                return answer["return"].take();
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
