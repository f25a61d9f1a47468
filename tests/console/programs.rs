//! The dialect of programs on the same line.

use tapioca::console::frame::{Decoder, Question, Reply, Told, Want, encode};
use tapioca::tapicom::message::Secret;

use crate::rig::{Line, PASSWORD, Rig};

/// Answers that came since byte `from`.
fn answers(bytes: &[u8]) -> Vec<Reply> {
    let mut decoder = Decoder::default();
    bytes.iter().filter_map(|byte| decoder.byte::<Reply>(*byte)).flatten().collect()
}

struct Program<'a> {
    line: &'a Line,
    from: usize,
    number: u32,
}

impl Program<'_> {
    fn ask(&mut self, want: Want) -> Vec<Told> {
        self.number += 1;
        let number = self.number;
        self.line.send(&encode(&Question { number, want }).unwrap());
        let of = |bytes: &[u8]| -> Vec<Told> {
            let all = answers(&bytes[self.from..]).into_iter();
            all.filter(|reply| reply.number == number).map(|reply| reply.told).collect()
        };
        let is_whole = |told: &Vec<Told>| match told.last() {
            Some(Told::Part { last, .. }) => *last,
            other => other.is_some(),
        };
        self.line.until("an answer", |screen| is_whole(&of(&screen.bytes)));
        of(&self.line.bytes())
    }

    fn text(&mut self, line: &str) -> Result<String, String> {
        let mut text = String::new();
        for told in self.ask(Want::Line(line.into())) {
            match told {
                Told::Part { text: part, .. } => text.push_str(&part),
                Told::Refused { what, .. } => return Err(what),
                other => panic!("{line}: {other:?}"),
            }
        }
        Ok(text)
    }
}

#[test]
fn programs_claim_configure_and_ask_and_people_have_the_line_again() {
    let mut rig = Rig::new();
    rig.serve();
    let line = Line::new(true);
    rig.console(&line);
    line.send(b"\r");
    line.prompt("Name of the box [tapioca]: ");
    let from = line.bytes().len();
    line.send(b"\x01record on\r");
    let mut program = Program { line: &line, from, number: 0 };
    let [Told::Hello { version: 1, serial }] = &program.ask(Want::Hello)[..] else {
        panic!("no hello")
    };
    assert!(serial.starts_with("TAP-"));
    assert_eq!(program.text("show settings"), Err("log in first".into()));
    assert_eq!(program.text("show drives"), Err("log in first".into()));
    let claim = Want::Claim { password: Secret::new(PASSWORD) };
    assert_eq!(program.ask(claim), [Told::Done]);
    let drives: serde_json::Value =
        serde_json::from_str(&program.text("show drives").unwrap()).unwrap();
    assert_eq!(drives["Drives"][0]["number"], 1, "{drives}");
    // Damaged on the way: said so, and not done.
    let mut broken = encode(&Question { number: 99, want: Want::Line("reboot".into()) }).unwrap();
    broken[3] ^= 1;
    line.send(&broken);
    line.until("a complaint", |screen| {
        answers(&screen.bytes[from..]).contains(&Reply { number: 0, told: Told::Damaged })
    });
    program.text("configure").unwrap();
    program.text("set name cellar").unwrap();
    let committed: serde_json::Value =
        serde_json::from_str(&program.text("commit").unwrap()).unwrap();
    assert_eq!(committed["Committed"]["generation"], 1);
    assert_eq!(program.text("set nmae x"), Err("settings: no setting \"nmae\"".into()));
    program.text("exit").unwrap();
    // Longer than a frame.
    let media = program.text("show media").unwrap();
    assert!(media.len() > 4096 && serde_json::from_str::<serde_json::Value>(&media).is_ok());
    assert!(program.text("watch").is_err(), "questions are not for programs");
    assert_eq!(program.ask(Want::Off), [Told::Done]);
    line.send(b"\r");
    line.prompt("Password: ");
    line.say(PASSWORD, "cellar> ");
}
