//! Devices: any commands to the virtual ones, any answers to our drivers.
//!
//! Promises: a virtual device answers every command and moves no more than it was offered, and its
//! library can be opened again afterwards; a driver whose device answers nonsense comes to an end
//! within bounded commands. No clock runs: time passes by sleeping and by commands.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scsi::{BlockAddress, Data, ElementAddress, Outcome, Sense, Transport};
use smc::Changer;
use ssc::{Clock, Drive, Immediate};
use virt::{Device, Library, MediumSpec, Options, Shape};

/// A virtual library in memory, made anew for each input.
pub struct Stock {
    dir: tempfile::TempDir,
}

const STORAGE: u16 = 1024;
const DRIVES: u16 = 256;
const CAPACITY_BYTES: u64 = 4 << 20;

impl Stock {
    /// With one drive and this many data media.
    pub fn new(media: usize) -> Stock {
        let memory = Path::new("/dev/shm");
        let dir = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        }
        .expect("a directory can be made");
        let spec = |n| MediumSpec::data(&format!("TAP{n:03}L9"), CAPACITY_BYTES);
        let media = (1..=media).map(spec).collect();
        let shape = Shape { drives: 1, slots: 3, mail_slots: 1, media, ..Shape::default() };
        let options = Options { fsync: false, ..Options::default() };
        Library::create_with(dir.path(), &shape, options).expect("a library can be made");
        Stock { dir }
    }

    /// Moves the medium in this slot into the drive.
    pub fn load(&self, slot: u16) {
        let mut changer = Changer::attach(Box::new(self.open("changer"))).expect("a changer");
        changer
            .move_medium(ElementAddress(STORAGE + slot), ElementAddress(DRIVES))
            .expect("the slot is full and the drive empty");
    }

    /// Where it lives.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// One of its units.
    pub fn open(&self, unit: &str) -> Device {
        Device::open(self.dir.path(), unit).expect("nobody else has it")
    }
}

/// A clock on which every pause is over at once.
#[derive(Clone, Default)]
pub struct WaitlessClock(Arc<AtomicU64>);

impl WaitlessClock {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for WaitlessClock {
    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&mut self, pause: Duration) {
        self.pass(pause);
    }
}

/// Takes an input apart.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Commands: a byte (bit 0 the changer instead of the drive; bits 1–2 no data, data in, data out, or
/// out of the sort MODE SELECT and WRITE ATTRIBUTE take), the operation code, the rest of the
/// command as its group says, and a 16-bit length of the data, which for data out follows.
pub fn virtual_library(b: &[u8]) {
    let stock = Stock::new(2);
    if b.first().is_some_and(|flags| flags & 8 == 0) {
        stock.load(0);
    }
    let mut units = [stock.open("drive0"), stock.open("changer")];
    let mut script = Script(b);
    while command(&mut script, &mut units).is_some() {}
    for unit in &units {
        assert_eq!(unit.host_error(), None, "a command broke the library");
    }
    drop(units);
    for unit in ["drive0", "changer"] {
        stock.open(unit);
    }
}

fn command(script: &mut Script<'_>, units: &mut [Device; 2]) -> Option<()> {
    let flags = script.byte()?;
    let opcode = script.byte()?;
    let length = match opcode >> 5 {
        0 => 6,
        1 | 2 => 10,
        4 => 16,
        _ => 12,
    };
    let cdb = [&[opcode], script.take(length - 1)?].concat();
    let size = script.take(2)?;
    let size = usize::from(u16::from_le_bytes([size[0], size[1]]));
    let mut room = vec![0; size];
    let data = match flags >> 1 & 3 {
        0 => Data::None,
        1 => Data::In(&mut room),
        _ => Data::Out(script.take(size.min(script.0.len()))?),
    };
    let offered = data.len();
    let unit = &mut units[usize::from(flags & 1)];
    match unit.execute(&cdb, data, Duration::from_secs(1)) {
        Outcome::Good { residual } => assert!(residual <= offered),
        Outcome::Check { sense, residual } => {
            assert!(residual <= offered);
            assert!(!sense.truncated(), "{sense}");
        }
        other => panic!("nobody asked for {other}"),
    }
    Some(())
}

/// A device that answers as the script says: a byte for the status (0–3 good with data, 4–5 good with
/// zeros, 6–8 sense, then the rarer ones), lengths in one byte. When the script is over it says the
/// last thing for ever; only a tape that goes on and on, which no driver could tell from a long one,
/// goes away in the end.
struct Liar {
    script: Vec<u8>,
    at: usize,
    /// Good answers to give after the script.
    patience: u32,
    commands: Arc<AtomicU64>,
    clock: WaitlessClock,
}

/// Far more than any driver needs for one call.
const COMMANDS_MAX: u64 = 200_000;

impl Liar {
    fn byte(&mut self) -> u8 {
        let byte = self.script.get(self.at).copied();
        self.at += 1;
        byte.or(self.script.last().copied()).unwrap_or(0)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let rest = self.script.get(self.at..).unwrap_or(&[]);
        let bytes = rest[..count.min(rest.len())].to_vec();
        self.at += count;
        bytes
    }

    fn fill(&mut self, data: &mut Data<'_>) -> usize {
        let length = usize::from(self.byte());
        let bytes = self.bytes(length);
        let Data::In(buffer) = data else { return 0 };
        let moved = bytes.len().min(buffer.len());
        buffer[..moved].copy_from_slice(&bytes[..moved]);
        moved
    }
}

impl Transport for Liar {
    fn name(&self) -> &str {
        "liar"
    }

    fn execute(&mut self, cdb: &[u8], mut data: Data<'_>, _: Duration) -> Outcome {
        let issued = self.commands.fetch_add(1, Ordering::Relaxed);
        assert!(issued < COMMANDS_MAX, "commands without end, now {cdb:02x?}");
        self.clock.pass(Duration::from_millis(1));
        let offered = data.len();
        let status = self.byte() % 16;
        if self.at > self.script.len() && matches!(status, 0..6 | 15) {
            self.patience = self.patience.saturating_sub(1);
            if self.patience == 0 {
                return Outcome::Gone;
            }
        }
        match status {
            0..=3 => {
                let moved = self.fill(&mut data);
                Outcome::Good { residual: offered - moved }
            }
            4..=5 => Outcome::Good { residual: 0 },
            6..=8 => {
                let length = usize::from(self.byte() % 33);
                let bytes = self.bytes(length);
                let residual = usize::from(self.byte()) * 257;
                match Sense::decode(&bytes) {
                    Some(sense) => Outcome::Check { sense, residual },
                    None => Outcome::Busy,
                }
            }
            9 => Outcome::Busy,
            10 => Outcome::ReservationConflict,
            11 => Outcome::TaskAborted,
            12 => Outcome::Transport { host: 7, driver: 0 },
            13 => Outcome::Timeout,
            14 => Outcome::Gone,
            // A residual that cannot be.
            _ => Outcome::Good { residual: offered + usize::from(self.byte()) },
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        match self.byte() & 1 {
            0 => Ok(()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

/// Eight bytes name the calls to make; the rest is what the device answers.
fn scene(b: &[u8]) -> Option<(&[u8; 8], Liar, Arc<AtomicU64>, WaitlessClock)> {
    let (calls, script) = b.split_first_chunk::<8>()?;
    let commands = Arc::new(AtomicU64::new(0));
    let clock = WaitlessClock::default();
    let script = script.to_vec();
    let liar =
        Liar { script, at: 0, patience: 2000, commands: commands.clone(), clock: clock.clone() };
    Some((calls, liar, commands, clock))
}

/// INQUIRY data of a device of this type, in front of the script: without it nothing happens.
fn introduced(mut liar: Liar, device_type: u8) -> Liar {
    let mut inquiry = [0; 36];
    (inquiry[0], inquiry[1], inquiry[2], inquiry[4]) = (device_type, 0x80, 6, 31);
    inquiry[8..16].copy_from_slice(b"TAPIOCA ");
    liar.script.splice(0..0, [&[0, 36], &inquiry[..]].concat());
    liar
}

pub fn drive(b: &[u8]) {
    let Some((calls, liar, commands, clock)) = scene(b) else { return };
    let liar = introduced(liar, 1);
    let Ok(mut drive) = Drive::attach_with(Box::new(liar), Box::new(clock)) else { return };
    let mut buffer = vec![0; 4096];
    for call in calls {
        commands.store(0, Ordering::Relaxed);
        let argument = u64::from(call >> 5);
        let result = match call & 0x1f {
            0 => drive.rewind(),
            1 => drive.locate(BlockAddress(argument)),
            2 => drive.locate(BlockAddress(u64::MAX - argument)),
            3 => drive.space_filemarks(argument as i64 - 3).map(drop),
            4 => drive.space_blocks(argument as i64 - 3).map(drop),
            5 => drive.space_blocks(i64::MIN + argument as i64).map(drop),
            6 => drive.space_to_end_of_data(),
            7 => drive.write_block(&buffer[..1 + argument as usize]).map(drop),
            8 => drive.write_filemarks(argument as u32, Immediate::No).map(drop),
            9 | 10 => drive.read_block(&mut buffer).map(drop),
            11 => drive.position().map(drop),
            12 => drive.alerts().map(drop),
            13 => drive.medium().map(drop),
            14 => drive.read_attribute(0x0400).map(drop),
            15 => drive.configure(),
            16 => drive.compression(argument & 1 == 0),
            17 => drive.ready().map(drop),
            18 => drive.wait_ready(Duration::from_secs(7200)).map(drop),
            19 => drive.load(),
            20 => drive.unload(),
            21 => drive.prevent_removal().and_then(|()| drive.allow_removal()),
            22 => drive.erase_short(),
            23 => drive.reopen(),
            _ => Ok(()),
        };
        if let Err(error) = result {
            assert!(!error.to_string().contains('\n'), "an error is one line");
        }
    }
}

pub fn changer(b: &[u8]) {
    let Some((calls, liar, commands, _)) = scene(b) else { return };
    let Ok(mut changer) = Changer::attach(Box::new(introduced(liar, 8))) else { return };
    for call in calls {
        commands.store(0, Ordering::Relaxed);
        let (from, to) = (ElementAddress(u16::from(call >> 3)), ElementAddress(256));
        let result = match call & 7 {
            0..=2 => changer.inventory().map(|inventory| {
                for element in inventory.elements() {
                    let found = inventory.at(element.address).expect("every element is found");
                    assert_eq!(found.address, element.address);
                }
            }),
            3 => changer.initialize(),
            4 => changer.move_medium(from, to),
            5 => changer.exchange(from, to, from),
            6 => changer.prevent_removal(call & 8 == 0),
            _ => changer.reattach(),
        };
        if let Err(error) = result {
            assert!(!error.to_string().contains('\n'), "an error is one line");
        }
    }
}
