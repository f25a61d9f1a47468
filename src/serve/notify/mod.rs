//! Telling people: notes by mail and to a webhook.
//!
//! Owns what a note is, and for each receiver a [`post`]: a queue with a bound and a thread of its own, so that
//! telling never waits for anybody. Notes are given once: kept in memory until a receiver took them, and lost
//! with the process. What must not be lost is in the catalogue.

pub mod hook;
pub mod mail;
pub mod post;

use std::time::{Duration, Instant};

use serde::Serialize;

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
        Ok(Notifier { posts })
    }

    /// Tells everybody, by and by. Never waits.
    pub fn tell(&self, note: Note) {
        let note = note.bounded();
        for post in &self.posts {
            post.put(note.clone());
        }
    }

    /// What came of the notes so far, with the receivers' names.
    pub fn counts(&self) -> Vec<(String, Counts)> {
        self.posts.iter().map(|post| (post.to().to_owned(), post.counts())).collect()
    }

    /// Ends: what is left is tried once more, for at most `within`. How many notes nobody took.
    pub fn finish(self, within: Duration) -> usize {
        self.posts.iter().for_each(Post::close);
        let until = Instant::now() + within;
        self.posts
            .iter()
            .map(|post| post.left(until.saturating_duration_since(Instant::now())))
            .sum()
    }
}
