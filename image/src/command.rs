//! The commands, and the places where things are in a checkout.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use board::Board;
use clap::{Args, Parser, Subcommand};
use image::build::{Built, DISK, Input, build, machine};
use image::demo::{Demo, PASSWORD};
use image::fetch::Packages;
use image::keys::Keys;
use image::run::{self, Run, Serial};
use image::{Error, firmware, verify};

/// zstd's level for an image that is used once.
const QUICK: i32 = 9;

#[derive(Parser)]
#[command(name = "image", version, about = "Make, check and run the bootable image of a board")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the bootable file, the disk, the update bundle and the list of what is inside
    Build(BuildArgs),
    /// Read an image back and compare every layer with what describes it
    Verify {
        /// Name of a board, with mix-ins behind `+`, or a manifest file
        board: String,
        /// Where the image is (default target/image/BOARD)
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Say which parts of two images differ
    Diff {
        /// Directory of one image
        one: PathBuf,
        /// Directory of the other
        other: PathBuf,
    },
    /// Start the image in QEMU; Ctrl-A X ends it
    Run(RunArgs),
    /// Make a box, start it in QEMU, claim it, back something up to it and get it back
    Demo(DemoArgs),
    /// Fetch the kernel a board names, and record its version
    Lock {
        /// Name of a board
        board: String,
    },
    /// Write a directory as a newc cpio archive, the same bytes for the same tree
    Cpio {
        /// The directory that becomes the root
        dir: PathBuf,
        /// Modification time of every entry, seconds since the epoch
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        mtime_s: u32,
    },
}

#[derive(Args)]
struct BuildArgs {
    /// Name of a board, with mix-ins behind `+`, or a manifest file
    board: String,
    /// Where it goes (default target/image/BOARD)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A static executable that was built already (default: cargo builds it)
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
    /// zstd's level
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Do not sign
    #[arg(long)]
    unsigned: bool,
    /// Version of the image: one to four numbers, as 0.2.0 (default: this checkout's)
    #[arg(long, value_name = "VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    as_version: String,
}

#[derive(Args)]
struct RunArgs {
    /// Name of a board, with mix-ins behind `+`, or a manifest file
    board: String,
    /// Where the image is (default target/image/BOARD)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Firmware that knows this checkout's keys and starts nothing else
    #[arg(long)]
    secure_boot: bool,
    /// The first serial port as a Unix socket instead of this terminal
    #[arg(long, value_name = "PATH")]
    serial: Option<PathBuf>,
    /// QEMU's control protocol as a Unix socket
    #[arg(long, value_name = "PATH")]
    qmp: Option<PathBuf>,
    /// A disk image as a USB stick
    #[arg(long, value_name = "PATH")]
    stick: Option<PathBuf>,
    /// A port on loopback that leads to the port the box serves its clients on
    #[arg(long, value_name = "PORT")]
    forward: Option<u16>,
}

#[derive(Args)]
struct DemoArgs {
    /// What is backed up (default: this checkout's docs)
    tree: Option<PathBuf>,
    /// The board: one with a library inside
    #[arg(long, default_value = "standalone")]
    board: String,
    /// A static executable that was built already (default: cargo builds it)
    #[arg(long, value_name = "PATH")]
    exe: Option<PathBuf>,
}

impl Cli {
    pub fn run(self) -> Result<u8, Error> {
        match self.command {
            Command::Build(args) => args.run()?,
            Command::Verify { board, out } => {
                let board = Board::load(&board)?;
                let keys = Keys::open(&keys_dir())?;
                verify::verify(&board, &out.unwrap_or_else(|| out_dir(&board)), Some(&keys))?;
            }
            Command::Diff { one, other } => {
                let lines = verify::diff(&one, &other)?;
                lines.iter().try_for_each(|line| say(line))?;
                return Ok(u8::from(!lines.is_empty()));
            }
            Command::Run(args) => return args.run(),
            Command::Demo(args) => args.run()?,
            Command::Lock { board } => {
                let board = Board::load(&board)?;
                let packages = Packages::fetch(&machine(&board)?.kernel.package, &cache_dir())?;
                put(&lock_file(), packages.lock().as_bytes())?;
            }
            Command::Cpio { dir, mtime_s } => {
                let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
                image::tree::write(&dir, mtime_s, &mut out)?;
                out.flush().map_err(Error::Output)?;
            }
        }
        Ok(0)
    }
}

/// The checkout this tool was built in.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

fn cache_dir() -> PathBuf {
    root().join("target/image/cache")
}

fn keys_dir() -> PathBuf {
    root().join("target/image/keys")
}

fn lock_file() -> PathBuf {
    root().join("image/kernel.lock")
}

fn out_dir(board: &Board) -> PathBuf {
    root().join("target/image").join(image::build::label(board))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|error| Error::Write { path: path.to_owned(), error })
}

fn say(line: &str) -> Result<(), Error> {
    writeln!(std::io::stdout(), "{line}").map_err(Error::Output)
}

impl BuildArgs {
    fn run(self) -> Result<(), Error> {
        let board = Board::load(&self.board)?;
        let packages = Packages::fetch(&machine(&board)?.kernel.package, &cache_dir())?;
        if std::fs::read_to_string(lock_file()).ok() != Some(packages.lock()) {
            let kernel = &packages.kernel;
            eprintln!(
                "image: {} {} is not what image/kernel.lock records",
                kernel.name, kernel.version
            );
        }
        let keys = (!self.unsigned).then(|| Keys::open(&keys_dir())).transpose()?;
        let exe = self.exe.map_or_else(executable, Ok)?;
        let out = self.out.unwrap_or_else(|| out_dir(&board));
        let input = Input {
            board: &board,
            packages: &packages,
            exe: &exe,
            cargo_lock: &root().join("Cargo.lock"),
            keys: keys.as_ref(),
            version: &self.as_version,
            level: self.level,
        };
        let Built { dir, uki_bytes, initramfs_bytes, modules, kernel } = build(&input, &out)?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let max = machine(&board)?.limits.uki_mib_max;
        say(&format!("board      {}", board.name))?;
        say(&format!("kernel     {kernel}, {modules} modules"))?;
        say(&format!("initramfs  {:.1} MiB unpacked", mib(initramfs_bytes)))?;
        say(&format!("uki        {:.1} MiB of {max} MiB allowed", mib(uki_bytes)))?;
        say(&format!("disk       {}", dir.join(DISK).display()))
    }
}

/// Builds the static executable, without this checkout's place in it.
fn executable() -> Result<PathBuf, Error> {
    let target = "x86_64-unknown-linux-gnu";
    let root = root();
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|h| h + "/.cargo"));
    let flags = format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=tapioca --remap-path-prefix={}=cargo",
        root.display(),
        home.unwrap_or_default()
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Program::new(cargo)
        .args(["build", "--release", "--locked", "-p", "tapioca", "--target", target])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", flags)
        .current_dir(&root)
        .status();
    let failed = |why: String| Error::Program { program: "cargo".to_owned(), why };
    match built.map_err(|e| failed(e.to_string()))? {
        status if status.success() => Ok(root.join("target").join(target).join("release/tapioca")),
        status => Err(failed(status.to_string())),
    }
}

impl DemoArgs {
    fn run(self) -> Result<(), Error> {
        let tree = self.tree.unwrap_or_else(|| root().join("docs"));
        let unreadable = |error| Error::Input { path: tree.clone(), error };
        let tree = tree.canonicalize().map_err(unreadable)?;
        let dir = root().join("target/image/demo");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)
                .map_err(|error| Error::Write { path: dir.clone(), error })?;
        }
        let exe = self.exe.map_or_else(executable, Ok)?;
        let build = BuildArgs {
            board: self.board.clone(),
            out: Some(dir.clone()),
            exe: Some(exe.clone()),
            level: QUICK,
            unsigned: false,
            as_version: env!("CARGO_PKG_VERSION").into(),
        };
        build.run()?;
        let board = Board::load(&self.board)?;
        let demo = Demo { board: &board, dir: &dir, exe: &exe, tree: &tree };
        demo.play(std::io::stdout())?;
        let words = format!("{} was backed up to the box and came back the same", tree.display());
        say(&format!("\nimage: {words}; the box was switched off"))?;
        let run = format!("cargo run --release -p image -- run {}", self.board);
        let again = format!("{run} --out {} --forward 7420", dir.display());
        say(&format!("image: `{again}` starts it again; the password is \"{PASSWORD}\""))
    }
}

impl RunArgs {
    fn run(self) -> Result<u8, Error> {
        let board = Board::load(&self.board)?;
        let dir = self.out.unwrap_or_else(|| out_dir(&board));
        let keys = self.secure_boot.then(|| Keys::open(&keys_dir())).transpose()?;
        let variables = dir.join(if self.secure_boot { "secure.vars" } else { "open.vars" });
        if !variables.exists() {
            put(&variables, &firmware::variables(keys.as_ref())?)?;
        }
        let more = self.stick.as_deref().map(run::stick).unwrap_or_default();
        let run = Run {
            board: &board,
            dir: &dir,
            variables: &variables,
            secure_boot: self.secure_boot,
            serial: self.serial.map_or(Serial::Stdio, Serial::Socket),
            qmp: self.qmp.as_deref(),
            forward: self.forward,
            writes: None,
            more: &more,
        };
        let status = run.command()?.status().map_err(|error| run::cannot_start(&error))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(111))
    }
}
