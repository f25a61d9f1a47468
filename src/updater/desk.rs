//! Whoever asks the updater something.
//!
//! Owns the socket, who may ask, and how many at once. What takes long is begun and not waited for.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::process::{RECORDS, Records, Updater, lock};
use super::work::GIVEN;
use crate::packet::{read, write};
use crate::stream::{Blame, Fault};
use crate::update::{Answer, Ask, PIECE_BYTES_MAX, State, Wish};

/// Connections at once.
const CONNECTIONS_MAX: usize = 8;
/// How long somebody may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest bundle, bytes.
const BUNDLE_BYTES_MAX: u64 = bundle::format::UKI_BYTES_MAX + (1 << 20);
/// The longest records that are tested, bytes.
const RECORDS_BYTES_MAX: u64 = 1 << 30;

impl Updater {
    pub(super) fn listen(&self) -> Result<UnixListener, Fault> {
        let path = &self.given.places.socket;
        let failed =
            |e: std::io::Error| Fault::host(format!("cannot listen at {}", path.display()), &e);
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Who may is judged by who it is.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
        Ok(listener)
    }

    pub(super) fn receive(self: &Arc<Self>, mut socket: UnixStream) -> Result<(), Fault> {
        let who = match rustix::net::sockopt::socket_peercred(&socket) {
            Ok(who) => who.uid.as_raw(),
            Err(error) => {
                tracing::warn!(%error, "somebody is not known to the kernel");
                return Ok(());
            }
        };
        let may = who == 0
            || who == rustix::process::geteuid().as_raw()
            || self.given.peers.contains(&who);
        if !may || *lock(&self.connections) >= CONNECTIONS_MAX {
            tracing::warn!(who, "somebody is not received");
            return Ok(());
        }
        let silence = Some(SILENCE);
        let limited =
            socket.set_write_timeout(silence).and_then(|()| socket.set_read_timeout(silence));
        limited.map_err(|e| Fault::host("cannot wait for somebody", &e))?;
        *lock(&self.connections) += 1;
        self.spawn("connection", move |updater| {
            while updater.converse(&mut socket).unwrap_or_else(|fault| {
                tracing::debug!(%fault, "a connection ended");
                false
            }) {}
            *lock(&updater.connections) -= 1;
        })
    }

    /// One question and its answer. Whether there may be another.
    fn converse(&self, socket: &mut UnixStream) -> Result<bool, Fault> {
        let Some(ask) = read::<Ask>(socket)? else { return Ok(false) };
        let refused = |Fault { what, hint, .. }| Answer::Refused { what, hint };
        write(&self.answer(ask).unwrap_or_else(refused), socket).map(|()| true)
    }

    fn answer(&self, ask: Ask) -> Result<Answer, Fault> {
        match ask {
            Ask::Wish(wish) => self.wish(wish).map(|()| Answer::State(self.state())),
            Ask::Seen(seen) => {
                let mut inner = lock(&self.inner);
                inner.seen = Some((Instant::now(), seen));
                Ok(Answer::Noted { records: inner.records == Records::Wanted })
            }
            Ask::Records { first, bytes } => {
                let is_end = bytes.is_empty();
                self.append(RECORDS, first.then_some(0), &bytes, RECORDS_BYTES_MAX)?;
                if is_end {
                    lock(&self.inner).records = Records::Whole;
                }
                Ok(Answer::Noted { records: !is_end })
            }
        }
    }

    fn wish(&self, wish: Wish) -> Result<(), Fault> {
        match wish {
            Wish::Show => Ok(()),
            Wish::Reboot => self.given.host.reboot(),
            Wish::Piece { offset, bytes } => {
                self.is_idle()?;
                self.append(GIVEN, Some(offset), &bytes, BUNDLE_BYTES_MAX)
            }
            Wish::Take | Wish::Stick | Wish::Rollback => {
                self.is_idle()?;
                lock(&self.inner).doing = "beginning".into();
                self.jobs.send(wish).map_err(|_| Fault::never(Blame::Ours, "nobody works any more"))
            }
        }
    }

    fn is_idle(&self) -> Result<(), Fault> {
        let doing = lock(&self.inner).doing.clone();
        match doing.is_empty() {
            true => Ok(()),
            false => Err(Fault::later(Blame::Operator, format!("the updater is {doing}"))),
        }
    }

    /// Adds to a file: at its end, which must be `offset` if one is given; 0 begins it anew.
    fn append(
        &self,
        name: &str,
        offset: Option<u64>,
        bytes: &[u8],
        most: u64,
    ) -> Result<(), Fault> {
        let path = self.given.places.shelf.join(name);
        let failed =
            |e: std::io::Error| Fault::host(format!("cannot write {}", path.display()), &e);
        let no = |what: String| Err(Fault::never(Blame::Peer, what));
        let mut file = File::options().append(true).create(true).open(&path).map_err(failed)?;
        if offset == Some(0) {
            file.set_len(0).map_err(failed)?;
        }
        let length = file.metadata().map_err(failed)?.len();
        if bytes.len() > PIECE_BYTES_MAX || length + bytes.len() as u64 > most {
            return no(format!(
                "more than {most} bytes, or a piece of more than {PIECE_BYTES_MAX}"
            ));
        }
        if offset.is_some_and(|offset| offset != length) {
            return no(format!("the next piece begins at {length}"));
        }
        file.write_all(bytes).map_err(failed)
    }

    fn state(&self) -> State {
        let inner = lock(&self.inner);
        State {
            version: self.running().to_string(),
            board: self.given.release.board.clone(),
            security_floor: self.given.release.security_floor,
            waits_for: inner.waits_for.clone(),
            left_s: u32::try_from(inner.left.as_secs()).unwrap_or(u32::MAX),
            images: inner.images.clone(),
            doing: inner.doing.clone(),
            told: inner.journal.told.clone(),
        }
    }
}
