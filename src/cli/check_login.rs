//! `check_login`: the program by which a machine checks the logins of its own people.
//!
//! Owns its source, in C, as it is the one program that has to link a machine's own PAM, which a static
//! executable cannot.

use std::io::Write;

use clap::Args;

use super::Done;
use super::table;
use crate::stream::Fault;

const SOURCE: &str = include_str!("check_login.c");

/// Print the program by which a machine checks logins, in C
///
/// Its head says how to build it and what the machine's gluepot has to say.
#[derive(Args)]
pub(super) struct CheckLoginArgs {}

impl CheckLoginArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        table::print(|out| out.write_all(SOURCE.as_bytes()))?;
        Ok(Done::Whole)
    }
}
