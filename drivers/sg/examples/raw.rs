//! Sends one SCSI command and prints what became of it.
//!
//! usage: raw /dev/sgN ROOM CDB [SECONDS], where ROOM is the number of bytes to take, CDB is
//! hexadecimal, and SECONDS is the time limit (60).
#![allow(clippy::print_stdout, reason = "that is its purpose")]

use std::process::ExitCode;
use std::time::Duration;

use scsi::{Data, Outcome, Transport};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("raw: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let (node, room, cdb, seconds) = match arguments {
        [node, room, cdb] => (node, room, cdb, "60"),
        [node, room, cdb, seconds] => (node, room, cdb, seconds.as_str()),
        _ => return Err("usage: raw /dev/sgN ROOM CDB [SECONDS]".into()),
    };
    let seconds = seconds.parse().map_err(|error| format!("{seconds}: {error}"))?;
    let room: usize = room.parse().map_err(|error| format!("{room}: {error}"))?;
    let cdb = hex(cdb).ok_or_else(|| format!("{cdb}: not hexadecimal"))?;
    let mut node = sg::open(node).map_err(|error| format!("{node}: {error}"))?;
    let mut buffer = vec![0; room];
    let data = if room == 0 { Data::None } else { Data::In(&mut buffer) };
    let outcome = node.execute(&cdb, data, Duration::from_secs(seconds));
    let name = scsi::opcodes::command_name(&cdb);
    let (came, sense) = match &outcome {
        Outcome::Good { residual } => (room - residual, String::new()),
        Outcome::Check { sense, residual } => {
            (room - residual, format!(", sense {:02x?}", sense.raw))
        }
        _ => (0, String::new()),
    };
    let data = &buffer[..came];
    Ok(format!("{} {name} {cdb:02x?}: {outcome}{sense}, {came} bytes {data:02x?}", node.name()))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
