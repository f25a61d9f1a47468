//! The tool for the bootable image.
//!
//! Owns the command line; what it does is the library's. Results go to standard output, words to
//! standard error. Exit status: 0 done, 1 two images differ, 2 usage, 100 will not work if tried
//! again, 111 the host's fault.

mod command;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match command::Cli::parse().run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("image: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
