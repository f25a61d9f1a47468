//! A client at the socket of the appliance itself, and what a service does with nonsense.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use tapioca::catalogue::record::Right;
use tapioca::plumb::visit::{Ends, Hello};
use tapioca::tapicom::client::Client;
use tapioca::tapicom::door::Peer;
use tapioca::tapicom::message::*;
use tapioca::tapicom::session::greeting;

use super::served::{EVENTS, Served};

fn login(client: &mut Client, rights: &[Right]) -> Reply {
    let rights = rights.iter().copied().collect();
    let password = Secret::new("correct horse");
    let reply =
        client.call(Command::Login { user: "alice".into(), password, rights, life_s: None });
    let reply = reply.unwrap();
    if let Reply::Login { ticket, .. } = &reply {
        client.with_ticket(Some(ticket.clone()));
    }
    reply
}

#[test]
fn a_console_logs_in_and_commands() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("tapicom");
    let served = Served::at(&socket);
    served.user("alice", "correct horse", &[Right::Look, Right::Operate]);
    let mut client = Client::local("test", &socket).unwrap();
    assert!(client.greeting.software.starts_with("tapioca "));
    assert!(matches!(client.call(Command::Version).unwrap(), Reply::Version { messages: 1, .. }));
    assert!(matches!(client.call(Command::Import).unwrap(), Reply::Refused(_)));
    assert!(matches!(login(&mut client, &[Right::Operate]), Reply::Login { .. }));
    assert_eq!(client.call(Command::Import).unwrap(), Reply::Done);
    assert!(
        matches!(client.call(Command::Drives).unwrap(), Reply::Refused(_)),
        "it was not wanted"
    );
    assert_eq!(client.call(Command::Logout).unwrap(), Reply::Done);
    assert!(matches!(client.call(Command::Import).unwrap(), Reply::Refused(_)));
    let inside = served.inside();
    assert_eq!(inside.peers, [Peer::Console]);
    assert_eq!(inside.passed, [("alice".into(), "console".into(), Command::Import)]);
}

#[test]
fn events_come_numbered_and_what_is_lost_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("tapicom");
    let served = Served::at(&socket);
    served.user("alice", "correct horse", &[Right::Look]);
    let mut client = Client::local("test", &socket).unwrap();
    assert!(client.subscribe(EventFilter::default()).unwrap().is_err(), "without a ticket");
    login(&mut client, &[Right::Look]);
    // One is left in the middle, and the connection goes on.
    for taken in [3, EVENTS - 43] {
        let mut events = client.subscribe(EventFilter::default()).unwrap().unwrap();
        let first = events.next_event().unwrap().unwrap().unwrap();
        assert_eq!(first, Event::Lost { count: EVENTS - 256 });
        for number in 1..taken {
            let event = events.next_event().unwrap().unwrap().unwrap();
            assert_eq!(event, Event::Answered { number: number + EVENTS - 256 });
        }
        match taken {
            3 => drop(events),
            _ => events.end().unwrap(),
        }
        assert!(matches!(client.call(Command::WhoAmI).unwrap(), Reply::Ticket(_)));
    }
}

/// What comes back until the service closes.
fn said(socket: &std::path::Path, bytes: &[u8]) -> Vec<u8> {
    let to = UnixStream::connect(socket).unwrap();
    let hello = Hello {
        machine: "console".into(),
        digest: String::new(),
        words: vec!["tapicom".into()],
        receipts_up: false,
        receipts_from_below: false,
    };
    let Ends { mut input, mut output, .. } = Ends::say(&to, &hello).unwrap();
    // A service may close before it read everything.
    let _ = input.write_all(bytes);
    drop(input);
    let mut back = Vec::new();
    output.read_to_end(&mut back).unwrap();
    back
}

#[test]
fn nonsense_is_answered_by_closing() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("tapicom");
    let served = Served::at(&socket);
    let greeting = greeting("test").encode().unwrap().to_vec();
    let answered = said(&socket, &greeting).len();
    let endless = [&greeting[..], b"tpc1\x02\0\0\0\x01\0\0\0\xff\xff\xff\xff"].concat();
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], 0),
        (b"tpc1", 0),
        (b"tpc1\x02\0\0\0\x01\0\0\0\x01\0\0\0\x00", 0),
        (&greeting[..9], 0),
        (&[&greeting[..], &greeting[..]].concat(), answered),
        (&endless, answered),
        (&[&greeting[..], &[0; 70_000]].concat(), answered),
    ] {
        assert_eq!(said(&socket, bytes).len(), expected, "{:?}", &bytes[..bytes.len().min(40)]);
    }
    assert!(served.inside().passed.is_empty());
}
