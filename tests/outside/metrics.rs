//! Metrics: what is on the page, by a parser that others wrote, and what the server does not put up with.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tapioca::catalogue::record::{JobState, MediumState};
use tapioca::serve::metrics::{
    DriveNow, DriveState, Limits, REQUEST_BYTES_MAX, Server, Snapshot, page,
};
use tapioca::serve::notify::post::Counts;

use crate::report::{job, medium};

fn snapshot() -> Snapshot {
    let mut now = Snapshot {
        drives: vec![DriveNow {
            name: "drive 0".to_owned(),
            state: DriveState::Writing,
            written_bytes: u64::MAX,
            read_bytes: 7,
            bytes_per_s: 388_000_000,
            alerts: BTreeMap::from([("clean now".to_owned(), 2)]),
        }],
        recorded_bytes: 1 << 40,
        requests: 1,
        catalogue_bytes: 4096,
        notes: BTreeMap::from([(
            "ops@example.org".to_owned(),
            Counts { sent: 3, failures: 2, dropped: 1 },
        )]),
        ..Snapshot::default()
    };
    for (state, ended) in [
        (JobState::Done, Some(100)),
        (JobState::DoneBut(2), Some(300)),
        (JobState::Done, Some(200)),
        (JobState::Failed("no".to_owned()), Some(900)),
        (JobState::Running, None),
    ] {
        let mut one = job(state);
        (one.machine, one.ended_s) = ("a\"b\\c\nd{}=,".to_owned(), ended);
        now.count_job(&one);
    }
    let mut other = medium("TAP002L9");
    (other.state, other.pool) = (MediumState::Damaged("worn".to_owned()), None);
    [medium("TAP001L9"), medium("TAP003L9"), other].iter().for_each(|one| now.count_medium(one));
    now
}

/// A page as the Python client of Prometheus reads it: samples by name and sorted labels, and types.
fn parsed(page: &str) -> serde_json::Value {
    let script = "import json, sys\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        families = list(parse(sys.stdin.read()))\n\
        samples = {s.name + str(sorted(s.labels.items())): s.value for f in families for s in f.samples}\n\
        count = sum(len(f.samples) for f in families)\n\
        types = {f.name: f.type for f in families}\n\
        helps = [f.name for f in families if not f.documentation]\n\
        print(json.dumps({'samples': samples, 'count': count, 'types': types, 'without help': helps}))\n";
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let done = python.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "the parser needs python3-prometheus-client, or refuses:\n{page}"
    );
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn another_parser_reads_what_was_meant() {
    let page = page(&snapshot());
    let parsed = parsed(&page);
    let samples = parsed["samples"].as_object().unwrap();
    let lines = page.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!((samples.len(), parsed["count"].as_u64().unwrap()), (lines, lines as u64));
    let drive = "[('drive', 'drive 0')]";
    let strange = r#"[('backup', 'tree'), ('machine', 'a"b\\c\nd{}=,')]"#;
    for (name, labels, value) in [
        ("build_info", "[('version', '0.1.0')]", 1.0),
        ("drive_state", "[('drive', 'drive 0'), ('state', 'writing')]", 1.0),
        ("drive_state", "[('drive', 'drive 0'), ('state', 'idle')]", 0.0),
        ("drive_written_bytes_total", drive, u64::MAX as f64),
        ("drive_read_bytes_total", drive, 7.0),
        ("drive_speed_bytes_per_second", drive, 388e6),
        ("drive_tapealerts_total", "[('alert', 'clean now'), ('drive', 'drive 0')]", 2.0),
        ("jobs", "[('state', 'done')]", 2.0),
        ("jobs", "[('state', 'done-but')]", 1.0),
        ("jobs", "[('state', 'queued')]", 0.0),
        ("media", "[('pool', 'daily'), ('state', 'appendable')]", 2.0),
        ("media", "[('pool', ''), ('state', 'damaged')]", 1.0),
        ("recorded_bytes_total", "[]", 2f64.powi(40)),
        ("backup_last_success_timestamp_seconds", strange, 300.0),
        ("requests_waiting", "[]", 1.0),
        ("catalogue_bytes", "[]", 4096.0),
        ("notes_sent_total", "[('receiver', 'ops@example.org')]", 3.0),
        ("notes_dropped_total", "[('receiver', 'ops@example.org')]", 1.0),
    ] {
        let key = format!("tapioca_{name}{labels}");
        assert_eq!(
            samples.get(&key).and_then(|v| v.as_f64()),
            Some(value),
            "{key} in {samples:#?}"
        );
    }
    assert_eq!(parsed["without help"].as_array().unwrap().len(), 0);
    for (name, kind) in parsed["types"].as_object().unwrap() {
        let is_counter = page.contains(&format!("TYPE {name}_total "));
        assert_eq!(kind, if is_counter { "counter" } else { "gauge" }, "{name}");
    }
}

#[test]
fn names_keep_to_what_prometheus_asks() {
    let page = page(&snapshot());
    let mut seen = std::collections::BTreeSet::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(seen.insert(name.to_owned()), "{name} comes twice");
        assert!(name.starts_with("tapioca_"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert!(!["_mb", "_ms", "_percent"].iter().any(|unit| name.contains(unit)), "{name}");
    }
    assert!(page.ends_with('\n') && !page.contains("\n\n"));
    let empty = parsed(&tapioca::serve::metrics::page(&Snapshot::default()));
    assert!(empty["samples"]["tapioca_recorded_bytes_total[]"] == 0.0);
}

/// A server whose snapshots count themselves.
fn server(limits: Limits) -> Server {
    let taken = AtomicU64::new(0);
    let take = move || {
        let catalogue_bytes = taken.fetch_add(1, Ordering::Relaxed) + 1;
        Snapshot { catalogue_bytes, ..Snapshot::default() }
    };
    Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::new(take), limits).unwrap()
}

/// Sends bytes; all that comes back, until the end.
fn ask(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    // Who is refused early closes before all of it is sent.
    drop(stream.write_all(request));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

fn get(server: &Server, path: &str) -> String {
    ask(server, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
}

#[test]
fn two_things_can_be_asked_and_no_others() {
    let server = server(Limits::default());
    let first = get(&server, "/metrics");
    assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
    assert!(first.contains("content-type: text/plain; version=0.0.4"));
    assert!(first.contains("tapioca_catalogue_bytes 1\n"));
    assert!(get(&server, "/metrics?x=y").contains("tapioca_catalogue_bytes 2\n"), "taken anew");
    let healthy = get(&server, "/healthz");
    assert!(healthy.starts_with("HTTP/1.1 200 ") && healthy.ends_with("\r\n\r\nok\n"));
    for path in ["/", "/metrics/", "/healthz/../metrics", "//metrics"] {
        assert!(get(&server, path).starts_with("HTTP/1.1 404 "), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answer = ask(&server, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET"), "{answer}");
    }
    assert!(
        get(&server, "/metrics").contains("tapioca_catalogue_bytes 3\n"),
        "none was taken for those"
    );
}

#[test]
fn what_is_too_large_or_no_request_at_all_is_refused() {
    let server = server(Limits::default());
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * REQUEST_BYTES_MAX));
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    let far = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2 * REQUEST_BYTES_MAX));
    for request in
        [long.as_bytes(), many.as_bytes(), far.as_bytes(), b"\x16\x03\x01\x00\xff", b"no\r\n\r\n"]
    {
        let answer = ask(&server, request);
        assert!(!answer.contains(" 200 ") && !answer.contains("tapioca_"), "{answer}");
    }
    assert!(get(&server, "/healthz").ends_with("ok\n"), "others are served as before");
}

#[test]
fn who_is_slow_is_cut_off_and_makes_room() {
    let server = server(Limits { connections: 2, time: Duration::from_millis(300) });
    let idle = [0, 1].map(|_| TcpStream::connect(server.address()).unwrap());
    idle.iter().for_each(|mut stream| stream.write_all(b"GET /met").unwrap());
    // Both seats are taken; this one waits until they are free.
    assert!(get(&server, "/healthz").ends_with("ok\n"));
    for mut stream in idle {
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        assert!(!answer.contains(" 200 "), "{answer}");
    }
}

#[test]
fn it_ends_when_it_is_dropped_and_says_when_it_cannot_begin() {
    let server = server(Limits::default());
    let address = server.address();
    let again = Server::start(address, Arc::new(Snapshot::default), Limits::default());
    let fault = again.err().unwrap();
    assert!(fault.what.contains(&address.to_string()) && fault.hint.is_some(), "{fault}");
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}
