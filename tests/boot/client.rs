//! A machine on the host that backs up to the box, and what it has.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::EXE;
use super::typist::Typist;

/// A machine on the host that backs up to the box.
pub struct Client {
    dir: PathBuf,
    address: String,
}

impl Client {
    /// In this folder, of a box at this address.
    pub fn new(dir: &Path, address: String) -> Client {
        Client { dir: dir.to_owned(), address }
    }

    fn run(&self, words: &[&str], typed: Option<&str>) -> Output {
        let mut command = Command::new(EXE);
        command.args(words).current_dir(&self.dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        if let Some(typed) = typed {
            to.write_all(format!("{typed}\n").as_bytes()).unwrap();
        }
        drop(to);
        child.wait_with_output().unwrap()
    }

    pub fn enrol(&self, code: &str) {
        let words = ["plumb", "enrol", "--identity", "web", &self.address, code];
        let done = self.run(&words, None);
        assert!(done.status.success(), "{done:?}");
    }

    /// A command of tapicli; what is typed answers its question.
    pub fn tapicli(&self, words: &str, typed: Option<&str>) -> Output {
        let here = ["tapicli", "--box", &self.address, "--identity", "web"];
        let words: Vec<&str> = here.into_iter().chain(words.split(' ')).collect();
        self.run(&words, typed)
    }

    /// The same, and it must do it.
    pub fn ok(&self, words: &str, typed: Option<&str>, line: &Typist) -> String {
        let done = self.tapicli(words, typed);
        assert!(done.status.success(), "{words:?}: {done:?}\n{}", line.text());
        String::from_utf8(done.stdout).unwrap()
    }
}

/// A tree with something of everything.
pub fn plant(root: &Path, kind: u64) {
    let noise = |seed: u64, bytes: usize| -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..bytes).map(|_| next()).collect()
    };
    std::fs::create_dir_all(root.join("etc/empty")).unwrap();
    std::fs::create_dir_all(root.join("srv/deep")).unwrap();
    for n in 0..30 {
        let file = root.join(format!("srv/deep/file {n}"));
        std::fs::write(file, noise(n + kind, (n as usize * 7919) % 60_000)).unwrap();
    }
    std::fs::write(root.join("srv/large"), noise(99 + kind, 6_000_000)).unwrap();
    std::fs::write(root.join("etc/a name\nwith a line"), "x").unwrap();
    std::os::unix::fs::symlink("../srv/large", root.join("etc/link")).unwrap();
    std::fs::hard_link(root.join("srv/large"), root.join("srv/same")).unwrap();
}
