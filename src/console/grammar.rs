//! The grammar of commands: words, read by the one table of them.
//!
//! Owns how a line is split, what it means, what could stand at a place, and the page that tells all commands.
//! Any word may be shortened as long as it means one thing. Pure: knows rows, and nothing of what they do.

use std::collections::BTreeSet;

use super::commands::{GROUPS, Mode, ROWS, Row};
use crate::settings::keys::KEYS;
use crate::stream::Fault;

/// What stands at a place of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    /// This word.
    Word(&'static str),
    /// This word, which is said to the command, too.
    Told(&'static str),
    /// A number, said together with the words told before it.
    Number(&'static str, bool),
    /// Any word.
    Any(&'static str),
    /// Any words, to the end of the line.
    Rest(&'static str),
    /// Words of a setting, to the end of the line.
    Setting(&'static str),
}

/// What the parts in angle brackets are.
const PARTS: &[(&str, &str)] = &[
    ("<n>", "a number"),
    ("<job>", "number of a job"),
    ("<drive>", "number of a drive"),
    ("<minutes>", "how many minutes"),
    ("<tag>", "volume tag of a cartridge"),
    ("<name>", "a name"),
    ("<machine>", "name of a machine"),
    ("<to>", "name of the machine that gets it"),
    ("<pool>", "name of a pool"),
    ("<address>", "HOST or HOST:PORT"),
    ("<words>", "words"),
    ("<pattern>", "paths or patterns"),
    ("<setting>", "a setting and its value"),
    ("<command>", "a command of the operational mode"),
];

fn element(word: &'static str) -> Element {
    match word {
        "<n>" | "<job>" | "<drive>" | "<minutes>" => Element::Number(word, false),
        "<words>" | "<command>" | "<pattern>" => Element::Rest(word),
        "<setting>" => Element::Setting(word),
        _ if word.starts_with('<') => Element::Any(word),
        _ => Element::Word(word),
    }
}

/// Places of a library: `<place>` stands for each of them.
const PLACES: [&[Element]; 3] = [
    &[Element::Told("slot"), Element::Number("<n>", true)],
    &[Element::Told("drive"), Element::Number("<n>", true)],
    &[Element::Told("mail"), Element::Told("slot"), Element::Number("<n>", true)],
];

/// Every way to say a row.
fn ways(row: &Row) -> Vec<Vec<Element>> {
    row.words.split(' ').fold(vec![Vec::new()], |ways, word| match word {
        "<place>" => ways
            .iter()
            .flat_map(|way| PLACES.iter().map(|place| [way.as_slice(), place].concat()))
            .collect(),
        word => ways.into_iter().map(|way| [way, vec![element(word)]].concat()).collect(),
    })
}

/// A command that was understood.
#[derive(Debug, Clone)]
pub struct Understood {
    /// Its row.
    pub row: &'static Row,
    /// What stood at its parts in brackets.
    pub said: Vec<String>,
}

/// A way that agrees with what was typed so far.
#[derive(Debug, Clone)]
struct Path {
    row: &'static Row,
    way: Vec<Element>,
    at: usize,
    said: Vec<String>,
}

/// How well a word fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Part,
    Beginning,
    Exact,
}

impl Path {
    fn next(&self) -> Option<Element> {
        match self.way.last() {
            Some(last @ (Element::Rest(_) | Element::Setting(_))) if self.at == self.way.len() => {
                Some(*last)
            }
            _ => self.way.get(self.at).copied(),
        }
    }

    fn fit(&self, token: &str) -> Option<Fit> {
        match self.next()? {
            Element::Word(word) | Element::Told(word) if word == token => Some(Fit::Exact),
            Element::Word(word) | Element::Told(word) => {
                word.starts_with(token).then_some(Fit::Beginning)
            }
            Element::Number(..) => token.parse::<u64>().is_ok().then_some(Fit::Part),
            Element::Any(_) | Element::Rest(_) | Element::Setting(_) => Some(Fit::Part),
        }
    }

    fn take(&mut self, token: &str) {
        match self.next() {
            Some(Element::Told(word)) => match self.at.checked_sub(1).map(|at| self.way[at]) {
                Some(Element::Told(_)) => self.add(word),
                _ => self.said.push(word.into()),
            },
            Some(Element::Number(_, true)) => self.add(token),
            Some(Element::Word(_)) | None => {}
            Some(_) => self.said.push(token.into()),
        }
        self.at = (self.at + 1).min(self.way.len());
    }

    fn add(&mut self, word: &str) {
        if let Some(last) = self.said.last_mut() {
            last.push(' ');
            last.push_str(word);
        }
    }

    fn is_whole(&self) -> bool {
        self.at == self.way.len()
    }

    /// Whether Enter may be offered: what is all of a setting, the settings know.
    fn may_end(&self) -> bool {
        self.is_whole() && !matches!(self.way.last(), Some(Element::Setting(_)))
    }
}

/// What a line asks for, beside its command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sieve {
    /// Only lines that hold this.
    pub include: Option<String>,
    /// As JSON.
    pub json: bool,
}

/// Words of a line; one in double quotes may have spaces.
///
/// # Errors
///
/// A quote that does not end.
pub fn split(line: &str) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quoted {
        true => Err(Fault::usage("a quote does not end")),
        false => Ok(words),
    }
}

/// Takes what follows a bar off a line's words.
///
/// # Errors
///
/// Nothing or something unknown follows.
pub fn sieve(words: Vec<String>) -> Result<(Vec<String>, Sieve), Fault> {
    let mut parts = words.split(|word| word == "|");
    let command = parts.next().unwrap_or_default().to_vec();
    let mut sieve = Sieve::default();
    for part in parts {
        match part {
            [json] if !json.is_empty() && "json".starts_with(json.as_str()) => sieve.json = true,
            [include, text @ ..]
                if !include.is_empty()
                    && "include".starts_with(include.as_str())
                    && !text.is_empty() =>
            {
                sieve.include = Some(text.join(" "));
            }
            _ => {
                let what = format!("{:?} is not known behind a bar", part.join(" "));
                return Err(Fault::usage(what).hint("| include WORDS, or | json"));
            }
        }
    }
    Ok((command, sieve))
}

fn all(mode: Mode) -> Vec<Path> {
    let rows = ROWS.iter().filter(|row| row.mode == mode || row.mode == Mode::Both);
    rows.flat_map(|row| {
        ways(row).into_iter().map(move |way| Path { row, way, at: 0, said: Vec::new() })
    })
    .collect()
}

/// The words that could come next.
fn next_words(paths: &[Path]) -> BTreeSet<&'static str> {
    paths
        .iter()
        .filter_map(|path| match path.next()? {
            Element::Word(word)
            | Element::Told(word)
            | Element::Number(word, _)
            | Element::Any(word) => Some(word),
            Element::Rest(word) | Element::Setting(word) => Some(word),
        })
        .collect()
}

fn listed(words: &BTreeSet<&'static str>) -> String {
    words.iter().copied().collect::<Vec<_>>().join(", ")
}

/// Follows `tokens`; the paths that agree with all of them.
fn follow(mode: Mode, tokens: &[String]) -> Result<Vec<Path>, Fault> {
    let mut paths = all(mode);
    for (nth, token) in tokens.iter().enumerate() {
        let best = paths.iter().filter_map(|path| path.fit(token)).max();
        let Some(best) = best else {
            let expected = next_words(&paths);
            let before = tokens[..nth].join(" ");
            return Err(match expected.is_empty() {
                true => Fault::usage(format!("nothing follows {before:?}")),
                false if nth == 0 => Fault::usage(format!("no command begins with {token:?}"))
                    .hint("? lists what there is"),
                false => Fault::usage(format!("{token:?} cannot follow {before:?}"))
                    .hint(format!("here: {}", listed(&expected))),
            });
        };
        paths.retain(|path| path.fit(token) == Some(best));
        if best == Fit::Beginning {
            let meant = next_words(&paths);
            if meant.len() > 1 {
                let what = format!("{token:?} may be {}", listed(&meant));
                return Err(Fault::usage(what).hint("a letter more tells which"));
            }
        }
        paths.iter_mut().for_each(|path| path.take(token));
    }
    Ok(paths)
}

/// What words mean in a mode.
///
/// # Errors
///
/// Nothing, several things, or not yet anything: each with what could stand there.
pub fn understand(mode: Mode, tokens: &[String]) -> Result<Understood, Fault> {
    let paths = follow(mode, tokens)?;
    match paths.iter().find(|path| path.is_whole()) {
        Some(path) => Ok(Understood { row: path.row, said: path.said.clone() }),
        None => {
            let what = format!("{:?} is not all of a command", tokens.join(" "));
            Err(Fault::usage(what).hint(format!("next: {}", listed(&next_words(&paths)))))
        }
    }
}

/// What could stand at a place, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The word, or a part in brackets.
    pub word: String,
    /// What it means.
    pub help: String,
}

/// Names that are known where a setting has one: of links and serial lines.
pub type Names<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// The words before the place, and what is begun there.
fn begun(line: &str) -> Result<(Vec<String>, String), Fault> {
    let mut tokens = split(line)?;
    let last = match line.chars().next_back() {
        Some(c) if !c.is_whitespace() => tokens.pop().unwrap_or_default(),
        _ => String::new(),
    };
    Ok((tokens, last))
}

/// What could stand where `line` ends.
///
/// # Errors
///
/// What stands before it means nothing.
pub fn choices(mode: Mode, line: &str, names: Names<'_>) -> Result<Vec<Choice>, Fault> {
    let (tokens, last) = begun(line)?;
    if let Some(bar) = tokens.iter().rposition(|token| token == "|") {
        let behind = [("include", "only lines with these words"), ("json", "as JSON")];
        let fits = |word: &&(&str, &str)| tokens.len() == bar + 1 && word.0.starts_with(&last);
        let choice =
            |(word, help): &(&str, &str)| Choice { word: (*word).into(), help: (*help).into() };
        return Ok(behind.iter().filter(fits).map(choice).collect());
    }
    let paths = follow(mode, &tokens)?;
    let mut found = Vec::new();
    for word in next_words(&paths) {
        match word {
            "<setting>" => found.extend(setting_choices(&paths, &tokens, &last, names)),
            word if word.starts_with('<') => {
                let help =
                    PARTS.iter().find(|(part, _)| *part == word).map_or("", |(_, help)| help);
                found.push(Choice { word: word.into(), help: help.into() });
            }
            word if word.starts_with(&last) => {
                found.push(Choice {
                    word: word.into(),
                    help: help_of(&paths, &tokens, word).into(),
                });
            }
            _ => {}
        }
    }
    if last.is_empty() && paths.iter().any(Path::may_end) && !tokens.is_empty() {
        found.push(Choice { word: "<Enter>".into(), help: "does it".into() });
    }
    Ok(found)
}

/// What a word means: the row's help if it is the last of one, else that of its group.
fn help_of(paths: &[Path], tokens: &[String], word: &'static str) -> &'static str {
    let those: Vec<&Path> = paths
        .iter()
        .filter(
            |path| matches!(path.next(), Some(Element::Word(w) | Element::Told(w)) if w == word),
        )
        .collect();
    let group = || {
        GROUPS.iter().find(|(group, _)| tokens.is_empty() && *group == word).map(|(_, help)| *help)
    };
    let only = those.iter().all(|path| path.row.words == those[0].row.words);
    let ends = those.iter().find(|path| path.at + 1 == path.way.len());
    match (only, ends) {
        (true, _) => those[0].row.help,
        (false, Some(path)) => group().unwrap_or(path.row.help),
        (false, None) => group().unwrap_or("…"),
    }
}

fn setting_choices(paths: &[Path], tokens: &[String], last: &str, names: Names<'_>) -> Vec<Choice> {
    let begins = paths.first().map_or(0, |path| path.way.len() - 1);
    let words: Vec<&str> = tokens[begins.min(tokens.len())..].iter().map(String::as_str).collect();
    let mut found: Vec<Choice> = Vec::new();
    for key in KEYS.iter().filter(|key| key.agrees(&words)) {
        let (offered, help) = match key.words.get(words.len()) {
            Some(word) if word.starts_with('<') => {
                let part = word.trim_matches(['<', '>']);
                let mut offered = names(part);
                offered.push((*word).to_owned());
                (offered, format!("name of a {part}"))
            }
            Some(word) => {
                let help = if words.len() + 1 == key.words.len() { key.help } else { "…" };
                (vec![(*word).to_owned()], help.to_owned())
            }
            None if words.len() == key.words.len() || key.several => {
                (vec!["<value>".to_owned()], format!("as in {}", key.example))
            }
            None => continue,
        };
        for word in offered {
            let fits = word.starts_with(last) || word.starts_with('<');
            if fits && !found.iter().any(|choice| choice.word == word) {
                found.push(Choice { word, help: help.clone() });
            }
        }
    }
    found
}

/// What Tab adds where `line` ends: the rest of the one word, or what all words have in common.
pub fn complete(mode: Mode, line: &str, names: Names<'_>) -> Option<String> {
    let (_, last) = begun(line).ok()?;
    let found = choices(mode, line, names).ok()?;
    let words: Vec<&str> = found
        .iter()
        .map(|choice| choice.word.as_str())
        .filter(|word| !word.starts_with('<'))
        .collect();
    let first = words.first()?;
    let same = words.iter().fold(first.len(), |same, word| {
        first.bytes().zip(word.bytes()).take(same).take_while(|(a, b)| a == b).count()
    });
    let mut added = first.get(last.len()..same)?.to_owned();
    if words.len() == 1 && found.len() == 1 {
        added.push(' ');
    }
    (!added.is_empty()).then_some(added)
}

/// All commands, as a page of Markdown.
pub fn page() -> String {
    let mut page = String::new();
    for (mode, head) in [
        (Mode::Operational, "Operational mode"),
        (Mode::Configure, "Configure mode"),
        (Mode::Both, "Everywhere"),
    ] {
        page.push_str(&format!("## {head}\n\n| command | what it does |\n|---|---|\n"));
        for row in ROWS.iter().filter(|row| row.mode == mode) {
            page.push_str(&format!("| `{}` | {} |\n", row.words, row.help));
        }
        page.push('\n');
    }
    page.push_str("## Settings\n\n| setting | as in | what it is |\n|---|---|---|\n");
    for key in KEYS {
        page.push_str(&format!(
            "| `{}` | `{}` | {} |\n",
            key.words.join(" "),
            key.example,
            key.help
        ));
    }
    page
}
