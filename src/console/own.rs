//! What the console does by itself: pages of several answers, and questions that people answer.
//!
//! Owns their order. What they change, the steward or the service changes.

use std::time::{Duration, Instant};

use super::commands::{Mode, Own, REBUILD};
use super::devices;
use super::grammar::{Sieve, page, split, understand};
use super::inbox::Happened;
use super::screens;
use super::session::{Flow, Leave, Session, Typed};
use crate::steward::message::{Ask, Reset, State};
use crate::stream::Fault;
use crate::table::Shown;
use crate::tapicom::message::{Command, JobFilter, Page, Reply, Secret, ToDo};

/// Wrong passwords until the line falls silent.
const TRIES: u32 = 5;
/// How often the live screen is drawn.
const REDRAW: Duration = Duration::from_secs(2);
/// Rows of the live screen, the last one left free.
const LIVE_ROWS: usize = 23;

impl Session {
    /// Claims the box for who is there, or has them prove who they are.
    pub(super) fn let_in(&mut self, state: &State) -> Flow<()> {
        self.name.clone_from(&state.name);
        match state.claimed {
            true => self.log_in(),
            false => self.claim(),
        }
    }

    fn claim(&mut self) -> Flow<()> {
        self.out.line(
            "This box belongs to nobody yet: whoever sets the administrator's password has it.",
        )?;
        self.out.line("Until then it listens nowhere.\n")?;
        let name = self.name.clone();
        let asked = self.answered(&format!("Name of the box [{name}]: "))?;
        let wanted = (!asked.is_empty() && asked != name).then_some(asked);
        loop {
            let Some(password) = self.new_password()? else { continue };
            let claim = Ask::Claim { password: password.clone(), name: wanted.clone() };
            match self.ask(&claim) {
                Ok(_) => {
                    self.service.arrived(password);
                    self.name = wanted.unwrap_or(name);
                    self.out.line("\nThe box is yours. ? tells at every word what may follow.")?;
                    return Ok(());
                }
                Err(fault) => {
                    self.complain(&fault)?;
                    if self.state().is_ok_and(|state| state.claimed) {
                        return Err(Leave::Out);
                    }
                }
            }
        }
    }

    fn log_in(&mut self) -> Flow<()> {
        for _ in 0..TRIES {
            let typed = match self.read_line("Password: ", true, false)? {
                // Whoever pressed Enter twice to wake the line guesses nothing.
                Typed::Line(line) if line.is_empty() => continue,
                Typed::Line(line) => Secret::new(line),
                Typed::Record => {
                    self.record()?;
                    continue;
                }
                Typed::Interrupted | Typed::Left => return Err(Leave::Out),
            };
            // No password is so short.
            if typed.reveal() == "recover" {
                return self.recover();
            }
            match self.ask(&Ask::Login { password: typed.clone() }) {
                Ok(_) => {
                    self.service.arrived(typed);
                    return Ok(());
                }
                Err(fault) => self.complain(&fault)?,
            }
        }
        Err(Leave::Out)
    }

    /// A lost password is forgotten, and nothing else.
    fn recover(&mut self) -> Flow<()> {
        self.out.line("The administrator's password will be forgotten; settings and data stay.")?;
        let serial = self.answered("Serial number of this box: ")?;
        match self.ask(&Ask::Recover { serial }) {
            Ok(_) => self.claim(),
            Err(fault) => {
                self.complain(&fault)?;
                Err(Leave::Out)
            }
        }
    }

    /// A line, or none at ^C.
    fn answered(&mut self, prompt: &str) -> Flow<String> {
        match self.read_line(prompt, false, false)? {
            Typed::Line(line) => Ok(line.trim().to_owned()),
            Typed::Record => {
                self.record()?;
                Err(Leave::Out)
            }
            Typed::Interrupted | Typed::Left => Err(Leave::Out),
        }
    }

    /// A secret; none: ^C.
    fn secret(&mut self, prompt: &str) -> Flow<Option<Secret>> {
        match self.read_line(prompt, true, false)? {
            Typed::Line(line) => Ok(Some(Secret::new(line))),
            Typed::Left => Err(Leave::Out),
            Typed::Interrupted | Typed::Record => Ok(None),
        }
    }

    /// A new password, typed twice; none: they differ, or ^C.
    fn new_password(&mut self) -> Flow<Option<Secret>> {
        let Some(first) = self.secret("New password: ")? else { return Ok(None) };
        let Some(second) = self.secret("Once more: ")? else { return Ok(None) };
        if first != second {
            self.out.line("% they differ")?;
            return Ok(None);
        }
        Ok(Some(first))
    }

    /// What the console shows by itself.
    pub(super) fn own_shown(&mut self, own: Own, json: bool) -> Flow<Result<Shown, Fault>> {
        match own {
            Own::Status => self.status(json),
            Own::Network if json => Ok(self
                .state()
                .and_then(|state| screens::json(&crate::steward::message::Answer::State(state)))),
            Own::Network => Ok(self.state().and_then(|state| screens::network(&state))),
            Own::Devices => self.devices(json),
            Own::Events => {
                let data = self.events.iter().map(|line| format!("{line}\n")).collect();
                Ok(Ok(Shown { data, words: Vec::new() }))
            }
            Own::Log => Ok(screens::kernel_log()),
            Own::Help => Ok(Ok(Shown { data: page(), words: Vec::new() })),
            _ => Ok(Err(Fault::usage("that asks questions, which programs do not answer"))),
        }
    }

    /// The box, and the service if it is there.
    fn status(&mut self, json: bool) -> Flow<Result<Shown, Fault>> {
        let state = match self.state() {
            Ok(state) => state,
            Err(fault) => return Ok(Err(fault)),
        };
        let service = self.tell(Command::Status)?;
        if json {
            let told = service.and_then(|reply| (self.given.views.json)(&reply));
            let told = told.unwrap_or_else(|fault| serde_json::json!({ "not there": fault.what }));
            let value = serde_json::json!({ "box": state, "service": told });
            return Ok(Ok(Shown { data: format!("{value:#}\n"), words: Vec::new() }));
        }
        let mut data = screens::status(&state);
        match service.and_then(self.given.views.shown) {
            Ok(shown) => data.push_str(&shown.data),
            Err(fault) => data.push_str(&format!("{fault}\n")),
        }
        Ok(Ok(Shown { data, words: Vec::new() }))
    }

    /// What is attached, and what is done with it.
    fn devices(&mut self, json: bool) -> Flow<Result<Shown, Fault>> {
        let attached = match discover::attached() {
            Ok(attached) => attached,
            Err(error) => {
                return Ok(Err(Fault::host("cannot look for drives and changers", &error)));
            }
        };
        let drives = match self.tell(Command::Drives)? {
            Ok(Reply::Drives(drives)) => Some(drives),
            // The service is not there, or knows none: the devices are.
            Ok(_) | Err(_) => None,
        };
        let known = devices::Known { children: devices::children(), drives };
        Ok(match json {
            true => Ok(devices::json(&attached, &known)),
            false => devices::shown(&attached, &known),
        })
    }

    /// What the console does by itself.
    pub(super) fn own(&mut self, own: Own, said: &[String], sieve: &Sieve) -> Flow<()> {
        match own {
            Own::Configure => {
                self.mode = Mode::Configure;
                Ok(())
            }
            Own::Exit => self.leave_mode(),
            Own::Logout => {
                self.out.line("goodbye")?;
                Err(Leave::Out)
            }
            Own::Do => self.do_operational(said, sieve),
            Own::Watch => self.watch(),
            Own::Requests => self.requests(),
            Own::UserPassword => self.user_password(said),
            Own::Password => self.password(),
            Own::Reset(what) => self.reset(what),
            Own::Sure(what) => self.sure(what),
            Own::Record => {
                let hint = "^A first, at the beginning of the line: people have no use for it";
                self.complain(&Fault::usage("frames are for programs").hint(hint))
            }
            Own::Status | Own::Devices | Own::Network | Own::Events | Own::Log | Own::Help => {
                Ok(())
            }
        }
    }

    fn do_operational(&mut self, said: &[String], sieve: &Sieve) -> Flow<()> {
        match understand(Mode::Operational, said) {
            Ok(understood) => {
                let does = understood.row.does;
                if matches!(does, super::commands::Does::Own(Own::Exit | Own::Configure | Own::Do))
                {
                    return self.complain(&Fault::usage("that is no command to be done here"));
                }
                self.carry_out(&understood, sieve)
            }
            Err(fault) => self.complain(&fault),
        }
    }

    fn user_password(&mut self, said: &[String]) -> Flow<()> {
        let Some(new) = self.new_password()? else { return Ok(()) };
        let user = said.first().cloned();
        match self.tell(Command::Password { user, old: None, new })? {
            Ok(_) => Ok(self.out.line("done")?),
            Err(fault) => self.complain(&fault),
        }
    }

    fn password(&mut self) -> Flow<()> {
        let Some(old) = self.secret("Password: ")? else { return Ok(()) };
        let Some(new) = self.new_password()? else { return Ok(()) };
        let ask = Ask::Password { old: old.clone(), new: new.clone() };
        if let Err(fault) = self.ask(&ask) {
            return self.complain(&fault);
        }
        self.out.line("the box has the new password")?;
        match self.service.change_password(old, new) {
            Ok(()) => Ok(self.out.line("the service has it, too")?),
            Err(fault) => self.complain(&fault),
        }
    }

    fn reset(&mut self, what: Reset) -> Flow<()> {
        let words = match what {
            Reset::Everything => {
                "Settings, the password and ALL records of backups will be gone; tapes stay as they are."
            }
            Reset::Settings => "All settings will be gone; password and records stay.",
        };
        self.out.line(words)?;
        let serial = match self.read_line("Serial number of this box: ", false, false)? {
            Typed::Line(line) => line.trim().to_owned(),
            _ => return Ok(()),
        };
        match self.ask(&Ask::Reset { serial, what }) {
            Ok(_) => Ok(self.out.line("it will be done at the next start: reboot")?),
            Err(fault) => self.complain(&fault),
        }
    }

    fn sure(&mut self, what: &str) -> Flow<()> {
        self.out.line("Jobs are ended at what is on tape, and go on later.")?;
        if what == REBUILD {
            self.out.line("All cartridges of the library are read, which takes its time.")?;
        }
        let typed = self.read_line(&format!("{what}: type yes: "), false, false)?;
        if typed != Typed::Line("yes".into()) {
            return Ok(self.out.line("nothing is done")?);
        }
        let ask = match what {
            "reboot" => Ask::Reboot,
            REBUILD => Ask::Rebuild,
            _ => Ask::PowerOff,
        };
        match self.ask(&ask) {
            Ok(_) => Ok(self.out.line("it is done now")?),
            Err(fault) => self.complain(&fault),
        }
    }

    /// What people are asked to do, one by one.
    fn requests(&mut self) -> Flow<()> {
        let asked = match self.tell(Command::Requests { page: Page::default() })? {
            Ok(Reply::Requests(part)) => part.items,
            Ok(_) => Vec::new(),
            Err(fault) => return self.complain(&fault),
        };
        if asked.is_empty() {
            return Ok(self.out.line("nobody is asked for anything")?);
        }
        for to_do in asked {
            if !self.request(&to_do)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the next one is wanted.
    fn request(&mut self, to_do: &ToDo) -> Flow<bool> {
        let ToDo { number, what, .. } = to_do;
        self.out.line(&format!("request {number}: {what}, then Enter"))?;
        let typed = self.read_line("Enter: done; no WHY: it cannot be; later: ", false, false)?;
        let Typed::Line(line) = typed else { return Ok(false) };
        let (done, words) = match line.trim() {
            "" => (true, String::new()),
            "later" => return Ok(true),
            line => match line.strip_prefix("no ") {
                Some(why) => (false, why.trim().to_owned()),
                None => {
                    self.out.line("% Enter, no WHY, or later")?;
                    return Ok(true);
                }
            },
        };
        match self.tell(Command::RequestAnswer { number: *number, done, words })? {
            Ok(_) => self.out.line("thank you")?,
            Err(fault) => self.complain(&fault)?,
        }
        Ok(true)
    }

    /// A screen that stays up to date; any key ends it.
    fn watch(&mut self) -> Flow<()> {
        let mut before: Vec<String> = Vec::new();
        self.out.raw(b"\x1b[2J")?;
        loop {
            let lines = self.live()?;
            for row in 0..before.len().max(lines.len()) {
                let line = lines.get(row).map_or("", String::as_str);
                // Only what differs: the line may have 9600 baud.
                if before.get(row).map(String::as_str) != Some(line) {
                    self.out.raw(format!("\x1b[{};1H", row + 1).as_bytes())?;
                    self.out.text(line)?;
                    self.out.raw(b"\x1b[K")?;
                }
            }
            before = lines;
            match self.inbox.next(Some(Instant::now() + REDRAW)) {
                Happened::Key(0x0c) => before.clear(),
                Happened::Key(_) => break,
                Happened::News(event) => self.news(&event, false)?,
                Happened::Gone => return Err(Leave::Gone),
                Happened::Answered(..) | Happened::Nothing => {}
            }
        }
        Ok(self.out.raw(format!("\x1b[{};1H\r\n", LIVE_ROWS + 1).as_bytes())?)
    }

    /// The live screen's lines.
    fn live(&mut self) -> Flow<Vec<String>> {
        let open = JobFilter { over: Some(false), ..JobFilter::default() };
        let mut text = format!("{}    any key ends this\n\n", self.name);
        for command in [
            Command::Status,
            Command::Jobs { filter: open, page: Page { after: None, most: 8 } },
            Command::Requests { page: Page { after: None, most: 4 } },
        ] {
            match self.tell(command)?.and_then(self.given.views.shown) {
                Ok(shown) => text.push_str(&format!("{}\n", shown.data)),
                Err(fault) => {
                    text.push_str(&format!("{fault}\n"));
                    break;
                }
            }
        }
        text.push_str("latest\n");
        self.events.iter().rev().take(6).for_each(|line| text.push_str(&format!("{line}\n")));
        let shown = |line: &str| line.chars().take(super::editor::COLUMNS - 1).collect();
        Ok(text.lines().take(LIVE_ROWS).map(shown).collect())
    }

    /// What a program's line comes to.
    pub(super) fn for_program(&mut self, line: &str) -> Flow<Result<String, Fault>> {
        let read = match self.read(line) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Ok(String::new())),
            Err(fault) => return Ok(Err(fault)),
        };
        let (understood, sieve) = read;
        if let super::commands::Does::Own(own) = understood.row.does {
            match own {
                Own::Configure => {
                    self.mode = Mode::Configure;
                    return Ok(Ok(String::new()));
                }
                Own::Exit if self.mode == Mode::Configure => {
                    self.mode = Mode::Operational;
                    return Ok(Ok(String::new()));
                }
                Own::Do => {
                    let words = split(&understood.said.join(" "));
                    let understood = words.and_then(|words| understand(Mode::Operational, &words));
                    return match understood {
                        Ok(understood) => {
                            self.outcome(&understood, true).map(|shown| shown.map(|s| s.data))
                        }
                        Err(fault) => Ok(Err(fault)),
                    };
                }
                _ => {}
            }
        }
        let shown = self.outcome(&understood, true)?;
        Ok(shown.map(|shown| {
            let fits = |line: &&str| {
                sieve.include.as_ref().is_none_or(|text| line.contains(text.as_str()))
            };
            let words = shown.words.iter().map(String::as_str);
            shown.data.lines().chain(words).filter(fits).collect::<Vec<_>>().join("\n")
        }))
    }
}
