//! What of the box can be reached over its network: nothing before somebody has it, and then one port.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::rig::{self, Extra, Machine, keys};
use super::typist::PASSWORD;
use super::until;

const MAC: &str = "52:54:00:00:00:01";
/// What the kernel makes of it (RFC 4291, appendix A).
const BY_MAC: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe00, 1);
const HOST: &str = "10.231.77.1/24";
const BOX: Ipv4Addr = Ipv4Addr::new(10, 231, 77, 2);
const PORT: u16 = 7420;
/// Ports that are tried at once.
const AT_ONCE: usize = 32;
const ANSWER: Duration = Duration::from_secs(5);

/// A cable to the box.
struct Cable(String);

impl Cable {
    fn new() -> Option<Cable> {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root || !Path::new("/dev/net/tun").exists() {
            eprintln!("SKIPPED, a scan of ports: it needs root and /dev/net/tun");
            return None;
        }
        let name = format!("tapi{}", std::process::id());
        ip(&["tuntap", "add", &name, "mode", "tap"]);
        let cable = Cable(name);
        ip(&["address", "add", HOST, "dev", &cable.0]);
        ip(&["link", "set", &cable.0, "up"]);
        Some(cable)
    }

    /// QEMU's words for its other end.
    fn plugged(&self) -> Vec<String> {
        let netdev = format!("tap,id=cable,ifname={},script=no,downscript=no", self.0);
        let device = format!("virtio-net-pci,netdev=cable,mac={MAC}");
        ["-netdev", &netdev, "-device", &device].map(str::to_owned).into()
    }

    /// The box by what its MAC address alone says, at a port.
    fn by_mac(&self) -> impl Fn(u16) -> SocketAddr {
        let index = std::fs::read_to_string(format!("/sys/class/net/{}/ifindex", self.0)).unwrap();
        let index = index.trim().parse().unwrap();
        move |port| SocketAddrV6::new(BY_MAC, port, 0, index).into()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ip(&["link", "delete", &self.0]);
    }
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).output().unwrap();
    assert!(done.status.success(), "ip {words:?}: {done:?}");
}

/// What a port says: it is open, it is not, or nothing.
fn ask(at: SocketAddr) -> Option<bool> {
    match TcpStream::connect_timeout(&at, ANSWER) {
        Ok(_) => Some(true),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => Some(false),
        Err(_) => None,
    }
}

/// The open ones of all TCP ports; none: nobody is there.
fn open_ports(at: &(impl Fn(u16) -> SocketAddr + Sync)) -> Option<Vec<u16>> {
    // The first packets to a host find out where it is.
    (0..3).find_map(|_| ask(at(1)))?;
    let (next, open) = (AtomicU32::new(1), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Ok(port) = u16::try_from(next.fetch_add(1, Relaxed)) {
                    let answer = (0..3).find_map(|_| ask(at(port)));
                    if answer.unwrap_or_else(|| panic!("port {port} says nothing")) {
                        open.lock().unwrap().push(port);
                    }
                }
            });
        }
    });
    Some(open.into_inner().unwrap())
}

#[test]
fn nothing_listens_before_the_box_is_claimed_and_one_port_after() {
    if !rig::is_possible() {
        return;
    }
    let Some(exe) = rig::static_exe() else { return };
    let Some(cable) = Cable::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let board = rig::unoptimised("standalone", dir.path());
    rig::image(&board, &exe, &keys(dir.path()), dir.path());
    let extra = Extra { more: cable.plugged(), ..Extra::default() };
    let mut machine = Machine::start(&board, dir.path(), &extra);
    machine.insist("\r", "Name of the box");
    let by_mac = cable.by_mac();
    let unclaimed = open_ports(&by_mac);
    eprintln!("unclaimed: {unclaimed:?}");
    assert!(unclaimed.is_none_or(|open| open.is_empty()), "something listens");

    let line = &*machine.line.clone();
    let (plain, configure) = ("cellar> ", "cellar (configure)# ");
    let address = format!("set network {MAC} address {BOX}/24");
    for (typed, prompt) in [
        ("cellar", "New password: "),
        (PASSWORD, "Once more: "),
        (PASSWORD, plain),
        ("configure", configure),
        (&address, configure),
        ("commit", configure),
        ("exit", plain),
    ] {
        line.say(typed, prompt);
    }
    until(&mut || line.say("show network", plain), &BOX.to_string());
    until(&mut || line.say("show drives", plain), "idle");
    let by_address = |port| SocketAddr::from((BOX, port));
    // The service serves its console first, and the network soon after.
    until(&mut || format!("{:?}", ask(by_address(PORT))), "true");
    let claimed = open_ports(&by_address);
    let by_mac = open_ports(&by_mac);
    eprintln!("claimed: {claimed:?}, by its MAC address: {by_mac:?}");
    assert_eq!(claimed, Some(vec![PORT]));
    assert!(by_mac.into_iter().flatten().all(|port| port == PORT), "something else listens");
}
