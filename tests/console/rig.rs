//! A box without iron: a steward on a file, a console on a pseudo-terminal, and the service if it is wanted.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

pub const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "correct horse battery";

/// What a terminal shows of bytes: all lines there ever were, and the cursor.
#[derive(Default)]
pub struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// The beginning of what is not whole yet.
    rest: VecDeque<u8>,
    pub bytes: Vec<u8>,
}

impl Screen {
    fn show(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.rest.extend(bytes);
        loop {
            let waiting: Vec<u8> = self.rest.iter().copied().collect();
            let taken = self.one(&waiting);
            if taken == 0 {
                return;
            }
            self.rest.drain(..taken);
        }
    }

    /// Shows one character or sequence; how many bytes it has, 0: it is not whole.
    fn one(&mut self, bytes: &[u8]) -> usize {
        match bytes {
            [] | [0x1b] | [0x1b, b'['] => 0,
            [b'\r', ..] => self.to(self.row, 0),
            [b'\n', ..] => self.to(self.row + 1, self.column),
            [8, ..] => self.to(self.row, self.column.saturating_sub(1)),
            [0..=31, ..] if bytes[0] != 0x1b => 1,
            [0x1b, b'[', rest @ ..] => {
                let Some(end) = rest.iter().position(u8::is_ascii_alphabetic) else { return 0 };
                let words = std::str::from_utf8(&rest[..end]).unwrap();
                let number =
                    |nth: usize| words.split(';').nth(nth).and_then(|n| n.parse::<usize>().ok());
                match rest[end] {
                    b'K' => {
                        let column = self.column;
                        self.line().truncate(column);
                    }
                    b'D' => self.column -= number(0).unwrap_or(1),
                    b'H' => {
                        (self.row, self.column) = (number(0).unwrap() - 1, number(1).unwrap() - 1)
                    }
                    b'J' => self.lines.clear(),
                    other => panic!("sequence {}", char::from(other)),
                }
                end + 3
            }
            _ => {
                let Some(c) =
                    bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next())
                else {
                    return if bytes.len() < 4 { 0 } else { 1 };
                };
                let column = self.column;
                let line = self.line();
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                self.column += 1;
                c.len_utf8()
            }
        }
    }

    fn to(&mut self, row: usize, column: usize) -> usize {
        (self.row, self.column) = (row, column);
        1
    }

    fn line(&mut self) -> &mut Vec<char> {
        self.lines.resize_with(self.lines.len().max(self.row + 1), Vec::new);
        &mut self.lines[self.row]
    }

    /// All lines, without blanks at their ends.
    pub fn text(&self) -> String {
        let line = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
        self.lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn last(&self) -> String {
        self.lines.get(self.row).map(|line| line.iter().collect()).unwrap_or_default()
    }
}

/// A serial line, seen from its other end.
pub struct Line {
    pub port: PathBuf,
    pub to: File,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    /// Kept open, so that a console may come and go.
    _slave: File,
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
        let screen = Arc::new((Mutex::new(Screen::default()), Condvar::new()));
        if is_read {
            let (mut from, shown) = (to.try_clone().unwrap(), screen.clone());
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    shown.0.lock().unwrap().show(&bytes[..count]);
                    shown.1.notify_all();
                }
            });
        }
        Line { port, to, screen, _slave: slave }
    }

    pub fn send(&self, bytes: &[u8]) {
        (&self.to).write_all(bytes).unwrap();
    }

    /// Waits until what is shown is as wanted.
    pub fn until(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut screen = self.screen.0.lock().unwrap();
        while !wanted(&screen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what:?} comes:\n{}", screen.text());
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
        screen.text()
    }

    pub fn expect(&self, text: &str) -> String {
        self.until(text, |screen| screen.text().contains(text))
    }

    /// Waits until the line with the cursor ends with `prompt`.
    pub fn prompt(&self, prompt: &str) -> String {
        self.until(prompt, |screen| screen.last().ends_with(prompt))
    }

    /// Waits for a prompt, types a line, and waits for another; what was shown in between.
    pub fn say(&self, line: &str, prompt: &str) -> String {
        let before = self.text().lines().count();
        self.send(format!("{line}\r").as_bytes());
        let text = self.until(prompt, |screen| {
            screen.text().lines().count() > before && screen.last().ends_with(prompt)
        });
        text.lines().skip(before).collect::<Vec<_>>().join("\n")
    }

    pub fn text(&self) -> String {
        self.screen.0.lock().unwrap().text()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.screen.0.lock().unwrap().bytes.clone()
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
