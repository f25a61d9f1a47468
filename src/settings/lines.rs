//! Settings as words: set, deleted, shown, compared.
//!
//! Owns the way between values and lines like `network any address 10.0.0.5/24`. What is shown can be typed
//! again behind `set`, but for secrets, which show as `(secret)`.

use toml::{Table, Value};

use super::keys::{KEYS, Key, Sort};
use super::{Settings, one_line, wrong};
use crate::stream::Fault;

/// What stands for a secret.
const SECRET: &str = "(secret)";

/// One setting as words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub words: Vec<String>,
    /// Its values.
    pub values: Vec<String>,
    secret: bool,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words.join(" "))?;
        match self.secret {
            true => write!(f, " {SECRET}"),
            false => self.values.iter().try_for_each(|value| match value.contains(' ') {
                true => write!(f, " \"{value}\""),
                false => write!(f, " {value}"),
            }),
        }
    }
}

fn table_of(settings: &Settings) -> Table {
    Table::try_from(settings).expect("settings are tables of texts and numbers")
}

fn settings_of(table: Table, at: &[&str]) -> Result<Settings, Fault> {
    table.try_into().map_err(|e: toml::de::Error| wrong(&at.join(" "), one_line(e.message())))
}

fn unknown(words: &[&str]) -> Fault {
    let known = (0..=words.len()).rev().find(|&n| KEYS.iter().any(|key| key.agrees(&words[..n])));
    let known = known.unwrap_or(0);
    let mut next: Vec<&str> = KEYS
        .iter()
        .filter(|key| key.agrees(&words[..known]))
        .filter_map(|key| key.words.get(known).copied())
        .collect();
    next.dedup();
    let at = words[..known].join(" ");
    let what = match words.get(known) {
        Some(word) => {
            wrong(if at.is_empty() { "settings" } else { &at }, format!("no setting {word:?}"))
        }
        None => wrong(&at, "is not all of a setting's name"),
    };
    what.hint(format!("here: {}", next.join(", ")))
}

fn number(key: &Key, at: &str, text: &str, from: i64, to: i64) -> Result<Value, Fault> {
    let number = text.parse::<i64>().ok().filter(|number| (from..=to).contains(number));
    let wrong = || wrong(at, format!("{text:?} is no number from {from} to {to}"));
    number.map(Value::Integer).ok_or_else(|| wrong().hint(format!("as in: {at} {}", key.example)))
}

fn value(key: &Key, at: &str, text: &str) -> Result<Value, Fault> {
    match key.sort {
        Sort::Number(from, to) => number(key, at, text, from, to),
        Sort::OneOf(these) if !these.contains(&text) => {
            Err(wrong(at, format!("{text:?} is none of {}", these.join(", "))))
        }
        Sort::Text | Sort::OneOf(_) | Sort::Secret => Ok(Value::String(text.to_owned())),
    }
}

/// Takes out what is at `words`; whether there was something. Tables that are left empty go, too.
fn take(table: &mut Table, words: &[&str]) -> bool {
    match words {
        [] => false,
        [last] => table.remove(*last).is_some(),
        [first, rest @ ..] => {
            let Some(Value::Table(inner)) = table.get_mut(*first) else { return false };
            let taken = take(inner, rest);
            if inner.is_empty() {
                table.remove(*first);
            }
            taken
        }
    }
}

fn put(table: &mut Table, words: &[&str], value: Value) {
    match words {
        [] => {}
        [last] => _ = table.insert((*last).to_owned(), value),
        [first, rest @ ..] => {
            let inner =
                table.entry((*first).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

impl Settings {
    /// These, with one changed: its words, then its values, which replace those before.
    ///
    /// # Errors
    ///
    /// `WORDS: what is wrong`, and what may be there.
    pub fn set(&self, words: &[&str]) -> Result<Settings, Fault> {
        let key = KEYS.iter().find(|key| key.begins(words)).ok_or_else(|| unknown(words))?;
        let (words, values) = words.split_at(key.words.len());
        let at = words.join(" ");
        let example = || format!("as in: set {at} {}", key.example);
        match values.len() {
            0 => return Err(wrong(&at, "no value is given").hint(example())),
            1 => {}
            _ if key.several => {}
            _ => return Err(wrong(&at, "has one value").hint(example())),
        }
        let made: Vec<Value> =
            values.iter().map(|text| value(key, &at, text)).collect::<Result<_, Fault>>()?;
        let made = match made.as_slice() {
            [single] if !key.several => single.clone(),
            _ => Value::Array(made),
        };
        let mut table = table_of(self);
        put(&mut table, words, made);
        settings_of(table, words).map_err(|fault| fault.hint(example()))
    }

    /// These, without one or all below some words.
    ///
    /// # Errors
    ///
    /// Nothing is set there.
    pub fn delete(&self, words: &[&str]) -> Result<Settings, Fault> {
        let mut table = table_of(self);
        if !take(&mut table, words) {
            return Err(
                match KEYS.iter().any(|key| key.agrees(words) && words.len() <= key.words.len()) {
                    true => wrong(&words.join(" "), "nothing is set there"),
                    false => unknown(words),
                },
            );
        }
        settings_of(table, words)
    }

    /// All that is set, as words.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        flatten(&table_of(self), &mut Vec::new(), &mut lines);
        lines
    }
}

fn flatten(table: &Table, at: &mut Vec<String>, lines: &mut Vec<Line>) {
    for (word, value) in table {
        at.push(word.clone());
        match value {
            Value::Table(inner) => flatten(inner, at, lines),
            Value::Array(all) => lines.push(line(at, all.iter().map(plain).collect())),
            one => lines.push(line(at, vec![plain(one)])),
        }
        at.pop();
    }
}

fn line(at: &[String], values: Vec<String>) -> Line {
    let words: Vec<&str> = at.iter().map(String::as_str).collect();
    let key = KEYS.iter().find(|key| key.begins(&words));
    Line { words: at.to_vec(), values, secret: key.is_some_and(|key| key.sort == Sort::Secret) }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What differs, as lines that begin with `- ` and `+ `, in the order of their words.
pub fn diff(from: &Settings, to: &Settings) -> Vec<String> {
    let (before, after) = (from.lines(), to.lines());
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| (line, "-"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| (line, "+"));
    let mut all: Vec<(&Line, &str)> = gone.chain(new).collect();
    all.sort_by(|(a, of_a), (b, of_b)| (&a.words, of_b).cmp(&(&b.words, of_a)));
    all.into_iter().map(|(line, sign)| format!("{sign} {line}")).collect()
}
