//! A code makes one machine known once; nobody in between, and nobody who guesses, gets anything.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use tapioca::identity::authority::Authority;
use tapioca::identity::code::Code;
use tapioca::identity::config;
use tapioca::identity::enrol;
use tapioca::identity::machine::{Address, Machine};
use tapioca::wire::channel;
use tapioca::wire::tls::Tls;

use super::rig::Rig;

#[test]
fn a_code_is_good_once() {
    let rig = Rig::new();
    let (host, code) = (rig.address.to_string(), rig.code("web"));
    let typed = code.to_lowercase().replace('-', "");
    let enrol = |folder: &str, code: &str| {
        let done = rig.run(&["plumb", "enrol", "--identity", folder, &host, code]);
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let (status, words) = enrol("web", &typed);
    assert_eq!(status, 0, "{words}");
    assert_eq!(rig.ok("echo x | $p -- cat"), "x\n");
    let (status, words) = enrol("other", &code);
    assert!(status == 100 && words.contains("was used"), "{words}");
    assert!(!rig.at("other").exists(), "something was kept");
    // A slip of the hand does not even get there.
    let slip = if code.ends_with('A') {
        code.replace('A', "B")
    } else {
        format!("{}A", &code[..code.len() - 1])
    };
    assert_eq!(enrol("other", &slip).0, 2);
    rig.wait_log("enrolment refused", 1);
    for file in ["box/authority.key", "box/server.key", &format!("web/{host}/machine.key")] {
        let mode = std::fs::metadata(rig.at(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn guesses_make_a_code_void_and_old_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path(), 1000).unwrap();
    let code = authority.new_code("web", 1000, 1900).unwrap();
    let right = *code.key();
    let attempt =
        |now_s, key: [u8; 32]| authority.use_code(code.name(), now_s, |k| *k == key).unwrap();
    for _ in 0..4 {
        assert!(attempt(1001, [0; 32]).is_none());
    }
    assert!(attempt(1001, [0; 32]).is_none());
    assert!(attempt(1001, right).is_none(), "a sixth attempt was heard");
    let code = authority.new_code("web", 1000, 1900).unwrap();
    assert!(authority.use_code(code.name(), 1900, |_| true).unwrap().is_none(), "an old code");
    for name in ["", "../x", "abc", "a/b"] {
        assert!(authority.use_code(name, 1001, |_| true).unwrap().is_none());
    }
    for name in ["", "-x", "a b", "a/b", "..", &"x".repeat(64)] {
        assert!(authority.new_code(name, 1000, 1900).is_err(), "{name:?} was taken");
    }
}

/// Two TLS connections instead of one: what is proved on the first is worth nothing on the second.
#[test]
fn somebody_in_between_gets_nothing() {
    let rig = Rig::new();
    let code = Code::parse(&rig.code("web")).unwrap();
    let evil = tempfile::tempdir().unwrap();
    Authority::open(evil.path(), 1000).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let there = rig.address;
    let limit = Duration::from_secs(20);
    let folder = evil.path().to_owned();
    let between = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let tls = Tls::server(&config::server(&folder).unwrap()).unwrap();
        let (mut to_machine, mut from_machine) = channel::establish(socket, tls, limit).unwrap();
        let tls = Tls::client(&config::enrolling().unwrap()).unwrap();
        let socket = std::net::TcpStream::connect(there).unwrap();
        let (mut to_box, mut from_box) = channel::establish(socket, tls, limit).unwrap();
        use tapioca::wire::frame::Packet;
        let (header, payload) = from_machine.frame(limit).unwrap();
        to_box.send(&[Packet::new(header.kind, header.handle, payload.data())]).unwrap();
        let (header, payload) = from_box.frame(limit).unwrap();
        to_machine.send(&[Packet::new(header.kind, header.handle, payload.data())]).unwrap();
    });
    let tls = Tls::client(&config::enrolling().unwrap()).unwrap();
    let socket = std::net::TcpStream::connect(address).unwrap();
    let ends = channel::establish(socket, tls, limit).unwrap();
    let home = rig.at("fooled");
    let machine = Machine::at(&home, &address.to_string().parse::<Address>().unwrap());
    let fault = enrol::ask(ends, &code, &machine, limit).unwrap_err();
    assert!(fault.what.contains("not enrolled"), "{}", fault.what);
    between.join().unwrap();
    assert!(!home.exists());
    rig.wait_log("enrolment refused", 1);
}

/// Somebody who answers in the place of the netplumber and says yes does not know the code.
#[test]
fn a_server_that_does_not_know_the_code_is_not_believed() {
    use tapioca::wire::frame::{Kind, Packet, SERVER_CONTROL};
    let evil = tempfile::tempdir().unwrap();
    let authority = Authority::open(evil.path(), 1000).unwrap();
    let code = Code::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_secs(20);
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let tls = Tls::server(&config::server(evil.path()).unwrap()).unwrap();
        let (mut sender, mut receiver) = channel::establish(socket, tls, limit).unwrap();
        let (_, payload) = receiver.frame(limit).unwrap();
        let ask: enrol::Ask = tapioca::wire::message::decode(payload.data()).unwrap();
        let answer = enrol::Answer::Granted {
            certificate: authority.sign("web", &ask.request, 1000, 1).unwrap(),
            authority: authority.certificate().unwrap(),
            proof: [7; 32],
        };
        let answer = tapioca::wire::message::encode(&answer).unwrap();
        sender.send(&[Packet::new(Kind::Message, SERVER_CONTROL, &answer)]).unwrap();
    });
    let home = tempfile::tempdir().unwrap();
    let machine = Machine::at(home.path(), &address.to_string().parse().unwrap());
    let tls = Tls::client(&config::enrolling().unwrap()).unwrap();
    let ends =
        channel::establish(std::net::TcpStream::connect(address).unwrap(), tls, limit).unwrap();
    let fault = enrol::ask(ends, &code, &machine, limit).unwrap_err();
    assert!(fault.what.contains("does not know the code"), "{}", fault.what);
    assert!(machine.folder().is_err());
    server.join().unwrap();
}

#[test]
fn who_is_revoked_is_out_at_once_and_can_come_back() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.enrol("db");
    let mut running = Vec::new();
    for name in ["web", "db"] {
        let mut command = rig.plumb(name, rig.address, &["--", "cat"]);
        running.push(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        );
    }
    rig.wait_log("running", 2);
    assert!(rig.run(&["netplumber", "revoke", "web", "--folder", "box"]).status.success());
    let db = running.pop().unwrap();
    let mut web = running.pop().unwrap();
    let status = super::cuts::wait(&mut web);
    let words = String::from_utf8(web.wait_with_output().unwrap().stderr).unwrap();
    assert!(status == 111 && words.contains("revoked"), "{status}: {words}");
    // The other one goes on; the next connection of the first is refused.
    let done = rig.shell("$p -- cat </dev/null");
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(100) && words.contains("web was revoked"), "{words}");
    assert!(db.wait_with_output().unwrap().status.success());
    // Another code, another certificate; the old one stays worthless.
    rig.ok("cp -r web old");
    rig.enrol("web");
    assert_eq!(rig.ok("echo x | $p -- cat"), "x\n");
    let old = rig.plumb("old", rig.address, &["--", "cat"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(old.status.code(), Some(100), "{old:?}");
    let table = rig.run(&["netplumber", "machines", "--folder", "box"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("db       enrolled") && table.contains("web      enrolled"), "{table}");
    rig.wait_alone();
}
