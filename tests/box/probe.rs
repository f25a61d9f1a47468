//! Takes the seat of one of the box's processes and tries what that process must not do, and what it must be able to do:
//! `probe NAME [INSTANCE]`. A line each; exit status 1 when one went the wrong way. Run by tests/kernel/seats.sh, on the
//! kernel that the box has.
#![allow(clippy::print_stdout, reason = "what it is for")]

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;

use rustix::fs::{CWD, MemfdFlags};
use rustix::mount::MountFlags;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Pid;

/// What is tried: what it is called, and how it went.
type Attempt = (&'static str, fn() -> io::Result<()>);

/// Nobody on the box may do these.
const NOBODY: &[Attempt] = &[
    ("mount a file system", || {
        Ok(rustix::mount::mount("none", "/tmp", "tmpfs", MountFlags::empty(), None)?)
    }),
    ("take a file system away", || {
        Ok(rustix::mount::unmount("/proc", rustix::mount::UnmountFlags::empty())?)
    }),
    ("change the root", || Ok(rustix::process::chroot("/tmp")?)),
    ("load a module", || Ok(rustix::system::init_module(b"none", c"")?)),
    ("stop the machine", || Ok(rustix::system::reboot(rustix::system::RebootCommand::CadOff)?)),
    ("become root", || Ok(rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)?)),
    ("end the first process", || {
        Ok(rustix::process::kill_process(Pid::INIT, rustix::process::Signal::TERM)?)
    }),
    ("trace the first process", || Ok(nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(1))?)),
    ("see into the first process", || {
        File::open("/proc/1/environ").and_then(|mut f| io::copy(&mut f, &mut io::sink())).map(drop)
    }),
    ("start a shell", || run("/bin/busybox")),
    ("open a robot", || open("/dev/sg0")),
    ("open the disk", || open("/dev/vda")),
    ("open the data partition", || open("/dev/vda3")),
    ("open another's serial line", || open("/dev/ttyS2")),
    ("open the memory", || open("/dev/mem")),
    ("write the manifest", || write("/board.toml")),
    ("make a device", || {
        Ok(rustix::fs::mknodat(
            CWD,
            "/tmp/probe-device",
            rustix::fs::FileType::CharacterDevice,
            0o600.into(),
            rustix::fs::makedev(1, 1),
        )?)
    }),
];

const META: Attempt = ("read settings and identity", || open("/run/tapioca/meta"));
const STATE: Attempt = ("read the catalogue", || File::open("/data/tapioca/catalogue").map(drop));
const LEASE: Attempt = ("write the network's state", || write("/run/tapioca/net/probe"));
const LINE: Attempt = ("open its serial line", || open("/dev/ttyS0"));
const LOG: Attempt = ("read the kernel's lines", || File::open("/dev/kmsg").map(drop));
const DRIVE: Attempt = ("open a drive", || open("/dev/sg1"));
const CLOCK: Attempt = ("set the clock", || {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Ok(rustix::time::clock_settime(rustix::time::ClockId::Realtime, now)?)
});
const LISTEN: Attempt = ("listen on TCP", || TcpListener::bind("127.0.0.1:0").map(drop));
const DATAGRAM: Attempt = ("send datagrams", || UdpSocket::bind("127.0.0.1:0").map(drop));
const RAW: Attempt = ("send raw frames", || {
    Ok(rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, None).map(drop)?)
});
const PORT: Attempt = ("ask for an address", || UdpSocket::bind("0.0.0.0:68").map(drop));
const LOCAL: Attempt = ("speak with the others", || UnixDatagram::unbound().map(drop));
const ITSELF: Attempt = ("start itself again", || run("/init"));
const MEMORY: Attempt = ("start a program that is no file", from_memory);
const BOOT: Attempt = ("write the boot partition", || open("/dev/vda1"));
const SHELF: Attempt =
    ("keep an image of the system", || write("/run/tapioca/updater/images/probe"));

/// What each may do of what not everybody may.
const CHILDREN: &[(&str, &[Attempt])] = &[
    ("steward", &[META, LOCAL]),
    ("console", &[LINE, LOG, LOCAL]),
    ("net", &[LEASE, CLOCK, DATAGRAM, PORT, LOCAL, LISTEN]),
    ("scsi_door", &[DRIVE, LOCAL]),
    ("updater", &[BOOT, SHELF, MEMORY, LOCAL]),
    ("serve", &[STATE, LISTEN, DATAGRAM, ITSELF, MEMORY, LOCAL]),
];
const SOMEBODY: &[Attempt] = &[
    META, STATE, LEASE, LINE, LOG, DRIVE, CLOCK, LISTEN, DATAGRAM, PORT, RAW, LOCAL, ITSELF,
    MEMORY, BOOT, SHELF,
];

/// This program, as it was read before the seat was taken.
static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();

fn open(path: &str) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path).map(drop)
}

fn write(path: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path).map(drop)
}

/// As the updater tests an executable that came over the network.
fn from_memory() -> io::Result<()> {
    let mut file = File::from(rustix::fs::memfd_create("probe", MemfdFlags::CLOEXEC)?);
    file.write_all(PROGRAM.get().map_or(&[], |bytes| bytes))?;
    // Read-only: what is open to be written is not executed.
    let program = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    drop(file);
    run(&format!("/proc/self/fd/{}", program.as_raw_fd()))
}

/// The program ends at once, whatever it is told.
fn run(program: &str) -> io::Result<()> {
    let quiet = || Stdio::null();
    Command::new(program).stdin(quiet()).stdout(quiet()).stderr(quiet()).status().map(drop)
}

/// Tries one thing; whether it went as it should.
fn attempt(child: &str, (what, how): &Attempt, may: bool) -> bool {
    let done = how();
    let told = match &done {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("refused ({error})"),
    };
    // What is not there was not refused, but for families of sockets: those are refused as if they were not there.
    let refused = done.as_ref().is_err_and(|error| {
        error.kind() == io::ErrorKind::PermissionDenied
            || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
    });
    let right = if may { done.is_ok() } else { refused };
    println!("{child}: {what}: {told}{}", if right { "" } else { ", WRONG" });
    right
}

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some(child) = args.first().and_then(|name| name.to_str()).map(str::to_owned) else {
        // As a program that somebody else starts: it has nothing to do.
        return ExitCode::SUCCESS;
    };
    let program =
        std::fs::read("/init").expect("the executable can be read before the seat is taken");
    PROGRAM.set(program).expect("nobody did so before");
    args.splice(0..0, ["tapioca".into(), "seat".into()]);
    if let Err(fault) = tapioca::init::take_seat(args) {
        println!("{child}: {fault}");
        return ExitCode::FAILURE;
    }
    let own = CHILDREN.iter().find(|(name, _)| *name == child).map_or(&[][..], |(_, own)| own);
    let may = |(what, _): &Attempt| own.iter().any(|(name, _)| name == what);
    let wrong = NOBODY.iter().chain(SOMEBODY).filter(|one| !attempt(&child, one, may(one))).count();
    println!("{child}: {wrong} went the wrong way");
    ExitCode::from(u8::from(wrong > 0 || own.is_empty()))
}
