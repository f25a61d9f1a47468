//! The dialect of programs, answered.
//!
//! Owns a session's part in it: questions in, answers out, nothing else on the line. News wait for `show events`.

use std::time::{Duration, Instant};

use super::frame::{Decoder, PIECE_BYTES, Question, Reply, Told, VERSION, Want, encode};
use super::inbox::Happened;
use super::session::{Flow, Leave, Session};
use crate::steward::message::{Answer, Ask};
use crate::stream::Fault;

/// How long a program may be silent.
const SILENT: Duration = Duration::from_secs(300);

impl Session {
    /// Answers a program until it wants no more.
    pub(super) fn record(&mut self) -> Flow<()> {
        let mut decoder = Decoder::default();
        self.send(Reply { number: 0, told: Told::Done })?;
        let mut silent = Instant::now() + SILENT;
        loop {
            match self.inbox.next(Some(silent)) {
                Happened::Key(byte) => match decoder.byte::<Question>(byte) {
                    None => {}
                    Some(Err(_)) => self.send(Reply { number: 0, told: Told::Damaged })?,
                    Some(Ok(Question { number, want: Want::Off })) => {
                        return self.send(Reply { number, told: Told::Done });
                    }
                    Some(Ok(question)) => {
                        self.question(question)?;
                        silent = Instant::now() + SILENT;
                    }
                },
                Happened::News(event) => self.news(&event, false)?,
                Happened::Answered(..) => {}
                Happened::Gone => return Err(Leave::Gone),
                Happened::Nothing => return Err(Leave::Out),
            }
        }
    }

    fn question(&mut self, Question { number, want }: Question) -> Flow<()> {
        let outcome = match want {
            Want::Hello => self
                .state()
                .map(|state| vec![Told::Hello { version: VERSION, serial: state.serial }]),
            Want::Login { password } => {
                self.proved(&Ask::Login { password: password.clone() }, password)
            }
            Want::Claim { password } => {
                let claim = Ask::Claim { password: password.clone(), name: None };
                self.proved(&claim, password)
            }
            Want::Line(line) => self.for_program(&line)?.map(|text| pieces(&text)),
            Want::Off => Ok(vec![Told::Done]),
        };
        let told = outcome.unwrap_or_else(|fault| {
            let Fault { what, hint, .. } = fault;
            vec![Told::Refused { what: cut(&what), hint: hint.map(|hint| cut(&hint)) }]
        });
        told.into_iter().try_for_each(|told| self.send(Reply { number, told }))
    }

    fn proved(
        &mut self,
        ask: &Ask,
        password: crate::tapicom::message::Secret,
    ) -> Result<Vec<Told>, Fault> {
        match self.ask(ask)? {
            Answer::Done => {
                self.service.arrived(password);
                Ok(vec![Told::Done])
            }
            _ => Err(Fault::stream("the steward answers something else than was asked")),
        }
    }

    fn send(&mut self, reply: Reply) -> Flow<()> {
        match encode(&reply) {
            // A zero first ends whatever noise there was.
            Ok(frame) => Ok(self.out.raw(&[&[0], frame.as_slice()].concat())?),
            Err(fault) => {
                tracing::error!(%fault, "an answer is not sent");
                Err(Leave::Out)
            }
        }
    }
}

/// The beginning of a text that may be long.
fn cut(text: &str) -> String {
    text.chars().take(PIECE_BYTES / 4).collect()
}

/// A text in pieces of a frame each, at least one.
fn pieces(text: &str) -> Vec<Told> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let mut end = rest.len().min(PIECE_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        pieces.push(Told::Part { text: piece.to_owned(), last: after.is_empty() });
        if after.is_empty() {
            return pieces;
        }
        rest = after;
    }
}
