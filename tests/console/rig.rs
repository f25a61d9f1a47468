//! A box without iron: a steward on a file, a console on a pseudo-terminal, and the service if it is wanted.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use crate::typist::PASSWORD;
use crate::typist::Typist;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

pub const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A serial line, seen from its other end.
pub struct Line {
    pub port: PathBuf,
    pub to: File,
    typist: Typist,
    /// Kept open, so that a console may come and go.
    _slave: File,
}

impl Deref for Line {
    type Target = Typist;

    fn deref(&self) -> &Typist {
        &self.typist
    }
}

impl Line {
    /// A line that somebody reads, or nobody.
    pub fn new(is_read: bool) -> Line {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let port = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
        let slave = File::options().read(true).write(true).open(&port).unwrap();
        let mut raw = rustix::termios::tcgetattr(&slave).unwrap();
        raw.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &raw).unwrap();
        let to = File::from(master);
        let from = is_read.then(|| to.try_clone().unwrap());
        let typist = Typist::new(from, to.try_clone().unwrap(), true, PATIENCE);
        Line { port, to, typist, _slave: slave }
    }
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    children: Vec<(&'static str, Child)>,
}

fn wait_for(socket: &std::path::Path) {
    let deadline = Instant::now() + PATIENCE;
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        assert!(Instant::now() < deadline, "nobody listens at {}", socket.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Rig {
    pub fn new() -> Rig {
        let mut rig = Rig { dir: tempfile::tempdir().unwrap(), children: Vec::new() };
        rig.steward();
        rig
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spawn(&mut self, name: &'static str, args: &[&str]) {
        let log = File::options().create(true).append(true).open(self.at("log")).unwrap();
        let mut command = Command::new(EXE);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null()).stderr(log);
        self.children.push((name, command.spawn().unwrap()));
    }

    pub fn steward(&mut self) {
        let words = "steward --meta meta --format --socket steward.sock --run run --state state";
        let words: Vec<&str> = words.split(' ').collect();
        self.spawn("steward", &words);
        wait_for(&self.at("steward.sock"));
    }

    pub fn serve(&mut self) {
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        self.spawn("serve", &["serve", "--state", "state", "--listen", &listen.to_string()]);
        wait_for(&self.at("state/tapicom.sock"));
    }

    pub fn console(&mut self, line: &Line) {
        let port = line.port.to_str().unwrap().to_owned();
        let words = ["console", "--port", &port, "--steward", "steward.sock", "--service"];
        self.spawn("console", &[&words[..], &["state/tapicom.sock"]].concat());
    }

    /// Cuts the power of a process: it has no time for anything.
    pub fn kill(&mut self, name: &str) {
        for (_, child) in self.children.iter_mut().filter(|(of, _)| *of == name) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.children.retain(|(of, _)| *of != name);
    }

    /// Ends the service, in order.
    pub fn kill_service(&mut self) {
        let (_, child) = self.children.iter_mut().find(|(of, _)| *of == "serve").unwrap();
        let done = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(done.unwrap().success());
        child.wait().unwrap();
        self.children.retain(|(of, _)| *of != "serve");
    }

    /// Claims the box on a line; `tapioca>` follows.
    pub fn claim(&mut self, line: &Line) {
        self.console(line);
        line.send(b"\r");
        line.prompt("Name of the box [tapioca]: ");
        line.say("", "New password: ");
        line.say(PASSWORD, "Once more: ");
        line.say(PASSWORD, "tapioca> ");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for (name, child) in &mut self.children {
            if *name == "serve" {
                // It ends its own children in order.
                let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            } else {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}
