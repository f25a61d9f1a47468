//! A virtual library, a writer and a reader in one process, and what became durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use scsi::{Data, Outcome, Transport};
use tapioca::library::{Mount, Scribe, SyncEvery, TapeWriter};
use tapioca::parts::source::tape::{TapeSource, What};
use tapioca::stream::{
    Abort, Begin, End, Fault, Item, KIND_RAW, Outlet, Receipt, Source, StreamId, Upward,
};
use virt::{Library, MediumSpec, Options, Shape};

/// Block size of the tests' volumes: small, so that little data makes many blocks.
pub const BLOCK_BYTES: usize = 65536;
/// Stream bytes of a full data block.
pub const STRIDE: usize = BLOCK_BYTES - 96;

pub const SCRIBE: Scribe = Scribe { new_id: uuid::Uuid::new_v4, now_s: || 1_795_000_000 };

/// A library in a directory that goes away with it.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub library: Library,
}

impl Rig {
    /// `media` cartridges T00001L9 … of this capacity.
    pub fn new(media: usize, capacity_bytes: u64) -> Rig {
        let media = (1..=media).map(|n| MediumSpec::data(&format!("T{n:05}L9"), capacity_bytes));
        Rig::with(
            Shape { slots: 30, media: media.collect(), ..Shape::default() },
            Options::default(),
        )
    }

    pub fn with(shape: Shape, options: Options) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { fsync: false, ..options };
        let library = Library::create_with(&dir.path().join("lib"), &shape, options).unwrap();
        Rig { dir, library }
    }

    pub fn lib_dir(&self) -> PathBuf {
        self.dir.path().join("lib")
    }

    pub fn mount(&self) -> Mount {
        self.try_mount(|t| t).unwrap()
    }

    /// A mount whose drive is reached through what `wrap` makes of it.
    pub fn try_mount(
        &self,
        wrap: impl FnOnce(Box<dyn Transport>) -> Box<dyn Transport>,
    ) -> Result<Mount, Fault> {
        let drive =
            virt::open(&self.library.drives()[0]).map_err(|e| Fault::usage(e.to_string()))?;
        let drive = ssc::Drive::attach(wrap(drive)).map_err(|e| Fault::usage(e.to_string()))?;
        let changer =
            virt::open(&self.library.changer_name()).map_err(|e| Fault::usage(e.to_string()))?;
        let changer = smc::Changer::attach(changer).map_err(|e| Fault::usage(e.to_string()))?;
        Ok(Mount::new(drive, Some(changer), SCRIBE).block_bytes(BLOCK_BYTES))
    }

    pub fn write(&self, stream: &Stream, sync_bytes: u64) -> Written {
        write_on(self.mount(), stream, sync_bytes)
    }

    /// Reads a stream from the volume with this tag on.
    pub fn read(&self, volume: &str, stream: &Stream) -> Collected {
        let id = stream.begin.stream.to_string();
        collect(TapeSource::new(self.mount().volume(Some(volume.into())), What::Stream(id)))
    }
}

/// A stream of bytes that follow from its seed.
pub struct Stream {
    pub begin: Begin,
    pub bytes: Vec<u8>,
    pub lines: Vec<u8>,
}

impl Stream {
    pub fn new(seed: u64, bytes: usize) -> Stream {
        let begin = Begin {
            stream: StreamId(uuid::Uuid::from_u64_pair(seed, 7)),
            name: format!("stream {seed}"),
            kind: KIND_RAW.into(),
            ..Begin::default()
        };
        let lines = format!("f 0 {bytes} {bytes} 0.000000000 - stream{seed}\n").into_bytes();
        Stream { begin, bytes: noise(seed, bytes), lines }
    }
}

/// Bytes that no other seed and no other place repeats.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

/// Receipts in the order they came.
#[derive(Default)]
pub struct Receipts(pub Vec<Receipt>);

impl Upward for Receipts {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.push(receipt);
        Ok(())
    }
}

/// What came of writing a stream.
pub struct Written {
    pub receipts: Vec<Receipt>,
    pub result: Result<(), Fault>,
}

impl Written {
    /// Stream bytes that were promised.
    pub fn promised(&self) -> u64 {
        let mut to = 0;
        for receipt in &self.receipts {
            assert_eq!(receipt.from, to, "receipts follow each other");
            to = receipt.to;
        }
        to
    }
}

/// Writes a stream in pieces of an odd size, then ends it; aborts as a plumber would on a fault.
pub fn write_on(mount: Mount, stream: &Stream, sync_bytes: u64) -> Written {
    let mut writer = TapeWriter::new(Box::new(mount), SyncEvery::bytes(sync_bytes));
    let mut receipts = Receipts::default();
    let result = feed(&mut writer, stream, &mut receipts);
    if let Err(fault) = &result {
        let abort = Abort { who: "test".into(), why: fault.to_string() };
        let _ = writer.abort(&abort, &mut receipts);
    }
    Written { receipts: receipts.0, result }
}

fn feed(writer: &mut TapeWriter, stream: &Stream, up: &mut Receipts) -> Result<(), Fault> {
    writer.begin(stream.begin.clone(), up)?;
    for piece in stream.bytes.chunks(40_000) {
        writer.data(piece, up)?;
    }
    writer.lines(&stream.lines);
    writer.end(End { bytes: stream.bytes.len() as u64, skipped: 0 }, up)
}

/// What a source put out.
pub struct Collected {
    pub bytes: Vec<u8>,
    pub result: Result<u64, Fault>,
    pub ended: bool,
    pub begin: Option<Begin>,
    pub marks: Vec<u8>,
    pub pieces: Vec<(u64, usize)>,
}

pub fn collect(mut source: TapeSource) -> Collected {
    struct Gather(Collected);
    impl Outlet for Gather {
        fn put(&mut self, item: Item) -> Result<(), Fault> {
            match item {
                Item::Begin(begin) => self.0.begin = Some(begin),
                Item::Data { offset, block } => {
                    self.0.pieces.push((offset, block.len()));
                    self.0.bytes.extend_from_slice(block.data());
                }
                Item::Mark(lines) => self.0.marks.extend_from_slice(&lines),
                Item::End(_) => self.0.ended = true,
                Item::Abort(_) | Item::Turn(_) => {}
            }
            Ok(())
        }
    }
    let empty = Collected {
        bytes: Vec::new(),
        result: Ok(0),
        ended: false,
        begin: None,
        marks: Vec::new(),
        pieces: Vec::new(),
    };
    let mut gather = Gather(empty);
    let result = source.run(&mut gather);
    Collected { result, ..gather.0 }
}

/// A transport that counts its commands, and after `left` of them is dead for this process.
pub struct Counting {
    inner: Box<dyn Transport>,
    left: Arc<AtomicI64>,
}

impl Counting {
    pub fn new(inner: Box<dyn Transport>, left: Arc<AtomicI64>) -> Counting {
        Counting { inner, left }
    }
}

impl Transport for Counting {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Outcome::Gone;
        }
        self.inner.execute(cdb, data, timeout)
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        match self.left.load(Ordering::Relaxed) > 0 {
            true => self.inner.reopen(),
            false => Err(std::io::Error::other("the power is off")),
        }
    }
}

/// The data of all media of a library, for tests that must know nothing was touched.
pub fn media_data(lib: &Path) -> Vec<Vec<u8>> {
    let media = std::fs::read_dir(lib.join("media")).unwrap();
    let mut dirs: Vec<PathBuf> = media.map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    dirs.iter().map(|dir| std::fs::read(dir.join("data")).unwrap_or_default()).collect()
}
