//! A session on one line.
//!
//! Owns who is there, the mode, and the way from a line that was typed to what is shown. Nothing is printed
//! until somebody presses Enter. What happens meanwhile is printed above the line that is being written. A session
//! that nobody touches for long ends by itself, and one whose line is gone ends at once; neither keeps anything.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commands::{Does, Mode, Own};
use super::editor::{Edited, Editor};
use super::grammar::{Sieve, Understood, choices, complete, sieve, split, understand};
use super::inbox::{Happened, Inbox};
use super::output::{Gone, Output};
use super::pager::{MORE, Pager, Turn, turn};
use super::parts::{after, with_page};
use super::screens;
use super::service::{Service, refusal};
use crate::settings::Speed;
use crate::steward::client::Steward;
use crate::steward::message::{Answer, Ask, State};
use crate::stream::Fault;
use crate::table::Shown;
use crate::tapicom::message::{Command, Event, Reply, Why};

/// How long a session may be left alone.
const IDLE: Duration = Duration::from_secs(900);
/// Events that are remembered.
const EVENTS_MAX: usize = 200;
/// Parts of a long answer that are shown at most.
const PARTS_MAX: usize = 50;

/// How answers of the service look.
#[derive(Clone, Copy)]
pub struct Views {
    /// For people.
    pub shown: fn(Reply) -> Result<Shown, Fault>,
    /// For programs.
    pub json: fn(&Reply) -> Result<serde_json::Value, Fault>,
    /// An event, on a line.
    pub event: fn(&Event) -> String,
}

/// What a session is given.
pub struct Given {
    /// The line, in words: it is told who commits settings.
    pub line: String,
    /// Its speed if none is set.
    pub speed: Speed,
    /// Where the steward listens.
    pub steward: PathBuf,
    /// Where the service listens.
    pub serve: PathBuf,
    /// How answers look.
    pub views: Views,
}

/// Why a session does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// The line is gone.
    Gone,
    /// Somebody left, or was away too long.
    Out,
}

impl From<Gone> for Leave {
    fn from(_: Gone) -> Leave {
        Leave::Gone
    }
}

/// Goes on, or does not.
pub(super) type Flow<T> = Result<T, Leave>;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// ^C.
    Interrupted,
    /// ^D.
    Left,
    /// A program wants to talk.
    Record,
}

/// A session.
pub struct Session {
    pub(super) given: Given,
    pub(super) inbox: Arc<Inbox>,
    pub(super) out: Output,
    pub(super) editor: Editor,
    pub(super) steward: Option<Steward>,
    pub(super) service: Service,
    pub(super) mode: Mode,
    pub(super) name: String,
    pub(super) events: VecDeque<String>,
    /// When settings that wait to be confirmed go back.
    pub(super) trial: Option<Instant>,
    /// The speed that was set when it was looked for last.
    pub(super) speed: Option<Speed>,
}

impl Session {
    /// On a line.
    pub fn new(given: Given, inbox: Arc<Inbox>, out: Output) -> Session {
        let service = Service::new(given.serve.clone(), inbox.clone());
        Session {
            given,
            inbox,
            out,
            editor: Editor::default(),
            steward: None,
            service,
            mode: Mode::Operational,
            name: String::new(),
            events: VecDeque::new(),
            trial: None,
            speed: None,
        }
    }

    /// Goes on until the line is gone.
    pub fn run(mut self) {
        while self.wait_for_somebody() && self.visit() != Err(Leave::Gone) {
            self.forget();
        }
        self.forget();
        self.inbox.gone();
    }

    /// Nobody is there any more.
    fn forget(&mut self) {
        self.service.leave();
        self.steward = None;
        self.editor.forget();
        self.events.clear();
        (self.mode, self.trial) = (Mode::Operational, None);
    }

    /// One visit: who it is, and what they want.
    fn visit(&mut self) -> Flow<()> {
        let state = match self.state() {
            Ok(state) => state,
            Err(fault) => {
                self.complain(&fault)?;
                return Err(Leave::Out);
            }
        };
        self.out.text(&screens::banner(&state, &self.given.line))?;
        self.let_in(&state)?;
        self.commands()
    }

    fn commands(&mut self) -> Flow<()> {
        loop {
            let prompt = match self.mode {
                Mode::Configure => format!("{} (configure)# ", self.name),
                _ => format!("{}> ", self.name),
            };
            match self.read_line(&prompt, false, true)? {
                Typed::Line(line) => self.execute(&line)?,
                Typed::Interrupted => {}
                Typed::Left => self.leave_mode()?,
                Typed::Record => self.record()?,
            }
            if self.steward.is_none() {
                self.out.line("the steward did not answer: log in again")?;
                return Err(Leave::Out);
            }
        }
    }

    pub(super) fn leave_mode(&mut self) -> Flow<()> {
        match self.mode {
            Mode::Configure => {
                self.mode = Mode::Operational;
                if self.state().is_ok_and(|state| state.edited) {
                    self.out.line("the candidate is kept, and not in force: commit, or discard")?;
                }
                Ok(())
            }
            _ => {
                self.out.line("goodbye")?;
                Err(Leave::Out)
            }
        }
    }

    /// What people type until Enter.
    pub(super) fn read_line(&mut self, prompt: &str, secret: bool, helps: bool) -> Flow<Typed> {
        let mut out = Vec::new();
        self.editor.begin(prompt, secret, &mut out);
        self.out.raw(&out)?;
        let mut idle = Instant::now() + IDLE;
        loop {
            let until = self.trial.map_or(idle, |trial| trial.min(idle));
            match self.inbox.next(Some(until)) {
                Happened::Key(key) => {
                    idle = Instant::now() + IDLE;
                    if let Some(typed) = self.key(key, helps)? {
                        return Ok(typed);
                    }
                }
                Happened::News(event) => self.news(&event, true)?,
                Happened::Answered(..) => {}
                Happened::Gone => return Err(Leave::Gone),
                Happened::Nothing if Instant::now() >= idle => {
                    self.out.line("\nnobody is here: goodbye")?;
                    return Err(Leave::Out);
                }
                Happened::Nothing => self.look_at_trial()?,
            }
        }
    }

    fn key(&mut self, key: u8, helps: bool) -> Flow<Option<Typed>> {
        let mut out = Vec::new();
        let edited = self.editor.byte(key, &mut out);
        let typed = match edited {
            Edited::Open => None,
            Edited::Done => {
                out.extend_from_slice(b"\r\n");
                let marked = self.editor.is_marked();
                let line = self.editor.take();
                Some(match marked && line.trim() == "record on" {
                    true => Typed::Record,
                    false => Typed::Line(line.as_str().to_owned()),
                })
            }
            Edited::Interrupted => {
                out.extend_from_slice(b"^C\r\n");
                Some(Typed::Interrupted)
            }
            Edited::Left => {
                out.extend_from_slice(b"\r\n");
                Some(Typed::Left)
            }
            Edited::Help if helps => {
                self.help(&mut out);
                None
            }
            Edited::Help => {
                self.editor.insert("?", &mut out);
                None
            }
            Edited::Complete if helps => {
                self.complete(&mut out);
                None
            }
            Edited::Complete | Edited::Break => None,
        };
        self.out.raw(&out)?;
        Ok(typed)
    }

    /// What could stand at the cursor, below the line, and the line again.
    fn help(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"?\r\n");
        let links = self.names();
        let found = choices(self.mode, self.editor.before_cursor(), &|part| named(&links, part));
        let lines: Vec<String> = match found {
            Ok(found) if found.is_empty() => vec!["  nothing follows".into()],
            Ok(found) => found
                .iter()
                .map(|choice| format!("  {:<18} {}", choice.word, choice.help))
                .collect(),
            Err(fault) => vec![format!("  {fault}")],
        };
        for line in lines {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.editor.draw(out);
    }

    fn complete(&mut self, out: &mut Vec<u8>) {
        let links = self.names();
        match complete(self.mode, self.editor.before_cursor(), &|part| named(&links, part)) {
            Some(added) => self.editor.insert(&added, out),
            None => out.push(7),
        }
    }

    /// Names of links and of this line, for settings.
    fn names(&mut self) -> Vec<(&'static str, String)> {
        let mut names = vec![("link", "any".to_owned())];
        if self.mode == Mode::Configure
            && let Ok(state) = self.state()
        {
            names.extend(
                state.links.into_iter().flat_map(|link| [("link", link.place), ("link", link.mac)]),
            );
        }
        names.push(("port", self.given.line.clone()));
        names
    }

    /// Something happened: it is remembered, and shown above the line that is being written.
    pub(super) fn news(&mut self, event: &Event, shown: bool) -> Flow<()> {
        if matches!(event, Event::Progress(_)) {
            return Ok(());
        }
        let line = (self.given.views.event)(event).trim_end().to_owned();
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(line.clone());
        match shown {
            true => self.above(&line),
            false => Ok(()),
        }
    }

    fn above(&mut self, line: &str) -> Flow<()> {
        let mut out = Vec::new();
        self.editor.lift(&mut out);
        self.out.raw(&out)?;
        self.out.line(&format!("* {line}"))?;
        out.clear();
        self.editor.draw(&mut out);
        Ok(self.out.raw(&out)?)
    }

    fn look_at_trial(&mut self) -> Flow<()> {
        self.trial = None;
        match self.state() {
            Ok(State { back_in_ms: Some(left), .. }) => {
                self.trial = Some(Instant::now() + Duration::from_millis(left + 100));
                Ok(())
            }
            Ok(state) => {
                self.name.clone_from(&state.name);
                let number = state.generation;
                self.above(&format!(
                    "nobody confirmed: settings are as before, as generation {number}"
                ))
            }
            Err(_) => Ok(()),
        }
    }

    /// Says what is wrong, and what to do.
    pub(super) fn complain(&mut self, fault: &Fault) -> Flow<()> {
        self.out.line(&format!("% {fault}"))?;
        match &fault.hint {
            Some(hint) => Ok(self.out.line(&format!("  {hint}"))?),
            None => Ok(()),
        }
    }

    /// Reads a line, and does it.
    fn execute(&mut self, line: &str) -> Flow<()> {
        match self.read(line) {
            Ok(None) => Ok(()),
            Ok(Some((understood, sieve))) => self.carry_out(&understood, &sieve),
            Err(fault) => self.complain(&fault),
        }
    }

    /// What a line means; none: it is empty.
    pub(super) fn read(&self, line: &str) -> Result<Option<(Understood, Sieve)>, Fault> {
        let (words, sieve) = sieve(split(line)?)?;
        match words.is_empty() {
            true => Ok(None),
            false => Ok(Some((understand(self.mode, &words)?, sieve))),
        }
    }

    pub(super) fn carry_out(&mut self, understood: &Understood, sieve: &Sieve) -> Flow<()> {
        if let Does::Own(own) = understood.row.does
            && !is_shown(own)
        {
            return self.own(own, &understood.said, sieve);
        }
        match self.outcome(understood, sieve.json)? {
            Ok(shown) => self.show(&shown, sieve),
            Err(fault) => self.complain(&fault),
        }
    }

    /// What comes of a command that asks nothing further.
    pub(super) fn outcome(
        &mut self,
        understood: &Understood,
        json: bool,
    ) -> Flow<Result<Shown, Fault>> {
        match understood.row.does {
            Does::Tell(tell) => match tell(&understood.said) {
                Ok(command) => self.told(command, json),
                Err(fault) => Ok(Err(fault)),
            },
            Does::Ask(ask) => Ok(ask(&understood.said).and_then(|ask| self.asked(ask, json))),
            Does::Own(own) => self.own_shown(own, json),
        }
    }

    fn asked(&mut self, ask: Ask, json: bool) -> Result<Shown, Fault> {
        let ask = match ask {
            Ask::Commit { words, confirm_s, .. } => {
                Ask::Commit { by: self.given.line.clone(), words, confirm_s }
            }
            other => other,
        };
        let confirms = matches!(ask, Ask::Commit { .. } | Ask::Confirm);
        let answer = self.ask(&ask)?;
        if confirms {
            self.trial = None;
            self.name = self.state()?.name;
        }
        if let Answer::Committed { confirm_s: Some(s), .. } = answer {
            self.trial =
                Some(Instant::now() + Duration::from_secs(s.into()) + Duration::from_millis(200));
        }
        match json {
            true => screens::json(&answer),
            false => Ok(screens::answer(answer)),
        }
    }

    /// The steward's answer; a refusal is a fault.
    pub(super) fn ask(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        let steward = match &mut self.steward {
            Some(steward) => steward,
            None => self.steward.insert(Steward::connect(&self.given.steward)?),
        };
        match steward.ask(ask) {
            Ok(Answer::Refused { what, hint }) => Err(Fault { hint, ..Fault::usage(what) }),
            Ok(answer) => Ok(answer),
            Err(fault) => {
                self.steward = None;
                Err(fault)
            }
        }
    }

    pub(super) fn state(&mut self) -> Result<State, Fault> {
        match self.ask(&Ask::State)? {
            Answer::State(state) => Ok(state),
            _ => Err(Fault::stream("the steward answers something else than was asked")),
        }
    }

    /// The service's answer to a command, all parts of it.
    fn told(&mut self, command: Command, json: bool) -> Flow<Result<Shown, Fault>> {
        let mut all = Shown::default();
        let mut next = Some(command);
        for _ in 0..PARTS_MAX {
            let Some(command) = next.take() else { break };
            let reply = match self.tell(command.clone())? {
                Ok(reply) => reply,
                Err(fault) => return Ok(Err(fault)),
            };
            next = after(&reply).and_then(|after| with_page(command, after));
            let views = self.given.views;
            let shown = match json {
                true => (views.json)(&reply)
                    .map(|value| Shown { data: format!("{value:#}\n"), ..Shown::default() }),
                false => (views.shown)(reply),
            };
            match shown {
                Ok(shown) => {
                    all.data.push_str(&shown.data);
                    all.words.extend(shown.words);
                }
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(all))
    }

    /// The service's answer; ^C ends the waiting.
    pub(super) fn tell(&mut self, command: Command) -> Flow<Result<Reply, Fault>> {
        let number = match self.service.give(command) {
            Ok(number) => number,
            Err(fault) => return Ok(Err(fault)),
        };
        loop {
            match self.inbox.next_told(None) {
                Happened::Answered(of, answer) if of == number => return Ok(self.judged(*answer)),
                Happened::News(event) => {
                    self.news(&event, false)?;
                    let line = self.events.back().cloned().unwrap_or_default();
                    self.out.line(&format!("* {line}"))?;
                }
                Happened::Key(_) => {
                    self.service.abandon();
                    let what = "no longer waited for: it may still be done";
                    return Ok(Err(Fault::usage(what)));
                }
                Happened::Gone => return Err(Leave::Gone),
                Happened::Answered(..) | Happened::Nothing => {}
            }
        }
    }

    fn judged(&mut self, answer: Result<Reply, Fault>) -> Result<Reply, Fault> {
        match answer {
            Ok(Reply::Refused(refused)) => {
                if refused.why == Why::NoTicket {
                    self.service.forget_ticket();
                }
                Err(refusal(refused))
            }
            Ok(reply) => Ok(reply),
            Err(fault) => {
                self.service.lost();
                Err(fault.hint("the next command looks for the service again"))
            }
        }
    }

    /// Shows what came of a command.
    pub(super) fn show(&mut self, shown: &Shown, sieve: &Sieve) -> Flow<()> {
        let fits =
            |line: &&str| sieve.include.as_ref().is_none_or(|text| line.contains(text.as_str()));
        let words = shown.words.iter().map(String::as_str);
        let lines: Vec<&str> = shown.data.lines().chain(words).filter(fits).collect();
        self.page(&lines.join("\n"))
    }

    /// Shows text, a screen at a time.
    pub(super) fn page(&mut self, text: &str) -> Flow<()> {
        let mut pager = Pager::new(text);
        let mut next = Turn::Page;
        loop {
            for line in pager.next(next) {
                self.out.line(line)?;
                if self.out.interrupted() {
                    return Ok(self.out.line("^C")?);
                }
            }
            if !pager.has_more() {
                return Ok(());
            }
            self.out.text(MORE)?;
            next = self.turn()?;
            self.out.raw(b"\r\x1b[K")?;
            if next == Turn::Stop {
                return Ok(());
            }
        }
    }

    fn turn(&mut self) -> Flow<Turn> {
        let idle = Instant::now() + IDLE;
        loop {
            match self.inbox.next(Some(idle)) {
                Happened::Key(key) => {
                    if let Some(turn) = turn(key) {
                        return Ok(turn);
                    }
                }
                Happened::News(event) => self.news(&event, false)?,
                Happened::Gone => return Err(Leave::Gone),
                Happened::Nothing => return Err(Leave::Out),
                Happened::Answered(..) => {}
            }
        }
    }
}

/// What only shows something, for people and for programs.
pub(super) fn is_shown(own: Own) -> bool {
    matches!(own, Own::Status | Own::Devices | Own::Network | Own::Events | Own::Log | Own::Help)
}

fn named(names: &[(&'static str, String)], part: &str) -> Vec<String> {
    names.iter().filter(|(of, _)| *of == part).map(|(_, name)| name.clone()).collect()
}
