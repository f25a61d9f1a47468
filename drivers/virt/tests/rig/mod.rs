//! A host with raw command descriptor blocks: what every test here talks through.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "shared by test binaries that use different parts"
)]

use std::time::Duration;

use scsi::transport::{Data, Outcome, Transport};
use tempfile::TempDir;
use virt::{Device, EarlyWarningStyle, Library, MediumKind, MediumSpec, Options, Shape};

pub const STORAGE: u16 = 1024;
pub const DRIVE: u16 = 256;
pub const MAIL: u16 = 16;

/// A library in a directory that goes away with it.
pub struct Rig {
    pub dir: TempDir,
    pub library: Library,
}

pub fn medium(tag: &str, kind: MediumKind, capacity_bytes: u64) -> MediumSpec {
    MediumSpec { kind, ..MediumSpec::data(tag, capacity_bytes) }
}

pub fn quick() -> Options {
    Options { fsync: false, ..Options::default() }
}

impl Rig {
    /// Two drives, eight slots, two mail slots; data media T0, T1; W0 WORM, C0 cleaning, P0
    /// protected in the first slots.
    pub fn new() -> Rig {
        Rig::with(quick(), EarlyWarningStyle::EomBit)
    }

    pub fn with(options: Options, early_warning: EarlyWarningStyle) -> Rig {
        let shape = Shape {
            slots: 8,
            early_warning,
            media: vec![
                medium("T00000L9", MediumKind::Data, 1 << 30),
                medium("T00001L9", MediumKind::Data, 64 << 10),
                medium("W00000L9", MediumKind::Worm, 1 << 30),
                medium("CLN001L9", MediumKind::Cleaning, 0),
                medium("P00000L9", MediumKind::WriteProtected, 1 << 30),
            ],
            ..Shape::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let library = Library::create_with(&dir.path().join("lib"), &shape, options).unwrap();
        Rig { dir, library }
    }

    pub fn host(&self, unit: &str) -> Host {
        let mut host = Host(Device::open(self.library.dir(), unit).unwrap());
        while let Outcome::Check { sense, .. } = host.none(&[0; 6]) {
            if sense.key.bits() != 6 {
                break;
            }
        }
        host
    }

    /// Drive 0 with the medium of storage element `slot` in it, attentions taken.
    pub fn loaded(&self, slot: u16) -> Host {
        let moved = self.host("changer").move_medium(STORAGE + slot, DRIVE);
        assert_eq!(moved, good(0));
        self.host("drive0")
    }
}

pub struct Host(pub Device);

pub fn good(residual: usize) -> Outcome {
    Outcome::Good { residual }
}

/// Key, ASC, ASCQ of a CHECK CONDITION.
#[track_caller]
pub fn code(outcome: &Outcome) -> (u8, u8, u8) {
    match outcome {
        Outcome::Check { sense, .. } => {
            let (asc, ascq) = sense.code.unwrap();
            (sense.key.bits(), asc, ascq)
        }
        other => panic!("no check condition: {other:?}"),
    }
}

#[track_caller]
pub fn sense(outcome: &Outcome) -> &scsi::Sense {
    match outcome {
        Outcome::Check { sense, .. } => sense,
        other => panic!("no check condition: {other:?}"),
    }
}

pub fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// Where a drive says it stands: objects, files, and what is in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub block: u64,
    pub file: u64,
    pub buffered_objects: u64,
    pub buffered_bytes: u64,
}

impl Host {
    pub fn execute(&mut self, cdb: &[u8], data: Data<'_>) -> Outcome {
        self.0.execute(cdb, data, Duration::from_secs(60))
    }

    pub fn none(&mut self, cdb: &[u8]) -> Outcome {
        self.execute(cdb, Data::None)
    }

    /// Reply bytes of a command that must succeed.
    #[track_caller]
    pub fn reply(&mut self, cdb: &[u8], room: usize) -> Vec<u8> {
        let mut buffer = vec![0xa5; room];
        match self.execute(cdb, Data::In(&mut buffer)) {
            Outcome::Good { residual } => {
                buffer.truncate(room - residual);
                buffer
            }
            other => panic!("{cdb:02x?}: {other:?}"),
        }
    }

    pub fn ready(&mut self) -> Outcome {
        self.none(&[0; 6])
    }

    pub fn write(&mut self, block: &[u8]) -> Outcome {
        let n = (block.len() as u32).to_be_bytes();
        self.execute(&[0x0a, 0, n[1], n[2], n[3], 0], Data::Out(block))
    }

    /// READ of `room` bytes, variable, with SILI or not: outcome and what came.
    pub fn read(&mut self, room: usize, sili: bool) -> (Outcome, Vec<u8>) {
        let n = (room as u32).to_be_bytes();
        let mut buffer = vec![0; room];
        let cdb = [0x08, u8::from(sili) << 1, n[1], n[2], n[3], 0];
        let outcome = self.execute(&cdb, Data::In(&mut buffer));
        let residual = match &outcome {
            Outcome::Good { residual } | Outcome::Check { residual, .. } => *residual,
            _ => room,
        };
        buffer.truncate(room - residual);
        (outcome, buffer)
    }

    pub fn marks(&mut self, count: u32, immediate: bool) -> Outcome {
        let n = count.to_be_bytes();
        self.none(&[0x10, u8::from(immediate), n[1], n[2], n[3], 0])
    }

    pub fn sync(&mut self) -> Outcome {
        self.marks(0, false)
    }

    pub fn rewind(&mut self) -> Outcome {
        self.none(&[0x01, 0, 0, 0, 0, 0])
    }

    pub fn space(&mut self, kind: u8, count: i64) -> Outcome {
        let n = (count as i32).to_be_bytes();
        self.none(&[0x11, kind, n[1], n[2], n[3], 0])
    }

    pub fn space16(&mut self, kind: u8, count: i64) -> Outcome {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (0x91, kind);
        cdb[4..12].copy_from_slice(&count.to_be_bytes());
        self.none(&cdb)
    }

    pub fn locate(&mut self, block: u64) -> Outcome {
        self.locate_kind(0, block)
    }

    pub fn locate_kind(&mut self, kind: u8, to: u64) -> Outcome {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (0x92, kind << 3);
        cdb[4..12].copy_from_slice(&to.to_be_bytes());
        self.none(&cdb)
    }

    #[track_caller]
    pub fn standing(&mut self) -> Standing {
        let long = self.reply(&[0x34, 0x06, 0, 0, 0, 0, 0, 0, 0, 0], 32);
        let extended = self.reply(&[0x34, 0x08, 0, 0, 0, 0, 0, 0, 32, 0], 32);
        assert_eq!(long[8..16], extended[8..16]);
        Standing {
            block: be(&long[8..16]),
            file: be(&long[16..24]),
            buffered_objects: be(&extended[5..8]),
            buffered_bytes: be(&extended[24..32]),
        }
    }

    #[track_caller]
    pub fn block(&mut self) -> u64 {
        self.standing().block
    }

    pub fn load(&mut self, load: bool) -> Outcome {
        self.none(&[0x1b, 0, 0, 0, u8::from(load), 0])
    }

    pub fn move_medium(&mut self, from: u16, to: u16) -> Outcome {
        let (f, t) = (from.to_be_bytes(), to.to_be_bytes());
        self.none(&[0xa5, 0, 0, 1, f[0], f[1], t[0], t[1], 0, 0, 0, 0])
    }
}
