//! What the indexes of a stream's parts say, in clear.
//!
//! Owns the order of the parts and the opening of what is sealed. Without an identity a sealed index is
//! refused; with one, whatever is wrong with it is named.

use std::collections::BTreeMap;

use crate::parts::process::age::Identities;
use crate::parts::process::age::unseal::{Unseal, is_sealed};
use crate::stream::{Begin, Blame, Fault};

/// Index lines of the parts of one stream, by number.
pub(super) type Indexes = BTreeMap<u32, Vec<u8>>;

/// Opens what is sealed, once the stream and its volumes are known.
pub(super) struct Opening<'a>(Option<Unseal<'a>>);

impl<'a> Opening<'a> {
    /// Of the stream that `begin` tells of. An identity that does not help is found here, before
    /// volumes are fetched.
    pub(super) fn new(
        begin: &Begin,
        identities: Option<&'a Identities>,
    ) -> Result<Opening<'a>, Fault> {
        match (is_sealed(begin), identities) {
            (false, _) => Ok(Opening(None)),
            (true, None) => Err(no_identity()),
            (true, Some(identities)) => Ok(Opening(Some(Unseal::of(begin, identities)?))),
        }
    }

    /// The lines in clear, and what is wrong with them or missing.
    pub(super) fn lines(self, indexes: Indexes) -> (Vec<Vec<u8>>, Vec<String>) {
        let Some(mut unseal) = self.0 else {
            return (indexes.into_values().collect(), Vec::new());
        };
        let opened = indexes.into_values().map(|lines| unseal.part(&lines)).collect();
        (opened, unseal.troubles(true))
    }
}

fn no_identity() -> Fault {
    Fault::never(Blame::Operator, "cannot choose entries: the index on tape is sealed").hint(
        "open it with --identity FILE or --passphrase-file FILE, the same as for proc_decrypt",
    )
}

/// The first thing that is wrong, as a fault.
pub(super) fn must_be_sound(troubles: &[String]) -> Result<(), Fault> {
    match troubles.first() {
        None => Ok(()),
        Some(what) => {
            Err(Fault::never(Blame::Medium, format!("the index on tape is damaged: {what}"))
                .hint("--salvage goes on without what is damaged"))
        }
    }
}
