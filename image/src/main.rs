//! The tool for the bootable image. So far it makes one piece of it.
//!
//! `image cpio DIR` writes the initial file system of a Linux kernel to standard output. Words go to
//! standard error. Exit status: 0 written, 2 usage, 100 a file that cannot be in such an archive,
//! 111 the host's fault.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use image::Error;

#[derive(Parser)]
#[command(name = "image", version, about = "Make pieces of the bootable image")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a directory as a newc cpio archive, the same bytes for the same tree
    Cpio {
        /// The directory that becomes the root
        dir: PathBuf,
        /// Modification time of every entry, seconds since the epoch
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        mtime_s: u32,
    },
}

fn main() -> ExitCode {
    let Command::Cpio { dir, mtime_s } = Cli::parse().command;
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let written = image::tree::write(&dir, mtime_s, &mut out)
        .and_then(|()| out.flush().map_err(Error::Output));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
