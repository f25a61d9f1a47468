//! The line itself: a UART, a terminal, or any two pipes.
//!
//! Owns opening it, raw, and carrying bytes both ways. What comes goes to the inbox, which takes what it has room
//! for; what is sent waits here, and a line that takes nothing for so long is given up. Nothing is buffered beyond
//! a few pieces.

use std::io::{IsTerminal, Read as _};
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_serial::{SerialPort, SerialPortBuilderExt, SerialStream};

use super::inbox::Inbox;
use super::output::{STUCK, Sent};
use crate::settings::Speed;
use crate::stream::{Blame, Fault};

/// Pieces that wait to be sent.
const WAITING: usize = 4;

/// A way to the line.
pub fn way() -> (Sender<Sent>, Receiver<Sent>) {
    channel(WAITING)
}

/// Opens a serial line: 8 bits, no parity, one stop bit, no flow control, nobody else on it.
fn open(path: &Path, speed: Speed) -> Result<SerialStream, Fault> {
    let name = path.to_string_lossy();
    let port = tokio_serial::new(name.clone(), speed.baud()).open_native_async();
    port.map_err(|e| Fault::later(Blame::Host, format!("cannot open the line {name}: {e}")))
}

/// Carries bytes between the line at `path` and a session, until either is gone.
///
/// # Errors
///
/// The line cannot be opened.
pub fn serial(
    path: &Path,
    speed: Speed,
    inbox: &Arc<Inbox>,
    sent: Receiver<Sent>,
) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Fault::host("cannot wait for the line", &e))?;
    let carried = runtime.block_on(async {
        let line = open(path, speed)?;
        carry(line, speed, inbox, sent).await
    });
    inbox.gone();
    carried
}

async fn carry(
    mut line: SerialStream,
    mut speed: Speed,
    inbox: &Arc<Inbox>,
    mut sent: Receiver<Sent>,
) -> Result<(), Fault> {
    let mut bytes = [0; 256];
    loop {
        tokio::select! {
            read = AsyncReadExt::read(&mut line, &mut bytes) => match read {
                Ok(0) => return Ok(()),
                Ok(count) => inbox.keys(&bytes[..count]),
                Err(error) => return Err(Fault::host("the line is gone", &error)),
            },
            next = sent.recv() => match next {
                None => return Ok(()),
                Some(Sent::Bytes(piece)) => {
                    let written = timeout(STUCK, send(&mut line, &piece, inbox)).await;
                    match written {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return Err(Fault::host("the line is gone", &error)),
                        Err(_) => return Err(Fault::later(Blame::Link, "the line takes nothing any more")),
                    }
                }
                Some(change @ (Sent::NextSpeed | Sent::Speed(_))) => {
                    speed = if let Sent::Speed(wanted) = change { wanted } else { speed.next() };
                    if let Err(error) = line.set_baud_rate(speed.baud()) {
                        tracing::warn!(%error, baud = speed.baud(), "the line's speed stays");
                    }
                }
            },
        }
    }
}

/// Sends a piece, and hears meanwhile: somebody may want no more of it.
async fn send(line: &mut SerialStream, piece: &[u8], inbox: &Arc<Inbox>) -> std::io::Result<()> {
    let (mut from, mut to) = tokio::io::split(line);
    let mut bytes = [0; 256];
    // Never flushed: that waits in the kernel, where no time limit ends it.
    let mut writing = std::pin::pin!(to.write_all(piece));
    loop {
        tokio::select! {
            written = &mut writing => return written,
            read = from.read(&mut bytes) => match read? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => inbox.keys(&bytes[..count]),
            },
        }
    }
}

/// Carries bytes between standard input and output and a session.
///
/// # Errors
///
/// The terminal cannot be made raw.
pub fn standard(inbox: &Arc<Inbox>, mut sent: Receiver<Sent>) -> Result<(), Fault> {
    use std::io::Write;
    let raw = Raw::terminal()?;
    let heard = inbox.clone();
    let listen = move || {
        let mut bytes = [0; 256];
        let mut input = std::io::stdin().lock();
        // An error ends it as an end does: nobody types any more.
        while let Ok(count @ 1..) = input.read(&mut bytes) {
            heard.keys(&bytes[..count]);
        }
        heard.gone();
    };
    let thread = std::thread::Builder::new().name("input".into()).spawn(listen);
    thread.map_err(|e| Fault::host("cannot start a thread", &e))?;
    let mut output = std::io::stdout().lock();
    while let Some(next) = sent.blocking_recv() {
        let Sent::Bytes(piece) = next else { continue };
        let written = output.write_all(&piece).and_then(|()| output.flush());
        if let Err(error) = written {
            tracing::debug!(%error, "nobody reads any more");
            break;
        }
    }
    inbox.gone();
    drop(raw);
    Ok(())
}

/// A terminal that gives every byte as it is, until this is dropped.
struct Raw(Option<rustix::termios::Termios>);

impl Raw {
    fn terminal() -> Result<Raw, Fault> {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Ok(Raw(None));
        }
        let failed = |e: rustix::io::Errno| Fault::host("cannot use the terminal", &e.into());
        let before = rustix::termios::tcgetattr(&input).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        set(&raw).map_err(failed)?;
        Ok(Raw(Some(before)))
    }
}

fn set(to: &rustix::termios::Termios) -> Result<(), rustix::io::Errno> {
    rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Flush, to)
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = set(before)
        {
            tracing::warn!(%error, "the terminal stays as it is");
        }
    }
}
