//! Shows a virtual library to virtual machines: `library DIR [ADDRESS]`. Prints a line with the URL of the target when it
//! takes connections; unit 0 is the changer, n the n-th drive. With no address a free port of the loopback interface.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;

use iscsi::{TARGET, Units, serve};

#[allow(clippy::print_stdout, reason = "what the program is asked for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("which library? usage: library DIR [ADDRESS]")?);
    let address = arguments.next().map_or(Ok("127.0.0.1:0".to_owned()), |address| {
        address.into_string().map_err(|address| format!("no address: {}", address.display()))
    })?;
    let units = Units::open(&dir)?;
    let listener = TcpListener::bind(address)?;
    println!("iscsi://{}/{TARGET} {} units", listener.local_addr()?, units.count());
    std::io::stdout().flush()?;
    Ok(serve(&listener, &units)?)
}
