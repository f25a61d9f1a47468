//! A sealed tape: it shows no name to whoever has it, and every file to whoever has the identity.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tapioca::library::{Mount, Scribe};
use tapioca::stream::frame::{FrameReader, FrameWriter};
use tapioca::stream::{Abort, Begin, Block, Inlet, Item, Outlet};

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
const DEVICES: &str = "--drive virtual:lib#drive0 --changer virtual:lib#changer";
/// In the name of every file, in every content, in the names of directory and stream.
const TELLTALE: &str = "telltale";
const PACKED: &str = "$t proc_compress | $t proc_encrypt --to-file k.pub";

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.ok("$t library create lib --drives 1 --slots 3 --media 3 --capacity 16MiB >said");
        bench.ok("$t key new k >k.pub; $t key new other >other.pub; mkdir telltale-tree");
        let tree = bench.at("telltale-tree");
        for n in 0..600 {
            let text = format!("{TELLTALE} content {n}\n").repeat(n);
            std::fs::write(tree.join(format!("{TELLTALE}-file-{n}")), text).unwrap();
        }
        std::os::unix::fs::symlink("telltale-target", tree.join("telltale-link")).unwrap();
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a line of bash with `tapioca` as `$t`.
    fn sh(&self, line: &str) -> Output {
        let line = format!("set -o pipefail; t={EXE}; {line}");
        Command::new("bash").args(["-c", &line]).current_dir(&self.0).output().unwrap()
    }

    fn ok(&self, line: &str) -> String {
        let done = self.sh(line);
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// What is said by a line that must fail, having printed nothing.
    fn refused(&self, line: &str) -> String {
        let done = self.sh(line);
        assert!(!done.status.success(), "{line}: taken");
        assert_eq!(String::from_utf8_lossy(&done.stdout), "", "{line}");
        String::from_utf8(done.stderr).unwrap()
    }

    fn back_up(&self, processors: &str) {
        self.ok(&format!(
            "$t src_filesys telltale-tree | $t proc_record --list L | {processors} | $t sink_tape {DEVICES} --block-bytes 65536 3>/dev/null"
        ));
    }

    /// The indexes of all parts on the first volume.
    fn indexes(&self) -> Vec<u8> {
        let scribe = Scribe { new_id: uuid::Uuid::new_v4, now_s: || 0 };
        let device = |unit: &str| format!("virtual:{}#{unit}", self.at("lib").display());
        let mount = Mount::open(&device("drive0"), Some(&device("changer")), scribe).unwrap();
        let mut reader = mount.volume(Some("TAP001L9".into())).first_to_read().unwrap();
        let survey = reader.survey().unwrap();
        let ends = survey.parts.into_iter().filter_map(|part| part.end);
        ends.flat_map(|(_, end)| reader.index(&end).unwrap()).collect()
    }
}

fn holds_telltale(bytes: &[u8]) -> bool {
    bytes.windows(TELLTALE.len()).any(|window| window == TELLTALE.as_bytes())
}

/// Files below `dir` that hold the word.
fn telling_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(telling_files(&path)),
            false if holds_telltale(&std::fs::read(&path).unwrap()) => found.push(path),
            false => {}
        }
    }
    found
}

#[test]
fn a_tape_shows_no_name() {
    let bench = Bench::new();
    bench.back_up("cat");
    assert!(!telling_files(&bench.at("lib")).is_empty() && holds_telltale(&bench.indexes()));
    for processors in [PACKED, "$t proc_encrypt --to-file k.pub --clear-name nightly"] {
        let bench = Bench::new();
        bench.back_up(processors);
        assert_eq!(telling_files(&bench.at("lib")), [""; 0].map(PathBuf::from));
        let index = bench.indexes();
        let lines = || index.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        assert!(lines().filter(|line| line.starts_with(b"% ")).count() >= 3);
        assert!(lines().all(|line| b"%~@".contains(&line[0])) && !holds_telltale(&index));
    }
}

#[test]
fn chosen_files_come_back_with_an_identity() {
    let bench = Bench::new();
    bench.ok(&format!(
        "mkfifo a b c; $t src_filesys telltale-tree | $t proc_record --list L 4<a | $t proc_compress 3>a 4<b | $t proc_encrypt --to-file k.pub 3>b 4<c | $t sink_tape {DEVICES} --block-bytes 65536 3>c"
    ));
    let take = |with: &str| {
        format!(
            "$t src_tape {DEVICES} --volume TAP001L9 {with} | $t proc_decrypt --identity k | $t proc_decompress | $t sink_filesys -C back"
        )
    };
    let only = "--only 'telltale-tree/telltale-file-59?' telltale-tree/telltale-link";
    bench.ok(&take(&format!("{only} --identity k")));
    bench.ok("[ $(find back ! -type d | wc -l) = 11 ] && cd back && for f in */*-file-*; do cmp $f ../$f || exit 1; done");
    bench.ok(&format!(
        "rm -r back; {}; diff --no-dereference -r telltale-tree back/telltale-tree",
        take("")
    ));
    bench.ok(&format!("rm -r back; {}", take(&format!("{only} --salvage --identity k"))));
    bench.ok("[ $(find back ! -type d | wc -l) = 11 ]");
    let tape = format!("$t src_tape {DEVICES} --volume TAP001L9 {only}");
    for more in ["", "--salvage"] {
        let told = bench.refused(&format!("{tape} {more} | $t sink_stdout"));
        assert!(
            told.contains("the index on tape is sealed") && told.contains("--identity"),
            "{told}"
        );
    }
    let told = bench.refused(&format!("{tape} --identity other | $t sink_stdout"));
    assert!(told.contains("none of the identities is a recipient"), "{told}");
    let told = bench.refused(&format!("{tape} --list L | $t sink_stdout"));
    assert!(told.contains("--identity"), "{told}");
}

#[test]
fn a_passphrase_and_two_layers_are_opened_too() {
    let bench = Bench::new();
    bench.ok("echo 'correct horse' >phrase");
    bench.back_up("$t proc_encrypt --to-file other.pub | $t proc_encrypt --passphrase-file phrase");
    bench.ok(&format!("$t src_tape {DEVICES} --volume TAP001L9 --passphrase-file phrase --identity other --only '**/*-77' | $t proc_decrypt --passphrase-file phrase | $t proc_decrypt --identity other | $t sink_filesys -C back"));
    bench.ok("cmp {,back/}telltale-tree/telltale-file-77");
}

#[test]
fn a_list_is_rebuilt_clear_or_sealed() {
    let bench = Bench::new();
    bench.back_up(PACKED);
    let entries = |file: &str| bench.ok(&format!("grep -v '^[@=i]' {file} | sort"));
    bench.ok(&format!("$t library rebuild {DEVICES} --to clear --identity k"));
    assert_eq!(entries("clear/*.list"), entries("L"));
    assert!(bench.ok("grep -c '^@ 0 ' clear/*.list").trim().parse::<u32>().unwrap() > 0);
    bench.ok(&format!("$t library rebuild {DEVICES} --to sealed >said && mv sealed/*.list S"));
    assert!(!holds_telltale(&std::fs::read(bench.at("S")).unwrap()));
    // It says so, and shows all with the identity, places included.
    let told = bench.sh("$t list S");
    assert_eq!((told.status.code(), told.stdout.split(|&b| b == b'\n').count()), (Some(1), 2));
    assert!(String::from_utf8(told.stderr).unwrap().contains("are sealed; --identity FILE opens"));
    assert_eq!(bench.ok("$t list S --identity k"), bench.ok("$t list clear/*.list"));
    assert!(bench.refused("$t list S --identity other").contains("none of the identities"));
    let strange = bench.sh(&format!("$t library rebuild {DEVICES} --to strange --identity other"));
    assert_eq!(strange.status.code(), Some(1));
    assert!(String::from_utf8(strange.stderr).unwrap().contains("none of the identities"));
    bench.ok("cmp strange/*.list S");
}

#[test]
fn a_listing_says_what_is_sealed() {
    let bench = Bench::new();
    bench.back_up(&format!("{PACKED} --clear-name 'every night'"));
    let listed = bench.ok(&format!("$t library list {DEVICES}"));
    assert!(listed.contains("sealed") && listed.contains("every night"), "{listed}");
    assert!(!listed.contains(TELLTALE) && !listed.contains("age:"), "{listed}");
    let files = bench.sh(&format!("$t library list {DEVICES} --files"));
    assert_eq!(files.status.code(), Some(1));
    assert!(String::from_utf8(files.stderr).unwrap().contains("its entries are sealed"));
    let opened = bench.ok(&format!("$t library list {DEVICES} --files --identity k"));
    assert!(
        opened.contains("telltale-file-599") && opened.contains("telltale-link -> "),
        "{opened}"
    );
    assert!(opened.contains(" 602 "), "{opened}");
    let json = bench.ok(&format!("$t library list {DEVICES} --json"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["streams"][0]["sealed"], &json["streams"][0]["name"]),
        (&true.into(), &"every night".into())
    );
}

/// Frames of a sealed stream whose sealed lines were changed.
fn retold(from: &Path, to: &Path, change: impl Fn(&mut Vec<Vec<u8>>)) {
    let mut inlet = FrameReader::new(File::open(from).unwrap());
    let mut outlet = FrameWriter::new(File::create(to).unwrap());
    let mut lines = Vec::new();
    loop {
        match inlet.take().unwrap() {
            Item::Mark(mark) => {
                lines.extend(mark.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec));
            }
            Item::End(end) => {
                change(&mut lines);
                outlet.put(Item::Mark(lines.concat())).unwrap();
                return outlet.put(Item::End(end)).unwrap();
            }
            item => outlet.put(item).unwrap(),
        }
    }
}

#[test]
fn an_index_that_was_touched_is_named() {
    type Change = fn(&mut Vec<Vec<u8>>);
    let changes: [(&str, Change); 4] = [
        ("lines 1 to 1 are missing", |l| l.retain(|line| !line.starts_with(b"% 2 1 "))),
        ("was changed", |l| {
            let line = l.iter_mut().find(|line| line.starts_with(b"% 2 1 ")).unwrap();
            line[40] = if line[40] == b'A' { b'B' } else { b'A' };
        }),
        ("is cut", |l| l.retain(|line| !line.starts_with(b"% "))),
        ("stands in clear", |l| l.push(b"f 0 512 0 0.000000000 - forged\n".to_vec())),
    ];
    for (why, change) in changes {
        let bench = Bench::new();
        bench.ok(&format!("$t src_filesys telltale-tree | $t proc_record | {PACKED} >whole"));
        retold(&bench.at("whole"), &bench.at("touched"), change);
        bench.refused("$t proc_decrypt --identity k <touched | $t proc_decompress | $t sink_null");
        bench.ok(&format!("$t sink_tape {DEVICES} --block-bytes 65536 <touched 3>/dev/null"));
        let tape = format!("$t src_tape {DEVICES} --volume TAP001L9 --identity k --only '**/*-5'");
        let told = bench.refused(&format!("{tape} | $t sink_stdout"));
        assert!(
            told.contains("the index on tape is damaged") && told.contains(why),
            "{why}: {told}"
        );
        let rebuilt = bench.sh(&format!("$t library rebuild {DEVICES} --to lists --identity k"));
        let told = String::from_utf8(rebuilt.stderr).unwrap();
        assert!(rebuilt.status.code() == Some(1) && told.contains(why), "{told}");
        let salvaged = bench.sh(&format!("{tape} --salvage | $t proc_decrypt --identity k | $t proc_decompress | $t sink_filesys -C back"));
        let told = String::from_utf8(salvaged.stderr).unwrap();
        assert!(!salvaged.status.success() && told.contains(why), "{told}");
    }
}

#[test]
fn a_lost_index_is_made_again_from_sealed_data() {
    let bench = Bench::new();
    bench.back_up(PACKED);
    let scribe = Scribe { new_id: uuid::Uuid::new_v4, now_s: || 0 };
    let device = |unit: &str| format!("virtual:{}#{unit}", bench.at("lib").display());
    let mount = Mount::open(&device("drive0"), Some(&device("changer")), scribe).unwrap();
    let mut reader = mount.volume(Some("TAP001L9".into())).first_to_read().unwrap();
    let (_, end) = reader.survey().unwrap().parts[0].end.clone().unwrap();
    drop(reader);
    let library = virt::Library::open(&bench.at("lib")).unwrap();
    library.flip("TAP001L9", end.index_block, 200, 3).unwrap();
    let rebuilt = bench.sh(&format!("$t library rebuild {DEVICES} --to lists --identity k"));
    let told = String::from_utf8_lossy(&rebuilt.stderr);
    let entries = |file: &str| bench.ok(&format!("grep -v '^[@=i]' {file} | sort"));
    assert_eq!(entries("lists/*.list"), entries("L"), "{told}");
    assert!(String::from_utf8(rebuilt.stdout).unwrap().contains(" data "), "{told}");
    let sealed = bench.sh(&format!("$t library rebuild {DEVICES} --to none"));
    assert!(String::from_utf8(sealed.stderr).unwrap().contains("it is sealed; --identity FILE"));
}

#[test]
fn the_reader_on_the_volume_says_what_it_cannot_open() {
    let bench = Bench::new();
    bench.back_up("$t proc_encrypt --to-file k.pub");
    bench.ok("$t library load --changer virtual:lib#changer --volume TAP001L9 >said; $t drive dump --drive virtual:lib#drive0 --to dump >said");
    let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/volume/kit/reader.py");
    let reader = format!("python3 {}", kit.display());
    bench.ok(&format!("{reader} check dump"));
    let listed = bench.ok(&format!("{reader} list dump"));
    assert!(listed.contains("lines of the index, which this reader cannot open"), "{listed}");
    let told = bench.refused(&format!("{reader} file dump telltale-tree/telltale-file-5"));
    assert!(told.contains("an index is sealed"), "{told}");
    // What is not sealed is all it takes to have the whole stream.
    let stream = listed.split(' ').nth(1).unwrap();
    bench.ok(&format!("{reader} stream dump --stream {stream} >bytes"));
    bench.ok(&format!("$t src_tape {DEVICES} --volume TAP001L9 | $t sink_stdout | cmp - bytes"));
}

#[test]
fn why_a_stream_was_given_up_is_not_on_the_tape() {
    for (processor, is_told) in
        [("$t proc_compress", true), ("$t proc_encrypt --to-file k.pub", false)]
    {
        let bench = Bench::new();
        let mut outlet = FrameWriter::new(File::create(bench.at("frames")).unwrap());
        outlet.put(Item::Begin(Begin { kind: "raw".into(), ..Begin::default() })).unwrap();
        outlet.put(Item::Data { offset: 0, block: Block::copy_of(b"bytes") }).unwrap();
        outlet.put(Item::Mark(b"! unreadable one\n".to_vec())).unwrap();
        let why = "cannot read telltale-file".into();
        outlet.put(Item::Abort(Abort { who: "src_filesys".into(), why })).unwrap();
        drop(outlet);
        bench.refused(&format!(
            "{processor} <frames | $t sink_tape {DEVICES} --block-bytes 65536 3>/dev/null"
        ));
        assert_eq!(!telling_files(&bench.at("lib")).is_empty(), is_told);
        // What was said before it is there, for whoever may read it.
        let listed = bench.sh(&format!("$t library rebuild {DEVICES} --to lists --identity k"));
        assert_eq!(listed.status.code(), Some(1));
        bench.ok("grep -q '^! unreadable one' lists/*.list");
    }
}

/// Frames in which the first two sealed lines are told early and once more with all the others, as it is
/// on tapes where a part could not be confirmed.
fn told_twice(from: &Path, to: &Path) {
    let mut inlet = FrameReader::new(File::open(from).unwrap());
    let (mut items, mut lines) = (Vec::new(), Vec::new());
    while !matches!(items.last(), Some(Item::End(_))) {
        match inlet.take().unwrap() {
            Item::Mark(mark) => lines.extend_from_slice(&mark),
            Item::Data { offset, block } => {
                items.push(Item::Data { offset, block: Block::copy_of(block.data()) });
            }
            item => items.push(item),
        }
    }
    let sealed = lines.split_inclusive(|&b| b == b'\n').filter(|line| line.starts_with(b"% "));
    let early: Vec<u8> = sealed.take(2).flatten().copied().collect();
    let end = items.pop().unwrap();
    items.insert(2, Item::Mark(early));
    items.extend([Item::Mark(lines), end]);
    let mut outlet = FrameWriter::new(File::create(to).unwrap());
    items.into_iter().for_each(|item| outlet.put(item).unwrap());
}

#[test]
fn a_part_that_is_told_again_in_the_next_does_no_harm() {
    let bench = Bench::new();
    bench.ok("head -c 20000000 /dev/urandom >telltale-tree/big");
    bench.ok("$t src_filesys telltale-tree | $t proc_record --list L | $t proc_encrypt --to-file k.pub >whole");
    told_twice(&bench.at("whole"), &bench.at("twice"));
    bench.refused("$t proc_decrypt --identity k <twice | $t sink_null");
    bench
        .ok(&format!("$t sink_tape {DEVICES} --block-bytes 65536 --sync-mib 4 <twice 3>/dev/null"));
    let first = bench.indexes();
    assert!(first.starts_with(b"% 1 0 more ") && !first.windows(9).any(|w| w == b"% 1 2 mor"));
    let tape = format!("$t src_tape {DEVICES} --volume TAP001L9");
    bench.ok(&format!("{tape} | $t proc_decrypt --identity k | $t proc_verify | $t sink_null"));
    bench.ok(&format!("{tape} --identity k --only '**/big' | $t proc_decrypt --identity k | $t sink_filesys -C back; cmp {{,back/}}telltale-tree/big"));
    bench.ok(&format!("$t library rebuild {DEVICES} --to lists --identity k"));
    let entries = |file: &str| bench.ok(&format!("grep -v '^[@=i]' {file} | sort"));
    assert_eq!(entries("lists/*.list"), entries("L"));
}
