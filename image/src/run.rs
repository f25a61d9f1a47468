//! A board played by QEMU.
//!
//! Owns the command line: machine and devices are the board's, firmware is Debian's OVMF. The guest is
//! emulated: a virtual machine inside one cannot rely on more.

use std::path::{Path, PathBuf};
use std::process::Command;

use board::Board;

use crate::Error;
use crate::build::{DISK, machine};
use crate::firmware::{CODE, CODE_SECURE};

/// Where a line goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serial {
    /// To the terminal QEMU was started from; Ctrl-A X ends it.
    Stdio,
    /// To a Unix socket that QEMU listens on; it starts when somebody connects.
    Socket(PathBuf),
    /// To a Unix socket that somebody listens on already.
    Listening(PathBuf),
}

/// What QEMU needs besides the board.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The machine.
    pub board: &'a Board,
    /// Directory with the disk image, which the guest writes to.
    pub dir: &'a Path,
    /// The firmware's variables, which the guest writes to.
    pub variables: &'a Path,
    /// Firmware that starts only what is signed.
    pub secure_boot: bool,
    /// The first serial port.
    pub serial: Serial,
    /// Socket of QEMU's own control protocol; QEMU listens on it, unless the serial port's is there already.
    pub qmp: Option<&'a Path>,
    /// A port of the host, on loopback, that leads to tapicom's port of the guest.
    pub forward: Option<u16>,
    /// File in which all writes and flushes of the disk are logged, so that its states at every moment can be made.
    pub writes: Option<&'a Path>,
    /// More of QEMU's arguments: what is attached beside.
    pub more: &'a [String],
}

/// The port that clients of the box connect to.
const TAPICOM_PORT: u16 = 7420;

impl Run<'_> {
    /// The command.
    ///
    /// # Errors
    ///
    /// The board does not say how QEMU plays it.
    pub fn command(&self) -> Result<Command, Error> {
        let none = || Error::Asked(format!("{} has no section qemu", self.board.name));
        let qemu = machine(self.board)?.qemu.as_ref().ok_or_else(none)?;
        let mut command = Command::new("qemu-system-x86_64");
        let smm = if self.secure_boot { ",smm=on" } else { "" };
        command.args(["-accel", "tcg", "-smp", "1", "-display", "none", "-monitor", "none"]);
        command.args(["-nodefaults", "-no-reboot", "-cpu", &qemu.cpu]);
        command.args(["-machine", &format!("{}{smm}", qemu.machine)]);
        command.args(["-m", &qemu.memory_mib.to_string()]);
        let code = if self.secure_boot { CODE_SECURE } else { CODE };
        let flash = |unit, readonly, file: &Path| {
            format!("if=pflash,format=raw,unit={unit},readonly={readonly},file={}", escaped(file))
        };
        command.args(["-drive", &flash(0, "on", Path::new(code))]);
        command.args(["-drive", &flash(1, "off", self.variables)]);
        if self.secure_boot {
            command.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        let disk = escaped(&self.dir.join(DISK));
        let file = match self.writes {
            None => format!("format=raw,file={disk}"),
            Some(log) => format!(
                "driver=blklogwrites,file.driver=raw,file.file.driver=file,file.file.filename={disk},\
                 log.driver=raw,log.file.driver=file,log.file.filename={}",
                escaped(log)
            ),
        };
        command.args(["-drive", &format!("if=none,id=disk,{file}")]);
        let forward =
            self.forward.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:{TAPICOM_PORT}"));
        command.args(["-netdev", &format!("user,id=net{}", forward.unwrap_or_default())]);
        for device in &qemu.devices {
            command.args(["-device", &device.replace("{disk}", "disk").replace("{net}", "net")]);
        }
        match &self.serial {
            Serial::Stdio => command.args(["-serial", "mon:stdio"]),
            Serial::Socket(path) => {
                command.args(["-serial", &format!("unix:{},server=on,wait=on", escaped(path))])
            }
            Serial::Listening(path) => {
                command.args(["-serial", &format!("unix:{},server=off", escaped(path))])
            }
        };
        if let Some(path) = self.qmp {
            let server =
                if matches!(self.serial, Serial::Listening(_)) { "off" } else { "on,wait=off" };
            command.args(["-qmp", &format!("unix:{},server={server}", escaped(path))]);
        }
        command.args(self.more);
        Ok(command)
    }
}

/// QEMU did not start.
pub fn cannot_start(error: &std::io::Error) -> Error {
    let why = format!("{error}; it is in Debian's qemu-system-x86, its firmware in ovmf");
    Error::Program { program: "qemu-system-x86_64".to_owned(), why }
}

/// More arguments: a disk image at a USB port, which the guest writes to.
pub fn stick(path: &Path) -> Vec<String> {
    let drive = format!("if=none,id=stick,format=raw,file={}", escaped(path));
    let device = "usb-storage,drive=stick,removable=on";
    ["-drive", &drive, "-device", "qemu-xhci", "-device", device].map(str::to_owned).into()
}

/// QEMU's options take a comma for the end unless there are two.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
