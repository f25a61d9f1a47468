//! What comes over a serial line, what is typed there, and what the box's processes say to its steward.
//!
//! Promises: any bytes leave the editor with a line within its limits and the cursor between two characters; any
//! line is understood, or refused in one line of words; what Tab adds can be followed further; frames come out the
//! same in whatever pieces, and what is said again is the same; settings that are read are the same when their
//! text, or their words, are read again; what a process says is understood whole or not at all.

use tapioca::console::commands::{Does, Mode};
use tapioca::console::editor::{Edited, Editor, LINE_BYTES_MAX};
use tapioca::console::frame::{self, Decoder, Question};
use tapioca::console::grammar::{choices, complete, sieve, split, understand};
use tapioca::settings::{Settings, diff};
use tapioca::steward::message::{self, Answer, Ask};
use tapioca::stream::Fault;

fn one_line(fault: &Fault) {
    assert!(!fault.what.contains('\n'), "{:?}", fault.what);
}

pub fn editor(bytes: &[u8]) {
    let mut editor = Editor::default();
    let mut out = Vec::new();
    editor.begin("box> ", bytes.len().is_multiple_of(7), &mut out);
    for byte in bytes {
        out.clear();
        let edited = editor.byte(*byte, &mut out);
        assert!(editor.line().len() <= LINE_BYTES_MAX);
        assert!(editor.line().is_char_boundary(editor.before_cursor().len()));
        assert!(out.len() <= 400, "a byte makes {} bytes", out.len());
        assert!(std::str::from_utf8(&out).is_ok());
        if edited == Edited::Done {
            assert!(!editor.take().contains(char::is_control));
            editor.begin("box> ", false, &mut out);
        }
    }
}

pub fn command(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let names = |_: &str| vec!["0000:00:02.0".to_owned()];
    for mode in [Mode::Operational, Mode::Configure] {
        if let Some(added) = complete(mode, line, &names) {
            let longer = format!("{line}{added}");
            assert!(choices(mode, &longer, &names).is_ok(), "{longer:?} cannot be followed");
        }
        if let Err(fault) = choices(mode, line, &names) {
            one_line(&fault);
        }
        let words = split(line).and_then(sieve);
        let understood = words.and_then(|(words, _)| understand(mode, &words));
        match understood {
            Ok(understood) => {
                let done = match understood.row.does {
                    Does::Tell(tell) => tell(&understood.said).err(),
                    Does::Ask(ask) => ask(&understood.said).err(),
                    Does::Own(_) => None,
                };
                if let Some(fault) = done {
                    one_line(&fault);
                }
            }
            Err(fault) => one_line(&fault),
        }
    }
}

pub fn dialect(bytes: &[u8]) {
    let mut decoder = Decoder::default();
    for byte in bytes {
        if let Some(Ok(question)) = decoder.byte::<Question>(*byte) {
            let again = frame::encode(&question).expect("it came in a frame");
            let mut decoder = Decoder::default();
            let heard: Vec<_> = again.iter().filter_map(|b| decoder.byte::<Question>(*b)).collect();
            assert_eq!(heard, [Ok(question)]);
        }
    }
}

pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let settings = match Settings::parse(text) {
        Ok(settings) => settings,
        Err(fault) => {
            one_line(&fault);
            return words(text);
        }
    };
    assert_eq!(Settings::parse(&settings.text()).as_ref(), Ok(&settings));
    assert!(diff(&settings, &settings).is_empty());
    if let Err(fault) = settings.check() {
        one_line(&fault);
    }
    let mut typed = Settings::default();
    for line in settings.lines() {
        let words = line.words.iter().chain(&line.values).map(String::as_str).collect::<Vec<_>>();
        // An empty list is kept as one, and cannot be typed; what is more or less than a command takes neither.
        match typed.set(&words) {
            Ok(set) => typed = set,
            Err(fault) => return one_line(&fault),
        }
    }
    // An empty table says nothing, and is no line.
    assert_eq!(typed.lines(), settings.lines());
}

/// What is no text of settings may be their words.
fn words(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    match Settings::default().set(&words) {
        Ok(settings) => assert_eq!(Settings::parse(&settings.text()), Ok(settings)),
        Err(fault) => one_line(&fault),
    }
}

pub fn steward(bytes: &[u8]) {
    let mut from = bytes;
    while let Ok(Some(ask)) = message::read::<Ask>(&mut from) {
        let mut again = Vec::new();
        message::write(&ask, &mut again).expect("it came in a message");
        assert_eq!(message::read::<Ask>(&mut again.as_slice()), Ok(Some(ask)));
    }
    if let Ok(answer) = message::decode::<Answer>(bytes) {
        let mut again = Vec::new();
        message::write(&answer, &mut again).expect("it is as short");
    }
}
