//! Tickets: what stands for a login.
//!
//! Owns their text, their making and their check. A ticket's secret half has 256 random bits and is known to
//! whoever logged in and nobody else: kept is BLAKE3 of it. It is good on one machine, as long as it is not
//! revoked, its user is not disabled, and it has not expired, if it does at all.
//!
//! ```text
//! tap1- and 84 of 0123456789abcdefghjkmnpqrstvwxyz (5 bits each, highest first; the last 4 bits are 0):
//!    id (16 bytes) | secret (32) | first 4 bytes of BLAKE3 of both
//! ```

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::message::Secret;
use crate::catalogue::record::{Right, Seconds, Ticket, User};
use crate::stream::{Blame, Fault};

const PREFIX: &str = "tap1-";
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const CHECK_BYTES: usize = 4;
const BYTES: usize = ID_BYTES + SECRET_BYTES + CHECK_BYTES;
const TEXT_LETTERS: usize = (BYTES * 8).div_ceil(5);

/// A ticket as it is shown.
pub struct Shown {
    /// The public half.
    pub id: [u8; ID_BYTES],
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| Fault::later(Blame::Host, "cannot get random bytes"))?;
    Ok(bytes)
}

fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = *blake3::hash(bytes).as_bytes();
    [0, 1, 2, 3].map(|n| hash[n])
}

impl Shown {
    /// A new one.
    pub fn new() -> Result<Shown, Fault> {
        Ok(Shown { id: random()?, secret: Zeroizing::new(random()?) })
    }

    /// Its text, for the one who logged in.
    pub fn text(&self) -> Secret {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[..ID_BYTES].copy_from_slice(&self.id);
        bytes[ID_BYTES..ID_BYTES + SECRET_BYTES].copy_from_slice(&*self.secret);
        let check = check_of(&bytes[..BYTES - CHECK_BYTES]);
        bytes[BYTES - CHECK_BYTES..].copy_from_slice(&check);
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
        let mut text = String::with_capacity(PREFIX.len() + TEXT_LETTERS);
        text.push_str(PREFIX);
        for letter in 0..TEXT_LETTERS {
            let value = (0..5).fold(0, |value, n| value << 1 | bit(letter * 5 + n));
            text.push(char::from(LETTERS[usize::from(value)]));
        }
        Secret::new(text)
    }

    /// Reads the text. There is one text for every ticket.
    pub fn parse(text: &str) -> Option<Shown> {
        let letters = text.strip_prefix(PREFIX).filter(|rest| rest.len() == TEXT_LETTERS)?;
        // One byte more for the bits that are left over.
        let mut bytes = Zeroizing::new([0_u8; BYTES + 1]);
        for (n, letter) in letters.bytes().enumerate() {
            let value = LETTERS.iter().position(|known| *known == letter)?;
            for bit in (0..5).filter(|bit| value >> (4 - bit) & 1 == 1) {
                let at = n * 5 + bit;
                bytes[at / 8] |= 1 << (7 - at % 8);
            }
        }
        let (all, rest) = bytes.split_at(BYTES);
        let (halves, check) = all.split_at(BYTES - CHECK_BYTES);
        if rest != [0] || check != check_of(halves) {
            return None;
        }
        let (id, secret) = halves.split_at(ID_BYTES);
        let secret = Zeroizing::new(<[u8; SECRET_BYTES]>::try_from(secret).ok()?);
        Some(Shown { id: id.try_into().ok()?, secret })
    }

    /// What is kept of its secret half.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&*self.secret).as_bytes()
    }

    /// Whether it is the ticket that is kept. Takes as long whichever byte is wrong.
    pub fn is(&self, kept: &Ticket) -> bool {
        self.id == kept.id && blake3::hash(&*self.secret) == blake3::Hash::from_bytes(kept.hash)
    }
}

/// What may still be done with a ticket by somebody at `machine`; none: it is not good, now or there.
pub fn rights_now(
    ticket: &Ticket,
    user: Option<&User>,
    machine: &str,
    now_s: Seconds,
) -> Option<BTreeSet<Right>> {
    let user = user.filter(|user| user.name == ticket.user && may_log_in(user, machine))?;
    let is_over = ticket.expires_s.is_some_and(|expires_s| expires_s <= now_s);
    let is_here = ticket.machine == machine;
    (is_here && !is_over).then(|| ticket.rights.intersection(&user.rights).copied().collect())
}

/// Whether somebody may log in from a machine at all.
pub fn may_log_in(user: &User, machine: &str) -> bool {
    !user.disabled && (user.machines.is_empty() || user.machines.contains(machine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::record::Credential;

    fn shown() -> Shown {
        Shown { id: [1; 16], secret: Zeroizing::new([2; 32]) }
    }

    #[test]
    fn a_text_is_golden_and_the_only_one() {
        let text = shown().text();
        let golden =
            "tap1-040g2081040g2081040g2081041040g2081040g2081040g2081040g2081040g2081040g20810";
        // Its last letters are the check.
        assert_eq!(&text.reveal()[..81], golden);
        assert_eq!(text.reveal().len(), 89);
        let again = Shown::parse(text.reveal()).unwrap();
        assert!(again.id == [1; 16] && *again.secret == [2; 32]);
        for at in 0..text.reveal().len() {
            for letter in *b"0z-A" {
                let mut other = text.reveal().as_bytes().to_vec();
                if other[at] != letter {
                    other[at] = letter;
                    let other = String::from_utf8(other).unwrap();
                    assert!(Shown::parse(&other).is_none(), "{other}");
                }
            }
            assert!(Shown::parse(&text.reveal()[..at]).is_none());
        }
        assert!(Shown::parse(&format!("{}0", text.reveal())).is_none());
        assert!(Shown::parse("tap1-é").is_none());
    }

    #[test]
    fn no_two_are_alike() {
        let all: BTreeSet<String> =
            (0..100).map(|_| Shown::new().unwrap().text().reveal().to_owned()).collect();
        assert_eq!(all.len(), 100);
    }

    #[test]
    fn a_ticket_is_good_for_its_machine_its_time_and_its_user() {
        let rights: BTreeSet<Right> = [Right::Look, Right::Operate].into();
        let user = User {
            name: "alice".into(),
            credential: Credential::Machine,
            rights: [Right::Look, Right::BackUp].into(),
            machines: BTreeSet::new(),
            disabled: false,
        };
        let ticket = Ticket {
            id: [1; 16],
            hash: shown().hash(),
            user: "alice".into(),
            machine: "web".into(),
            rights,
            created_s: 0,
            expires_s: Some(100),
        };
        assert!(shown().is(&ticket));
        assert!(!shown().is(&Ticket { hash: [2; 32], ..ticket.clone() }), "its secret is kept");
        assert!(!shown().is(&Ticket { id: [3; 16], ..ticket.clone() }));
        let now =
            |user: Option<&User>, machine: &str, now_s| rights_now(&ticket, user, machine, now_s);
        assert_eq!(now(Some(&user), "web", 99), Some([Right::Look].into()));
        assert_eq!(now(Some(&user), "web", 100), None, "it is over");
        assert_eq!(now(Some(&user), "db", 99), None, "another machine");
        assert_eq!(now(None, "web", 99), None, "nobody");
        let bob = User { name: "bob".into(), ..user.clone() };
        assert_eq!(now(Some(&bob), "web", 99), None, "somebody else");
        let disabled = User { disabled: true, ..user.clone() };
        assert_eq!(now(Some(&disabled), "web", 99), None);
        let elsewhere = User { machines: ["db".to_owned()].into(), ..user };
        assert_eq!(now(Some(&elsewhere), "web", 99), None, "not from there any more");
    }
}
