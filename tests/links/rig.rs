//! A box and a network: two namespaces and a cable. The box's end is `eth0`, the other one has 10.77.0.1.

use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dhcproto::v4::{DhcpOption, HType, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use nix::sched::{CloneFlags, setns};
use tapioca::steward::client::Steward;
use tapioca::steward::message::{Answer, Ask, LinkState};
use tapioca::tapicom::message::Secret;

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody: what `net` does it does with the few rights it has on a box, and without the one to set the clock.
const USER: u32 = 65534;
const RIGHTS: &str = "-all,+net_admin,+net_bind_service";

pub const PASSWORD: &str = "correct horse battery";
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

fn ip(words: &str) -> String {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// Gone with everything on it when this is.
pub struct Rig {
    dir: tempfile::TempDir,
    children: Vec<(&'static str, Child)>,
    number: u32,
}

impl Drop for Rig {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for host in ["box", "lan"] {
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(host)]).output();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

impl Rig {
    /// None where namespaces cannot be made.
    pub fn new(number: u32) -> Option<Rig> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: a network of our own needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        // Nobody has to reach its folder.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut rig = Rig { dir, children: Vec::new(), number };
        let (at_box, at_lan) = (rig.namespace("box"), rig.namespace("lan"));
        ip(&format!("netns add {at_box}"));
        ip(&format!("netns add {at_lan}"));
        ip(&format!("link add eth0 netns {at_box} type veth peer name lan0 netns {at_lan}"));
        ip(&format!("-n {at_lan} addr add {GATEWAY}/24 dev lan0"));
        ip(&format!("-n {at_lan} link set lan0 up"));
        rig.steward();
        Some(rig)
    }

    pub fn steward(&mut self) {
        let words =
            "steward --meta meta --format --socket steward.sock --run run --state state --net";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        self.spawn("steward", Command::new(EXE).args(words).arg(USER.to_string()));
        self.until("the steward", |rig| Steward::connect(&rig.at("steward.sock")).is_ok());
    }

    fn namespace(&self, host: &str) -> String {
        format!("tapioca-{}-{}-{host}", std::process::id(), self.number)
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spawn(&mut self, name: &'static str, command: &mut Command) {
        let log = || File::options().create(true).append(true).open(self.at(name)).unwrap();
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(log()).stderr(log());
        let child = command.spawn().unwrap();
        self.children.push((name, child));
    }

    pub fn kill(&mut self, name: &str) {
        for (_, child) in self.children.iter_mut().filter(|(of, _)| *of == name) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.children.retain(|(of, _)| *of != name);
    }

    /// Ends a process in order.
    pub fn end(&mut self, name: &str) {
        let (_, child) = self.children.iter_mut().find(|(of, _)| *of == name).unwrap();
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).unwrap();
        assert!(child.wait().unwrap().success());
        self.children.retain(|(of, _)| *of != name);
    }

    /// Starts `net` on the box.
    pub fn net(&mut self) {
        let folder = self.at("net-state");
        std::fs::create_dir_all(&folder).unwrap();
        chown(&folder, Some(USER), Some(USER)).unwrap();
        let exe = self.at("tapioca");
        // Nobody may not get at where it was built.
        if !exe.exists() {
            std::fs::copy(EXE, &exe).unwrap();
        }
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace("box"), "setpriv"]);
        command.args([format!("--reuid={USER}"), format!("--regid={USER}")]);
        command.args(["--clear-groups", "--no-new-privs"]);
        for sort in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
            command.arg(format!("{sort}={RIGHTS}"));
        }
        command.arg(exe).args(["net", "--steward", "steward.sock", "--folder"]).arg(folder);
        command.env("TAPIOCA_LOG", "debug,netlink_proto=warn");
        self.spawn("net", &mut command);
    }

    /// Starts dnsmasq, which gives addresses of 10.77.0.FROM and the ten behind.
    pub fn dnsmasq(&mut self, from: u8) {
        let leases = self.at(&format!("leases-{from}"));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace("lan"), "dnsmasq"]);
        let words = "--no-daemon --conf-file=/dev/null --user=root --port=0 --interface=lan0 \
                     --bind-interfaces --dhcp-authoritative --no-ping --log-dhcp \
                     --dhcp-option=6,10.77.0.1,10.77.0.2 --dhcp-option=42,10.77.0.1 \
                     --dhcp-option=58,3 --dhcp-option=59,5";
        command.args(words.split_whitespace());
        command.arg(format!("--dhcp-range=10.77.0.{from},10.77.0.{},120", from + 10));
        command.arg(format!("--dhcp-leasefile={}", leases.display()));
        self.spawn("dnsmasq", &mut command);
    }

    /// Does something in the network, on a thread of its own.
    fn in_lan<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> T {
        let path = format!("/run/netns/{}", self.namespace("lan"));
        let inside = std::thread::spawn(move || {
            setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            body()
        });
        inside.join().unwrap()
    }

    /// A server of the time whose clock is ahead.
    pub fn time_server(&self, ahead_s: u64) {
        let socket = self.in_lan(|| UdpSocket::bind((GATEWAY, 123)).unwrap());
        std::thread::spawn(move || {
            let mut asked = [0; 64];
            while let Ok((48.., from)) = socket.recv_from(&mut asked) {
                let now = std::time::SystemTime::now();
                let s = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
                let stamp = ((s + ahead_s + 2_208_988_800) << 32).to_be_bytes();
                let head = [0x24, 2, 6, 0xec].into_iter().chain([0; 20]);
                let answer: Vec<u8> =
                    head.chain(asked[40..48].iter().copied()).chain(stamp).chain(stamp).collect();
                let _ = socket.send_to(&answer, from);
            }
        });
    }

    /// A DHCP server that gives 10.77.0.200 for so long, until the flag says no more. What it was asked is kept.
    pub fn short(&self, lease_s: u32, gives: Arc<AtomicBool>) -> Arc<Mutex<Vec<MessageType>>> {
        let socket = self.in_lan(|| {
            let socket = UdpSocket::bind("0.0.0.0:67").unwrap();
            socket.set_broadcast(true).unwrap();
            // There is no way out by which everybody could be told.
            socket2::SockRef::from(&socket).bind_device(Some(b"lan0")).unwrap();
            socket
        });
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, _)) = socket.recv_from(&mut bytes) {
                let question = Message::decode(&mut Decoder::new(&bytes[..length])).unwrap();
                kept.lock().unwrap().push(question.opts().msg_type().unwrap());
                if gives.load(Ordering::Relaxed) {
                    answer(&socket, &question, lease_s);
                }
            }
        });
        asked
    }

    /// The addresses of IPv4 of the box.
    pub fn addresses(&self) -> Vec<String> {
        let shown = ip(&format!("-n {} -4 -o addr show dev eth0", self.namespace("box")));
        let address = |line: &str| line.split_whitespace().nth(3).unwrap().to_owned();
        shown.lines().map(address).collect()
    }

    pub fn routes(&self) -> String {
        ip(&format!("-n {} route show default", self.namespace("box")))
    }

    pub fn is_up(&self) -> bool {
        ip(&format!("-n {} -o link show dev eth0", self.namespace("box"))).contains(",UP")
    }

    pub fn cable(&self, is_in: bool) {
        let to = if is_in { "up" } else { "down" };
        ip(&format!("-n {} link set lan0 {to}", self.namespace("lan")));
    }

    pub fn names(&self) -> String {
        std::fs::read_to_string(self.at("net-state/resolv.conf")).unwrap_or_default()
    }

    /// What the steward was told.
    pub fn told(&self) -> Vec<LinkState> {
        let mut steward = Steward::connect(&self.at("steward.sock")).unwrap();
        let Answer::State(state) = steward.ask(&Ask::State).unwrap() else { panic!("no state") };
        state.links
    }

    /// The administrator.
    pub fn claim(&self) -> Steward {
        let mut steward = Steward::connect(&self.at("steward.sock")).unwrap();
        let claim = Ask::Claim { password: Secret::new(PASSWORD), name: None };
        assert_eq!(steward.ask(&claim), Ok(Answer::Done));
        steward
    }

    pub fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.at(name)).unwrap_or_default();
        format!("net:\n{}\ndnsmasq:\n{}\n{}", read("net"), read("dnsmasq"), read("steward"))
    }

    pub fn said(&self, name: &str, what: &str) -> usize {
        std::fs::read_to_string(self.at(name)).unwrap_or_default().matches(what).count()
    }

    pub fn until(&self, what: &str, wanted: impl Fn(&Rig) -> bool) {
        let begun = Instant::now();
        while !wanted(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} does not come");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn answer(socket: &UdpSocket, question: &Message, lease_s: u32) {
    let kind = match question.opts().msg_type() {
        Some(MessageType::Discover) => MessageType::Offer,
        _ => MessageType::Ack,
    };
    let (none, address) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 77, 0, 200));
    let chaddr = question.chaddr();
    let mut message = Message::new_with_id(question.xid(), none, address, none, none, chaddr);
    message.set_opcode(Opcode::BootReply).set_htype(HType::Eth).set_flags(question.flags());
    for option in [
        DhcpOption::MessageType(kind),
        DhcpOption::ServerIdentifier(GATEWAY),
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        DhcpOption::AddressLeaseTime(lease_s),
    ] {
        message.opts_mut().insert(option);
    }
    assert!(question.opts().contains(OptionCode::ClientIdentifier));
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).unwrap();
    let to = if question.ciaddr().is_unspecified() { Ipv4Addr::BROADCAST } else { address };
    socket.send_to(&bytes, (to, 68)).unwrap();
}

/// Whether the port is open by which an address is asked for.
pub fn is_asking(rig: &Rig) -> bool {
    let shown = Command::new("ip")
        .args(["netns", "exec", &rig.namespace("box"), "cat", "/proc/net/udp"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&shown.stdout).contains(":0044 ")
}
