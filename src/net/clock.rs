//! The time: asked of servers by SNTP (RFC 4330), and given to the machine's clock.
//!
//! Owns which answers are believed, and when the next question is. A clock that is a little off is left alone, one that
//! is off is set at once: nothing here measures by it.

use std::future::{Future, ready};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use sntpc::{NtpContext, NtpUdpSocket, StdTimestampGen};

use crate::stream::{Blame, Fault};

/// Where servers of the time listen.
const PORT: u16 = 123;
/// How long a server may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Addresses of one server that are tried.
const ADDRESSES_MAX: usize = 2;
/// The clock may be off by so much, microseconds.
const OFF_US: i64 = 100_000;
/// No time before this is believed: 2026-01-01T00:00:00Z, seconds.
pub const FLOOR_S: i64 = 1_767_225_600;
/// How often the time is asked.
const EVERY: Duration = Duration::from_secs(3600);
/// The first wait after nobody answered, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(600));

/// What a server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// By how much the clock is behind, microseconds.
    pub offset_us: i64,
    /// How far the server is from a clock.
    pub stratum: u8,
}

/// A socket as the crate wants it: it is asked once, and may wait.
struct Socket(UdpSocket);

impl NtpUdpSocket for Socket {
    fn send_to(&self, bytes: &[u8], _: SocketAddr) -> impl Future<Output = sntpc::Result<usize>> {
        // It is connected, so that nobody else can answer.
        ready(self.0.send(bytes).map_err(|_| sntpc::Error::Network))
    }

    fn recv_from(
        &self,
        bytes: &mut [u8],
    ) -> impl Future<Output = sntpc::Result<(usize, SocketAddr)>> {
        let heard = self.0.recv(bytes).and_then(|length| Ok((length, self.0.peer_addr()?)));
        ready(heard.map_err(|_| sntpc::Error::Network))
    }
}

/// Asks one server, for so long at most.
///
/// # Errors
///
/// It does not answer, or says that it does not know either.
pub fn ask(server: SocketAddr, limit: Duration) -> Result<Said, Fault> {
    let failed = |e: io::Error| Fault::later(Blame::Link, format!("{server} cannot be asked: {e}"));
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(failed)?;
    socket.set_read_timeout(Some(limit)).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    let context = NtpContext::new(StdTimestampGen::default());
    let told = sntpc::sync::get_time(server, &Socket(socket), context)
        .map_err(|e| Fault::later(Blame::Link, format!("{server} does not say: {e:?}")))?;
    Ok(Said { offset_us: told.offset(), stratum: told.stratum() })
}

/// What time it is if a server is right about a clock that says `now_us`; none: the clock is right enough.
///
/// # Errors
///
/// That cannot be the time.
pub fn judge(said: Said, now_us: i64) -> Result<Option<i64>, Fault> {
    let wrong = |what: &str| Err(Fault::later(Blame::Link, what));
    if !(1..=15).contains(&said.stratum) {
        return wrong("a time server has no time");
    }
    let then_us = now_us.saturating_add(said.offset_us);
    if then_us < FLOOR_S * 1_000_000 {
        return wrong("a time server is in the past");
    }
    Ok((said.offset_us.saturating_abs() > OFF_US).then_some(then_us))
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn set(then_us: i64) -> Result<(), Fault> {
    let (s, us) = (then_us.div_euclid(1_000_000), then_us.rem_euclid(1_000_000));
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(s, us * 1000))
        .map_err(|e| Fault::host("cannot set the clock", &e.into()))
}

fn text(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| format!("{us} us"), |t| t.to_string())
}

/// Asks one server after the other until one is believed, and sets the clock if it is off.
///
/// # Errors
///
/// None is believed, or the clock cannot be set: the last thing that went wrong.
fn correct(servers: &[String]) -> Result<(), Fault> {
    let mut last = Fault::later(Blame::Operator, "nobody is to be asked for the time");
    for server in servers {
        match ask_by_name(server) {
            Ok(said) => match judge(said, now_us()) {
                Ok(None) => {
                    tracing::debug!(server, offset_us = said.offset_us, "the clock is right");
                    return Ok(());
                }
                Ok(Some(_)) => return step(server, said),
                Err(fault) => last = fault,
            },
            Err(fault) => last = fault,
        }
        tracing::debug!(server, fault = %last, "a time server is of no use");
    }
    Err(last)
}

fn step(server: &str, said: Said) -> Result<(), Fault> {
    let old_us = now_us();
    let new_us = old_us.saturating_add(said.offset_us);
    let (old, new) = (text(old_us), text(new_us));
    match set(new_us) {
        Ok(()) => {
            tracing::info!(server, old, new, "the clock is set");
            Ok(())
        }
        Err(fault) => {
            tracing::error!(server, old, new, %fault, "the clock is off");
            Err(fault)
        }
    }
}

fn ask_by_name(server: &str) -> Result<Said, Fault> {
    let begun = Instant::now();
    let failed = |e: io::Error| Fault::later(Blame::Link, format!("{server} is not known: {e}"));
    let addresses = (server, PORT).to_socket_addrs().map_err(failed)?;
    let mut last = Fault::later(Blame::Link, format!("{server} has no address"));
    for address in addresses.take(ADDRESSES_MAX) {
        let Some(left) = LIMIT.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else {
            break;
        };
        match ask(address, left.min(LIMIT / 2)) {
            Ok(said) => return Ok(said),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

/// When the time is asked, and whether it is being asked.
pub struct Clock {
    next: Instant,
    wait: Duration,
    asking: Option<tokio::task::JoinHandle<Result<(), Fault>>>,
    failing: bool,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { next: Instant::now(), wait: AGAIN.0, asking: None, failing: false }
    }
}

impl Clock {
    /// There is a way to servers that may not have been there before.
    pub fn hurry(&mut self) {
        if self.failing || self.wait != AGAIN.0 {
            (self.next, self.wait) = (Instant::now(), AGAIN.0);
        }
    }

    /// Asks, if it is time to, on a thread of its own, and hears what came of it.
    pub async fn look(&mut self, servers: &[String]) {
        match self.asking.take_if(|asking| asking.is_finished()) {
            Some(asking) => self.hear(asking.await),
            None if self.asking.is_some() || servers.is_empty() || Instant::now() < self.next => {}
            None => {
                let servers = servers.to_vec();
                self.asking = Some(tokio::task::spawn_blocking(move || correct(&servers)));
            }
        }
    }

    fn hear(&mut self, heard: Result<Result<(), Fault>, tokio::task::JoinError>) {
        let fault = match heard {
            Ok(Ok(())) => {
                *self = Clock { next: Instant::now() + EVERY, ..Clock::default() };
                return;
            }
            Ok(Err(fault)) => fault.to_string(),
            Err(error) => error.to_string(),
        };
        if !self.failing {
            tracing::warn!(fault, "nobody says what time it is");
        }
        self.failing = true;
        self.next = Instant::now() + self.wait;
        self.wait = AGAIN.1.min(self.wait * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers one question as a server whose clock is ahead by some seconds, after a change of the answer.
    fn server(ahead_s: i64, change: fn(&mut [u8; 48])) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut asked = [0; 64];
            let (_, from) = socket.recv_from(&mut asked).unwrap();
            let now = now_us() + ahead_s * 1_000_000;
            let s = (now / 1_000_000 + 2_208_988_800) as u64;
            let fraction = ((now % 1_000_000) as u64) * (1 << 32) / 1_000_000;
            let stamp = ((s & 0xffff_ffff) << 32 | fraction).to_be_bytes();
            let mut answer = [0; 48];
            answer[..4].copy_from_slice(&[0x24, 2, 6, 0xec]);
            answer[24..32].copy_from_slice(&asked[40..48]);
            answer[32..40].copy_from_slice(&stamp);
            answer[40..48].copy_from_slice(&stamp);
            change(&mut answer);
            socket.send_to(&answer, from).unwrap();
        });
        address
    }

    #[test]
    fn a_server_says_by_how_much_the_clock_is_off() {
        for ahead_s in [0, 3600, -3600, 10 * 365 * 86400] {
            let said = ask(server(ahead_s, |_| {}), LIMIT).unwrap();
            assert!((said.offset_us - ahead_s * 1_000_000).abs() < 200_000, "{ahead_s}: {said:?}");
            assert_eq!(said.stratum, 2);
        }
    }

    #[test]
    fn a_server_without_a_time_is_not_believed() {
        let changes: [(&str, fn(&mut [u8; 48])); 5] = [
            ("kiss of death", |a| a[1] = 0),
            ("not synchronized", |a| a[1] = 16),
            ("alarm", |a| a[0] |= 0xc0),
            ("another's question", |a| a[24] ^= 1),
            ("no server", |a| a[0] = 0x23),
        ];
        for (what, change) in changes {
            assert!(ask(server(0, change), LIMIT).is_err(), "{what}");
        }
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let begun = Instant::now();
        let limit = Duration::from_millis(200);
        assert!(ask(silent.local_addr().unwrap(), limit).is_err());
        assert!((limit..LIMIT).contains(&begun.elapsed()));
    }

    #[test]
    fn a_little_is_left_alone_and_the_past_is_refused() {
        let now = FLOOR_S * 1_000_000 + 5_000_000;
        let said = |offset_us| Said { offset_us, stratum: 3 };
        assert_eq!(judge(said(100_000), now), Ok(None));
        assert_eq!(judge(said(-100_001), now), Ok(Some(now - 100_001)));
        assert_eq!(judge(said(100_001), now), Ok(Some(now + 100_001)));
        assert!(judge(said(-5_000_001), now).is_err());
        // A clock that begins with 1970.
        assert_eq!(judge(said(now), 0), Ok(Some(now)));
        assert!(judge(said(1_000_000), 0).is_err());
        for stratum in [0, 16, 255] {
            assert!(judge(Said { offset_us: 0, stratum }, now).is_err());
        }
    }

    #[test]
    fn nobody_answers_is_waited_for_longer_each_time_until_there_is_a_new_way() {
        let mut clock = Clock::default();
        let failed = || Ok(Err(Fault::later(Blame::Link, "nobody")));
        let wait_s =
            |clock: &Clock| clock.next.duration_since(Instant::now()).as_secs_f64().round();
        let waits: Vec<f64> = (0..9)
            .map(|_| {
                clock.hear(failed());
                wait_s(&clock)
            })
            .collect();
        assert_eq!(waits, [4., 8., 16., 32., 64., 128., 256., 512., 600.]);
        clock.hurry();
        assert_eq!(wait_s(&clock), 0.);
        clock.hear(Ok(Ok(())));
        assert_eq!(wait_s(&clock), 3600.);
        clock.hurry();
        assert_eq!(wait_s(&clock), 3600.);
    }
}
