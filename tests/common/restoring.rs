//! Archives made by hand, and ways to restore them.
//!
//! Owns a writer of tar headers that says whatever it is told, true or not, and the feeding of
//! `sink_filesys`, as a value in this process and as a process of its own.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tapioca::parts::sink::filesys::{Filesys, Options};
use tapioca::stream::frame::FrameWriter;
use tapioca::stream::{
    Abort, Begin, Block, End, Fault, Item, KIND_PAX, Outlet, Receipt, Sink, Upward,
};

/// An archive under construction.
#[derive(Default, Clone)]
pub struct Archive(pub Vec<u8>);

/// Seconds of the modification time of every member made here.
pub const MTIME: i64 = 1_234_567_890;

impl Archive {
    /// An extended header with these records.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Archive {
        let mut body = Vec::new();
        for (key, value) in records {
            let tail = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
            let mut length = tail.len() + 1;
            while length != length.to_string().len() + tail.len() {
                length = length.to_string().len() + tail.len();
            }
            body.extend_from_slice(length.to_string().as_bytes());
            body.extend_from_slice(&tail);
        }
        self.raw(b'x', b"x", b"", body.len() as u64, 0o644);
        self.bytes(&body);
        self
    }

    /// A GNU long name (`L`) or long link (`K`).
    pub fn gnu_long(mut self, kind: u8, name: &[u8]) -> Archive {
        let body = [name, b"\0"].concat();
        self.raw(kind, b"././@LongLink", b"", body.len() as u64, 0o644);
        self.bytes(&body);
        self
    }

    /// A member without content.
    pub fn member(mut self, kind: u8, path: &[u8], link: &[u8], mode: u32) -> Archive {
        self.raw(kind, path, link, 0, mode);
        self
    }

    pub fn file(mut self, path: &[u8], content: &[u8]) -> Archive {
        self.raw(b'0', path, b"", content.len() as u64, 0o644);
        self.bytes(content);
        self
    }

    pub fn dir(self, path: &[u8]) -> Archive {
        self.member(b'5', path, b"", 0o755)
    }

    pub fn symlink(self, path: &[u8], target: &[u8]) -> Archive {
        self.member(b'2', path, target, 0o777)
    }

    pub fn hard_link(self, path: &[u8], target: &[u8]) -> Archive {
        self.member(b'1', path, target, 0o644)
    }

    /// A header and nothing else. Names longer than their field become extended records.
    pub fn raw(&mut self, kind: u8, path: &[u8], link: &[u8], size: u64, mode: u32) {
        if path.len() > 100 || path.contains(&0) || link.len() > 100 {
            let before = std::mem::take(self);
            *self = before.pax(&[("path", path), ("linkpath", link)]);
            return self.raw(kind, b"long", b"", size, mode);
        }
        let mut block = [0; 512];
        block[..path.len()].copy_from_slice(path);
        block[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        block[108..116].copy_from_slice(format!("{:07o}\0", uid.as_raw()).as_bytes());
        block[116..124].copy_from_slice(format!("{:07o}\0", gid.as_raw()).as_bytes());
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[136..148].copy_from_slice(format!("{MTIME:011o}\0").as_bytes());
        block[156] = kind;
        block[157..157 + link.len()].copy_from_slice(link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[329..337].copy_from_slice(b"0000001\0");
        block[337..345].copy_from_slice(b"0000003\0");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
    }

    /// Content, padded.
    pub fn bytes(&mut self, content: &[u8]) {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    /// The archive with its end.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// Receipts, kept.
#[derive(Default)]
pub struct Receipts(pub Vec<Receipt>);

impl Upward for Receipts {
    fn receipt(&mut self, receipt: Receipt) -> Result<(), Fault> {
        self.0.push(receipt);
        Ok(())
    }
}

pub fn begin() -> Begin {
    Begin { name: "test".into(), kind: KIND_PAX.into(), ..Begin::default() }
}

/// Everything, in one piece: what was left out.
pub fn restore(target: &Path, options: Options, archive: &[u8]) -> Result<u64, Fault> {
    let mut up = Receipts::default();
    restore_with(target, options, archive, 1 << 18, &mut up)
}

/// In pieces of `piece` bytes.
pub fn restore_with(
    target: &Path,
    options: Options,
    archive: &[u8],
    piece: usize,
    up: &mut Receipts,
) -> Result<u64, Fault> {
    let mut sink = Filesys::new(target, options);
    let fed = feed(&mut sink, begin(), archive, piece, up)
        .and_then(|bytes| sink.item(Item::End(End { bytes, skipped: 0 }), up));
    if let Err(fault) = fed {
        abort(&mut sink, up);
        return Err(fault);
    }
    sink.finish()
}

/// The stream without its end.
pub fn feed(
    sink: &mut Filesys,
    begin: Begin,
    archive: &[u8],
    piece: usize,
    up: &mut Receipts,
) -> Result<u64, Fault> {
    sink.item(Item::Begin(begin), up)?;
    let mut offset = 0;
    for bytes in archive.chunks(piece) {
        sink.item(Item::Data { offset, block: Block::copy_of(bytes) }, up)?;
        offset += bytes.len() as u64;
    }
    Ok(offset)
}

pub fn abort(sink: &mut Filesys, up: &mut Receipts) {
    let abort = Abort { who: "test".into(), why: "cut".into() };
    sink.item(Item::Abort(abort), up).expect("an abort is taken");
}

/// A stream as it travels through a pipe.
pub fn frames(archive: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = FrameWriter::new(&mut bytes);
    out.put(Item::Begin(begin())).unwrap();
    for (n, piece) in archive.chunks(100_000).enumerate() {
        let offset = n as u64 * 100_000;
        out.put(Item::Data { offset, block: Block::copy_of(piece) }).unwrap();
    }
    out.put(Item::End(End { bytes: archive.len() as u64, skipped: 0 })).unwrap();
    bytes
}

/// `sink_filesys` as a process; `unprivileged`: as nobody.
pub fn command(unprivileged: bool) -> Command {
    let program = env!("CARGO_BIN_EXE_tapioca");
    let mut command = if unprivileged {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]);
        setpriv
    } else {
        Command::new(program)
    };
    command.arg("sink_filesys");
    command
}

/// Runs it on a stream.
pub fn run(command: &mut Command, stream: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let stream = stream.to_vec();
    let writer = std::thread::spawn(move || {
        // It may give up before the end; that is for its exit status to say.
        let _ = input.write_all(&stream);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    output
}

/// Names below `dir` that a draft would have, as deep as paths reach.
pub fn drafts_in(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(dir) {
        // Deeper than a path can say.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidFilename => return found,
        entries => entries.unwrap(),
    };
    for entry in entries {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(drafts_in(&entry.path()));
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".tapioca-") {
            found.push(name);
        }
    }
    found
}
