//! A netplumber on this machine, machines that enrolled with it, and a network that misbehaves on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What most tests let run.
const GLUEPOT: &str = r#"
[[component]]
name = "sink_null"
[[component]]
name = "src_stdin"
[[component]]
name = "sink_stdout"
[[component]]
name = "proc_compress"
may = ["--codec {word}"]
[[component]]
name = "proc_decompress"
[[component]]
name = "src_filesys"
with = ["-C", "DIR/tree"]
may = ["{path}…"]
read = ["DIR/tree"]
[[component]]
name = "src_file"
with = ["DIR/kept"]
read = ["DIR/kept"]
[[component]]
name = "sink_file"
may = ["{path}"]
write = ["DIR/out"]
[[component]]
name = "sink_filesys"
with = ["-C", "DIR/back"]
write = ["DIR/back"]
[[component]]
name = "cat"
program = "cat"
[[component]]
name = "act"
program = "act"
may = ["{word}…"]
"#;

/// A netplumber that runs, in a folder of its own.
pub struct Rig {
    pub dir: tempfile::TempDir,
    child: Child,
    pub address: SocketAddr,
    log: Receiver<String>,
    heard: Mutex<Vec<String>>,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(&[])
    }

    pub fn with(options: &[&str]) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["box/gluepot", "out", "back", "tree"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let text = GLUEPOT.replace("DIR", dir.path().to_str().unwrap());
        std::fs::write(dir.path().join("box/gluepot.toml"), text).unwrap();
        let mut child = Command::new(EXE)
            .args(["netplumber", "--folder", "box", "--listen", "127.0.0.1:0"])
            .args(options)
            .current_dir(&dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.rsplit(' ').next().unwrap().parse().unwrap();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let rig = Rig { dir, child, address, log, heard: Mutex::default() };
        rig.program("cat", "#!/bin/sh\nexec cat\n");
        rig
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts a program into the gluepot.
    pub fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.at("box/gluepot").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn allow(&self, more: &str) {
        let path = self.at("box/gluepot.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + more).unwrap();
    }

    pub fn run(&self, words: &[&str]) -> Output {
        Command::new(EXE).args(words).current_dir(&self.dir).output().unwrap()
    }

    pub fn code(&self, name: &str) -> String {
        let code = self.run(&["netplumber", "enrol", name, "--folder", "box"]);
        assert!(code.status.success(), "{code:?}");
        String::from_utf8(code.stdout).unwrap().trim().to_owned()
    }

    /// Enrols a machine; its identities are in the folder of its name.
    pub fn enrol(&self, name: &str) {
        let code = self.code(name);
        let host = self.address.to_string();
        let done = self.run(&["plumb", "enrol", "--identity", name, &host, &code]);
        assert!(done.status.success(), "{done:?}");
    }

    /// Lets `name` reach the netplumber by another address, as through a proxy.
    pub fn also_at(&self, name: &str, address: SocketAddr) {
        let folder = self.at(name);
        let (from, to) = (self.address.to_string(), address.to_string());
        let _ = std::fs::remove_file(folder.join(&to));
        std::os::unix::fs::symlink(from, folder.join(to)).unwrap();
    }

    /// The words of a plumb by a machine.
    pub fn plumb(&self, name: &str, address: SocketAddr, words: &[&str]) -> Command {
        let mut command = Command::new(EXE);
        command.args(["plumb", "--identity", name, &address.to_string()]).args(words);
        command.current_dir(&self.dir);
        command
    }

    /// Runs a shell script in the folder, with `$t` for the executable and `$p` for a plumb by `web`.
    pub fn shell(&self, script: &str) -> Output {
        Command::new("bash")
            .args(["-c", script])
            .current_dir(&self.dir)
            .env("t", EXE)
            .env("p", format!("{EXE} plumb --identity web {}", self.address))
            .output()
            .unwrap()
    }

    pub fn ok(&self, script: &str) -> String {
        let done = self.shell(&format!("set -e -o pipefail; {script}"));
        assert!(done.status.success(), "{script}: {done:?}\n{:#?}", self.log_so_far());
        String::from_utf8(done.stdout).unwrap()
    }

    /// Waits until the netplumber has logged so many lines with `text` in them.
    pub fn wait_log(&self, text: &str, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = self.heard.lock().unwrap();
        while heard.iter().filter(|line| line.contains(text)).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => heard.push(line),
                Err(_) => panic!("{count} times {text:?} was not logged: {heard:#?}"),
            }
        }
    }

    pub fn log_so_far(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap();
        heard.extend(self.log.try_iter());
        heard.clone()
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    pub fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "the netplumber does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Processes that run below the netplumber.
    pub fn descendants(&self) -> Vec<String> {
        let marker = self.dir.path().to_str().unwrap().to_owned();
        processes()
            .into_iter()
            .filter(|(pid, words, cwd)| {
                *pid != self.child.id()
                    && (words.contains("netplumber connection")
                        || cwd.contains("tapioca-")
                        || words.contains(&marker))
                    && descends(*pid, self.child.id())
            })
            .map(|(pid, words, _)| format!("{pid} {words}"))
            .collect()
    }

    /// Waits until nothing is left of any connection.
    pub fn wait_alone(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.descendants();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn processes() -> Vec<(u32, String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        all.push((pid, words, cwd.to_string_lossy().into_owned()));
    }
    all
}

/// Whether a process has `ancestor` above it, or has lost its parent and belongs to nobody else.
fn descends(pid: u32, ancestor: u32) -> bool {
    let mut at = pid;
    for _ in 0..20 {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{at}/stat")) else { return false };
        let Some(parent) =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok())
        else {
            return false;
        };
        if parent == ancestor {
            return true;
        }
        if parent <= 1 {
            // Orphans of ours would have been adopted by init.
            return at != 1
                && std::fs::read_link(format!("/proc/{at}/cwd"))
                    .is_ok_and(|cwd| cwd.to_string_lossy().contains("/tapioca-"));
        }
        at = parent;
    }
    false
}

/// A network between a machine and the netplumber.
pub struct Proxy {
    pub address: SocketAddr,
    weather: Arc<Weather>,
}

struct Weather {
    bytes: AtomicU64,
    silent: AtomicBool,
    cut_at: AtomicU64,
    /// How long each piece of up to 16 KiB takes on its way.
    delay: Duration,
}

impl Proxy {
    /// Passes everything on to `to`.
    pub fn to(to: SocketAddr) -> Proxy {
        Proxy::slow(to, Duration::ZERO)
    }

    /// The same, each piece delayed.
    pub fn slow(to: SocketAddr, delay: Duration) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let weather = Arc::new(Weather {
            bytes: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            cut_at: AtomicU64::new(u64::MAX),
            delay,
        });
        let proxy = Proxy { address, weather: weather.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let weather = weather.clone();
                    std::thread::spawn(move || pass(from, to, &weather));
                }
            }
        });
        proxy
    }

    /// Cuts all connections once so many bytes have passed from now on.
    pub fn cut_after(&self, bytes: u64) {
        self.weather.bytes.store(0, Ordering::SeqCst);
        self.weather.cut_at.store(bytes, Ordering::SeqCst);
    }

    /// From now on nothing passes, and nobody is told.
    pub fn fall_silent(&self) {
        self.weather.silent.store(true, Ordering::SeqCst);
    }

    pub fn passed(&self) -> u64 {
        self.weather.bytes.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, weather: &Weather) {
    let mut piece = [0; 16 * 1024];
    loop {
        let count = match from.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        if weather.silent.load(Ordering::SeqCst) {
            continue;
        }
        std::thread::sleep(weather.delay);
        let before = weather.bytes.fetch_add(count as u64, Ordering::SeqCst);
        let limit = weather.cut_at.load(Ordering::SeqCst);
        if before + count as u64 > limit {
            let some = usize::try_from(limit.saturating_sub(before)).unwrap().min(count);
            let _ = to.write_all(&piece[..some]);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    // Not even an end passes.
    while weather.silent.load(Ordering::SeqCst) {
        std::thread::park();
    }
    // Half a connection may end before the other.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

/// Numbers that look random and come again with the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Bytes that do not compress.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    (0..bytes.div_ceil(8)).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).take(bytes).collect()
}

/// A small tree with large and small files.
pub fn plant(at: &Path) {
    for n in 0..40usize {
        let folder = at.join(format!("d{}", n % 5));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("f {n}")), noise(n * n * 997)).unwrap();
    }
}
