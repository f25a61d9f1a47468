//! Several hosts: three clients, each in a network namespace of its own, give their trees to one box that
//! writes them, in parallel, onto a tape and onto that of a second library.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tapioca::list::{Line, lines};

use super::rig::{EXE, Proxy, noise};

const CLIENTS: [&str; 3] = ["web", "mail", "home"];
const LIBRARIES: [&str; 2] = ["first", "second"];

/// Hosts that are gone when this is.
struct Hosts {
    dir: tempfile::TempDir,
    servers: Vec<Child>,
    proxies: Vec<Proxy>,
}

fn namespace(host: &str) -> String {
    format!("tapioca-{}-{host}", std::process::id())
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {done:?}");
}

/// A command on a host.
fn on(host: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &namespace(host), program]);
    command
}

impl Hosts {
    /// None where namespaces cannot be made.
    fn new() -> Option<Hosts> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: hosts of our own need root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut hosts = Hosts { dir, servers: Vec::new(), proxies: Vec::new() };
        ip(&format!("netns add {}", namespace("box")));
        ip(&format!("-n {} link set lo up", namespace("box")));
        for (nth, client) in CLIENTS.iter().enumerate() {
            hosts.client(nth, client);
        }
        let shape = "--drives 1 --slots 30 --media 30 --capacity 4MiB";
        for library in LIBRARIES {
            hosts.ok(&format!("$t library create {library} {shape}"));
        }
        Some(hosts)
    }

    /// A host with a tree and a netplumber, with which the box is enrolled.
    fn client(&mut self, nth: usize, name: &str) {
        let (ours, theirs) = (format!("10.77.{nth}.1"), format!("10.77.{nth}.2"));
        let (at_box, at_client) = (namespace("box"), namespace(name));
        let (link, end) =
            (format!("t{}b{nth}", std::process::id()), format!("t{}c{nth}", std::process::id()));
        ip(&format!("netns add {at_client}"));
        ip(&format!("-n {at_client} link set lo up"));
        ip(&format!("link add {link} netns {at_box} type veth peer name {end} netns {at_client}"));
        for (host, end, address) in [(&at_box, &link, &ours), (&at_client, &end, &theirs)] {
            ip(&format!("-n {host} addr add {address}/24 dev {end}"));
            ip(&format!("-n {host} link set {end} up"));
        }
        let tree = self.at(&format!("srv/{name}/sub"));
        std::fs::create_dir_all(&tree).unwrap();
        for file in 0..6 + nth {
            let content = noise((file % 4) * 400_000 + 1000 + 10 * nth);
            std::fs::write(tree.join(format!("{name} {file}")), content).unwrap();
        }
        self.serve(name, &theirs);
    }

    fn serve(&mut self, name: &str, address: &str) {
        let folder = self.at(&format!("host/{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let srv = self.at("srv").display().to_string();
        let entry = format!(
            "[[component]]\nname = \"src_filesys\"\nmachines = [\"box\"]\nwith = [\"-C\", \"{srv}\", \"{name}\"]\nread = [\"{srv}/{name}\"]\n"
        );
        std::fs::write(folder.join("gluepot.toml"), entry).unwrap();
        let mut server = on(name, EXE)
            .args(["netplumber", "--listen", "0.0.0.0:7420", "--folder"])
            .arg(&folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}");
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        self.servers.push(server);
        let code =
            on(name, EXE).args(["netplumber", "enrol", "box", "--folder"]).arg(&folder).output();
        let code = String::from_utf8(code.unwrap().stdout).unwrap();
        // The box reaches it by a network that is slow, and that can be cut.
        let there: SocketAddr = format!("{address}:7420").parse().unwrap();
        let inside = std::thread::spawn(move || {
            let file = std::fs::File::open(format!("/run/netns/{}", namespace("box"))).unwrap();
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            Proxy::slow(there, Duration::from_micros(500))
        });
        let proxy = inside.join().unwrap();
        let enrol =
            ["plumb", "enrol", "--identity", "identity", &proxy.address.to_string(), code.trim()];
        let done = on("box", EXE).args(enrol).current_dir(&self.dir).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        self.proxies.push(proxy);
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn shell(&self, script: &str) -> Output {
        let script = format!("set -e -o pipefail; {script}");
        on("box", "bash")
            .args(["-c", &script])
            .current_dir(&self.dir)
            .env("t", EXE)
            .output()
            .unwrap()
    }

    fn ok(&self, script: &str) -> String {
        let done = self.shell(script);
        assert!(done.status.success(), "{script}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Writes the recipe of the box.
    fn recipe(&self, plumber: &str) {
        let mut text = format!("name = \"three hosts\"\nplumber = \"{plumber}\"\n");
        for (client, proxy) in CLIENTS.iter().zip(&self.proxies) {
            text += &format!(
                "[[chain]]\nname = \"{client}\"\ninto = \"both\"\nsteps = [[\"plumb\", \"{}\", \"--identity\", \"identity\", \"--\", \"src_filesys\"], [\"proc_record\", \"--list\", \"{client}.list\"]]\n",
                proxy.address
            );
        }
        text += "[[chain]]\nname = \"both\"\ninto = [\"first\", \"second\"]\nsteps = [[\"fun_mux\", \"--turn-mib\", \"1\"], [\"tee_mirror\"]]\n";
        for library in LIBRARIES {
            text += &format!(
                "[[chain]]\nname = \"{library}\"\nsteps = [[\"sink_tape\", \"--drive\", \"virtual:{library}#drive0\", \"--changer\", \"virtual:{library}#changer\", \"--block-bytes\", \"65536\", \"--sync-mib\", \"1\"]]\n"
            );
        }
        std::fs::write(self.at("recipe.toml"), text).unwrap();
    }

    /// Every file of a client has a medium and a block on both copies.
    fn must_be_listed_twice(&self, client: &str) {
        let text = std::fs::read(self.at(&format!("{client}.list"))).unwrap();
        let all: Vec<Line> = lines(&text).collect::<Result<_, _>>().unwrap();
        let places = || {
            all.iter().filter_map(|line| match line {
                Line::Place { extent, place, .. } => Some((extent, place)),
                _ => None,
            })
        };
        let volumes: BTreeSet<_> = places().map(|(_, place)| place.volume).collect();
        assert!(volumes.len() >= 2 && !volumes.contains(&None), "{client}: {volumes:?}");
        let mut files = 0;
        for line in &all {
            let Line::Entry(entry) = line else { continue };
            let copies = places().filter(|(e, _)| e.block_of(entry.offset).is_some()).count();
            assert_eq!(copies, 2, "{client}: {}", String::from_utf8_lossy(&entry.path));
            files += usize::from(entry.kind == b'f');
        }
        assert!(files >= 6, "{client}: {files} files");
    }

    /// Restores a client by its list from one library, alone, and compares.
    fn must_come_back(&self, client: &str, library: &str) {
        let devices =
            format!("--drive virtual:{library}#drive0 --changer virtual:{library}#changer");
        self.ok(&format!(
            "rm -rf back; $t src_tape {devices} --list {client}.list --only {client} | $t sink_filesys -C back
            diff -r srv/{client} back/{client}; test $(ls back) = {client}"
        ));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        for host in CLIENTS.iter().chain(&["box"]) {
            let _ = Command::new("ip").args(["netns", "del", &namespace(host)]).output();
        }
    }
}

#[test]
fn three_clients_in_parallel_onto_two_libraries() {
    let Some(hosts) = Hosts::new() else { return };
    hosts.recipe("ring");
    hosts.ok("$t glue recipe.toml");
    for client in CLIENTS {
        hosts.must_be_listed_twice(client);
        LIBRARIES.iter().for_each(|library| hosts.must_come_back(client, library));
    }
    // Once more as processes; this time the network to one of them is cut in the middle.
    hosts.ok("rm *.list");
    hosts.recipe("pipe");
    hosts.proxies[1].cut_after(1_500_000);
    let done = hosts.shell("$t glue recipe.toml");
    let words = String::from_utf8(done.stderr).unwrap();
    assert_ne!(done.status.code(), Some(0), "{words}");
    assert!(words.contains("the link is cut"), "{words}");
    assert!(!hosts.at("mail.list").exists(), "a list of what was cut: {words}");
    assert!(hosts.at("web.list").exists(), "{words}");
    for client in ["web", "home"] {
        hosts.must_be_listed_twice(client);
        LIBRARIES.iter().for_each(|library| hosts.must_come_back(client, library));
    }
}
