//! Peers that mean harm, or talk nonsense: refused, logged once, and nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use tapioca::identity::config;
use tapioca::wire::channel::{self, Receiver, Sender};
use tapioca::wire::frame::{CLIENT_CONTROL, Kind, Packet, SERVER_CONTROL};
use tapioca::wire::message::{self, FromClient, FromServer, NamedPipe, Request};
use tapioca::wire::tls::Tls;

use super::rig::{Dice, Rig};

const LIMIT: Duration = Duration::from_secs(60);

fn connect(rig: &Rig) -> (Sender, Receiver) {
    let folder = rig.at("web").join(rig.address.to_string());
    let tls = Tls::client(&config::client(&folder).unwrap()).unwrap();
    channel::establish(TcpStream::connect(rig.address).unwrap(), tls, LIMIT).unwrap()
}

fn start(words: &[&str]) -> Packet {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    start_with(Request { words, ..Request::default() })
}

fn start_with(request: Request) -> Packet {
    let bytes = message::encode(&FromClient::Start(request)).unwrap();
    Packet::new(Kind::Message, CLIENT_CONTROL, &bytes)
}

fn answer(receiver: &mut Receiver) -> FromServer {
    message::decode(receiver.frame(LIMIT).unwrap().1.data()).unwrap()
}

#[test]
fn garbage_before_the_handshake() {
    let rig = Rig::new();
    rig.enrol("web");
    let mut dice = Dice(77);
    let mut cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        vec![0; 70_000],
        vec![0x16, 3, 1, 0xff, 0xff],
        Vec::new(),
    ];
    cases.push((0..5000).map(|_| dice.below(256) as u8).collect());
    // A record that claims to be a handshake and holds noise.
    cases.push([&[0x16, 3, 1, 2, 0][..], &[0xab; 512]].concat());
    for case in &cases {
        let mut socket = TcpStream::connect(rig.address).unwrap();
        // It may be refused before all of it is written.
        let _ = socket.write_all(case);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = socket.read_to_end(&mut reply);
        assert!(reply.len() < 64, "it told something: {reply:?}");
    }
    rig.wait_log("refused: ", cases.len());
    assert_eq!(rig.ok("echo x | $p -- cat"), "x\n");
    rig.wait_alone();
}

#[test]
fn slow_strangers_are_shown_out_and_leave_room_for_others() {
    let rig = Rig::new();
    rig.enrol("web");
    let mut slow: Vec<TcpStream> =
        (0..7).map(|_| TcpStream::connect(rig.address).unwrap()).collect();
    for socket in &mut slow {
        socket.write_all(&[0x16, 3]).unwrap();
    }
    // Seven of eight seats for strangers of one address are taken.
    assert_eq!(rig.ok("echo x | $p -- cat"), "x\n");
    slow.push(TcpStream::connect(rig.address).unwrap());
    // The ninth is sent away at once.
    let mut ninth = TcpStream::connect(rig.address).unwrap();
    assert_eq!(ninth.read(&mut [0]).unwrap_or(0), 0);
    rig.wait_log("too many connections", 1);
    // All the others in time.
    rig.wait_log("the handshake takes too long", 8);
    assert_eq!(rig.ok("echo x | $p -- cat"), "x\n");
    rig.wait_alone();
}

#[test]
fn strangers_learn_nothing() {
    let rig = Rig::new();
    rig.enrol("web");
    let refusal = |config: &rustls::ClientConfig| -> String {
        let tls = Tls::client(config).unwrap();
        let ends = channel::establish(TcpStream::connect(rig.address).unwrap(), tls, LIMIT);
        let answered = ends.and_then(|(mut sender, mut receiver)| {
            sender.send(&[start(&["cat"])])?;
            receiver.frame(LIMIT)
        });
        match answered {
            Ok((_, payload)) => match message::decode(payload.data()).unwrap() {
                FromServer::Refused(fault) => fault.what,
                other => panic!("{other:?}"),
            },
            Err(fault) => fault.what,
        }
    };
    let folder = rig.at("web").join(rig.address.to_string());
    // No certificate.
    let mut nobody = config::enrolling().unwrap();
    nobody.alpn_protocols = vec![message::ALPN_PLUMB.to_vec()];
    let said = refusal(&nobody);
    assert!(said.contains("no certificate"), "{said}");
    // One of another authority.
    let other = Rig::new();
    other.enrol("web");
    let theirs = other.at("web").join(other.address.to_string());
    rig.ok(&format!(
        "cp {}/authority.pem .; cp -r {} foreign; cp authority.pem foreign/",
        folder.display(),
        theirs.display()
    ));
    let said = refusal(&config::client(&rig.at("foreign")).unwrap());
    assert!(said.contains("TLS"), "{said}");
    // The server's own certificate does not make a client.
    rig.ok("mkdir server; cp box/server.key server/machine.key; cp box/server.pem server/machine.pem; cp authority.pem server/");
    let said = refusal(&config::client(&rig.at("server")).unwrap());
    assert!(said.contains("TLS"), "{said}");
    // A client's certificate with somebody else's key.
    rig.ok(&format!("mkdir mixed; cp {}/machine.pem {}/machine.key authority.pem mixed/ || true; cp {}/machine.pem mixed/; cp {}/machine.key mixed/", folder.display(), theirs.display(), folder.display(), theirs.display()));
    let mixed = config::client(&rig.at("mixed"));
    assert!(mixed.is_err() || refusal(&mixed.unwrap()).contains("TLS"));
    // Another protocol, none at all.
    for alpn in [vec![b"h2".to_vec()], Vec::new()] {
        let mut config = config::client(&folder).unwrap();
        config.alpn_protocols = alpn;
        let said = refusal(&config);
        assert!(said.contains("TLS") || said.contains("cut"), "{said}");
    }
    rig.wait_log("refused: ", 5);
    assert_eq!(rig.ok("echo x | $p -- cat"), "x\n");
    rig.wait_alone();
}

#[test]
fn an_expired_certificate_is_refused() {
    let rig = Rig::with(&["--days", "0"]);
    rig.enrol("web");
    // Good until now; an hour of slack is only at the other end.
    std::thread::sleep(Duration::from_millis(1100));
    let done = rig.shell("$p -- cat </dev/null");
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() != Some(0) && words.contains("TLS"), "{words}");
    rig.wait_log("xpired", 1);
}

#[test]
fn what_is_not_in_the_gluepot_does_not_start() {
    let rig = Rig::new();
    rig.enrol("web");
    let out = rig.at("out");
    let out = out.to_str().unwrap();
    let climbing = format!("{out}/../box/server.key");
    let cases: &[&[&str]] = &[
        &["sh"],
        &["/bin/sh", "-c", "id"],
        &["../cat"],
        &["glue", "x"],
        &["netplumber"],
        &["cat", "-n"],
        &["sink_file", "/etc/passwd"],
        &["sink_file", &climbing],
        &["sink_file", "$(touch x)", ";", "id"],
        &["src_filesys", "../box"],
        &["src_filesys", "-C", "/"],
        &["src_filesys", "--files-from=/etc/shadow"],
        &["proc_compress", "--codec", "zstd; id"],
        &["proc_compress", "--codec", "gzip"],
        &["sink_filesys", "-C", "/"],
        &["act", "--x"],
        &["act", "`id`"],
        &["\u{1b}[2J"],
    ];
    for words in cases {
        let (mut sender, mut receiver) = connect(&rig);
        sender.send(&[start(words)]).unwrap();
        match answer(&mut receiver) {
            FromServer::Refused(_) => {}
            other => panic!("{words:?}: {other:?}"),
        }
    }
    rig.wait_log("refused: ", cases.len());
    let log = rig.log_so_far();
    assert_eq!(log.iter().filter(|line| line.contains("refused")).count(), cases.len(), "{log:#?}");
    assert!(log.iter().all(|line| !line.contains('\u{1b}')), "control characters in the log");
    // What does run cannot reach farther than its entry says, by links either.
    rig.ok("ln -s ../../box/server.key tree/link; mkdir tree/sub; ln -s /etc tree/sub/etc");
    rig.ok("$p -- src_filesys . | $t sink_filesys -C got; test -L got/link -a -L got/sub/etc");
    rig.program(
        "act",
        "#!/bin/sh\nread x <\"$0\" && echo read it\n\
         cat /etc/shadow /proc/1/environ \"$HOME/../box/server.key\" 2>/dev/null\n\
         (echo x >/tmp/tapioca-escaped) 2>/dev/null && echo wrote\n\
         /usr/bin/python3 -c \"import socket; socket.create_connection(('127.0.0.1', $1))\" 2>/dev/null && echo connected\n\
         echo end\n",
    );
    let port = rig.address.port();
    assert_eq!(rig.ok(&format!("$p -- act {port} </dev/null")), "read it\nend\n");
    assert!(!std::path::Path::new("/tmp/tapioca-escaped").exists());
    rig.wait_alone();
}

#[test]
fn nonsense_after_the_handshake_ends_that_connection_only() {
    let rig = Rig::new();
    rig.enrol("web");
    let victim = rig
        .plumb("web", rig.address, &["--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    rig.wait_log("running", 1);
    let data = |handle: u8, bytes: usize| Packet::new(Kind::Data, handle, &vec![1; bytes]);
    let pipes = |names: &[&str]| {
        let pipe = |name: &&str| NamedPipe { name: (*name).to_owned(), to_component: true };
        start_with(Request {
            words: vec!["cat".into()],
            pipes: names.iter().map(pipe).collect(),
            ..Request::default()
        })
    };
    let before: &[Packet] = &[
        data(0, 10),
        Packet::new(Kind::Message, CLIENT_CONTROL, &[0xff; 100]),
        Packet::new(Kind::Message, CLIENT_CONTROL, &[0x7f; 65_000]),
        Packet::new(Kind::Ping, CLIENT_CONTROL, b""),
        start(&[]),
        pipes(&["../x"]),
        pipes(&["a", "a"]),
    ];
    for packet in before {
        let (mut sender, mut receiver) = connect(&rig);
        sender.send(std::slice::from_ref(packet)).unwrap();
        match receiver.frame(LIMIT).map(|(_, payload)| message::decode(payload.data())) {
            Ok(Ok(FromServer::Refused(_))) | Err(_) => {}
            other => panic!("{other:?}"),
        }
    }
    rig.wait_log("refused: ", before.len());
    // Once it runs: handles that do not exist, more than the window, ends twice, credit for nothing, the
    // server's own voice, lengths that cannot be.
    let eof = Packet::new(Kind::Eof, 0, b"");
    let after: Vec<Vec<Packet>> = vec![
        vec![data(200, 10)],
        (0..40).map(|_| data(0, 256 * 1024)).collect(),
        vec![eof.clone(), eof.clone()],
        vec![eof, data(0, 1)],
        vec![Packet::new(Kind::Credit, 1, &u32::MAX.to_le_bytes())],
        vec![Packet::new(Kind::Ping, SERVER_CONTROL, b"")],
        vec![Packet::new(Kind::Data, 254, b"x")],
        vec![Packet::new(Kind::Message, CLIENT_CONTROL, b"")],
    ];
    // One that does not read, so that nothing is given back.
    rig.program("act", "#!/bin/sh\nexec sleep 600\n");
    for packets in &after {
        let (mut sender, mut receiver) = connect(&rig);
        sender.send(&[start(&["act"])]).unwrap();
        assert_eq!(answer(&mut receiver), FromServer::Started);
        // It may be gone before all is sent.
        let _ = sender.send(packets);
        while !matches!(receiver.receive(&mut Vec::new()), Err(_) | Ok(channel::Received::Closed)) {
        }
    }
    rig.wait_log("who=\"web\" what=\"act\"", after.len() * 2);
    // The other connection never noticed.
    let mut victim = victim;
    victim.stdin.take().unwrap().write_all(b"still here").unwrap();
    let done = victim.wait_with_output().unwrap();
    assert!(done.status.success() && done.stdout == b"still here");
    rig.wait_alone();
}

/// The bytes of a connection in clear cannot be changed without being found out.
#[test]
fn frames_in_clear_are_authenticated() {
    use super::rig::noise;
    let rig = Rig::new();
    rig.enrol("web");
    std::fs::write(rig.at("noise"), noise(3_000_000)).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    rig.also_at("web", address);
    let there = rig.address;
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(there).unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut from, mut to, mut at) = (client, server, 0u64);
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            // One bit, somewhere in the payload.
            if (at..at + count as u64).contains(&1_000_000) {
                piece[usize::try_from(1_000_000 - at).unwrap()] ^= 1;
            }
            at += count as u64;
            if to.write_all(&piece[..count]).is_err() {
                return;
            }
        }
    });
    let line = format!(
        "$t src_stdin <noise | $t plumb --identity web {address} --seal none -- sink_stdout; exit ${{PIPESTATUS[1]}}"
    );
    assert_eq!(rig.shell(&line).status.code(), Some(111));
    rig.wait_log("a frame in clear was changed", 1);
}

/// What scanners look for: only TLS 1.3, no renegotiation, no early data, no tickets to resume with.
#[test]
fn scanners_find_tls_1_3_and_nothing_else() {
    let rig = Rig::new();
    rig.enrol("web");
    let probe = |options: &str| {
        let line = format!("openssl s_client -connect {} {options} </dev/null 2>&1", rig.address);
        String::from_utf8(rig.shell(&line).stdout).unwrap()
    };
    let found = probe("");
    assert!(found.contains("TLSv1.3") && found.contains("TLS_AES_256_GCM_SHA384"), "{found}");
    assert!(!found.contains("Post-Handshake New Session Ticket"), "a ticket: {found}");
    for old in ["-tls1_2", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", "-tls1 -cipher DEFAULT@SECLEVEL=0"]
    {
        let found = probe(old);
        assert!(found.contains("alert") && !found.contains("Cipher is TLS"), "{old}: {found}");
        assert!(found.contains("Cipher is (NONE)"), "{old}: {found}");
    }
    for weak in ["-ciphersuites TLS_AES_128_CCM_8_SHA256", "-curves P-521"] {
        assert!(probe(weak).contains("Cipher is (NONE)"), "{weak}");
    }
}

/// Another program's judgement of the same.
#[test]
fn sslscan_finds_nothing_old() {
    let rig = Rig::new();
    let found = rig.ok(&format!("sslscan --no-colour {}", rig.address));
    let lines: Vec<&str> = found.lines().map(str::trim).collect();
    for old in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"] {
        let is_off = |line: &&str| line.starts_with(old) && line.ends_with("disabled");
        assert!(lines.iter().any(is_off), "{old}: {found}");
    }
    assert!(lines.iter().any(|line| line.starts_with("TLSv1.3") && line.ends_with("enabled")));
    for good in ["Session renegotiation not supported", "TLSv1.3 not vulnerable to heartbleed"] {
        assert!(found.contains(good), "{good}: {found}");
    }
    assert!(!found.contains("Compression enabled"), "{found}");
    let ciphers: Vec<&&str> =
        lines.iter().filter(|l| l.starts_with("Preferred") || l.starts_with("Accepted")).collect();
    let is_ours = |line: &&&str| line.contains("TLSv1.3") && line.contains(" bits");
    assert!(ciphers.len() == 3 && ciphers.iter().all(is_ours), "{found}");
    rig.wait_alone();
}
