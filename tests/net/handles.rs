//! A link with all its handles in use, some of them blocked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use tapioca::identity::authority::Authority;
use tapioca::identity::config;
use tapioca::wire::Link;
use tapioca::wire::channel::{self, Side};
use tapioca::wire::flow::{Flow, window_bytes};
use tapioca::wire::frame::{CLIENT_CONTROL, HANDLES, SERVER_CONTROL};
use tapioca::wire::link::Alive;
use tapioca::wire::tls::Tls;

use super::rig::{Dice, PATIENCE};

/// Two ends of one link, joined through loopback; in clear if not `sealed`.
pub fn pair(handles: usize, sealed: bool) -> (Link, Link) {
    let dir = tempfile::tempdir().unwrap();
    Authority::open(dir.path(), 1000).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_secs(60);
    let alive = Alive::dead_after(Duration::from_secs(60));
    let window = window_bytes(handles);
    let config = config::server(dir.path()).unwrap();
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let (mut sender, mut receiver) =
            channel::establish(socket, Tls::server(&config).unwrap(), limit).unwrap();
        if !sealed {
            sender.unseal(Side::Server).unwrap();
            receiver.unseal(Side::Server).unwrap();
        }
        Link::start(sender, receiver, Flow::new(SERVER_CONTROL, handles, window), handles, alive)
    });
    let tls = Tls::client(&config::enrolling().unwrap()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    let (mut sender, mut receiver) = channel::establish(socket, tls, limit).unwrap();
    // Nobody sends before both are here.
    let server = server.join().unwrap().unwrap();
    if !sealed {
        sender.unseal(Side::Client).unwrap();
        receiver.unseal(Side::Client).unwrap();
    }
    let flow = Flow::new(CLIENT_CONTROL, handles, window);
    (Link::start(sender, receiver, flow, handles, alive).unwrap(), server)
}

/// Bytes of a handle: which one it is can be seen everywhere.
fn byte(handle: usize, at: usize) -> u8 {
    (handle.wrapping_mul(31) ^ at ^ (at >> 8)) as u8
}

fn all_handles(seed: u64, sealed: bool) {
    const BYTES: usize = 200_000;
    let (client, server) = pair(HANDLES, sealed);
    let deaf = |handle: usize| handle % 17 == 3;
    let done = Arc::new(Barrier::new(HANDLES - (0..HANDLES).filter(|&h| deaf(h)).count() + 1));
    let mut kept = Vec::new();
    for handle in 0..HANDLES {
        let number = u8::try_from(handle).unwrap();
        // Half of them one way, half the other.
        let (from, to) = if handle % 2 == 0 { (&client, &server) } else { (&server, &client) };
        let (mut writer, mut reader) = (from.writer(number), to.reader(number));
        let mut dice = Dice(seed ^ ((handle as u64 + 1) * 0x1234_5677));
        let writes = std::thread::spawn(move || {
            let bytes: Vec<u8> = (0..BYTES).map(|at| byte(handle, at)).collect();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let count = usize::try_from(dice.below(70_000)).unwrap().clamp(1, rest.len());
                if writer.write_all(&rest[..count]).is_err() {
                    return;
                }
                rest = &rest[count..];
            }
        });
        if deaf(handle) {
            // Never read while the others run: its writer waits for ever.
            kept.push((reader, writes));
            continue;
        }
        let (done, mut dice) = (done.clone(), Dice(seed ^ ((handle as u64 + 1) * 0x7654_3211)));
        std::thread::spawn(move || {
            let (mut at, mut piece) = (0, vec![0; 50_000]);
            loop {
                let count = usize::try_from(dice.below(50_000)).unwrap() + 1;
                let count = reader.read(&mut piece[..count]).unwrap();
                if count == 0 {
                    break;
                }
                assert!((0..count).all(|n| piece[n] == byte(handle, at + n)), "handle {handle}");
                at += count;
                if dice.below(4) == 0 {
                    std::thread::yield_now();
                }
            }
            assert_eq!(at, BYTES, "handle {handle}");
            writes.join().unwrap();
            done.wait();
        });
    }
    let (sender, arrived) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        done.wait();
        sender.send(()).unwrap();
    });
    arrived.recv_timeout(PATIENCE).expect("all handles but the blocked ones got through");
    // Those who leave let their writers go.
    for (reader, writes) in kept {
        drop(reader);
        writes.join().unwrap();
    }
}

#[test]
fn blocked_handles_stop_no_other() {
    let rounds = if std::env::var_os("TAPIOCA_LONG").is_some() { 40 } else { 1 };
    for seed in 1..=rounds {
        eprintln!("seed {seed} of {rounds}");
        all_handles(seed, seed % 2 == 1);
    }
}

#[test]
fn a_link_is_closed_by_both_and_loses_nothing() {
    for sealed in [true, false] {
        let (client, server) = pair(5, sealed);
        let mut writer = client.writer(0);
        let mut reader = server.reader(0);
        let total = 20_000_000;
        let reads = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all.len()
        });
        writer.write_all(&vec![7; total]).unwrap();
        drop(writer);
        server.allow_close();
        // The writer closes as soon as everything is on its way; nothing of the tail may be lost.
        client.drain().unwrap();
        let closes = std::thread::spawn(move || server.let_finish(Duration::from_secs(60)));
        client.finish(Duration::from_secs(60)).unwrap();
        closes.join().unwrap().unwrap();
        assert_eq!(reads.join().unwrap(), total);
    }
}
