//! Telling people: notes by mail and to a webhook.
//!
//! Owns what a note is, and for each receiver a [`post`]: a queue with a bound and a thread of its own, so that
//! telling never waits for anybody. Notes are given once: kept in memory until a receiver took them, and lost
//! with the process. What must not be lost is in the catalogue.

pub mod hook;
pub mod mail;
pub mod post;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::catalogue::record::Receiver;
use crate::serve::config::{Mail, Webhook};
use crate::stream::Fault;
use post::{Counts, Patience, Post};

/// The longest subject, characters.
pub const SUBJECT_CHARS_MAX: usize = 150;
/// The longest text, bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something was done as it should be.
    Done,
    /// Something came to less than it should.
    Problem,
    /// Something waits for a person.
    Request,
    /// Something that was promised is lost or in danger.
    Alarm,
}

/// Something that people are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// What it is about.
    pub kind: Kind,
    /// In one line.
    pub subject: String,
    /// In full.
    pub text: String,
    /// The same for programs.
    pub json: serde_json::Value,
}

impl Note {
    /// Within the limits: a subject without control characters, and a text that ends where it is cut.
    fn bounded(self) -> Note {
        let line = self.subject.chars().map(|c| if c.is_control() { ' ' } else { c });
        let subject = line.take(SUBJECT_CHARS_MAX).collect();
        let mut text = self.text;
        if text.len() > TEXT_BYTES_MAX {
            let at = text.floor_char_boundary(TEXT_BYTES_MAX);
            text.truncate(at);
            text.push_str("\n(cut here: the rest is too long)\n");
        }
        // What is too large for a text is too large for a program's part of it.
        let json = if self.json.to_string().len() > TEXT_BYTES_MAX {
            serde_json::Value::Null
        } else {
            self.json
        };
        Note { subject, text, json, ..self }
    }
}

/// Tells everybody who is to be told.
pub struct Notifier {
    posts: Vec<Post>,
    /// Those that commands made known.
    named: Mutex<BTreeMap<String, (Receiver, Post)>>,
    mail: Option<Mail>,
    patience: Patience,
}

impl Notifier {
    /// Begins: a thread for each address and the webhook. Nobody is connected to yet; a fault is about files of
    /// secrets and certificates.
    pub fn start(
        mail: Option<&Mail>,
        webhook: Option<&Webhook>,
        patience: Patience,
    ) -> Result<Notifier, Fault> {
        let mut posts = Vec::new();
        if let Some(mail) = mail {
            for to in &mail.to {
                posts.push(Post::start(mail::Carrier::new(mail, to, patience.answer)?, patience)?);
            }
        }
        if let Some(webhook) = webhook {
            posts.push(Post::start(hook::Carrier::new(webhook, patience.answer)?, patience)?);
        }
        Ok(Notifier { posts, named: Mutex::default(), mail: mail.cloned(), patience })
    }

    /// Tells everybody, by and by. Never waits.
    pub fn tell(&self, note: Note) {
        let note = note.bounded();
        for post in &self.posts {
            post.put(note.clone());
        }
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for (receiver, post) in named.values() {
            if wants(receiver, note.kind) {
                post.put(note.clone());
            }
        }
    }

    /// These are told from now on, besides those of the configuration. Who cannot be is named in the log.
    pub fn name(&self, receivers: &BTreeMap<String, Receiver>) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|name, (known, post)| {
            let stays = receivers.get(name) == Some(known);
            if !stays {
                post.close();
            }
            stays
        });
        for (name, receiver) in receivers {
            if named.contains_key(name) {
                continue;
            }
            match self.post_to(&receiver.to) {
                Ok(post) => drop(named.insert(name.clone(), (receiver.clone(), post))),
                Err(fault) => tracing::warn!(name, %fault, "nobody is told there"),
            }
        }
    }

    /// Whether it could be told somewhere.
    ///
    /// # Errors
    ///
    /// An address that is none, or that there is no way to.
    pub fn can_reach(mail: Option<&Mail>, to: &str) -> Result<(), Fault> {
        match to.strip_prefix("mailto:") {
            Some(address) if address.parse::<lettre::message::Mailbox>().is_err() => {
                Err(Fault::usage(format!("{address} is no mail address")))
            }
            Some(_) if mail.is_none() => {
                let what = "no mail server stands in the appliance's configuration";
                Err(Fault::usage(what).hint("the section [mail] of its file: server, from, to"))
            }
            Some(_) => Ok(()),
            None => {
                let uri = to.parse::<hyper::Uri>().ok();
                let is_web = uri.is_some_and(|uri| {
                    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
                });
                let none = || Fault::usage(format!("{to} is no address: mailto:… or https://…"));
                is_web.then_some(()).ok_or_else(none)
            }
        }
    }

    /// Whether there is a mail server.
    pub fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }

    fn post_to(&self, to: &str) -> Result<Post, Fault> {
        Notifier::can_reach(self.mail.as_ref(), to)?;
        let answer = self.patience.answer;
        match (to.strip_prefix("mailto:"), &self.mail) {
            (Some(address), Some(mail)) => {
                let address = address.parse().map_err(|_| Fault::usage("no mail address"))?;
                Post::start(mail::Carrier::new(mail, &address, answer)?, self.patience)
            }
            _ => {
                let webhook = Webhook { url: to.to_owned(), bearer_file: None, ca_file: None };
                Post::start(hook::Carrier::new(&webhook, answer)?, self.patience)
            }
        }
    }

    /// What came of the notes so far, with the receivers' names.
    pub fn counts(&self) -> Vec<(String, Counts)> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.posts.iter().chain(named.values().map(|(_, post)| post));
        all.map(|post| (post.to().to_owned(), post.counts())).collect()
    }

    /// Ends: what is left is tried once more, for at most `within`. How many notes nobody took.
    pub fn finish(self, within: Duration) -> usize {
        let named = self.named.into_inner().unwrap_or_else(PoisonError::into_inner);
        let posts: Vec<Post> =
            self.posts.into_iter().chain(named.into_values().map(|(_, post)| post)).collect();
        posts.iter().for_each(Post::close);
        let until = Instant::now() + within;
        posts.iter().map(|post| post.left(until.saturating_duration_since(Instant::now()))).sum()
    }
}

/// Whether a receiver wants a note of a kind.
fn wants(receiver: &Receiver, kind: Kind) -> bool {
    match kind {
        Kind::Request => receiver.requests,
        Kind::Done => receiver.from == 0,
        Kind::Problem => receiver.from <= 1,
        Kind::Alarm => true,
    }
}
