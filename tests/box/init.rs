//! What the first process does without a disk: it comes up degraded, keeps its children, and stops when told.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// What makes the root: the host's libraries, the executable, the board, mount points.
const ENTER: &str = r#"
set -e
mount -t tmpfs root "$1"
cd "$1"
mkdir dev proc sys run tmp data etc usr lib lib64
mount --rbind /usr usr
mount --rbind /lib lib
mount --rbind /lib64 lib64
cp "$2" init
cp "$3" board.toml
exec env -i /usr/sbin/chroot . /init
"#;

struct Machine {
    unshare: Child,
    words: BufReader<ChildStderr>,
    _folder: tempfile::TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With the first process of its namespace every other one ends.
        let _ended = self.unshare.kill();
        let _status = self.unshare.wait();
    }
}

impl Machine {
    fn start() -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let (root, board) = (folder.path().join("root"), folder.path().join("board.toml"));
        fs::create_dir(&root).unwrap();
        fs::write(&board, board::Board::load("qemu-q35").unwrap().to_string()).unwrap();
        let mut command = Command::new("unshare");
        command.args([
            "--pid",
            "--mount",
            "--net",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            ENTER,
            "sh",
        ]);
        command.args([&root, Path::new(env!("CARGO_BIN_EXE_tapioca")), &board]);
        let mut unshare = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let words = BufReader::new(unshare.stderr.take().unwrap());
        Machine { unshare, words, _folder: folder }
    }

    /// Reads on until a line has this in it; all lines up to there.
    fn until(&mut self, wanted: &str) -> Vec<String> {
        let begun = Instant::now();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.words.read_line(&mut line).unwrap() > 0, "no {wanted:?} in {lines:#?}");
            let is_it = line.contains(wanted);
            lines.push(line.trim_end().to_owned());
            if is_it {
                return lines;
            }
            assert!(begun.elapsed() < LIMIT, "no {wanted:?} in {lines:#?}");
        }
    }

    /// The process number of the first process, out here.
    fn first(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.unshare.id());
        fs::read_to_string(children).unwrap().trim().parse().unwrap()
    }
}

#[test]
fn without_a_disk_the_box_comes_up_keeps_what_it_can_and_stops_when_told() {
    let mut machine = Machine::start();
    let lines = machine.until("init: started");
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    for good in ["mounts", "early", "storage", "console", "devices", "lock", "children"] {
        assert!(has(&format!("init: {good} ok ")), "{good} in {lines:#?}");
    }
    for bad in ["disk", "data"] {
        assert!(has(&format!("init: {bad} FAILED ")), "{bad} in {lines:#?}");
    }
    // The steward has no partition here and keeps ending, which is said and changes nothing else.
    let lines = machine.until("steward ended (exit status 111): degraded");
    // The network's process waits for it, as long as it takes.
    assert!(!lines.iter().any(|line| line.contains("net ended")), "{lines:#?}");
    let first = machine.first();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first as i32), nix::sys::signal::SIGTERM)
        .unwrap();
    machine.until("the machine is to stop");
    // The console ends when it is told, and nobody has to be killed.
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut machine.words, &mut rest).unwrap();
    assert!(!rest.contains("killed"), "{rest}");
    // A namespace whose machine stops is ended by the kernel with this signal.
    let status = machine.unshare.wait().unwrap();
    let told = format!("{status}");
    assert!(told.contains("signal: 2") || told.contains("exit status: 130"), "{told}");
}
