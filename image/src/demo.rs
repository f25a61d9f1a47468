//! The first hour of a box in QEMU, played by itself.
//!
//! Owns what somebody types on the serial line of a new box, and what its first client does: the box is claimed, this
//! host enrols, a tree is backed up, given back and compared. All the line says is shown as it comes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use board::Board;

use crate::run::{Run, Serial, cannot_start};
use crate::{Error, firmware};

/// The administrator's, and that of the person who backs up.
pub const PASSWORD: &str = "tapioca in the kitchen";

/// Longer than an emulated machine takes for anything.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two tries to get an answer.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two looks at the machine.
const PAUSE: Duration = Duration::from_millis(100);

/// A box that was just made, and what it is to keep.
#[derive(Debug, Clone, Copy)]
pub struct Demo<'a> {
    /// Its board: one with a library.
    pub board: &'a Board,
    /// Directory with its disk, for everything else that is made, too.
    pub dir: &'a Path,
    /// `tapioca` on this host.
    pub exe: &'a Path,
    /// What is backed up, from the root.
    pub tree: &'a Path,
}

impl Demo<'_> {
    /// Plays it. What the serial line says goes to `show`.
    ///
    /// # Errors
    ///
    /// A program is missing or failed, the box does not answer as it should, or what comes back is not the same.
    pub fn play(&self, show: impl Write + Send + 'static) -> Result<(), Error> {
        let port = free_port()?;
        let (mut qemu, mut line) = self.start(port, show)?;
        line.insist("", "Name of the box")?;
        line.dialogue(&[
            ("cellar", "New password: "),
            (PASSWORD, "Once more: "),
            (PASSWORD, "The box is yours."),
        ])?;
        line.insist("show network", "10.0.2.15/24")?;
        line.insist("show drives", "idle")?;
        line.dialogue(&[
            ("user you may look back-up restore", "done"),
            ("user you password", "New password: "),
            (PASSWORD, "Once more: "),
            (PASSWORD, "done"),
        ])?;
        line.types("machine here enrol")?;
        let enrolment = line.until("plumb enrol BOX CODE", PATIENCE)?;

        let there = format!("127.0.0.1:{port}");
        self.client(&["plumb", "enrol", "--identity", "here", &there, code(&enrolment)?], None)?;
        let tapicli = |words: &[&str], typed| {
            let begin = ["tapicli", "--box", &there, "--identity", "here"];
            self.client(&[&begin, words].concat(), typed)
        };
        tapicli(&["login", "you"], Some(PASSWORD))?;
        let tree = self.tree.to_string_lossy();
        tapicli(&["backup", "--name", "first", "-C", &tree, "."], None)?;
        tapicli(&["restore", "--name", "first", "--to", "back"], None)?;
        run(Command::new("diff").args(["-r", "--no-dereference", &tree, "back"]), self.dir, None)?;

        line.dialogue(&[("power off", "type yes: "), ("yes", "")])?;
        qemu.ends()
    }

    fn start(&self, port: u16, show: impl Write + Send + 'static) -> Result<(Qemu, Line), Error> {
        let (variables, socket) = (self.dir.join("open.vars"), self.dir.join("serial"));
        std::fs::write(&variables, firmware::variables(None)?).map_err(Error::write(&variables))?;
        let listener = UnixListener::bind(&socket).map_err(Error::write(&socket))?;
        listener.set_nonblocking(true).map_err(Error::write(&socket))?;
        let run = Run {
            board: self.board,
            dir: self.dir,
            variables: &variables,
            secure_boot: false,
            serial: Serial::Listening(socket.clone()),
            qmp: None,
            forward: Some(port),
            writes: None,
            more: &[],
        };
        let mut qemu = Qemu::start(run.command()?)?;
        let line = qemu.line(&listener)?;
        Ok((qemu, Line::new(line, show).map_err(Error::input(&socket))?))
    }

    fn client(&self, words: &[&str], typed: Option<&str>) -> Result<(), Error> {
        eprintln!("\nimage: on this host: tapioca {}", words.join(" "));
        run(Command::new(self.exe).args(words), self.dir, typed)
    }
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(Error::input(Path::new("127.0.0.1")))
}

/// The code in what the box says of an enrolment.
fn code(said: &str) -> Result<&str, Error> {
    let is_code = |word: &&str| word.len() == 24 && word.matches('-').count() == 4;
    let found = said.split_whitespace().find(is_code);
    found.ok_or_else(|| Error::broken("the box's answer", format!("no code is in it:\n{said}")))
}

/// Runs a program to its end.
fn run(command: &mut Command, dir: &Path, typed: Option<&str>) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| Error::Program { program: program.clone(), why };
    let mut child = command
        .current_dir(dir)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let (Some(mut to), Some(typed)) = (child.stdin.take(), typed) {
        writeln!(to, "{typed}").map_err(|error| failed(error.to_string()))?;
    }
    match child.wait().map_err(|error| failed(error.to_string()))? {
        status if status.success() => Ok(()),
        status => Err(failed(status.to_string())),
    }
}

/// The machine. Dropped, it is switched off.
struct Qemu(Child);

impl Qemu {
    fn start(mut command: Command) -> Result<Qemu, Error> {
        let child = command.stdin(Stdio::null()).spawn();
        child.map(Qemu).map_err(|error| cannot_start(&error))
    }

    /// The end of its serial line. It may end before there is one: then it said why itself.
    fn line(&mut self, listener: &UnixListener) -> Result<UnixStream, Error> {
        loop {
            match listener.accept() {
                Ok((line, _)) => return Ok(line),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(Error::broken("the serial line", error)),
            }
            if let Some(status) = self.status()? {
                return Err(Error::broken("qemu", format!("it ended at once: {status}")));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.0.try_wait().map_err(|error| Error::broken("qemu", error))
    }

    /// Waits until it is off.
    fn ends(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.status()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(Error::broken("qemu", status)),
                None => std::thread::sleep(PAUSE),
            }
        }
        Err(Error::broken("the box", "it does not switch itself off"))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The serial line, from its other end.
struct Line {
    to: UnixStream,
    heard: Receiver<Vec<u8>>,
    /// What nobody waited for yet.
    said: String,
}

impl Line {
    fn new(socket: UnixStream, mut show: impl Write + Send + 'static) -> std::io::Result<Line> {
        let mut from = socket.try_clone()?;
        let (tell, heard) = channel();
        std::thread::Builder::new().name("line".into()).spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                // Whether anybody looks on does not matter.
                let _ = show.write_all(&bytes[..count]).and_then(|()| show.flush());
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Line { to: socket, heard, said: String::new() })
    }

    fn types(&mut self, words: &str) -> Result<(), Error> {
        let typed = self.to.write_all(format!("{words}\r").as_bytes());
        typed.map_err(|error| Error::broken("the serial line", error))
    }

    /// Waits for words; all that was said up to them.
    fn until(&mut self, words: &str, limit: Duration) -> Result<String, Error> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(at) = self.said.find(words) {
                return Ok(self.said.drain(..at + words.len()).collect());
            }
            match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => {
                    let why = match why {
                        RecvTimeoutError::Timeout => "it does not say",
                        RecvTimeoutError::Disconnected => "it ended and never said",
                    };
                    return Err(Error::broken("the box", format!("{why} {words:?}")));
                }
            }
        }
    }

    /// Types again and again until the answer is as wanted.
    fn insist(&mut self, words: &str, wanted: &str) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.types(words)?;
            match self.until(wanted, AGAIN) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Types, and waits each time for what is said then.
    fn dialogue(&mut self, all: &[(&str, &str)]) -> Result<(), Error> {
        for (words, answer) in all {
            self.types(words)?;
            self.until(answer, PATIENCE)?;
        }
        Ok(())
    }
}
