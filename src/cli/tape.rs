//! `sink_tape` and `src_tape`: which drive, which cartridge, which stream.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use uuid::Uuid;

use super::scribe;
use super::secret::Opening;
use crate::library::writer::{SYNC_BYTES, SYNC_TIME, SyncEvery};
use crate::library::{Mount, TapeWriter};
use crate::parts::sink::tape::Tape;
use crate::parts::source::tape::{TapeSource, What};
use crate::stream::Fault;
use crate::volume::{BLOCK_BYTES, is_block_size};

/// The devices to use.
#[derive(Args)]
pub(super) struct Devices {
    /// Tape drive: /dev/sgN or virtual:DIR#drive0
    #[arg(long, value_name = "DEV")]
    drive: String,
    /// Media changer that serves the drive: /dev/sgN or virtual:DIR#changer
    #[arg(long, value_name = "DEV")]
    changer: Option<String>,
    /// Barcode of the cartridge to start with (default: the one in the drive)
    #[arg(long, value_name = "TAG")]
    volume: Option<String>,
}

impl Devices {
    /// Each device has one owner.
    fn claims(&self) -> Vec<String> {
        let devices = [Some(&self.drive), self.changer.as_ref()];
        devices.into_iter().flatten().map(|device| format!("the device {device}")).collect()
    }

    fn mount(self) -> Result<Mount, Fault> {
        Ok(Mount::open(&self.drive, self.changer.as_deref(), scribe())?.volume(self.volume))
    }
}

/// Keep a stream on tape; prints a receipt on descriptor 3 for what became durable
#[derive(Args)]
pub(super) struct SinkTape {
    #[command(flatten)]
    devices: Devices,
    /// Mebibytes between two syncs; as much memory holds what is not confirmed yet
    #[arg(long, value_name = "MIB", default_value_t = SYNC_BYTES >> 20)]
    sync_mib: u64,
    /// Seconds after which what is written is synced, however little it is
    #[arg(long, value_name = "S", default_value_t = SYNC_TIME.as_secs())]
    sync_s: u64,
    /// Block size of cartridges that are labelled now, bytes
    #[arg(long, value_name = "BYTES", default_value_t = BLOCK_BYTES)]
    block_bytes: usize,
    /// Set that a blank first cartridge joins (default: a new one)
    #[arg(long, value_name = "UUID")]
    set: Option<Uuid>,
}

impl SinkTape {
    pub(super) fn claims(&self) -> Vec<String> {
        self.devices.claims()
    }

    pub(super) fn sink(self) -> Result<Tape, Fault> {
        if !is_block_size(self.block_bytes) || self.sync_mib == 0 {
            return Err(Fault::usage(
                "--block-bytes must be a multiple of 4096 from 65536 to 1048576, --sync-mib at least 1",
            ));
        }
        let mount = self.devices.mount()?.block_bytes(self.block_bytes).set(self.set);
        let bytes = self.sync_mib.saturating_mul(1 << 20);
        let sync = SyncEvery { bytes, time: Duration::from_secs(self.sync_s) };
        Ok(Tape(TapeWriter::new(Box::new(mount), sync)))
    }
}

/// Read a stream from tape, whole or chosen entries of it
#[derive(Args)]
pub(super) struct SrcTape {
    #[command(flatten)]
    devices: Devices,
    /// Block at which the stream's first part begins (see `library list`)
    #[arg(long, value_name = "BLOCK", conflicts_with_all = ["stream", "list"])]
    from: Option<u64>,
    /// The stream whose identity begins so (default: the last one on the cartridge)
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    stream: Option<String>,
    /// Only entries that match: a path, a directory, or a pattern with * ? ** [a-z]
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    only: Vec<std::ffi::OsString>,
    /// Give every entry that is whole and name the others, instead of stopping at the first bad block
    /// or missing volume; every block is read twice
    #[arg(long, conflicts_with = "list")]
    salvage: bool,
    /// Find the entries in this list of `proc_record` instead of the index on tape
    #[arg(long, value_name = "FILE", requires = "only")]
    list: Option<PathBuf>,
    #[command(flatten)]
    opening: Opening,
}

impl SrcTape {
    pub(super) fn claims(&self) -> Vec<String> {
        self.devices.claims()
    }

    pub(super) fn source(self) -> Result<TapeSource, Fault> {
        use std::os::unix::ffi::OsStringExt;
        let what = match (self.from, self.stream) {
            (Some(block), _) => What::From(block),
            (None, Some(prefix)) => What::Stream(prefix),
            (None, None) => What::Last,
        };
        let list = self.list.map(|path| {
            std::fs::read(&path)
                .map_err(|e| Fault::host(format!("cannot read {}", path.display()), &e))
        });
        let list = list.transpose()?;
        let only = self.only.into_iter().map(OsStringExt::into_vec).collect();
        let identities = self.opening.identities()?;
        let source = TapeSource::new(self.devices.mount()?, what)
            .only(only)
            .identities(identities)
            .salvage(self.salvage);
        Ok(match list {
            Some(lines) => source.list(lines),
            None => source,
        })
    }
}
