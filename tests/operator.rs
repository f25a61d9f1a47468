//! The operator's commands, run as an operator runs them, on a virtual library.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tapioca::library::{Mount, Scribe, SyncEvery, TapeWriter};
use tapioca::plumb::spawn::{Chain, Ends, Step, step};
use tapioca::stream::frame::FrameReader;
use tapioca::stream::{Begin, Fault, Inlet, Item, Receipt, Upward};

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");

struct Rig {
    dir: tempfile::TempDir,
}

impl Rig {
    fn new(arguments: &[&str]) -> Rig {
        let rig = Rig { dir: tempfile::tempdir().unwrap() };
        let library = rig.at("lib").display().to_string();
        let made = run(&[&["library", "create", &library][..], arguments].concat());
        assert!(made.status.success(), "{made:?}");
        rig
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn changer(&self) -> String {
        format!("virtual:{}#changer", self.at("lib").display())
    }

    fn drive(&self) -> String {
        format!("virtual:{}#drive0", self.at("lib").display())
    }

    /// Runs a command, its device names filled in; returns standard output and the exit status.
    fn run(&self, line: &str) -> (String, i32) {
        let (out, _, code) = self.run_all(line);
        (out, code)
    }

    fn run_all(&self, line: &str) -> (String, String, i32) {
        let fill = |word: &str| {
            word.replace("CHANGER", &self.changer())
                .replace("DRIVE", &self.drive())
                .replace("DIR", &self.dir.path().display().to_string())
        };
        let words: Vec<String> = line.split(' ').map(fill).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = run(&words);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(done.stdout), text(done.stderr), done.status.code().unwrap())
    }

    /// Backs up a small tree with these processors behind the record keeper; returns its list.
    fn back_up(&self, processors: &[&str]) -> String {
        let tree = self.at("tree");
        if !tree.exists() {
            std::fs::create_dir(&tree).unwrap();
            for n in 0..40 {
                let content: Vec<u8> = (0..n * 997u32).map(|b| ((b * b) >> 7) as u8).collect();
                std::fs::write(tree.join(format!("file {n}")), content).unwrap();
            }
        }
        let list = self.at("kept.list");
        let mut source = step(["src_filesys", "-C"]);
        source.extend([self.dir.path().into(), "tree".into()]);
        let mut record = step(["proc_record", "--list"]);
        record.push(list.clone().into());
        let sink = step([
            "sink_tape",
            "--block-bytes",
            "65536",
            "--drive",
            &self.drive(),
            "--changer",
            &self.changer(),
        ]);
        let middle = processors.iter().map(|name| step([name]));
        let steps: Vec<Step> = [source, record].into_iter().chain(middle).chain([sink]).collect();
        let mut chain = Chain::start_as(Path::new(EXE), &steps, true, Ends::Closed).unwrap();
        drop(std::io::read_to_string(chain.receipts().unwrap()).unwrap());
        for part in chain.wait(std::time::Duration::from_secs(600)).unwrap() {
            assert_eq!(part.verdict, Ok(0), "{}", part.who);
        }
        std::fs::read_to_string(list).unwrap()
    }

    /// Lines of the only list that `library rebuild` made.
    fn rebuilt(&self) -> String {
        let made: Vec<PathBuf> =
            std::fs::read_dir(self.at("lists")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(made.len(), 1, "{made:?}");
        std::fs::read_to_string(&made[0]).unwrap()
    }

    /// Silently damages the index of the only part on TAP001L9.
    fn damage_index(&self) {
        let scribe = Scribe { new_id: uuid::Uuid::new_v4, now_s: || 0 };
        let mount = Mount::open(&self.drive(), Some(&self.changer()), scribe).unwrap();
        let mut reader = mount.volume(Some("TAP001L9".into())).first_to_read().unwrap();
        let survey = reader.survey().unwrap();
        let (_, end) = survey.parts[0].end.clone().unwrap();
        drop(reader);
        let library = virt::Library::open(&self.at("lib")).unwrap();
        library.flip("TAP001L9", end.index_block, 200, 3).unwrap();
    }
}

fn run(words: &[&str]) -> Output {
    Command::new(EXE).args(words).output().unwrap()
}

/// Lines but the last, whose digest is over all in the order they have.
fn sorted(text: &str, keep: impl Fn(&str) -> bool) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('='));
    let mut lines: Vec<&str> = lines.filter(|line| keep(line)).collect();
    lines.sort_unstable();
    lines
}

const SMALL: &[&str] =
    &["--drives", "2", "--slots", "3", "--mail-slots", "1", "--media", "2", "--capacity", "32MiB"];

#[test]
fn a_cartridge_is_loaded_moved_and_put_back() {
    let rig = Rig::new(SMALL);
    let (before, code) = rig.run("library status --changer CHANGER");
    assert_eq!(code, 0);
    let mut lines = before.lines();
    assert!(
        lines.next().unwrap().ends_with("full are 0 of 2 drives, 2 of 3 slots, 0 of 1 mail slots")
    );
    let expected = "\
PLACE    ELEMENT  STATE  VOLUME    FROM  DRIVE SERIAL
drive:0      256  empty  -         -     VD756F2000
drive:1      257  empty  -         -     VD35E29001
slot:1      1024  full   TAP001L9  -     -
slot:2      1025  full   TAP002L9  -     -
slot:3      1026  empty  -         -     -
mail:1        16  empty  -         -     -";
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected);

    let loaded = rig.run("library load --changer CHANGER --volume TAP002L9");
    assert_eq!(loaded, ("TAP002L9: slot:2 -> drive:0\n".into(), 0));
    let (after, _) = rig.run("library status --changer CHANGER");
    let row = "drive:0      256  full   TAP002L9  slot:2  VD756F2000";
    assert!(after.lines().any(|line| line == row), "{after}");

    let unloaded = rig.run("library unload --changer CHANGER");
    assert_eq!(unloaded, ("TAP002L9: drive:0 -> slot:2\n".into(), 0));
    let moved = rig.run("library move --changer CHANGER --from slot:1 --to mail:1");
    assert_eq!(moved, ("TAP001L9: slot:1 -> mail:1\n".into(), 0));
    let back = rig.run("library move --changer CHANGER --from element:16 --to slot:3");
    assert_eq!(back, ("TAP001L9: mail:1 -> slot:3\n".into(), 0));
}

#[test]
fn what_cannot_be_moved_is_named_and_stays() {
    let rig = Rig::new(SMALL);
    let (before, _) = rig.run("library status --changer CHANGER");
    for (line, word, status) in [
        ("library load --changer CHANGER --volume NOSUCH", "no cartridge NOSUCH", 100),
        ("library load --changer CHANGER --slot 3", "slot:3 is empty", 100),
        ("library load --changer CHANGER --slot 9", "no slot:9: it has slot:1 to slot:3", 100),
        ("library move --changer CHANGER --from slot:1 --to slot:2", "slot:2 is full", 100),
        ("library unload --changer CHANGER", "no drive holds a cartridge", 100),
        ("library move --changer CHANGER --from 1 --to slot:2", "is no place", 2),
    ] {
        let (_, words, code) = rig.run_all(line);
        assert!(words.contains(word), "{line}: {words}");
        assert_eq!(code, status, "{line}");
    }
    assert_eq!(rig.run("library status --changer CHANGER").0, before);
}

#[test]
fn json_says_what_the_tables_say() {
    let rig = Rig::new(SMALL);
    rig.back_up(&[]);
    let json = |line: &str| -> serde_json::Value {
        let (out, words, code) = rig.run_all(line);
        assert_eq!(code, 0, "{line}: {words}");
        serde_json::from_str(&out).unwrap()
    };
    let status = json("library status --changer CHANGER --json");
    assert_eq!(status["elements"].as_array().unwrap().len(), 6);
    assert_eq!(status["elements"][0]["volume"], "TAP001L9");
    let drive = json("drive status --drive DRIVE --label --json");
    assert_eq!(drive["label"]["volume_tag"], "TAP001L9");
    assert_eq!(drive["ready"], true);
    for line in ["alerts", "log --page 31", "log --page 00", "attributes"] {
        assert!(json(&format!("drive {line} --drive DRIVE --json")).is_array(), "{line}");
    }
    let list = json("library list --drive DRIVE --changer CHANGER --files --json");
    assert_eq!(list["streams"][0]["files"].as_array().unwrap().len(), 41);
    assert_eq!(list["streams"][0]["complete"], true);
    assert_eq!(list["volumes"][1]["holds"], "blank");
}

#[test]
fn a_listing_names_every_entry_with_its_place() {
    let rig = Rig::new(SMALL);
    rig.back_up(&["proc_compress"]);
    let (out, code) =
        rig.run("library list --drive DRIVE --changer CHANGER --files --only tree/file*7");
    assert_eq!(code, 0);
    let rows: Vec<&str> = out.lines().filter(|line| line.contains("tree/file")).collect();
    assert_eq!(rows.len(), 4, "{out}");
    assert!(rows.iter().all(|row| row.starts_with("f ") && row.contains("TAP001L9")), "{out}");
}

#[test]
fn a_lost_list_is_rebuilt_from_the_index() {
    for processors in [&[][..], &["proc_compress"]] {
        let rig = Rig::new(SMALL);
        let kept = rig.back_up(processors);
        let (out, code) = rig.run("library rebuild --drive DRIVE --changer CHANGER --to DIR/lists");
        assert_eq!(code, 0);
        assert!(out.contains("index"), "{out}");
        let rebuilt = rig.rebuilt();
        let entries = |line: &str| !line.starts_with('@');
        assert_eq!(sorted(&rebuilt, entries), sorted(&kept, entries));
        assert!(rebuilt.lines().any(|line| line.starts_with("@ 0 ")), "{rebuilt}");
        if processors.is_empty() {
            assert_eq!(sorted(&rebuilt, |_| true), sorted(&kept, |_| true));
        }
    }
}

#[test]
fn a_damaged_index_is_replaced_from_the_data() {
    for processors in [&[][..], &["proc_compress"]] {
        let rig = Rig::new(SMALL);
        let kept = rig.back_up(processors);
        rig.damage_index();
        let (_, words, code) = rig.run_all("library list --drive DRIVE --changer CHANGER");
        assert!(code == 1 && words.contains("cannot read an index"), "{code}: {words}");
        let (out, words, code) =
            rig.run_all("library rebuild --drive DRIVE --changer CHANGER --to DIR/lists");
        assert_eq!(code, 0, "{words}");
        assert!(out.contains("data"), "{out}");
        let rebuilt = rig.rebuilt();
        // The data does not tell the inodes.
        let entries = |line: &str| !line.starts_with(['@', 'i']);
        assert_eq!(sorted(&rebuilt, entries), sorted(&kept, entries));
        let places = |line: &str| line.starts_with('@');
        if processors.is_empty() {
            assert_eq!(sorted(&rebuilt, places), sorted(&kept, places));
        } else {
            assert!(rebuilt.lines().any(|line| line.starts_with("@ 0 ")), "{rebuilt}");
        }
    }
}

#[test]
fn a_cut_stream_gives_what_was_whole_and_says_where_it_ends() {
    let rig = Rig::new(SMALL);
    let kept = rig.back_up(&[]);
    let archive = Command::new(EXE).args(["src_tape", "--drive", &rig.drive()]).output().unwrap();
    assert!(archive.status.success());
    // Everything after the last sync is lost with the power: the writer never came to its end.
    let bytes = payload(&archive.stdout);
    let scribe = Scribe { new_id: uuid::Uuid::new_v4, now_s: || 0 };
    let mount = Mount::open(&rig.drive(), Some(&rig.changer()), scribe).unwrap();
    let mut writer = TapeWriter::new(
        Box::new(mount.volume(Some("TAP002L9".into()))),
        SyncEvery::bytes(128 * 1024),
    );
    let begin = Begin { kind: "pax".into(), name: "cut".into(), ..Begin::default() };
    writer.begin(begin, &mut Deaf).unwrap();
    writer.data(&bytes[..bytes.len() * 3 / 4], &mut Deaf).unwrap();
    drop(writer);
    virt::Library::open(&rig.at("lib")).unwrap().power_cut().unwrap();

    let line = "library rebuild --drive DRIVE --changer CHANGER --volume TAP002L9 --to DIR/lists";
    let (_, words, code) = rig.run_all(line);
    assert!(code == 1 && words.contains("the stream ends, unfinished, at byte"), "{words}");
    let rebuilt = rig.rebuilt();
    // It is a stream of its own, and its data does not tell the inodes.
    let entries = |line: &str| !line.starts_with(['@', 'i', '#']);
    let (found, all) = (sorted(&rebuilt, entries), sorted(&kept, entries));
    assert!(found.len() > 10 && found.len() < all.len(), "{} of {}", found.len(), all.len());
    assert!(found.iter().all(|line| all.contains(line)));
}

struct Deaf;

impl Upward for Deaf {
    fn receipt(&mut self, _: Receipt) -> Result<(), Fault> {
        Ok(())
    }
}

fn payload(frames: &[u8]) -> Vec<u8> {
    let mut reader = FrameReader::new(frames);
    let mut bytes = Vec::new();
    loop {
        match reader.take().unwrap() {
            Item::Data { block, .. } => bytes.extend_from_slice(block.data()),
            Item::End(_) => return bytes,
            Item::Begin(_) | Item::Mark(_) => {}
            Item::Abort(abort) => panic!("{abort:?}"),
            Item::Turn(id) => panic!("a turn of {id}"),
        }
    }
}

#[test]
fn erasing_takes_the_right_name() {
    let rig = Rig::new(SMALL);
    rig.back_up(&[]);
    for wrong in ["TAP002L9", "TAP001", "tap001l9"] {
        let (_, words, code) = rig.run_all(&format!("drive erase --drive DRIVE --volume {wrong}"));
        assert_eq!(code, 100);
        assert!(words.contains("nothing was erased"), "{words}");
    }
    let (label, _) = rig.run("drive status --drive DRIVE --label");
    assert!(label.contains("TAP001L9, volume 1 of set"), "{label}");
    assert_eq!(rig.run("drive erase --drive DRIVE --volume TAP001L9").1, 0);
    assert!(rig.run("drive status --drive DRIVE --label").0.contains("blank"));
}

#[test]
fn a_dump_is_good_to_the_rescue_reader() {
    let rig = Rig::new(SMALL);
    rig.back_up(&[]);
    let (out, code) = rig.run("drive dump --drive DRIVE --to DIR/dump");
    assert_eq!(code, 0, "{out}");
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/volume/kit/reader.py");
    let checked =
        Command::new("python3").arg(reader).arg("check").arg(rig.at("dump")).output().unwrap();
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && text.contains("all good"), "{text}");
    let (_, words, code) = rig.run_all("drive dump --drive DRIVE --to DIR/dump");
    assert!(code == 100 && words.contains("it is there already"), "{words}");
}

#[test]
fn a_dump_goes_round_what_cannot_be_read() {
    let rig = Rig::new(SMALL);
    rig.back_up(&[]);
    assert_eq!(rig.run("drive dump --drive DRIVE --to DIR/whole").1, 0);
    // A hard medium error at block 7, for good.
    let fault = "[[fault]]\nunit = \"drive0\"\nwhen = { at-block = 7 }\n\
                 effect = { check = { key = 3, asc = 0x11 } }\ntimes = 100\n";
    std::fs::write(rig.at("lib/faults.toml"), fault).unwrap();
    let (_, words, code) = rig.run_all("drive dump --drive DRIVE --to DIR/dump");
    assert!(code == 1 && words.contains("block 7: "), "{words}");
    let of = |dump: &str, file: &str| std::fs::read(rig.at(dump).join(file)).unwrap();
    assert_eq!(of("dump", "file000"), of("whole", "file000"));
    let (whole, dumped) = (of("whole", "file001"), of("dump", "file001"));
    let differing: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] != dumped[at]).collect();
    assert_eq!(whole.len(), dumped.len());
    // File 0 is label, page and kit; one block of file 1 stands as zeros.
    assert!(
        !differing.is_empty()
            && dumped[differing[0]..=differing[differing.len() - 1]].iter().all(|&b| b == 0)
    );
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/volume/kit/reader.py");
    let checked =
        Command::new("python3").arg(reader).arg("check").arg(rig.at("dump")).output().unwrap();
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.code() == Some(1) && text.contains("block 7"), "{text}");
}

#[test]
fn a_foreign_cartridge_is_erased_only_when_named_and_meant() {
    let rig = Rig::new(SMALL);
    assert_eq!(rig.run("library load --changer CHANGER --volume TAP001L9").1, 0);
    let mut drive = ssc::Drive::attach(virt::open(&rig.drive()).unwrap()).unwrap();
    let ready = drive.wait_ready(std::time::Duration::from_secs(60)).unwrap();
    assert_eq!(ready, ssc::Readiness::Ready);
    assert_eq!(drive.write_block(&[b'x'; 1000]).unwrap(), ssc::Written::Fine);
    drop(drive);
    let (_, words, code) = rig.run_all("drive erase --drive DRIVE --volume TAP001L9");
    assert!(code == 100 && words.contains("say --foreign"), "{words}");
    let (_, words, code) = rig.run_all("drive erase --drive DRIVE --volume TAP002L9 --foreign");
    assert!(code == 100 && words.contains("not TAP002L9"), "{words}");
    assert!(rig.run("drive status --drive DRIVE --label").0.contains("foreign"));
    // Its memory has no barcode, as nobody wrote one: the refusal tells the name to use.
    let serial = words.split(" is ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let line = format!("drive erase --drive DRIVE --volume {serial} --foreign");
    let (_, words, code) = rig.run_all(&line);
    assert_eq!(code, 0, "{words}");
    assert!(rig.run("drive status --drive DRIVE --label").0.contains("blank"));
}

#[test]
fn the_demo_proves_itself() {
    let rig = Rig::new(SMALL);
    let tree = rig.at("demo-tree");
    std::fs::create_dir(&tree).unwrap();
    for n in 0..5u8 {
        std::fs::write(tree.join(format!("f{n}")), vec![n; 3_000_000]).unwrap();
    }
    let (out, words, code) = rig.run_all("demo DIR/demo-tree --keep DIR/demo");
    assert_eq!(code, 0, "{words}");
    assert!(out.contains("compared    7 entries, 18.0 MB of content: all equal"), "{out}");
    assert!(out.contains("durability  on tape"), "{out}");
}
