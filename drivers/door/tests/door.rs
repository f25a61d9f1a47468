//! A virtual drive behind a door is the drive: same outcomes, same data, same faults; and what neither end
//! may do to the other.
#![allow(clippy::unwrap_used, reason = "test code, though not in a test function")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use door::{Doorway, Keeper};
use scsi::{Data, Outcome, Transport};

const LIMIT: Duration = Duration::from_secs(10);
const TEST_UNIT_READY: [u8; 6] = [0; 6];

/// A device that says what it was asked, and knows some odd commands.
struct Odd {
    opened: u32,
}

impl Transport for Odd {
    fn name(&self) -> &str {
        "odd"
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        match (cdb[0], data) {
            (0xc0, Data::In(buffer)) => {
                buffer[..cdb.len()].copy_from_slice(cdb);
                Outcome::Good { residual: buffer.len() - cdb.len() }
            }
            (0xc1, Data::Out(bytes)) => {
                let sum = bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
                Outcome::Transport { host: sum as u16, driver: (sum >> 16) as u16 }
            }
            (0xc2, _) => Outcome::Transport { host: self.opened as u16, driver: 0 },
            (0xc3, _) => Outcome::Transport { host: timeout.as_secs() as u16, driver: 0 },
            (0xc4, _) => [Outcome::Busy, Outcome::ReservationConflict, Outcome::TaskAborted]
                [usize::from(cdb[1])]
            .clone(),
            (0xc5, _) => [Outcome::Timeout, Outcome::Gone][usize::from(cdb[1])].clone(),
            other => panic!("{other:?}"),
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        self.opened += 1;
        match self.opened {
            2 => Err(std::io::Error::other("the cable is not in")),
            _ => Ok(()),
        }
    }
}

/// A door in a folder; what its keeper says of each who left.
fn door(folder: &Path, device: Box<dyn Transport>) -> (PathBuf, Receiver<std::io::Result<()>>) {
    let path = folder.join("door");
    let listener = UnixListener::bind(&path).unwrap();
    let (left, lefts) = channel();
    std::thread::spawn(move || {
        Keeper::new(device).serve(&listener, move |how| drop(left.send(how)))
    });
    (path, lefts)
}

fn odd() -> (tempfile::TempDir, PathBuf, Receiver<std::io::Result<()>>) {
    let folder = tempfile::tempdir().unwrap();
    let (path, lefts) = door(folder.path(), Box::new(Odd { opened: 0 }));
    (folder, path, lefts)
}

fn plain(device: &mut Doorway, opcode: u8, second: u8) -> Outcome {
    device.execute(&[opcode, second, 0, 0, 0, 0], Data::None, LIMIT)
}

#[test]
fn commands_and_outcomes_pass_as_they_are() {
    let (_folder, path, _lefts) = odd();
    let mut device = Doorway::open(&path).unwrap();
    for length in [6, 10, 12, 16] {
        let mut cdb = vec![0xc0; length];
        cdb[length - 1] = 0x5a;
        let mut buffer = [0xee; 64];
        let outcome = device.execute(&cdb, Data::In(&mut buffer), LIMIT);
        assert_eq!(outcome, Outcome::Good { residual: 64 - length });
        assert_eq!((&buffer[..length], buffer[length]), (&cdb[..], 0xee));
    }
    let bytes = vec![3; 5 << 20];
    let sum = bytes.len() as u32 * 3;
    let expected = Outcome::Transport { host: sum as u16, driver: (sum >> 16) as u16 };
    assert_eq!(device.execute(&[0xc1, 0, 0, 0, 0, 0], Data::Out(&bytes), LIMIT), expected);
    assert_eq!(plain(&mut device, 0xc3, 0), Outcome::Transport { host: 10, driver: 0 });
    assert_eq!(plain(&mut device, 0xc4, 0), Outcome::Busy);
    assert_eq!(plain(&mut device, 0xc4, 1), Outcome::ReservationConflict);
    assert_eq!(plain(&mut device, 0xc4, 2), Outcome::TaskAborted);
    assert_eq!(plain(&mut device, 0xc5, 0), Outcome::Timeout);
    assert_eq!(plain(&mut device, 0xc5, 1), Outcome::Gone);
}

#[test]
fn a_device_is_opened_anew_behind_its_door() {
    let (_folder, path, _lefts) = odd();
    let mut device = Doorway::open(&path).unwrap();
    device.reopen().unwrap();
    assert_eq!(plain(&mut device, 0xc2, 0), Outcome::Transport { host: 1, driver: 0 });
    assert!(device.reopen().unwrap_err().to_string().contains("the cable is not in"));
    assert_eq!(plain(&mut device, 0xc2, 0), Outcome::Gone);
    device.reopen().unwrap();
    assert_eq!(plain(&mut device, 0xc2, 0), Outcome::Transport { host: 3, driver: 0 });
}

#[test]
fn one_at_a_time_stands_before_a_door() {
    let (_folder, path, lefts) = odd();
    let device = Doorway::open(&path).unwrap();
    let second = Doorway::open(&path).unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::ResourceBusy);
    lefts.recv().unwrap().unwrap();
    drop(device);
    lefts.recv().unwrap().unwrap();
    Doorway::open(&path).unwrap();
}

#[test]
fn a_commander_who_talks_nonsense_is_sent_away_and_the_next_one_served() {
    let (_folder, path, lefts) = odd();
    let say = |bytes: &[u8]| {
        let mut commander = UnixStream::connect(&path).unwrap();
        commander.write_all(bytes).unwrap();
        commander.shutdown(std::net::Shutdown::Write).unwrap();
        commander.read_to_end(&mut Vec::new()).unwrap_or_default();
        lefts.recv().unwrap().unwrap_err().to_string()
    };
    let request = |change: &dyn Fn(&mut [u8; 28])| {
        let mut bytes = [0; 28];
        (bytes[0], bytes[1]) = (1, 6);
        change(&mut bytes);
        bytes
    };
    assert!(say(&request(&|b| b[0] = 9)).contains("nothing that can be asked"));
    assert!(say(&request(&|b| b[1] = 7)).contains("block of 7 bytes"));
    assert!(say(&request(&|b| b[2] = 3)).contains("neither in nor out"));
    assert!(say(&request(&|b| b[8] = 1)).contains("go nowhere"));
    assert!(say(&request(&|b| (b[2], b[11]) = (2, 0x7f))).contains("the most is 16777216"));
    say(&request(&|b| (b[2], b[9]) = (2, 1))[..20]);
    let mut device = Doorway::open(&path).unwrap();
    assert_eq!(plain(&mut device, 0xc4, 0), Outcome::Busy);
}

#[test]
fn a_keeper_that_dies_takes_the_device_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door");
    let listener = UnixListener::bind(&path).unwrap();
    let keeper = std::thread::spawn(move || {
        let (mut commander, _) = listener.accept().unwrap();
        commander.write_all(&[0]).unwrap();
        commander.read_exact(&mut [0; 28]).unwrap();
        // Half an answer.
        commander.write_all(&[0; 7]).unwrap();
    });
    let mut device = Doorway::open(&path).unwrap();
    assert_eq!(device.execute(&TEST_UNIT_READY, Data::None, LIMIT), Outcome::Gone);
    keeper.join().unwrap();
    assert_eq!(device.execute(&TEST_UNIT_READY, Data::None, LIMIT), Outcome::Gone);
    assert_eq!(device.reopen().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Writes blocks of all sizes until the medium is full; how many there are, and how often it warned.
fn fill(drive: &mut ssc::Drive) -> (usize, usize) {
    drive.rewind().unwrap();
    let mut warned = 0;
    for n in 0..1000 {
        match drive.write_block(&block(n)).unwrap() {
            ssc::Written::Fine => {}
            ssc::Written::EarlyWarning => warned += 1,
            ssc::Written::Full => return (n, warned),
        }
    }
    panic!("a medium without end");
}

fn block(n: usize) -> Vec<u8> {
    (0..1 + n * 2_011 % 524_288).map(|i| (n * 31 + i * 7) as u8).collect()
}

fn drive(transport: Box<dyn Transport>) -> ssc::Drive {
    let mut drive = ssc::Drive::attach(transport).unwrap();
    drive.load().unwrap();
    drive.configure().unwrap();
    drive
}

#[test]
fn a_tape_written_through_a_door_is_the_tape_written_without() {
    let folder = tempfile::tempdir().unwrap();
    let media = vec![virt::MediumSpec::data("TAP001L9", 16 << 20)];
    let shape = virt::Shape { media, ..virt::Shape::default() };
    let library = virt::Library::create(&folder.path().join("library"), &shape).unwrap();
    let robot = virt::open(&library.changer_name()).unwrap();
    let mut changer = smc::Changer::attach(robot).unwrap();
    let stock = changer.inventory().unwrap();
    changer.move_medium(stock.storage[0].address, stock.drives[0].address).unwrap();

    let name = &library.drives()[0];
    let without = fill(&mut drive(virt::open(name).unwrap()));
    let (path, lefts) = door(folder.path(), virt::open(name).unwrap());
    let mut through = drive(Box::new(Doorway::open(&path).unwrap()));
    assert_eq!(fill(&mut through), without);
    assert!(without.0 > 20 && without.1 > 0, "{without:?}");

    through.rewind().unwrap();
    let mut buffer = vec![0; 1 << 20];
    for n in 0..without.0 {
        let ssc::ReadOut::Block(length) = through.read_block(&mut buffer).unwrap() else {
            panic!("block {n} is not there");
        };
        assert!(buffer[..length] == block(n), "block {n}");
    }
    drop(through);
    lefts.recv().unwrap().unwrap();
}
