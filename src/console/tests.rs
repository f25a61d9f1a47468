//! Grammar, editor, pager and frames, without a line.

use super::commands::{Does, Mode, ROWS};
use super::editor::{COLUMNS, Edited, Editor, HISTORY_MAX, LINE_BYTES_MAX};
use super::frame::{Damaged, Decoder, Question, Reply, Told, Want, encode};
use super::grammar::{choices, complete, page, sieve, split, understand};
use super::pager::{Pager, ROWS as SCREEN, Turn, turn};

fn none(_: &str) -> Vec<String> {
    Vec::new()
}

fn meant(mode: Mode, line: &str) -> Result<(String, Vec<String>), String> {
    let tokens = split(line).unwrap();
    match understand(mode, &tokens) {
        Ok(understood) => Ok((understood.row.words.into(), understood.said)),
        Err(fault) => Err(fault.what),
    }
}

/// What stands for each part in an example.
fn example(row: &str) -> String {
    row.split(' ')
        .map(|word| match word {
            "<place>" => "mail slot 1",
            "<n>" | "<job>" | "<drive>" | "<minutes>" => "7",
            "<setting>" => "name box",
            "<command>" => "show jobs",
            word if word.starts_with('<') => "x1",
            word => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_row_is_understood_as_itself_and_can_be_done() {
    for row in ROWS {
        let mode = if row.mode == Mode::Both { Mode::Configure } else { row.mode };
        let line = example(row.words);
        let understood =
            understand(mode, &split(&line).unwrap()).unwrap_or_else(|f| panic!("{line}: {f}"));
        assert_eq!(understood.row.words, row.words, "{line}");
        assert!(!row.help.is_empty() && row.help.len() <= 60, "{line}");
        match row.does {
            Does::Tell(tell) if row.words != "user <name> may <words>" => {
                tell(&understood.said).unwrap_or_else(|f| panic!("{line}: {f}"));
            }
            Does::Tell(_) | Does::Own(_) => {}
            Does::Ask(ask) => _ = ask(&understood.said).unwrap_or_else(|f| panic!("{line}: {f}")),
        }
    }
}

#[test]
fn words_may_be_short_while_they_mean_one_thing() {
    use Mode::{Configure, Operational};
    let ok = |words: &str, said: &[&str]| {
        Ok((words.to_owned(), said.iter().map(|s| (*s).to_owned()).collect()))
    };
    assert_eq!(meant(Operational, "sh st"), ok("show status", &[]));
    assert_eq!(meant(Operational, "j 7 ca"), ok("job <job> cancel", &["7"]));
    assert_eq!(
        meant(Operational, "lib m s 3 ma s 1"),
        ok("library move <place> <place>", &["slot 3", "mail slot 1"])
    );
    assert_eq!(
        meant(Configure, "set network any dns 1.1.1.1"),
        ok("set <setting>", &["network", "any", "dns", "1.1.1.1"])
    );
    assert_eq!(meant(Operational, "sh me"), Err("\"me\" may be media, medium".into()));
    assert_eq!(meant(Operational, "show job"), Err("\"show job\" is not all of a command".into()));
    assert_eq!(meant(Operational, "show job x"), Err("\"x\" cannot follow \"show job\"".into()));
    assert_eq!(meant(Operational, "eat"), Err("no command begins with \"eat\"".into()));
    assert_eq!(meant(Operational, "check now"), Err("nothing follows \"check\"".into()));
    assert_eq!(meant(Operational, "set name x"), Err("no command begins with \"set\"".into()));
}

#[test]
fn quotes_and_bars_are_taken_off() {
    assert_eq!(split("a \"b c\" \"\"").unwrap(), ["a", "b c", ""]);
    assert!(split("a \"b").is_err());
    let (words, got) = sieve(split("show jobs | inc a b | json").unwrap()).unwrap();
    assert_eq!((words.len(), got.include.as_deref(), got.json), (2, Some("a b"), true));
    assert!(sieve(split("show jobs | grep x").unwrap()).is_err());
    assert!(sieve(split("show jobs |").unwrap()).is_err());
}

#[test]
fn every_place_has_help_and_tab_goes_on() {
    let words = |mode, line: &str| -> Vec<String> {
        choices(mode, line, &none).unwrap().into_iter().map(|choice| choice.word).collect()
    };
    assert_eq!(words(Mode::Operational, "show me"), ["media", "medium"]);
    assert_eq!(words(Mode::Operational, "library move "), ["drive", "mail", "slot"]);
    assert_eq!(words(Mode::Operational, "show jobs "), ["bad", "open", "<Enter>"]);
    assert_eq!(words(Mode::Operational, "show jobs | "), ["include", "json"]);
    assert_eq!(words(Mode::Configure, "set ser"), ["serve"]);
    assert_eq!(words(Mode::Configure, "set serve webhook "), ["url", "token"]);
    assert_eq!(words(Mode::Configure, "set name "), ["<value>"]);
    let links = |part: &str| if part == "link" { vec!["0000:00:02.0".into()] } else { Vec::new() };
    let found = choices(Mode::Configure, "set network ", &links).unwrap();
    assert_eq!(found[0].word, "0000:00:02.0");
    for (line, added) in [
        ("sh", Some("ow ")),
        ("show me", Some("di")),
        ("show med", Some("i")),
        ("show jo", Some("b")),
        ("zz", None),
        ("show ", None),
        ("show jobs o", Some("pen ")),
    ] {
        assert_eq!(complete(Mode::Operational, line, &none).as_deref(), added, "{line}");
    }
    assert_eq!(complete(Mode::Configure, "set serve l", &none).as_deref(), Some("i"));
    let all = choices(Mode::Operational, "", &none).unwrap();
    assert!(all.iter().all(|choice| !choice.help.is_empty() && choice.help != "…"), "{all:?}");
    assert!(page().contains("| `job <job> cancel` |"));
}

/// A screen of one row: what a terminal would show, and where its cursor is.
#[derive(Default)]
struct Screen {
    cells: Vec<char>,
    column: usize,
}

impl Screen {
    fn show(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\r' => self.column = 0,
                '\x08' => self.column = self.column.saturating_sub(1),
                '\x07' => {}
                '\x1b' => {
                    assert_eq!(rest.next(), Some('['));
                    let digits: String = rest.clone().take_while(char::is_ascii_digit).collect();
                    rest = rest.as_str()[digits.len()..].chars();
                    match rest.next() {
                        Some('K') => self.cells.truncate(self.column),
                        Some('D') => self.column -= digits.parse::<usize>().unwrap(),
                        other => panic!("unknown sequence {other:?}"),
                    }
                }
                c => {
                    self.cells.resize(self.cells.len().max(self.column + 1), ' ');
                    self.cells[self.column] = c;
                    self.column += 1;
                    assert!(self.column < COLUMNS, "the line wraps");
                }
            }
        }
    }

    fn text(&self) -> String {
        self.cells.iter().collect::<String>().trim_end().to_owned()
    }
}

fn typed(editor: &mut Editor, screen: &mut Screen, keys: &str) -> Edited {
    let mut last = Edited::Open;
    for byte in keys.bytes() {
        let mut out = Vec::new();
        last = editor.byte(byte, &mut out);
        screen.show(&out);
    }
    last
}

fn begin(editor: &mut Editor, screen: &mut Screen, secret: bool) {
    *screen = Screen::default();
    let mut out = Vec::new();
    editor.begin("> ", secret, &mut out);
    screen.show(&out);
}

#[test]
fn lines_are_edited_as_people_expect() {
    let (mut editor, mut screen) = (Editor::default(), Screen::default());
    for (keys, line, shown) in [
        ("abc", "abc", "> abc"),
        ("abc\x7f\x7fx", "ax", "> ax"),
        ("abc\x1b[D\x1b[Dx", "axbc", "> axbc"),
        ("abc\x01x\x05y", "xabcy", "> xabcy"),
        ("one two\x17three", "one three", "> one three"),
        ("one two\x1b[D\x15", "o", "> o"),
        ("one two\x02\x02\x02\x0b", "one ", "> one"),
        ("äöü\x02\x7fx", "äxü", "> äxü"),
        ("abc\x1b[H\x1b[3~\x1b[F.", "bc.", "> bc."),
        ("a\x1b[1;5Cb\x1bOHc", "cab", "> cab"),
        // A byte of a character was lost on the way.
        ("a\u{c3}b", "aÃb", "> aÃb"),
    ] {
        begin(&mut editor, &mut screen, false);
        typed(&mut editor, &mut screen, keys);
        assert_eq!(editor.line(), line, "{keys:?}");
        assert_eq!(screen.text(), shown, "{keys:?}");
        let column = 2 + editor.before_cursor().chars().count();
        assert_eq!(screen.column, column, "{keys:?}");
    }
    begin(&mut editor, &mut screen, false);
    let mut out = Vec::new();
    for byte in [b'a', 0xc3, b'b', 0xff, b'c'] {
        editor.byte(byte, &mut out);
    }
    assert_eq!(editor.line(), "abc", "lost bytes lose one character");
}

#[test]
fn a_long_line_is_seen_through_a_window() {
    let (mut editor, mut screen) = (Editor::default(), Screen::default());
    begin(&mut editor, &mut screen, false);
    let long: String = (0..LINE_BYTES_MAX).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    typed(&mut editor, &mut screen, &long);
    assert_eq!(editor.line(), long);
    typed(&mut editor, &mut screen, "z");
    assert_eq!(editor.line(), long, "no more fits");
    typed(&mut editor, &mut screen, "\x01");
    assert_eq!(screen.text(), format!("> {}", &long[..COLUMNS - 3]));
    for key in ["\x06"; LINE_BYTES_MAX] {
        typed(&mut editor, &mut screen, key);
    }
    assert!(screen.text().ends_with(&long[LINE_BYTES_MAX - 20..]));
    let before = screen.text();
    typed(&mut editor, &mut screen, "\x0c");
    assert_eq!(screen.text(), before, "drawing again changes nothing");
}

#[test]
fn lines_are_remembered_but_for_secrets() {
    let (mut editor, mut screen) = (Editor::default(), Screen::default());
    for line in ["one", "two", "two"] {
        begin(&mut editor, &mut screen, false);
        assert_eq!(typed(&mut editor, &mut screen, &format!("{line}\r")), Edited::Done);
        assert_eq!(editor.take(), line);
    }
    begin(&mut editor, &mut screen, true);
    typed(&mut editor, &mut screen, "hunter2\x1b[D?");
    assert_eq!((editor.line(), screen.text().as_str()), ("hunter?2", ">"));
    editor.take();
    begin(&mut editor, &mut screen, false);
    typed(&mut editor, &mut screen, "dr\x10");
    assert_eq!(editor.line(), "two");
    typed(&mut editor, &mut screen, "\x1b[A\x1b[A\x1b[A");
    assert_eq!((editor.line(), screen.text().as_str()), ("one", "> one"));
    typed(&mut editor, &mut screen, "\x1b[B\x0e");
    assert_eq!(editor.line(), "dr", "what was written comes back");
    for n in 0..2 * HISTORY_MAX {
        begin(&mut editor, &mut screen, false);
        typed(&mut editor, &mut screen, &format!("line {n}\r"));
        editor.take();
    }
    editor.forget();
    begin(&mut editor, &mut screen, false);
    typed(&mut editor, &mut screen, "\x10");
    assert_eq!(editor.line(), "");
}

#[test]
fn control_keys_are_told() {
    let (mut editor, mut screen) = (Editor::default(), Screen::default());
    begin(&mut editor, &mut screen, false);
    for (keys, told) in [
        ("\x03", Edited::Interrupted),
        ("\x04", Edited::Left),
        ("\t", Edited::Complete),
        ("?", Edited::Help),
        ("\0", Edited::Break),
        ("a\"?", Edited::Open),
        ("\r", Edited::Done),
        ("\n", Edited::Open),
        ("\n", Edited::Done),
    ] {
        assert_eq!(typed(&mut editor, &mut screen, keys), told, "{keys:?}");
    }
    assert!(!editor.is_marked());
    begin(&mut editor, &mut screen, false);
    typed(&mut editor, &mut screen, "\x01record on");
    assert!(editor.is_marked());
}

#[test]
fn pages_fill_the_screen_but_for_a_row() {
    let text: String = (0..60).map(|n| format!("{n}\n")).collect();
    let mut pager = Pager::new(&text);
    assert_eq!(pager.next(Turn::Page).len(), SCREEN - 1);
    assert_eq!(pager.next(Turn::Line), ["23"]);
    assert_eq!(pager.next(Turn::Page).len(), SCREEN - 1);
    assert!(pager.has_more());
    assert_eq!(pager.next(Turn::Page).len(), 60 - 47);
    assert!(!pager.has_more());
    let long = "x".repeat(COLUMNS + 1);
    let text = [long.as_str(); 20].join("\n");
    assert_eq!(Pager::new(&text).next(Turn::Page).len(), (SCREEN - 1) / 2);
    assert_eq!(
        [b' ', b'\r', b'q', b'x'].map(turn),
        [Some(Turn::Page), Some(Turn::Line), Some(Turn::Stop), None]
    );
}

#[test]
fn frames_survive_noise_between_them() {
    let question = Question { number: 7, want: Want::Line("show status".into()) };
    let frame = encode(&question).unwrap();
    let mut decoder = Decoder::default();
    let mut heard = Vec::new();
    let noise = [b"OK\r\n\0".as_slice(), &frame, b"\0\0", &frame[3..], &frame].concat();
    for byte in noise {
        heard.extend(decoder.byte::<Question>(byte));
    }
    assert_eq!(heard, [Err(Damaged), Ok(question.clone()), Err(Damaged), Ok(question)]);
    for at in 0..frame.len() - 1 {
        let mut flipped = frame.clone();
        flipped[at] ^= 4;
        let mut decoder = Decoder::default();
        let heard: Vec<_> =
            flipped.iter().filter_map(|byte| decoder.byte::<Question>(*byte)).collect();
        assert!(heard.iter().all(|heard| *heard == Err(Damaged)), "byte {at}: {heard:?}");
    }
    let mut decoder = Decoder::default();
    let heard: Vec<_> =
        vec![1; 1 << 20].into_iter().chain([0]).filter_map(|b| decoder.byte::<Reply>(b)).collect();
    assert_eq!(heard, [Err(Damaged)]);
    assert!(
        encode(&Reply { number: 1, told: Told::Part { text: "x".repeat(9000), last: true } })
            .is_err()
    );
}
