//! What the steward keeps, and in what.
//!
//! Owns the records' shapes and their envelope: one byte of version, then postcard. Where they lie is handed in
//! as a [`Keep`]; a record that cannot be read is a fault that names it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::message::{Boot, Reset};
use crate::stream::{Blame, Fault};

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Identity`]
    Identity,
    /// [`Administrator`]
    Administrator,
    /// [`Generation`]s
    Settings,
    /// [`Boots`]
    Boot,
    /// [`Resetting`]
    Reset,
    /// [`TimeFloor`]
    TimeFloor,
}

/// A record and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number, from 1, growing.
    pub generation: u64,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Somewhere to keep records that outlives a power cut: a write that returned is there, one that did not is
/// there or not, and never half.
pub trait Keep: Send {
    /// The newest of a kind, or so many before it; none: there is none.
    fn back(&self, kind: Kind, n: u32) -> Result<Option<Kept>, Fault>;
    /// A new one; its number.
    fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<u64, Fault>;
}

/// Generations of settings that are kept.
pub const GENERATIONS: u32 = 16;
/// Starts that are remembered.
pub const BOOTS_MAX: usize = 8;

/// Who the box is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its serial number.
    pub serial: String,
    /// Its key pair, Ed25519, PKCS #8.
    pub key: Vec<u8>,
    /// When it was made.
    pub made_s: i64,
}

/// Who may change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrator {
    /// What is kept of the password; none: it was lost, and the box waits for another.
    pub hash: Option<String>,
    /// Since when.
    pub since_s: i64,
}

/// Settings as they were committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Their text form.
    pub text: String,
    /// When.
    pub at_s: i64,
    /// Where it was typed.
    pub by: String,
    /// Why.
    pub words: String,
    /// Whether they still have to be confirmed: after a restart they are not in force.
    pub trial: bool,
}

/// Starts of the box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    /// How many there were.
    pub count: u64,
    /// The newest, newest first.
    pub last: Vec<Boot>,
    /// What was asked for since, in words: why there will be another. Empty: nothing.
    pub asked: String,
}

/// A time that was: it is later now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeFloor {
    /// Seconds since the epoch.
    pub at_s: i64,
}

/// A reset that init is to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resetting {
    /// What; none: it was carried out.
    pub what: Option<Reset>,
    /// When it was asked for.
    pub asked_s: i64,
}

/// Version of all records here.
const VERSION: u8 = 1;

/// A record as bytes.
pub fn encode(record: &impl Serialize) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(record, vec![VERSION])
        .map_err(|e| Fault::never(Blame::Ours, format!("a record cannot be written: {e}")))
}

/// A record of bytes.
///
/// # Errors
///
/// It is of another version, or damaged.
pub fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, Fault> {
    let damaged =
        |what: &str| Fault::never(Blame::Host, format!("meta: the record {kind:?} {what}"));
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| damaged("is damaged")),
        Some((version, _)) => Err(damaged(&format!("has version {version}, not {VERSION}"))),
        None => Err(damaged("is empty")),
    }
}

/// The newest record of a kind.
pub fn newest<T: DeserializeOwned>(keep: &dyn Keep, kind: Kind) -> Result<Option<T>, Fault> {
    let kept = keep.back(kind, 0)?;
    kept.map(|kept| decode(kind, &kept.payload)).transpose()
}
