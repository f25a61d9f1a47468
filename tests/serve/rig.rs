//! A box that serves, and machines that enrolled with it; each in a network of its own where that can be had.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);
pub const PASSWORD: &str = "correct horse battery";
const EVERYTHING: [&str; 6] =
    ["look", "back-up", "restore", "restore-elsewhere", "operate", "administer"];

/// Where the box listens.
enum Net {
    /// On this host's loopback.
    Loopback(u16),
    /// In a network namespace, joined to each machine's by a cable.
    Namespaces,
}

pub struct Box {
    pub dir: tempfile::TempDir,
    net: Net,
    server: Option<Child>,
    netplumbers: Vec<Child>,
    machines: Vec<String>,
}

fn namespace(host: &str) -> String {
    format!("tapiday-{}-{host}", std::process::id())
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {done:?}");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Box {
    /// On loopback.
    pub fn new() -> Box {
        Box::with(Net::Loopback(free_port()))
    }

    /// In a network of its own; on loopback where that cannot be had.
    pub fn in_a_network() -> Box {
        if !rustix::process::geteuid().is_root() {
            eprintln!("networks of our own need root: on loopback instead");
            return Box::new();
        }
        ip(&format!("netns add {}", namespace("box")));
        ip(&format!("-n {} link set lo up", namespace("box")));
        Box::with(Net::Namespaces)
    }

    fn with(net: Net) -> Box {
        let dir = tempfile::tempdir().unwrap();
        let (netplumbers, machines) = (Vec::new(), Vec::new());
        Box { dir, net, server: None, netplumbers, machines }
    }

    /// The same once more, as it stands, at the same port. Neither may run meanwhile.
    pub fn copy(&self) -> Box {
        let Net::Loopback(port) = self.net else { panic!("a network is not copied") };
        let mut copy = Box::with(Net::Loopback(port));
        copy.machines.clone_from(&self.machines);
        let mut command = Command::new("cp");
        command.args(["-a", "--sparse=always", "."]).arg(copy.dir.path());
        let done = command.current_dir(self.dir.path()).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        copy
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command on a host.
    pub fn command(&self, host: &str, program: &str) -> Command {
        let mut command = match self.net {
            Net::Loopback(_) => Command::new(program),
            Net::Namespaces => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &namespace(host), program]);
                command
            }
        };
        command.current_dir(self.dir.path());
        command
    }

    /// A virtual library of its own shape instead of the usual one.
    pub fn library(&self, shape: &str) {
        std::fs::create_dir_all(self.at("state")).unwrap();
        let words = ["library", "create", "state/library"];
        let done = Command::new(EXE)
            .args(words)
            .args(shape.split(' '))
            .current_dir(self.dir.path())
            .output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Starts the service and waits until it can be spoken with.
    pub fn start(&mut self) {
        let listen = match self.net {
            Net::Loopback(port) => format!("127.0.0.1:{port}"),
            Net::Namespaces => "0.0.0.0:7420".into(),
        };
        let log = std::fs::File::options().create(true).append(true).open(self.at("log")).unwrap();
        let mut command = self.command("box", EXE);
        command.args(["serve", "--state", "state", "--listen", &listen]).stderr(log);
        if self.at("serve.toml").exists() {
            command.args(["--config", "serve.toml"]);
        }
        self.server = Some(command.spawn().unwrap());
        self.wait_ready();
    }

    pub fn wait_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while std::os::unix::net::UnixStream::connect(self.at("state/tapicom.sock")).is_err() {
            assert!(Instant::now() < deadline, "the service does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// All that services of this box said.
    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// The end of it.
    pub fn log(&self) -> String {
        let text = self.whole_log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Ends the service in order.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let done = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
        assert!(done.unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        while server.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the service does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Process ids of the service itself: those that have its socket's folder in their words.
    pub fn service_ids(&self) -> Vec<i32> {
        let marker = format!("serve\0--kept-by\0{}", self.keeper());
        processes()
            .into_iter()
            .filter(|(_, words)| words.contains(&marker))
            .map(|(id, _)| id)
            .collect()
    }

    fn keeper(&self) -> u32 {
        let server = self.server.as_ref().map_or(0, Child::id);
        // `ip netns exec` becomes the program it starts.
        server
    }

    /// The console.
    pub fn console(&self, words: &str) -> Output {
        let mut command = self.command("box", EXE);
        let here = ["tapicli", "--socket", "state/tapicom.sock", "--identity", "console"];
        command.args(here).args(split(words)).output().unwrap()
    }

    pub fn ok(&self, words: &str) -> String {
        text(self.console(words), words, self)
    }

    /// Answers a question for a password on standard input.
    fn with_password(&self, mut command: Command, password: &str) -> Output {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// The first administrator, logged in at the console.
    pub fn first_steps(&self) {
        self.user("admin", &EVERYTHING);
        self.login_console("admin");
    }

    pub fn user(&self, name: &str, rights: &[&str]) {
        let may: Vec<String> = rights.iter().map(|right| format!("--may {right}")).collect();
        self.ok(&format!("user put {name} {}", may.join(" ")));
        let mut command = self.command("box", EXE);
        command.args(["tapicli", "--socket", "state/tapicom.sock", "--identity", "console"]);
        command.args(["user", "password", name]);
        let done = self.with_password(command, PASSWORD);
        assert!(done.status.success(), "{done:?}");
    }

    fn login_console(&self, name: &str) {
        let mut command = self.command("box", EXE);
        command.args(["tapicli", "--socket", "state/tapicom.sock", "--identity", "console"]);
        command.args(["login", name]);
        let done = self.with_password(command, PASSWORD);
        assert!(done.status.success(), "{done:?}");
    }

    /// Where a machine reaches the box.
    pub fn address(&self, machine: &str) -> String {
        match self.net {
            Net::Loopback(port) => format!("127.0.0.1:{port}"),
            Net::Namespaces => format!("10.78.{}.1:7420", self.number(machine)),
        }
    }

    fn number(&self, machine: &str) -> usize {
        self.machines.iter().position(|name| name == machine).unwrap()
    }

    /// A machine with a cable to the box, that enrolled there.
    pub fn enrol(&mut self, name: &str) {
        self.machines.push(name.to_owned());
        if let Net::Namespaces = self.net {
            self.cable(name);
        }
        let code = self.ok(&format!("machine enrol {name}"));
        let mut command = self.command(name, EXE);
        command.args(["plumb", "enrol", "--identity", name, &self.address(name), code.trim()]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    fn cable(&self, name: &str) {
        let nth = self.number(name);
        let (at_box, at_client) = (namespace("box"), namespace(name));
        let id = std::process::id();
        let (link, end) = (format!("d{id}b{nth}"), format!("d{id}c{nth}"));
        ip(&format!("netns add {at_client}"));
        ip(&format!("-n {at_client} link set lo up"));
        ip(&format!("link add {link} netns {at_box} type veth peer name {end} netns {at_client}"));
        for (host, end, last) in [(&at_box, &link, 1), (&at_client, &end, 2)] {
            ip(&format!("-n {host} addr add 10.78.{nth}.{last}/24 dev {end}"));
            ip(&format!("-n {host} link set {end} up"));
        }
    }

    fn tapicli(&self, machine: &str) -> Command {
        let mut command = self.command(machine, EXE);
        command.args(["tapicli", "--box", &self.address(machine), "--identity", machine]);
        command
    }

    /// A command on a machine.
    pub fn on(&self, machine: &str, words: &str) -> Output {
        self.tapicli(machine).args(split(words)).output().unwrap()
    }

    pub fn on_ok(&self, machine: &str, words: &str) -> String {
        text(self.on(machine, words), words, self)
    }

    /// A command on a machine that goes on by itself.
    pub fn begin_on(&self, machine: &str, words: &str) -> Child {
        let mut command = self.tapicli(machine);
        command.args(split(words)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn login(&self, machine: &str, user: &str) -> Output {
        self.login_with(machine, user, PASSWORD)
    }

    pub fn login_with(&self, machine: &str, user: &str, password: &str) -> Output {
        let mut command = self.tapicli(machine);
        command.args(["login", user]);
        self.with_password(command, password)
    }

    pub fn login_ok(&self, machine: &str, user: &str) {
        let done = self.login(machine, user);
        assert!(done.status.success(), "{done:?}\n{}", self.log());
    }

    /// The machine's own netplumber, by which the box asks it, with this gluepot.
    pub fn netplumber(&mut self, name: &str, gluepot: &str) {
        let folder = self.at(&format!("{name}-plumber"));
        std::fs::create_dir_all(folder.join("gluepot")).unwrap();
        std::fs::write(folder.join("gluepot.toml"), gluepot).unwrap();
        let (listen, address) = match self.net {
            Net::Loopback(_) => {
                let address = format!("127.0.0.1:{}", free_port());
                (address.clone(), address)
            }
            Net::Namespaces => {
                ("0.0.0.0:7420".into(), format!("10.78.{}.2:7420", self.number(name)))
            }
        };
        let log = std::fs::File::create(self.at(&format!("{name}-log"))).unwrap();
        let mut server = self.command(name, EXE);
        server.args(["netplumber", "--listen", &listen, "--folder"]).arg(&folder).stderr(log);
        self.netplumbers.push(server.spawn().unwrap());
        let mut code = self.command(name, EXE);
        let code = code.args(["netplumber", "enrol", "box", "--folder"]).arg(&folder).output();
        let code = String::from_utf8(code.unwrap().stdout).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut enrol = self.command("box", EXE);
            enrol.args(["plumb", "enrol", "--identity", "state/identities", &address, code.trim()]);
            let done = enrol.output().unwrap();
            if done.status.success() {
                break;
            }
            assert!(Instant::now() < deadline, "{done:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.ok(&format!("machine put {name} --address {address}"));
    }

    /// Waits until a job is over; its state as JSON.
    pub fn wait_over(&self, job: u64) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.jobs().into_iter().find(|found| found["id"] == job);
            let state = found.map(|job| job["state"].clone()).unwrap_or_default();
            let is_open = ["Queued", "Held", "Running"].iter().any(|open| state == *open);
            if !is_open && !state.is_null() {
                return state;
            }
            assert!(Instant::now() < deadline, "job {job} is still {state}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Has a drive give its cartridge back, and waits until it is empty.
    pub fn unload(&self, drive: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.ok("drive list --json");
            let drives: serde_json::Value = serde_json::from_str(&text).unwrap();
            let found = drives["Drives"].as_array().unwrap();
            let found = found.iter().find(|found| found["number"] == drive).unwrap();
            if found["medium"].is_null() && found["does"] == "idle" {
                return;
            }
            assert!(Instant::now() < deadline, "{found}");
            self.console(&format!("drive unload {drive}"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn jobs(&self) -> Vec<serde_json::Value> {
        let text = self.ok("jobs --json");
        let reply: serde_json::Value = serde_json::from_str(&text).unwrap();
        reply["Jobs"]["items"].as_array().unwrap().clone()
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        for mut child in self.server.take().into_iter().chain(self.netplumbers.drain(..)) {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
        if let Net::Namespaces = self.net {
            for host in self.machines.iter().map(String::as_str).chain(["box"]) {
                let _ = Command::new("ip").args(["netns", "del", &namespace(host)]).status();
            }
        }
    }
}

fn split(words: &str) -> impl Iterator<Item = &str> {
    words.split(' ').filter(|word| !word.is_empty())
}

fn text(done: Output, words: &str, rig: &Box) -> String {
    let log = rig.log();
    let tail = log.lines().rev().take(30).collect::<Vec<_>>();
    assert!(done.status.success(), "{words}: {done:?}\n{tail:#?}");
    String::from_utf8(done.stdout).unwrap()
}

/// Processes: id and words, joined by NUL.
pub fn processes() -> Vec<(i32, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Ok(words) = std::fs::read(Path::new("/proc").join(entry.file_name()).join("cmdline"))
        {
            all.push((id, String::from_utf8_lossy(&words).into_owned()));
        }
    }
    all
}

/// Bytes that look like chance, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    bytes
}
