//! What comes over the network and what is typed for it: messages, words for the gluepot, codes, addresses.
//!
//! Promises: a message that is understood is the same when it is sent on; what a gluepot allows is allowed
//! by its rules, told here once more and in another way; a code or address that is understood reads the same
//! from what we make of it.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use tapioca::identity::code::Code;
use tapioca::identity::enrol::{Answer, Ask};
use tapioca::identity::machine::{Address, Machine};
use tapioca::netplumber::gluepot::{Allowed, Manifest, Rights, What};
use tapioca::wire::message::{self, FromClient, FromServer, Request};

fn again<T: Serialize + DeserializeOwned + PartialEq>(bytes: &[u8]) -> Option<T> {
    let said: T = message::decode(bytes).ok()?;
    let encoded = message::encode(&said).expect("it was not longer when it came");
    assert!(message::decode::<T>(&encoded).is_ok_and(|same| same == said));
    Some(said)
}

pub fn message(bytes: &[u8]) {
    again::<FromServer>(bytes);
    again::<Ask>(bytes);
    again::<Answer>(bytes);
    if let Some(FromClient::Start(request)) = again(bytes)
        && request.complaint().is_none()
    {
        is_sound(&request);
    }
}

fn is_sound(request: &Request) {
    assert!((1..=64).contains(&request.words.len()) && request.handles() <= 254);
    assert!(request.words.iter().all(|word| word.len() <= 4096 && !word.contains('\0')));
    for (at, pipe) in request.pipes.iter().enumerate() {
        let path = Path::new("room").join(&pipe.name);
        assert!(path.parent() == Some(Path::new("room")) && path.file_name().is_some());
        assert!(!request.pipes[..at].iter().any(|other| other.name == pipe.name));
    }
}

/// A machine and words, each on a line, a line `%`, and a manifest.
pub fn gluepot(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((said, manifest)) = text.split_once("\n%\n") else { return };
    let mut said = said.split('\n').map(str::to_owned);
    let machine = said.next().unwrap_or_default();
    let words: Vec<String> = said.collect();
    let Ok(parsed) = Manifest::parse(manifest) else { return };
    if let Ok(allowed) = parsed.allow(&machine, &words, Path::new("/nowhere")) {
        let table: toml::Table = manifest.parse().expect("it was parsed");
        is_allowed(&machine, &words, &allowed, &table);
    }
}

fn list<'a>(entry: &'a toml::Value, name: &str) -> Vec<&'a str> {
    let all = entry.get(name).and_then(toml::Value::as_array);
    all.into_iter().flatten().map(|one| one.as_str().expect("a string")).collect()
}

fn is_allowed(machine: &str, words: &[String], allowed: &Allowed, manifest: &toml::Table) {
    let text =
        |entry: &toml::Value, name| entry.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    let entries = manifest["component"].as_array().expect("entries");
    let entry = entries.iter().find(|entry| {
        let is_for = entry.get("machines").is_none() || list(entry, "machines").contains(&machine);
        text(entry, "name").as_ref() == words.first() && is_for
    });
    let entry = entry.expect("an entry of that name for that machine");
    assert!(entry.get("program").is_none(), "there are no programs in that folder");
    let name = text(entry, "run").or(text(entry, "name")).expect("a name");
    match text(entry, "socket") {
        Some(socket) => {
            assert_eq!(allowed.what, What::Service(socket.into()));
            assert_eq!(allowed.rights, Rights::default(), "nothing runs here");
        }
        None => assert_eq!(allowed.what, What::Ours(name)),
    }
    let with = list(entry, "with");
    assert_eq!(allowed.words[..with.len()], with);
    assert_eq!(allowed.words[with.len()..], words[1..]);
    let roots: Vec<&str> = [list(entry, "read"), list(entry, "write")].concat();
    let may = list(entry, "may");
    let tokens: Vec<&str> =
        may.iter().flat_map(|m| m.trim_end_matches('…').split_whitespace()).collect();
    for word in &words[1..] {
        let fits = tokens.iter().any(|token| stands_for(token, word, &roots));
        assert!(fits, "{word:?} is none of {tokens:?}");
    }
    let is_once = may.iter().all(|pattern| !pattern.ends_with('…'));
    assert!(!is_once || words.len() - 1 <= tokens.len(), "something was said twice");
}

fn stands_for(token: &str, word: &str, roots: &[&str]) -> bool {
    let Some((front, kind)) = token.split_once('{') else { return token == word };
    let Some(rest) = word.strip_prefix(front) else { return false };
    if rest.is_empty() || rest.starts_with('-') {
        return false;
    }
    match kind {
        "word}" => rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@+%,=".contains(&b)),
        "number}" => rest.len() <= 20 && rest.bytes().all(|b| b.is_ascii_digit()),
        "path}" => is_within(rest, roots),
        "text}" => true,
        _ => false,
    }
}

fn steps(path: &str) -> Vec<&str> {
    path.split('/').filter(|step| !["", "."].contains(step)).collect()
}

fn is_within(path: &str, roots: &[&str]) -> bool {
    let there = steps(path);
    let is_below = |root: &&str| there.starts_with(&steps(root));
    !there.contains(&"..") && (!path.starts_with('/') || roots.iter().any(is_below))
}

/// A code, or an address.
pub fn code(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(code) = Code::parse(text) {
        let shown = code.text();
        let same = Code::parse(&shown).expect("what is shown is a code");
        assert!(same.name() == code.name() && same.key() == code.key() && same.text() == shown);
        assert!(shown.len() == 24 && shown.split('-').all(|group| group.len() == 4));
        let plain = |c: &char| !c.is_whitespace() && *c != '-';
        assert_eq!(text.chars().filter(plain).count(), 20);
    }
    if let Ok(address) = text.parse::<Address>() {
        let shown = address.to_string();
        assert_eq!(shown.parse(), Ok(address.clone()), "{shown}");
        assert!(!shown.contains(['/', '\0']) && shown != "..", "{shown} is no name of a folder");
        // It was never there.
        assert!(Machine::at(Path::new("/nowhere"), &address).folder().is_err());
    }
}
