//! Whole puddings of real processes: a tree to tape and back, the list and the tape of one mind, one
//! file by one LOCATE, and a reader that is not ours.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{hard_tree, tree};
use scsi::{Data, Outcome, Transport};
use tapioca::library::{Mount, Scribe};
use tapioca::list::{Line, lines};
use tapioca::parts::source::tape::{TapeSource, What};
use tapioca::stream::{Fault, Item, Outlet, Source};
use virt::{Library, MediumSpec, Options, Shape};

/// A folder with a library in it, and the executable under all its names.
struct Bench {
    dir: tempfile::TempDir,
    library: Library,
    shape: Shape,
}

impl Bench {
    fn new(media: usize, capacity_bytes: u64) -> Bench {
        let dir = hard_tree::workspace();
        let media = (1..=media)
            .map(|n| MediumSpec::data(&format!("TAP{n:03}L9"), capacity_bytes))
            .collect();
        let shape = Shape { media, ..Shape::default() };
        let options = Options { fsync: false, ..Options::default() };
        let library = Library::create_with(&dir.path().join("lib"), &shape, options).unwrap();
        let names = dir.path().join("bin");
        std::fs::create_dir(&names).unwrap();
        for name in [
            "src_filesys",
            "sink_filesys",
            "proc_record",
            "proc_compress",
            "proc_decompress",
            "proc_verify",
            "src_tape",
            "sink_tape",
            "sink_stdout",
            "src_stdin",
            "tapioca",
        ] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tapioca"), names.join(name)).unwrap();
        }
        Bench { dir, library, shape }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn try_sh(&self, script: &str) -> Output {
        let path =
            format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap());
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.path())
            .env("PATH", path)
            .env("DRIVE", &self.library.drives()[0])
            .env("CHANGER", self.library.changer_name())
            .output()
            .unwrap()
    }

    fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{}: {told}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The lines but the last, which has a digest over all in the order they have.
    fn list(&self, name: &str) -> Vec<Line> {
        let text = std::fs::read(self.path().join(name)).unwrap();
        let mut lines: Vec<Line> = lines(&text).collect::<Result<_, _>>().unwrap();
        assert!(matches!(lines.pop(), Some(Line::Tail { .. })));
        lines
    }

    /// The blocks of the cartridge in drive 0, a file a tape file, as `dd` would leave them.
    fn dump(&self, to: &str) -> PathBuf {
        let to = self.path().join(to);
        std::fs::create_dir_all(&to).unwrap();
        let mut drive = ssc::Drive::attach(virt::open(&self.library.drives()[0]).unwrap()).unwrap();
        drive.rewind().unwrap();
        let mut files = vec![Vec::new()];
        let mut buffer = vec![0; 1 << 20];
        loop {
            match drive.read_block(&mut buffer).unwrap() {
                ssc::ReadOut::Block(bytes) => {
                    files.last_mut().unwrap().extend_from_slice(&buffer[..bytes])
                }
                ssc::ReadOut::Filemark => files.push(Vec::new()),
                _ => break,
            }
        }
        for (n, file) in files.iter().enumerate().filter(|(_, file)| !file.is_empty()) {
            std::fs::write(to.join(format!("file{n:03}")), file).unwrap();
        }
        to
    }
}

const BACKUP: &str = "mkfifo up; \
    src_filesys -C tree . | proc_record --list tree.list 4<up | sink_tape --drive $DRIVE --changer $CHANGER --sync-mib 1 3>up";

#[test]
fn a_hard_tree_goes_to_tape_and_comes_back() {
    let bench = Bench::new(2, 256 << 20);
    std::fs::create_dir(bench.path().join("tree")).unwrap();
    hard_tree::build(&bench.path().join("tree"));
    let wanted = tree::snapshot(&bench.path().join("tree"));
    // Sockets cannot be stored: left out, named, and no failure.
    bench.sh("mkfifo up low; src_filesys -C tree . | proc_record --list tree.list 4<up \
         | proc_compress 3>up 4<low | sink_tape --drive $DRIVE --changer $CHANGER 3>low");
    bench.sh("mkdir out; src_tape --drive $DRIVE | proc_decompress | proc_verify | sink_filesys -C out --devices");
    let wanted: Vec<_> =
        wanted.into_iter().filter(|node| node.kind != tree::Kind::Socket).collect();
    tree::assert_same(&wanted, &tree::snapshot(&bench.path().join("out")));
    let placed = bench.list("tree.list").iter().filter(|l| matches!(l, Line::Place { .. })).count();
    assert!(placed > 0, "the list says where things lie");
}

#[test]
fn the_list_and_the_tape_say_the_same() {
    let bench = Bench::new(6, 6 << 20);
    let tree = bench.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    for n in 0..40u32 {
        std::fs::write(tree.join(format!("f{n}")), hard_tree::noise(u64::from(n), 300_000))
            .unwrap();
    }
    bench.sh(BACKUP);
    let id = bench
        .sh("tapioca library rebuild --drive $DRIVE --changer $CHANGER --to rebuilt; ls rebuilt");
    let rebuilt = id.lines().last().unwrap().to_owned();
    let sorted = |mut lines: Vec<Line>| {
        lines.sort_by_key(|line| {
            let mut text = Vec::new();
            line.write(&mut text);
            text
        });
        lines
    };
    assert_eq!(sorted(bench.list("tree.list")), sorted(bench.list(&format!("rebuilt/{rebuilt}"))));
}

#[test]
fn chosen_files_come_back_from_compressed_streams_across_media() {
    let bench = Bench::new(6, 6 << 20);
    let tree = bench.path().join("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    for n in 0..60u32 {
        let dir = if n % 2 == 0 { "deep/er" } else { "deep" };
        std::fs::write(
            tree.join(dir).join(format!("f{n}")),
            hard_tree::noise(u64::from(n), 250_000),
        )
        .unwrap();
    }
    for layer in ["", "| proc_compress --codec zstd", "| proc_compress --codec lz4"] {
        let undo = if layer.is_empty() { "" } else { "| proc_decompress" };
        bench.sh(&format!(
            "src_filesys -C tree . | proc_record {layer} | sink_tape --drive $DRIVE --changer $CHANGER"
        ));
        bench.sh(&format!(
            "rm -rf out; mkdir out; src_tape --drive $DRIVE --changer $CHANGER --volume TAP001L9 --only './deep/er/f1*' 'deep/f59' {undo} | sink_filesys -C out"
        ));
        let mut got: Vec<String> =
            bench.sh("cd out; find . -type f | sort").lines().map(String::from).collect();
        got.sort();
        let mut wanted: Vec<String> =
            [10, 12, 14, 16, 18].iter().map(|n| format!("./deep/er/f{n}")).collect();
        wanted.push("./deep/f59".into());
        assert_eq!(got, wanted, "{layer}");
        bench.sh("cd out; for f in $(find . -type f); do cmp $f ../tree/$f; done");
        bench.release();
    }
}

impl Bench {
    /// Throws the media away and puts blank ones in.
    fn release(&self) {
        std::fs::remove_dir_all(self.path().join("lib")).unwrap();
        let options = Options { fsync: false, ..Options::default() };
        Library::create_with(&self.path().join("lib"), &self.shape, options).unwrap();
    }
}

/// Counts commands by operation code.
struct Watched {
    inner: Box<dyn Transport>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Transport for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        self.seen.lock().unwrap().push(cdb[0]);
        self.inner.execute(cdb, data, timeout)
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        self.inner.reopen()
    }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Outlet for Bytes {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Data { block, .. } = item {
            self.0.extend_from_slice(block.data());
        }
        Ok(())
    }
}

#[test]
fn one_file_of_a_hundred_thousand_costs_one_locate() {
    let bench = Bench::new(1, 2 << 30);
    let tree = bench.path().join("tree");
    for dir in 0..100u32 {
        let dir = tree.join(format!("d{dir:02}"));
        std::fs::create_dir_all(&dir).unwrap();
        for n in 0..1000u32 {
            std::fs::write(dir.join(format!("f{n:03}")), format!("{} {n}\n", dir.display()))
                .unwrap();
        }
    }
    bench.sh(BACKUP);
    let list = std::fs::read(bench.path().join("tree.list")).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let transport = virt::open(&bench.library.drives()[0]).unwrap();
    let watched = Watched { inner: transport, seen: seen.clone() };
    let drive = ssc::Drive::attach(Box::new(watched)).unwrap();
    let scribe = Scribe { new_id: uuid::Uuid::new_v4, now_s: || 0 };
    let mut source = TapeSource::new(Mount::new(drive, None, scribe), What::Last)
        .only(vec![b"./d57/f123".to_vec()])
        .list(list);
    let mut out = Bytes::default();
    assert_eq!(source.run(&mut out), Ok(0));
    let content = std::fs::read(tree.join("d57/f123")).unwrap();
    assert!(out.0.windows(content.len()).any(|w| w == content), "the file's bytes came");
    assert!(out.0.len() < 4096, "{} bytes for one small file", out.0.len());
    let seen = seen.lock().unwrap();
    let locates = seen.iter().filter(|&&op| op == 0x92 || op == 0x2b).count();
    let reads = seen.iter().filter(|&&op| op == 0x08).count();
    // Two reads prove who the volume is, one or two fetch the file.
    assert!(locates == 1 && reads <= 4, "{locates} LOCATE, {reads} READ");
}

#[test]
fn a_reader_that_is_not_ours_agrees() {
    let bench = Bench::new(1, 256 << 20);
    let tree = bench.path().join("tree");
    std::fs::create_dir_all(tree.join("sub")).unwrap();
    for n in 0..30u32 {
        std::fs::write(tree.join(format!("sub/f {n}\n")), hard_tree::noise(u64::from(n), 100_000))
            .unwrap();
    }
    bench.sh("src_filesys -C tree . | proc_record | sink_tape --drive $DRIVE --changer $CHANGER --sync-mib 1");
    bench.sh("src_filesys -C tree sub | proc_record | proc_compress | sink_tape --drive $DRIVE");
    bench.dump("dump");
    // The kit comes off the tape itself, by the very commands that the text page gives.
    bench.sh(
        "cp dump/file000 .; head -c 4096 file000 | sed -n '/^    python3 - /,/^    tar xf/ s/^    //p' >page.sh; \
         test -s page.sh; bash -e page.sh; test -s FORMAT.md",
    );
    bench.sh("python3 reader.py check dump");
    let listed = bench.sh("python3 reader.py list dump");
    let whole = listed.lines().filter(|l| l.starts_with("stream ") && l.contains(": complete"));
    assert_eq!(whole.count(), 2, "{listed}");
    let streams: Vec<String> = {
        let mut drive = Mount::open(
            &bench.library.drives()[0],
            None,
            Scribe { new_id: uuid::Uuid::new_v4, now_s: || 0 },
        )
        .unwrap();
        let survey = drive.first_to_read().unwrap().survey().unwrap();
        survey.parts.iter().map(|p| p.begin.stream.stream.to_string()).collect()
    };
    for (stream, undo) in streams.iter().zip(["cat", "zstd -dc"]) {
        let ours = if undo == "cat" { "" } else { "| proc_decompress" };
        bench.sh(&format!(
            "python3 reader.py stream dump --stream {stream} | {undo} >theirs; src_tape --drive $DRIVE --stream {stream} {ours} | sink_stdout >ours; cmp theirs ours"
        ));
    }
    bench.sh("mkdir back; tar -x -C back -f ours; diff -r tree/sub back/sub");
}

/// Loses one of several media: everything that lay on the others comes back, the rest is named.
#[test]
fn a_lost_medium_costs_what_lay_on_it() {
    for (layer, undo) in [("", ""), ("| proc_compress", "| proc_decompress")] {
        let bench = Bench::new(6, 6 << 20);
        let tree = bench.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        for n in 0..60u32 {
            let content = hard_tree::noise(u64::from(n), 200_000);
            std::fs::write(tree.join(format!("f{n:02}")), content).unwrap();
        }
        bench.sh(&format!("src_filesys -C tree . | proc_record {layer} | sink_tape --drive $DRIVE --changer $CHANGER"));
        let lost = std::fs::read_to_string(bench.path().join("lib/robot.toml")).unwrap();
        assert!(lost.contains("TAP002L9"));
        let mut changer =
            smc::Changer::attach(virt::open(&bench.library.changer_name()).unwrap()).unwrap();
        let inventory = changer.inventory().unwrap();
        let tag = scsi::VolumeTag::new(b"TAP002L9").unwrap();
        let from = inventory.with_volume_tag(&tag)[0].address;
        let mail = inventory.import_export[0].address;
        changer.move_medium(from, mail).unwrap();
        drop(changer);
        let script = format!(
            "mkdir out; src_tape --drive $DRIVE --changer $CHANGER --volume TAP001L9 --salvage {undo} | sink_filesys -C out"
        );
        let output = bench.try_sh(&script);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        let named = told.lines().filter(|l| l.ends_with(" is lost")).count();
        let back = std::fs::read_dir(bench.path().join("out")).unwrap().count();
        assert!(named > 3 && back > 30, "{named} named, {back} back: {told}");
        // What was not named is there and right; entries listed only on the lost medium cannot be named.
        for entry in std::fs::read_dir(bench.path().join("out")).unwrap() {
            let name = entry.unwrap().file_name();
            let (theirs, ours) = (
                std::fs::read(tree.join(&name)),
                std::fs::read(bench.path().join("out").join(&name)),
            );
            assert!(theirs.unwrap() == ours.unwrap(), "{name:?} differs");
        }
    }
}

#[test]
fn a_bad_block_costs_the_files_that_lie_in_it() {
    let bench = Bench::new(1, 64 << 20);
    let tree = bench.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    for n in 0..60u32 {
        std::fs::write(tree.join(format!("f{n:02}")), hard_tree::noise(u64::from(n), 200_000))
            .unwrap();
    }
    bench.sh("src_filesys -C tree . | proc_record | sink_tape --drive $DRIVE --changer $CHANGER");
    bench.library.flip("TAP001L9", 10, 77_000, 3).unwrap();
    let plain = bench.try_sh("mkdir a; src_tape --drive $DRIVE | sink_filesys -C a");
    assert!(!plain.status.success());
    let told = String::from_utf8_lossy(&plain.stderr).into_owned();
    assert!(told.contains("TAP001L9: block 10: damaged"), "{told}");
    let salvaged = bench.try_sh("mkdir b; src_tape --drive $DRIVE --salvage | sink_filesys -C b");
    assert_eq!(salvaged.status.code(), Some(1));
    let told = String::from_utf8_lossy(&salvaged.stderr).into_owned();
    let lost: Vec<&str> = told
        .lines()
        .filter_map(|l| l.strip_prefix("src_tape: ")?.strip_suffix(" is lost"))
        .collect();
    assert!((2..=4).contains(&lost.len()), "{told}");
    for n in 0..60u32 {
        let name = format!("f{n:02}");
        let back = std::fs::read(bench.path().join("b").join(&name));
        match lost.contains(&name.as_str()) {
            true => assert!(back.is_err(), "{name} is named and there"),
            false => {
                assert!(back.unwrap() == std::fs::read(tree.join(&name)).unwrap(), "{name} differs")
            }
        }
    }
}

/// The sink is killed (-9) after each of its receipts, and at its very start.
#[test]
fn a_killed_sink_keeps_its_promises() {
    use std::io::{BufRead, BufReader};
    let rounds = if std::env::var_os("TAPIOCA_LONG").is_some() { 40 } else { 4 };
    let bench = Bench::new(1, 4 << 30);
    let data = hard_tree::noise(9, 12 << 20);
    std::fs::write(bench.path().join("data"), &data).unwrap();
    bench.sh("mkfifo receipts; src_stdin --name whole <data | sink_tape --drive $DRIVE --changer $CHANGER");
    let mut lost = 0;
    for round in 0..rounds {
        let script = "exec 3>receipts; src_stdin <data | { echo $BASHPID >&3; exec sink_tape --drive $DRIVE --sync-mib 1; }";
        let path =
            format!("{}:{}", bench.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut pudding = Command::new("bash")
            .args(["-c", script])
            .current_dir(bench.path())
            .env("PATH", path)
            .env("DRIVE", &bench.library.drives()[0])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut lines =
            BufReader::new(std::fs::File::open(bench.path().join("receipts")).unwrap()).lines();
        let sink: i32 = lines.next().unwrap().unwrap().parse().unwrap();
        let mut promised: u64 = 0;
        let mut stream = None;
        let mut take = |line: String| {
            let receipt: tapioca::stream::Receipt = serde_json::from_str(&line).unwrap();
            promised = receipt.to;
            stream = Some(receipt.stream.to_string());
        };
        lines.by_ref().take(round % 8).map(Result::unwrap).for_each(&mut take);
        let sink = rustix::process::Pid::from_raw(sink).unwrap();
        // It may have finished already; then there is nobody to kill, and all is promised.
        let _ = rustix::process::kill_process(sink, rustix::process::Signal::KILL);
        lines.map(Result::unwrap).for_each(&mut take);
        pudding.wait().unwrap();
        let Some(stream) = stream else { continue };
        let read =
            bench.try_sh(&format!("src_tape --drive $DRIVE --stream {stream} | sink_stdout >back"));
        let back = std::fs::read(bench.path().join("back")).unwrap();
        assert!(
            back.len() as u64 >= promised,
            "round {round}: promised {promised}, got {}",
            back.len()
        );
        assert!(data.starts_with(&back), "round {round}: wrong bytes");
        assert_eq!(read.status.success(), back.len() == data.len(), "round {round}");
        lost += usize::from(!read.status.success());
    }
    eprintln!(
        "{rounds} of {rounds} killed sinks kept their promises; {lost} were cut in the middle"
    );
    bench.sh("src_stdin --name last <data | sink_tape --drive $DRIVE; src_tape --drive $DRIVE | sink_stdout | cmp - data");
}
