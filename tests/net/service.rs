//! An entry that is served by whoever listens on a socket: who comes is told by the netplumber alone.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use tapioca::plumb::visit::Visit;
use tapioca::stream::{Blame, Fault};

use super::rig::Rig;

fn serve_one(rig: &Rig, serve: impl FnOnce(&mut Visit) -> Result<u64, Fault> + Send + 'static) {
    let path = rig.at("service.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut visit = Visit::receive(socket).unwrap();
        let verdict = serve(&mut visit);
        visit.end(&verdict);
    });
}

#[test]
fn a_visitor_is_brought_with_its_name_and_its_bytes() {
    let rig = Rig::new();
    let socket = rig.at("service.sock");
    rig.allow(&format!(
        "[[component]]\nname = \"shout\"\nsocket = {:?}\nmay = [\"--loud {{number}}\"]\n",
        socket.to_str().unwrap()
    ));
    rig.enrol("web");
    let refused = rig.shell("$p -- shout </dev/null");
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(111), "{words}");
    assert!(words.contains("nobody serves shout here now"), "{words}");

    serve_one(&rig, |visit| {
        let mut all = String::new();
        visit.stdin.read_to_string(&mut all).unwrap();
        let shown =
            format!("{} {:?} {}", visit.hello.machine, visit.hello.words, all.to_uppercase());
        visit.stdout.write_all(shown.as_bytes()).unwrap();
        visit.stderr.write_all(b"heard\n").unwrap();
        Ok(0)
    });
    // What it says of itself is of no account.
    let said = rig.shell("printf 'i am db' | $p -- shout --loud 3");
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "web [\"shout\", \"--loud\", \"3\"] I AM DB");
    assert_eq!(String::from_utf8_lossy(&said.stderr), "heard\n");

    serve_one(&rig, |_| Err(Fault::never(Blame::Operator, "not today")));
    let said = rig.shell("$p -- shout </dev/null");
    assert_eq!(said.status.code(), Some(100), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("not today"), "{said:?}");
    for words in ["shout --quiet", "shout --loud x", "shout /etc"] {
        assert!(!rig.shell(&format!("$p -- {words} </dev/null")).status.success(), "{words}");
    }
    rig.wait_alone();
}

#[test]
fn a_visitor_that_is_gone_is_known_by_the_socket() {
    let rig = Rig::new();
    let socket = rig.at("service.sock");
    let entry =
        format!("[[component]]\nname = \"wait\"\nsocket = {:?}\n", socket.to_str().unwrap());
    rig.allow(&entry);
    rig.enrol("web");
    let (tell, told) = std::sync::mpsc::channel();
    serve_one(&rig, move |visit| {
        tell.send("came").unwrap();
        visit.socket.read_to_end(&mut Vec::new()).unwrap();
        tell.send("gone").unwrap();
        Ok(0)
    });
    let mut plumb = rig.plumb("web", rig.address, &["--", "wait"]);
    let mut child = plumb.stdin(std::process::Stdio::piped()).spawn().unwrap();
    assert_eq!(told.recv_timeout(super::rig::PATIENCE).unwrap(), "came");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(told.recv_timeout(super::rig::PATIENCE).unwrap(), "gone");
    rig.wait_alone();
}
