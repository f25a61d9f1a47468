//! A virtual machine of one test: its image, its serial line, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use board::Board;
use image::build::{Built, Input, build};
use image::fetch::Packages;
use image::firmware;
use image::keys::Keys;
use image::run::{Run, Serial};
use serde_json::{Value, json};

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
    line: UnixStream,
    control: Control,
    heard: Receiver<Vec<u8>>,
    said: String,
    start: Instant,
}

impl Machine {
    /// Starts the image in `dir`; with keys, under firmware that starts only what they signed.
    pub fn start(board: &Board, dir: &Path, keys: Option<&Keys>) -> Machine {
        Machine::start_with(board, dir, keys, None)
    }

    /// The same, with a USB stick.
    pub fn start_with(
        board: &Board,
        dir: &Path,
        keys: Option<&Keys>,
        stick: Option<&Path>,
    ) -> Machine {
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
            stick,
            forward: None,
        };
        let mut command = run.command().unwrap();
        let qemu = command.stdin(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        let (line, _) = listener.accept().unwrap();
        let control = Control::on(controls.accept().unwrap().0);
        let (tell, heard) = channel();
        let mut ear = line.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = ear.read(&mut buffer) {
                if tell.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Machine { qemu, line, control, heard, said: String::new(), start }
    }

    /// Waits until the line has said one of `texts`, and says which and how long after power-on.
    pub fn wait_for(&mut self, texts: &[&str], seconds: u64) -> (usize, Duration) {
        let found = self.heard_of(texts, seconds);
        found.unwrap_or_else(|| {
            panic!("none of {texts:?} within {seconds} s; the line said:\n{}", self.said)
        })
    }

    /// Types again and again, as people do, until the line says `text`; how long after power-on.
    pub fn insist(&mut self, keys: &str, text: &str, seconds: u64) -> Duration {
        for _ in 0..seconds / 2 {
            self.types(keys);
            if let Some((_, after)) = self.heard_of(&[text], 2) {
                return after;
            }
        }
        panic!("no {text:?} within {seconds} s; the line said:\n{}", self.said)
    }

    fn heard_of(&mut self, texts: &[&str], seconds: u64) -> Option<(usize, Duration)> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(found) = texts.iter().position(|text| self.said.contains(text)) {
                return Some((found, self.start.elapsed()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(bytes) => {
                    // The firmware fills with NULs.
                    let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
                    self.said.push_str(&String::from_utf8_lossy(&bytes));
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the machine ended without {texts:?}; the line said:\n{}", self.said)
                }
            }
        }
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

    /// Waits until the machine has come to its end, which a reset is; how long after power-on.
    pub fn ends(&mut self, seconds: u64) -> Duration {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while self.qemu.try_wait().unwrap().is_none() {
            self.hear();
            assert!(Instant::now() < deadline, "it goes on; the line said:\n{}", self.said);
            std::thread::sleep(Duration::from_millis(100));
        }
        self.hear();
        self.start.elapsed()
    }

    /// Takes in what the line has said by now.
    pub fn hear(&mut self) {
        while let Ok(bytes) = self.heard.try_recv() {
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
            self.said.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Forgets what the line said.
    pub fn forget(&mut self) {
        self.said.clear();
    }

    /// All the line said so far.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Types.
    pub fn types(&mut self, text: &str) {
        self.line.write_all(text.as_bytes()).unwrap();
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
