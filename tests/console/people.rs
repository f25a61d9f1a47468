//! What people type, and what they see.

use std::path::Path;

use crate::rig::{Line, PASSWORD, Rig};

/// What differs from run to run, as words.
fn normal(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("* ")) {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| {
                let digits =
                    |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
                if word.starts_with("TAP-") {
                    "TAP-1234-5678".into()
                } else if word.len() == 29 && word.split('-').count() == 6 {
                    "aaaa-bbbb-cccc-dddd-eeee-ffff".into()
                } else if word.len() == 10
                    && word.split('-').count() == 3
                    && word.split('-').all(digits)
                {
                    "2026-11-28".into()
                } else if word.len() == 8
                    && word.split(':').count() == 3
                    && word.split(':').all(digits)
                {
                    "12:34:56".into()
                } else if word == env!("CARGO_PKG_VERSION") {
                    "VERSION".into()
                } else {
                    word.to_owned()
                }
            })
            .collect();
        lines.push(words.join(" "));
    }
    lines.join("\n") + "\n"
}

fn is_golden(name: &str, line: &Line) {
    let port = line.port.file_name().unwrap().to_str().unwrap();
    let text = normal(&line.text()).replace(&format!("on {port}\n"), "on ttyS0\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == text, "{name} differs; what was seen:\n{text}");
}

#[test]
fn the_first_hour_is_as_written() {
    let mut rig = Rig::new();
    let line = Line::new(true);
    rig.console(&line);
    line.send(b"\r");
    line.prompt("Name of the box [tapioca]: ");
    line.say("cellar", "New password: ");
    line.say("too short", "Once more: ");
    line.say("too short", "New password: ");
    line.say(PASSWORD, "Once more: ");
    line.say(PASSWORD, "cellar> ");
    let (plain, configure) = ("cellar> ", "cellar (configure)# ");
    line.say("show library", plain);
    line.say("configure", configure);
    line.say("set network any adress 10.0.0.5/24", configure);
    line.say("set network any address 10.0.0.5", configure);
    line.say("set network any address 10.0.0.5/24", configure);
    line.say("set network any gateway 10.0.1.1", configure);
    line.say("check", configure);
    line.say("set network any gateway 10.0.0.1", configure);
    line.say("set serve mail port 99999", configure);
    line.say("set serve mail port 25", configure);
    line.say("commit", configure);
    line.say("delete serve mail", configure);
    line.say("diff", configure);
    line.say("commit confirm 5", configure);
    line.say("confirm", configure);
    line.say("set name attic", configure);
    line.say("commit because it moved", "attic (configure)# ");
    line.say("rollback 1", "attic (configure)# ");
    line.say("diff", "attic (configure)# ");
    line.say("exit", "attic> ");
    line.say("show set", "attic> ");
    line.say("show settings", "attic> ");
    line.say("show sets", "attic> ");
    line.say("reset everything", "Serial number of this box: ");
    line.say("TAP-0000-0000", "attic> ");
    line.say("reboot", "reboot: type yes: ");
    line.say("no", "attic> ");
    line.send(b"logout\r");
    line.expect("goodbye");
    is_golden("first-hour.txt", &line);
}

#[test]
fn help_and_completion_are_at_every_word() {
    let mut rig = Rig::new();
    let line = Line::new(true);
    rig.claim(&line);
    line.send(b"sh\tmed?");
    let text = line.expect("  medium             all about a cartridge");
    assert!(text.contains("  media              cartridges"), "{text}");
    line.prompt("tapioca> show med");
    line.send(b"\x15conf\tg\t\r");
    line.prompt("(configure)# ");
    line.send(b"set net\tany ad\t");
    line.prompt("(configure)# set network any address ");
    line.send(b"?");
    line.expect("as in 10.0.0.5/24");
    line.send(b"10.0.0.7/24\r");
    line.prompt("(configure)# ");
    // ^P brings it back, ^W takes the last word, and what the line lost ^L draws again.
    line.send(b"\x10\x1710.0.0.8/24\x0c\r");
    let shown = line.say("show", "(configure)# ");
    assert!(shown.contains("network any address 10.0.0.8/24"), "{}", line.text());
}

#[test]
fn a_commit_that_nobody_confirms_goes_back() {
    let mut rig = Rig::new();
    let line = Line::new(true);
    rig.claim(&line);
    line.say("configure", "(configure)# ");
    line.say("set name first", "(configure)# ");
    line.say("commit", "first (configure)# ");
    line.say("set name second", "(configure)# ");
    let shown = line.say("commit confirm seconds 2", "second (configure)# ");
    assert!(shown.contains("for 2 s: confirm, or it goes back"), "{shown}");
    line.expect("* nobody confirmed: settings are as before");
    line.send(b"\r");
    line.prompt("first (configure)# ");
    // And when the power goes meanwhile.
    line.say("commit confirm 30", "second (configure)# ");
    rig.kill("steward");
    rig.steward();
    line.send(b"show\r");
    line.expect("the steward did not answer: log in again");
    line.send(b"\r");
    line.prompt("Password: ");
    assert!(line.text().contains("name           first"), "{}", line.text());
    line.say(PASSWORD, "first> ");
    let shown = line.say("show history", "first> ");
    assert!(shown.contains("was not confirmed before a restart"), "{shown}");
}

#[test]
fn wrong_passwords_wait_and_a_lost_one_is_forgotten_with_the_serial_number() {
    let mut rig = Rig::new();
    let line = Line::new(true);
    rig.claim(&line);
    line.send(b"logout\r");
    line.expect("goodbye");
    line.send(b"\r");
    line.prompt("Password: ");
    let shown = line.say("", "Password: ");
    assert!(!shown.contains('%'), "Enter alone is no password: {shown}");
    let shown = line.say("wrong password", "Password: ");
    assert!(shown.contains("% that is not the password"), "{shown}");
    let shown = line.say(PASSWORD, "Password: ");
    assert!(shown.contains("% wait 1 s"), "{shown}");
    assert!(!line.text().contains(PASSWORD), "a password is shown");
    let text = line.text();
    let serial = text.split_whitespace().find(|word| word.starts_with("TAP-")).unwrap();
    line.say("recover", "Serial number of this box: ");
    line.say(serial, "Name of the box [tapioca]: ");
    line.say("", "New password: ");
    line.say("another password", "Once more: ");
    line.say("another password", "tapioca> ");
}

#[test]
fn the_library_is_worked_and_its_answers_are_paged() {
    let mut rig = Rig::new();
    rig.serve();
    let line = Line::new(true);
    rig.claim(&line);
    line.send(b"show library\r");
    line.prompt("-- more: space, Enter, q --");
    line.send(b"q");
    line.prompt("tapioca> ");
    let shown = line.say("show media | include TAP007", "tapioca> ");
    assert!(shown.contains("TAP007L9") && !shown.contains("TAP008L9"), "{shown}");
    let shown = line.say("show drives", "tapioca> ");
    assert!(shown.contains("DRIVE  DOES"), "{shown}");
    let shown = line.say("show drives | json | include \"number\"", "tapioca> ");
    assert!(shown.contains("\"number\": 1"), "{shown}");
    let shown = line.say("machine web enrol", "tapioca> ");
    assert!(shown.contains("good once, until"), "{shown}");
    let shown = line.say("job 99 cancel", "tapioca> ");
    assert!(shown.contains("% "), "{shown}");
    let shown = line.say("library export TAP003L9", "tapioca> ");
    assert!(shown.contains("done"), "{shown}");
    line.expect("take TAP003L9 out of mail slot");
    let shown = line.say("show status", "tapioca> ");
    assert!(shown.contains("serial number") && shown.contains("writable cartridges"), "{shown}");
    line.send(b"watch\r");
    line.expect("any key ends this");
    line.send(b"x");
    line.prompt("tapioca> ");
    line.say("user anna may look operate", "tapioca> ");
    line.say("user anna pass", "New password: ");
    line.say("anna has a password", "Once more: ");
    let shown = line.say("anna has a password", "tapioca> ");
    assert!(shown.contains("done"), "{shown}");
    let shown = line.say("show users", "tapioca> ");
    assert!(shown.contains("anna"), "{shown}");
    let shown = line.say("requests", "later: ");
    assert!(shown.contains("take TAP003L9 out of mail slot 16, then Enter"), "{shown}");
    line.say("no the robot is locked", "tapioca> ");
    let shown = line.say("requests", "tapioca> ");
    assert!(shown.contains("nobody is asked for anything"), "{shown}");
    // The service goes and comes; the steward's part works meanwhile.
    rig.kill_service();
    let shown = line.say("show drives", "tapioca> ");
    assert!(shown.contains("% "), "{shown}");
    let shown = line.say("show settings", "tapioca> ");
    assert!(shown.contains("everything is as usual"), "{shown}");
    rig.serve();
    let shown = line.say("show drives", "tapioca> ");
    assert!(shown.contains("DRIVE  DOES"), "{shown}");
}

#[test]
fn the_manual_lists_all_commands_and_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/console.md");
    let (text, page) = (std::fs::read_to_string(&path).unwrap(), tapioca::console::grammar::page());
    let head = text.split("## Operational mode").next().unwrap();
    let whole = format!("{head}{page}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(
        text == whole,
        "docs/console.md does not end with what `tapioca console --commands` prints"
    );
}
