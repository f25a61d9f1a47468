//! One-time codes: what a person carries from a netplumber to a machine that is to enrol.
//!
//! Owns their text. A code has 80 random bits that never travel, and a short public name by which the
//! netplumber finds it. Twenty characters in groups of four, digits and letters without I, L, O and U; the
//! fourth is a check over the others, so that a slip of the hand is told at once and costs no attempt.

use zeroize::{Zeroize, Zeroizing};

use super::random;
use crate::stream::Fault;

const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const NAME_LETTERS: usize = 3;
const SECRET_LETTERS: usize = 16;
const PURPOSE: &str = "tapioca 2026-11 enrolment code";

/// A code.
pub struct Code {
    name: String,
    secret: Zeroizing<String>,
}

impl Code {
    /// A new one.
    pub fn new() -> Result<Code, Fault> {
        let mut bytes = Zeroizing::new([0; NAME_LETTERS + SECRET_LETTERS]);
        random(&mut *bytes)?;
        let letters = |bytes: &[u8]| -> String {
            bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect()
        };
        let (name, secret) = bytes.split_at(NAME_LETTERS);
        Ok(Code { name: letters(name), secret: Zeroizing::new(letters(secret)) })
    }

    /// Reads what somebody typed: any case, with or without dashes and blanks, O for 0, I and L for 1.
    pub fn parse(text: &str) -> Result<Code, Fault> {
        let wrong = |what: &str| {
            Fault::usage(format!("not an enrolment code: {what}"))
                .hint("it has five groups of four letters and digits; look for a slip of the hand")
        };
        let mut all = Zeroizing::new(String::with_capacity(64));
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64) {
            all.push(match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c if c.is_ascii() && LETTERS.contains(&(c as u8)) => c,
                _ => return Err(wrong("it has a character that no code has")),
            });
        }
        if all.len() != NAME_LETTERS + 1 + SECRET_LETTERS {
            return Err(wrong("it has not twenty characters"));
        }
        let (name, rest) = all.split_at(NAME_LETTERS);
        let (check, secret) = rest.split_at(1);
        let code = Code { name: name.to_owned(), secret: Zeroizing::new(secret.to_owned()) };
        match code.check() == check {
            true => Ok(code),
            false => Err(wrong("a character is wrong or two are swapped")),
        }
    }

    /// The public part.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it is shown.
    pub fn text(&self) -> Zeroizing<String> {
        let mut all = format!("{}{}{}", self.name, self.check(), *self.secret);
        let mut text = Zeroizing::new(String::with_capacity(32));
        for (at, c) in all.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                text.push('-');
            }
            text.push(c);
        }
        all.zeroize();
        text
    }

    /// What both sides derive of the secret; the secret itself is kept nowhere.
    pub fn key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(PURPOSE, self.secret.as_bytes()))
    }

    /// Weights that differ from place to place, so that swapped neighbours are found, too.
    fn check(&self) -> String {
        let letters = self.name.bytes().chain(self.secret.bytes());
        let sum = letters.zip((1usize..).step_by(2)).fold(0, |sum, (letter, weight)| {
            sum + weight * LETTERS.iter().position(|&l| l == letter).unwrap_or(0)
        });
        char::from(LETTERS[sum % 32]).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_typed() {
        let code = Code::new().unwrap();
        let text = code.text();
        assert_eq!(text.len(), 24);
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        let typed = Code::parse(&sloppy).unwrap();
        assert_eq!((typed.name(), typed.key()), (code.name(), code.key()));
    }

    #[test]
    fn slips_of_the_hand_are_told() {
        let text = "7K22-93QT-M4ZX-8B0C-H1JW";
        let all: String = text.replace('-', "");
        let letter = |n: usize| char::from(LETTERS[n]);
        let good = (0..32).find_map(|n| {
            let mut with = all.clone();
            with.replace_range(3..4, &letter(n).to_string());
            Code::parse(&with).ok().map(|_| with)
        });
        let good = good.unwrap();
        for at in 0..good.len() {
            let old = LETTERS.iter().position(|&l| l == good.as_bytes()[at]).unwrap();
            let mut bad = good.clone();
            bad.replace_range(at..=at, &letter((old + 1) % 32).to_string());
            assert!(Code::parse(&bad).is_err(), "character {at} changed");
        }
        assert!(Code::parse(&good[1..]).is_err() && Code::parse("").is_err());
        assert!(Code::parse(&good.replace('7', "U")).is_err());
    }
}
