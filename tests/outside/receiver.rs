//! Receivers as processes, certificates for them, and what is logged meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::time::Duration;

/// How long a test waits for what must come.
const COMES_WITHIN: Duration = Duration::from_secs(60);

/// A receiver that others wrote, in a process of its own.
pub struct Receiver {
    pub port: u16,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    child: Child,
    _input: ChildStdin,
}

impl Receiver {
    /// Starts it; it listens when this returns.
    pub fn start(words: &[&str]) -> Receiver {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/receivers.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the receiver needs python3-aiosmtpd").unwrap();
        let input = child.stdin.take().unwrap();
        Receiver { port: port.parse().unwrap(), lines, child, _input: input }
    }

    /// What comes next.
    pub fn next(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// Everything that came and was not read: ends it.
    pub fn rest(mut self) -> Vec<serde_json::Value> {
        self.child.kill().unwrap();
        let lines = self.lines.by_ref().map_while(Result::ok);
        lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port on which nobody listens.
pub fn nobodys_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An authority and a server's certificate for 127.0.0.1.
pub struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    pub fn make() -> Certificates {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let dir = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap();
        let put = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        put("authority.pem", authority_pem);
        put("server.pem", server.pem());
        put("server.key", key.serialize_pem());
        Certificates { dir }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }
}

/// A file of a secret.
pub fn secret_file(dir: &Path, secret: &str) -> PathBuf {
    let path = dir.join("secret");
    std::fs::write(&path, secret).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// What is logged on this thread, and on those that follow its log.
pub struct Log {
    lines: Channel<String>,
    _guard: tracing::subscriber::DefaultGuard,
}

struct Lines(Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        drop(self.0.send(String::from_utf8_lossy(bytes).into_owned()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub fn start() -> Log {
        let (sender, lines) = channel();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || Lines(sender.clone()))
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        Log { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Waits for a line that has `what` in it, and passes over others; how many those were.
    pub fn wait(&self, what: &str) -> (String, usize) {
        let mut others = 0;
        loop {
            let line =
                self.lines.recv_timeout(COMES_WITHIN).unwrap_or_else(|_| panic!("no {what}"));
            if line.contains(what) {
                return (line, others);
            }
            others += 1;
        }
    }

    /// Lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}
