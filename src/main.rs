//! The executable with many names: `tapioca NAME …`, or a link called NAME.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapioca::cli::main(std::env::args_os().collect())
}
