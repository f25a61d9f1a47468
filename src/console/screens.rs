//! What the console itself shows: the banner, the steward's answers, the links, the kernel's lines.
//!
//! Owns their text. All of it is what holds now, never what was said at the start. Pure, but for the kernel's lines.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use crate::steward::message::{Answer, LinkState, State};
use crate::stream::{Blame, Fault};
use crate::table::{Facts, Shown, Table};

/// The kernel's lines that are shown.
const KERNEL_LINES: usize = 200;

fn time(at_s: i64) -> String {
    match jiff::Timestamp::from_second(at_s) {
        Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at_s.to_string(),
    }
}

fn link_line(link: &LinkState) -> String {
    let addresses = match (link.carrier, link.addresses.is_empty()) {
        (false, _) => "no cable".to_owned(),
        (true, true) => "no address yet".to_owned(),
        (true, false) => link.addresses.join(" "),
    };
    format!("{} {}  {addresses}  {}", link.place, link.mac, link.how)
}

fn facts_of(state: &State) -> Facts {
    let mut facts = Facts::default();
    facts.add("name", &state.name);
    facts.add("serial number", &state.serial);
    facts.add("version", &state.version);
    facts.add("key", &state.key);
    match state.links.is_empty() {
        true => facts.add("link", "none is known"),
        false => state.links.iter().for_each(|link| facts.add("link", link_line(link))),
    }
    state.alarms.iter().for_each(|alarm| facts.add("ALARM", alarm));
    facts
}

fn text(facts: &Facts) -> String {
    Shown::of(|out| facts.write(out)).map(|shown| shown.data).unwrap_or_default()
}

/// What who comes sees first.
pub(super) fn banner(state: &State, line: &str) -> String {
    format!("\nTapioca, on {line}\n\n{}\n", text(&facts_of(state)))
}

/// The box, on a page.
pub(super) fn status(state: &State) -> String {
    let mut facts = facts_of(state);
    let settings = match state.back_in_ms {
        Some(left) => format!(
            "generation {}, for {} s unless confirmed",
            state.generation,
            left.div_ceil(1000)
        ),
        None => format!("generation {}", state.generation),
    };
    facts.add("settings", settings);
    if state.edited {
        facts.add("candidate", "differs from them");
    }
    text(&facts)
}

/// The links.
pub(super) fn network(state: &State) -> Result<Shown, Fault> {
    let mut table =
        Table::new(&["LINK", "MAC", "NAME", "CABLE", "ADDRESSES", "GATEWAY", "HOW"], &[]);
    for link in &state.links {
        let cable = if link.carrier { "yes" } else { "no" };
        table.row([
            link.place.clone(),
            link.mac.clone(),
            link.name.clone(),
            cable.into(),
            link.addresses.join(" "),
            link.gateway.clone().unwrap_or_default(),
            link.how.clone(),
        ]);
    }
    Shown::of(|out| table.write(out))
}

/// An answer of the steward as JSON.
pub(super) fn json(answer: &Answer) -> Result<Shown, Fault> {
    let value = serde_json::to_value(answer)
        .map_err(|e| Fault::never(Blame::Ours, format!("cannot show it: {e}")))?;
    Ok(Shown { data: format!("{value:#}\n"), words: Vec::new() })
}

fn lines(lines: Vec<String>, nothing: &str) -> Shown {
    match lines.is_empty() {
        true => Shown::word(nothing),
        false => Shown { data: lines.join("\n") + "\n", words: Vec::new() },
    }
}

/// An answer of the steward.
pub(super) fn answer(answer: Answer) -> Shown {
    match answer {
        Answer::Done => Shown::default(),
        Answer::Refused { what, .. } => Shown::word(what),
        Answer::State(state) => Shown { data: status(&state), words: Vec::new() },
        Answer::Settings { lines: all, .. } => lines(all, "nothing is set: everything is as usual"),
        Answer::Lines(all) => lines(all, "nothing differs"),
        Answer::Committed { generation, confirm_s: None } => {
            Shown::word(format!("in force as generation {generation}"))
        }
        Answer::Committed { generation, confirm_s: Some(s) } => Shown::word(format!(
            "in force as generation {generation} for {s} s: confirm, or it goes back"
        )),
        Answer::History(all) => {
            let mut table = Table::new(&["BACK", "GENERATION", "COMMITTED", "BY", "WHY"], &[0, 1]);
            for past in all {
                let why = match (past.trial, past.words.is_empty()) {
                    (true, true) => "to be confirmed".to_owned(),
                    (true, false) => format!("to be confirmed; {}", past.words),
                    (false, _) => past.words,
                };
                let (back, number) = (past.back.to_string(), past.generation.to_string());
                table.row([back, number, time(past.at_s), past.by, why]);
            }
            shown(&table)
        }
        Answer::Update(state) => {
            let mut facts = Facts::default();
            state.facts().into_iter().for_each(|(word, said)| facts.add(word, said));
            Shown { data: text(&facts), words: Vec::new() }
        }
        Answer::Boots(all) => {
            let mut table = Table::new(&["START", "WHEN", "VERSION", "WHY", "WITHOUT"], &[0]);
            for boot in all {
                let (number, without) = (boot.number.to_string(), boot.without.join("; "));
                table.row([number, time(boot.at_s), boot.version, boot.why, without]);
            }
            shown(&table)
        }
    }
}

fn shown(table: &Table) -> Shown {
    Shown::of(|out| table.write(out)).unwrap_or_default()
}

/// The kernel's last lines.
pub(super) fn kernel_log() -> Result<Shown, Fault> {
    let failed = |e: std::io::Error| Fault::host("cannot read the kernel's lines", &e);
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut log = std::fs::File::options()
        .read(true)
        .custom_flags(flags)
        .open("/dev/kmsg")
        .map_err(failed)?;
    let mut record = [0; 8192];
    let mut last = std::collections::VecDeque::new();
    loop {
        match log.read(&mut record) {
            Ok(count) => {
                if last.len() == KERNEL_LINES {
                    last.pop_front();
                }
                last.extend(kernel_line(&String::from_utf8_lossy(&record[..count])));
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
            // What was overwritten while we read.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(Shown { data: last.into_iter().collect::<Vec<_>>().join("\n") + "\n", words: Vec::new() })
}

/// `PRIORITY,NUMBER,MICROSECONDS,…;TEXT` as a line.
fn kernel_line(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let us: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = text.lines().next().unwrap_or("");
    Some(format!("{:>6}.{:03} {text}", us / 1_000_000, us / 1000 % 1000))
}
