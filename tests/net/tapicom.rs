//! Tapicom by a plumb: who is at the other end is what the certificate says, and nothing else.

use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tapioca::catalogue::record::Right;
use tapioca::plumb::far::Far;
use tapioca::tapicom::ask::ByPlumb;
use tapioca::tapicom::client::Client;
use tapioca::tapicom::door::Peer;
use tapioca::tapicom::login::AskMachine;
use tapioca::tapicom::message::{Command, Reply, Secret};
use tapioca::wire::link::Alive;
use tapioca::wire::message::Request;

use super::rig::{EXE, Rig};
use super::served::Served;

fn rig() -> (Rig, Served) {
    let rig = Rig::new();
    let socket = rig.at("tapicom");
    let served = Served::at(&socket);
    rig.allow(&format!("[[component]]\nname = \"tapicom\"\nsocket = {socket:?}\n"));
    served.user("alice", "correct horse", &[Right::Look, Right::Operate]);
    (rig, served)
}

fn far(rig: &Rig, name: &str) -> Far {
    let request = Request { words: vec!["tapicom".into()], ..Request::default() };
    let alive = Alive::dead_after(Duration::from_secs(45));
    let address = rig.address.to_string().parse().unwrap();
    Far { address, home: rig.at(name), alive, request }
}

fn login() -> Command {
    let rights = [Right::Look, Right::Operate].into();
    let password = Secret::new("correct horse");
    Command::Login { user: "alice".into(), password, rights, life_s: None }
}

fn machines(served: &Served) -> Vec<String> {
    let name = |peer: &Peer| match peer {
        Peer::Console => "a console".to_owned(),
        Peer::Machine(introduced) => introduced.machine.clone(),
    };
    served.inside().peers.iter().map(name).collect()
}

#[test]
fn a_machine_is_who_its_certificate_says() {
    let (rig, served) = rig();
    rig.enrol("web");
    rig.enrol("db");
    let mut web = Client::far("test", &far(&rig, "web")).unwrap();
    let Reply::Login { ticket, view } = web.call(login()).unwrap() else { panic!("no ticket") };
    assert_eq!(view.machine, "web");
    web.with_ticket(Some(ticket.clone()));
    assert_eq!(web.call(Command::Import).unwrap(), Reply::Done);
    // What moves the bytes is in its cage: no new right, and system calls are filtered.
    let moving = rig.descendants();
    let pid = moving.last().and_then(|line| line.split(' ').next()).unwrap().to_owned();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"), "{status}");
    // The same ticket by another machine is worth nothing.
    let mut db = Client::far("test", &far(&rig, "db")).unwrap();
    db.with_ticket(Some(ticket));
    assert!(matches!(db.call(Command::Import).unwrap(), Reply::Refused(_)));
    let passed = served.inside().passed.clone();
    assert_eq!(passed, [("alice".to_owned(), "web".to_owned(), Command::Import)]);
    assert_eq!(machines(&served), ["web", "db"]);
    let digests: Vec<Peer> = served.inside().peers.clone();
    assert!(digests.iter().all(|peer| matches!(peer, Peer::Machine(i) if i.digest != [0; 32])));
    drop((web, db));
    rig.wait_alone();
}

#[test]
fn nobody_introduces_himself() {
    let (rig, served) = rig();
    rig.enrol("web");
    let forged = br#"{"machine":"db","digest":"","words":["tapicom"],"receipts_up":false}"#;
    std::fs::write(rig.at("forged"), [&forged[..], b"\n"].concat()).unwrap();
    // Who it is was said before, elsewhere: these are tapicom that makes no sense.
    rig.ok("$p -- tapicom <forged >said; test ! -s said");
    assert_eq!(machines(&served), ["web"]);
    for words in ["tapicom --socket /tmp/x", "tapicom web", "tapicom --machine db"] {
        let done = rig.shell(&format!("$p -- {words} </dev/null"));
        assert_eq!(done.status.code(), Some(100), "{words}: {done:?}");
    }
    let done = rig.shell("mkfifo a; $p --in a -- tapicom </dev/null");
    assert_eq!(done.status.code(), Some(100), "{done:?}");
    assert_eq!(machines(&served), ["web"], "somebody came through");
}

#[test]
fn who_is_not_enrolled_or_not_named_reaches_nothing() {
    let (rig, served) = rig();
    assert!(Client::far("test", &far(&rig, "web")).is_err());
    rig.enrol("web");
    let text = std::fs::read_to_string(rig.at("box/gluepot.toml")).unwrap();
    let only_db = text.replace("name = \"tapicom\"\n", "name = \"tapicom\"\nmachines = [\"db\"]\n");
    std::fs::write(rig.at("box/gluepot.toml"), only_db).unwrap();
    let fault = Client::far("test", &far(&rig, "web")).err().unwrap();
    assert!(fault.what.contains("may not run tapicom"), "{fault}");
    std::fs::write(rig.at("box/gluepot.toml"), text).unwrap();
    assert!(Client::far("test", &far(&rig, "web")).is_ok());
    let revoked = rig.run(&["netplumber", "revoke", "web", "--folder", "box"]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert!(Client::far("test", &far(&rig, "web")).is_err());
    assert_eq!(machines(&served), ["web"]);
}

#[test]
fn a_service_that_is_not_there_may_be_later() {
    let rig = Rig::new();
    rig.enrol("web");
    let socket = rig.at("nobody");
    rig.allow(&format!("[[component]]\nname = \"tapicom\"\nsocket = {socket:?}\n"));
    let fault = Client::far("test", &far(&rig, "web")).err().unwrap();
    assert_eq!(fault.exit_code(), 111, "{fault}");
    assert!(!fault.what.contains(rig.dir.path().to_str().unwrap()), "it says where: {fault}");
}

/// A PAM service of this machine that knows one password, and the program that asks it.
fn check_login(rig: &Rig) -> bool {
    let entry = super::pam::check_login(EXE, rig.dir.path(), &rig.at("box/gluepot"));
    entry.map(|entry| rig.allow(&entry)).is_some()
}

#[test]
fn a_machine_checks_its_own_people() {
    let (rig, _) = rig();
    if !check_login(&rig) {
        return;
    }
    rig.enrol("box");
    rig.enrol("web");
    let address = rig.address.to_string();
    let known = move |name: &str| (name == "web").then(|| address.clone());
    let machines = ByPlumb { home: rig.at("box"), address: Box::new(known) };
    let is_right = |user: &str, password: &str| {
        machines.is_right("web", user, &Secret::new(password)).unwrap()
    };
    assert!(is_right("carol", "correct horse"), "{:#?}", rig.log_so_far());
    assert!(!is_right("carol", "wrong horse"));
    assert!(!is_right("root", "correct horse"));
    assert!(!is_right("-carol", "correct horse"));
    assert!(!is_right("carol", ""));
    assert!(machines.is_right("db", "carol", &Secret::new("x")).is_err(), "nobody knows where");
    // Only the appliance may ask.
    let other = ByPlumb { home: rig.at("web"), ..machines };
    assert!(other.is_right("web", "carol", &Secret::new("correct horse")).is_err());
    // And all of it together: a login by that machine, checked there, of somebody it may vouch for.
    let socket = rig.at("second");
    let served = Served::asking(&socket, Arc::new(ByPlumb { home: rig.at("box"), ..other }));
    served.machine_user("carol", &[Right::Look, Right::Operate]);
    rig.allow(&format!("[[component]]\nname = \"second\"\nsocket = {socket:?}\n"));
    let mut second = far(&rig, "web");
    second.request.words = vec!["second".into()];
    let mut client = Client::far("test", &second).unwrap();
    let login = |password: &str| Command::Login {
        user: "carol".into(),
        password: Secret::new(password),
        rights: [Right::Look, Right::Operate].into(),
        life_s: None,
    };
    let Reply::Login { view, .. } = client.call(login("correct horse")).unwrap() else {
        panic!("carol is shut out");
    };
    assert_eq!(view.rights, [Right::Look].into(), "any machine may vouch for an operator");
    assert!(matches!(client.call(login("wrong horse")).unwrap(), Reply::Refused(_)));
}

#[test]
fn what_checks_a_login_takes_two_texts_and_nothing_else() {
    let (rig, _) = rig();
    if !check_login(&rig) {
        return;
    }
    let ask = |question: &[u8]| {
        std::fs::write(rig.at("question"), question).unwrap();
        rig.ok("./box/gluepot/check_login <question")
    };
    assert_eq!(ask(b"carol\0correct horse\0"), "yes\n");
    let long = [b"carol\0", &[b'x'; 2000][..], b"\0"].concat();
    for question in [
        &b""[..],
        b"carol",
        b"carol\0",
        b"carol\0correct horse",
        b"carol\0correct horse\0\0",
        b"carol\0correct horse\0x",
        b"\0carol\0correct horse\0",
        b"carol\0\0",
        b"\0\0",
        &long,
    ] {
        assert_eq!(ask(question), "no\n", "{question:?}");
    }
    let done = Process::new(EXE).arg("check_login").stdout(Stdio::piped()).output().unwrap();
    assert!(done.stdout.starts_with(b"/* check_login"));
}
