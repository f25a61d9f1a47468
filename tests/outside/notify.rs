//! Mail and webhooks, against receivers that others wrote: taken, refused, slow and dead ones.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tapioca::serve::config::{Config, Mail, MailTls, Webhook};
use tapioca::serve::notify::post::Patience;
use tapioca::serve::notify::{Kind, Note, Notifier, SUBJECT_CHARS_MAX, TEXT_BYTES_MAX};

use crate::receiver::{Certificates, Log, Receiver, nobodys_port, secret_file};

/// Tries again at once, more or less.
const EAGER: Patience = Patience {
    first: Duration::from_millis(5),
    longest: Duration::from_millis(40),
    answer: Duration::from_secs(20),
    notes_max: 100,
    refusals_max: 3,
};

fn note(subject: &str) -> Note {
    let text = "Backup of web: 3 files were left out.\nGrüße\n.\nend\n".to_owned();
    Note { kind: Kind::Problem, subject: subject.to_owned(), text, json: json!({ "job": 7 }) }
}

fn mail(port: u16, to: &[&str]) -> Mail {
    let text = format!(
        "[mail]\nserver = '127.0.0.1'\nport = {port}\ntls = 'none'\nfrom = 'Tapioca <box@example.org>'\nto = {to:?}\n"
    );
    Config::parse(&text).unwrap().mail.unwrap()
}

fn hook(scheme: &str, port: u16) -> Webhook {
    let url = format!("{scheme}://127.0.0.1:{port}/hook?key=hush");
    Webhook { url, bearer_file: None, ca_file: None }
}

fn by_mail(mail: &Mail, patience: Patience) -> Notifier {
    Notifier::start(Some(mail), None, patience).unwrap()
}

fn by_hook(hook: &Webhook, patience: Patience) -> Notifier {
    Notifier::start(None, Some(hook), patience).unwrap()
}

#[test]
fn mail_arrives_as_it_was_meant() {
    let mut receiver = Receiver::start(&["smtp", "0"]);
    let notifier = by_mail(&mail(receiver.port, &["Ops <ops@example.org>"]), EAGER);
    notifier.tell(note("[web] 3 Dateien übersprungen\r\nBcc: evil@example.org"));
    let taken = receiver.next();
    assert_eq!(taken["sender"], "box@example.org");
    assert_eq!(taken["to"], json!(["ops@example.org"]));
    let headers = &taken["headers"];
    assert_eq!(headers["subject"], "[web] 3 Dateien übersprungen  Bcc: evil@example.org");
    assert_eq!(headers["from"], "Tapioca <box@example.org>");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert!(headers["message-id"].as_str().unwrap().ends_with("@example.org>"));
    assert!(headers["date"].is_string() && headers["bcc"].is_null());
    let text = taken["text"].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(text.trim_end(), note("").text.trim_end());
    assert_eq!(notifier.finish(Duration::from_secs(20)), 0);
}

#[test]
fn mail_refused_for_now_comes_again_as_the_same_message() {
    let log = Log::start();
    let mut receiver = Receiver::start(&["smtp", "0", "--later", "2"]);
    let notifier = by_mail(&mail(receiver.port, &["ops@example.org"]), EAGER);
    notifier.tell(note("once"));
    let tries = [receiver.next(), receiver.next(), receiver.next()];
    assert_eq!(tries.each_ref().map(|one| one["taken"].as_bool().unwrap()), [false, false, true]);
    let id = |one: &serde_json::Value| one["headers"]["message-id"].clone();
    assert!(id(&tries[0]) == id(&tries[1]) && id(&tries[1]) == id(&tries[2]));
    let (first, _) = log.wait("cannot send");
    assert!(first.contains("451") && first.contains("ops@example.org"), "{first}");
    let (again, between) = log.wait("taken again");
    assert!(again.contains("tries=2") && between == 0, "{again}");
}

#[test]
fn an_address_that_is_refused_keeps_nobody_from_theirs() {
    let log = Log::start();
    let mut receiver = Receiver::start(&["smtp", "0"]);
    let notifier = by_mail(&mail(receiver.port, &["nobody@example.org", "ops@example.org"]), EAGER);
    notifier.tell(note("for both"));
    let (dropped, _) = log.wait("a note is dropped: it is refused");
    assert!(dropped.contains("nobody@example.org") && dropped.contains("for both"), "{dropped}");
    let mut refused = 0;
    loop {
        let one = receiver.next();
        refused += usize::from(one["refused"] == "nobody@example.org");
        if one["taken"] == true {
            assert_eq!(one["to"], json!(["ops@example.org"]));
            break;
        }
    }
    refused += receiver.rest().iter().filter(|one| one["refused"].is_string()).count();
    assert_eq!(refused, 3, "tried as often as a refusal is believed");
    let counts: Vec<u64> = notifier.counts().iter().map(|(_, counts)| counts.dropped).collect();
    assert_eq!(counts, [1, 0]);
}

fn sealed(port: u16, certificates: &Certificates, dir: &Path, password: &str) -> Mail {
    let login = Some(("box".to_owned(), secret_file(dir, password)));
    let ca_file = Some(certificates.at("authority.pem"));
    Mail { tls: MailTls::Starttls, ca_file, login, ..mail(port, &["ops@example.org"]) }
}

#[test]
fn mail_goes_with_tls_and_a_password() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (pem, key) = (certificates.text("server.pem"), certificates.text("server.key"));
    let words = ["smtp", "0", "--tls", &pem, &key, "--auth", "box", "swordfish"];
    let mut receiver = Receiver::start(&words);
    let notifier = by_mail(&sealed(receiver.port, &certificates, dir.path(), "swordfish\n"), EAGER);
    notifier.tell(note("sealed"));
    assert_eq!(receiver.next(), json!({ "login": "box", "fine": true }));
    let taken = receiver.next();
    assert_eq!((&taken["tls"], &taken["user"]), (&json!(true), &json!("box")));

    // A wrong password is no refusal of the note: somebody may put it right.
    let log = Log::start();
    let wrong = sealed(receiver.port, &certificates, dir.path(), "guess");
    let notifier = by_mail(&wrong, EAGER);
    notifier.tell(note("waits"));
    for _ in 0..5 {
        assert_eq!(receiver.next()["fine"], false);
    }
    assert!(log.wait("cannot send").0.contains("535"));
    assert_eq!(notifier.counts()[0].1.dropped, 0);
    assert!(!log.lines().concat().contains("guess"));
}

#[test]
fn mail_goes_with_tls_from_the_first_byte() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (pem, key) = (certificates.text("server.pem"), certificates.text("server.key"));
    let words = ["smtp", "0", "--tls", &pem, &key, "--at-once", "--auth", "box", "swordfish"];
    let mut receiver = Receiver::start(&words);
    let mail = sealed(receiver.port, &certificates, dir.path(), "swordfish");
    let notifier = by_mail(&Mail { tls: MailTls::Tls, ..mail }, EAGER);
    notifier.tell(note("sealed"));
    assert_eq!(receiver.next()["fine"], true);
    assert_eq!(receiver.next()["headers"]["subject"], "sealed");
}

#[test]
fn nothing_is_said_to_a_server_that_is_not_who_it_should_be() {
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (pem, key) = (certificates.text("server.pem"), certificates.text("server.key"));
    let others = Certificates::make();
    let log = Log::start();
    let sealed_one = Receiver::start(&["smtp", "0", "--tls", &pem, &key, "--auth", "box", "x"]);
    let login_in_clear = Receiver::start(&["smtp", "0", "--auth", "box", "x", "--in-clear"]);
    let open_one = Receiver::start(&["smtp", "0"]);
    for (receiver, with_login) in [(sealed_one, true), (login_in_clear, true), (open_one, false)] {
        let mail = sealed(receiver.port, &others, dir.path(), "x");
        let login = mail.login.clone().filter(|_| with_login);
        let notifier = by_mail(&Mail { login, ..mail }, EAGER);
        notifier.tell(note("secret"));
        log.wait("cannot send");
        assert_eq!(notifier.finish(Duration::from_secs(20)), 1);
        assert_eq!(receiver.rest(), [json!(null); 0], "it was told nothing");
    }
}

#[test]
fn what_a_dead_receiver_missed_is_bounded_and_told_when_it_is_back() {
    let log = Log::start();
    let port = nobodys_port();
    let notifier = by_mail(&mail(port, &["ops@example.org"]), Patience { notes_max: 3, ..EAGER });
    notifier.tell(note("note 0"));
    let (first, _) = log.wait("cannot send");
    assert!(first.contains("refused"), "{first}");
    (1..=9).for_each(|nth| notifier.tell(note(&format!("note {nth}"))));
    let mut receiver = Receiver::start(&["smtp", &port.to_string()]);
    let taken = [receiver.next(), receiver.next(), receiver.next(), receiver.next()];
    let subjects = taken.each_ref().map(|one| one["headers"]["subject"].as_str().unwrap());
    assert_eq!(subjects, ["note 0", "note 7", "note 8", "note 9"]);
    let text = taken[0]["text"].as_str().unwrap();
    assert!(text.contains("Dropped before this, as they could not be sent: 6"), "{text}");
    assert!(text.contains("- note 1") && text.contains("- note 6"));
    assert!(!taken[1]["text"].as_str().unwrap().contains("Dropped"), "it is told once");
    let (_, dropped) = log.wait("taken again");
    assert_eq!(dropped, 6, "one line for each that is dropped, none for tries");
    assert_eq!(notifier.counts()[0].1.dropped, 6);
}

#[test]
fn a_receiver_that_never_answers_keeps_nobody_waiting() {
    let log = Log::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let brief = Patience { answer: Duration::from_millis(50), ..EAGER };
    let (mail, hook) = (mail(port, &["ops@example.org"]), hook("http", port));
    let notifier = Notifier::start(Some(&mail), Some(&hook), brief).unwrap();
    (0..500).for_each(|nth| notifier.tell(note(&format!("note {nth}"))));
    let counts = notifier.counts();
    assert!(counts.iter().all(|(_, counts)| counts.sent == 0 && counts.dropped >= 398));
    let cannot = |line: &String| line.contains("cannot send");
    let mut first = vec![log.wait("cannot send").0, log.wait("cannot send").0];
    first.sort();
    assert!(first[0].contains("ops@example.org") && first[1].contains("webhook at 127.0.0.1"));
    assert!(
        first.iter().all(|line| line.contains("time") || line.contains("unavailable")),
        "{first:?}"
    );
    let left = notifier.finish(Duration::from_secs(20));
    assert!((200..=202).contains(&left), "{left} were left");
    assert_eq!(log.lines().iter().filter(|line| cannot(line)).count(), 0, "it is said once");
}

#[test]
fn a_webhook_gets_json_and_a_token() {
    let log = Log::start();
    let (certificates, dir) = (Certificates::make(), tempfile::tempdir().unwrap());
    let (pem, key) = (certificates.text("server.pem"), certificates.text("server.key"));
    let words = ["http", "0", "--tls", &pem, &key, "--answers", "503,429,200"];
    let mut receiver = Receiver::start(&words);
    let bearer_file = Some(secret_file(dir.path(), "t0ken\n"));
    let ca_file = Some(certificates.at("authority.pem"));
    let hook = Webhook { bearer_file, ca_file, ..hook("https", receiver.port) };
    let notifier = by_hook(&hook, EAGER);
    notifier.tell(note("[web] left out"));
    let tries = [receiver.next(), receiver.next(), receiver.next()];
    assert!(tries[0] == tries[1] && tries[1] == tries[2], "the same, with the same id");
    let [one, ..] = tries;
    assert_eq!(one["path"], "/hook?key=hush");
    assert_eq!(one["headers"]["authorization"], "Bearer t0ken");
    assert_eq!(one["headers"]["content-type"], "application/json");
    let mut body = one["body"].clone();
    assert_eq!(body["id"].as_str().unwrap().len(), 36);
    body["id"] = json!(null);
    let expected = json!({
        "id": null, "kind": "problem", "subject": "[web] left out", "text": note("").text,
        "dropped": { "count": 0, "subjects": [] }, "data": { "job": 7 },
    });
    assert_eq!(body, expected);
    let (cannot, _) = log.wait("cannot send");
    let (again, _) = log.wait("taken again");
    assert!(cannot.contains("503") && !(cannot + &again).contains("hush"), "no secrets in the log");
}

#[test]
fn a_webhook_that_refuses_or_leads_elsewhere_is_not_followed() {
    let log = Log::start();
    let mut receiver = Receiver::start(&["http", "0", "--answers", "400,302,422"]);
    let notifier = by_hook(&hook("http", receiver.port), EAGER);
    notifier.tell(note("strange"));
    let tries = [receiver.next(), receiver.next(), receiver.next()];
    assert!(tries.iter().all(|one| one["path"] == "/hook?key=hush"));
    log.wait("a note is dropped: it is refused");
    notifier.tell(note("next"));
    let next = receiver.next();
    assert_eq!(next["body"]["subject"], "next");
    assert_eq!(next["body"]["dropped"], json!({ "count": 1, "subjects": ["strange"] }));
}

#[test]
fn what_is_told_has_bounds() {
    let mut receiver = Receiver::start(&["http", "0"]);
    let notifier = by_hook(&hook("http", receiver.port), EAGER);
    let json = json!(vec!["x"; TEXT_BYTES_MAX]);
    let text = "ü".repeat(TEXT_BYTES_MAX);
    notifier.tell(Note { kind: Kind::Done, subject: "s".repeat(1000), text, json });
    let body = receiver.next()["body"].clone();
    assert_eq!(body["subject"].as_str().unwrap().len(), SUBJECT_CHARS_MAX);
    assert!(body["text"].as_str().unwrap().ends_with("ü\n(cut here: the rest is too long)\n"));
    assert!(body["data"].is_null());
}

#[test]
fn files_of_secrets_are_looked_at_when_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Some(dir.path().join("missing"));
    let broken = dir.path().join("broken.pem");
    std::fs::write(&broken, "no certificate").unwrap();
    let start = |hook: &Webhook| Notifier::start(None, Some(hook), EAGER).err().unwrap().what;
    assert!(
        start(&Webhook { bearer_file: missing.clone(), ..hook("https", 1) }).contains("missing")
    );
    assert!(start(&Webhook { ca_file: missing, ..hook("https", 1) }).contains("missing"));
    let ca_file = Some(broken);
    assert!(start(&Webhook { ca_file, ..hook("https", 1) }).contains("no certificate in"));
}
