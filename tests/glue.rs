//! Recipes: what is wrong with one is said with its place, and what is right runs the same under both
//! plumbers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::PathBuf;
use std::process::{Command, Output};

use tapioca::stream::frame::{FrameReader, FrameWriter};
use tapioca::stream::{Inlet, Item, Outlet};

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        let tree = bench.at("tree/sub");
        std::fs::create_dir_all(&tree).unwrap();
        for n in 0..300u32 {
            let content: Vec<u8> = (0..n * 997).map(|b| (b.wrapping_mul(b) >> 9) as u8).collect();
            std::fs::write(tree.join(format!("file {n}")), content).unwrap();
        }
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(EXE).args(words).current_dir(&self.dir).output().unwrap()
    }

    /// Runs a recipe; its exit status and what it said.
    fn glue(&self, recipe: &str) -> (i32, String) {
        std::fs::write(self.at("recipe.toml"), recipe).unwrap();
        let done = self.run(&["glue", "recipe.toml"]);
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }

    fn library(&self, name: &str) {
        let shape = ["--drives", "1", "--slots", "2", "--media", "2", "--capacity", "64MiB"];
        let made = self.run(&[&["library", "create", name][..], &shape].concat());
        assert!(made.status.success(), "{made:?}");
    }
}

#[test]
fn everything_wrong_is_named_with_its_place() {
    let bench = Bench::new();
    let recipe = r#"name = "all wrong"
edge_mib = 0

[[chain]]
steps = [
  ["src_filesys", "-C", "tree"],
  ["proc_frobnicate"],
  ["proc_record", "--list", "L", "--lost"],
  ["sink_file", "x"],
  ["sink_null"],
]

[[chain]]
steps = [
  ["proc_record", "--list", "L"],
  ["src_file", "x"],
  ["sink_tape", "--drive", "virtual:lib#drive0"],
  ["proc_compress"],
]

[[chain]]
steps = [[], ["sink_tape", "--drive", "virtual:lib#drive0"]]

[[chain]]
steps = [["src_stdin"]]
"#;
    let (code, words) = bench.glue(recipe);
    assert_eq!(code, 2);
    let told: Vec<&str> =
        words.lines().filter_map(|line| line.strip_prefix("glue:   recipe.toml:")).collect();
    let expected = [
        "2:12: edge_mib goes from 1 to 4096",
        "6:3: src_filesys: the following required arguments were not provided:",
        "7:3: proc_frobnicate: unrecognized subcommand 'proc_frobnicate'",
        "8:3: proc_record: unexpected argument '--lost' found",
        "9:3: sink_file keeps a stream and must be the last step",
        "10:3: sink_null keeps nothing durably; say keeps_nothing = true if that is meant",
        "15:3: proc_record changes a stream and cannot be the first step",
        "16:3: src_file makes a stream and must be the first step",
        "17:3: sink_tape keeps a stream and must be the last step",
        "18:3: proc_compress changes a stream and cannot be the last step",
        "22:10: a step needs the name of a component",
        "22:14: sink_tape uses the device virtual:lib#drive0, as does sink_tape in line 17",
        "25:9: a chain has a source and a sink at least",
    ];
    assert_eq!(told, expected);
    assert!(!bench.at("L").exists() && !bench.at("x").exists(), "something was opened");
}

const BAD_JOINTS: &str = r#"name = "all wrong"
[[chain]]
name = "a"
into = "nowhere"
steps = [["src_filesys", "x"]]

[[chain]]
name = "a"
into = ["b", "e"]
steps = [["src_stdin"]]

[[chain]]
name = "b"
into = ["c"]
steps = [["proc_compress"], ["tee_mirror", "out1", "out2"]]

[[chain]]
name = "c"
into = "b"
steps = [["fun_mux"]]

[[chain]]
name = "d"
into = "e"
steps = [["src_filesys", "y"], ["fun_mux"], ["tee_mirror"], ["sink_file", "z"]]

[[chain]]
name = "e"
steps = [["proc_record"]]

[[chain]]
steps = [["src_filesys", "y"], ["tee_mirror"]]

[[chain]]
into = "f"
steps = []

[[chain]]
steps = [["fun_mux"], ["sink_null"]]

[[chain]]
name = "f"
steps = [["src_filesys", "q"], ["sink_file", "q"]]
"#;

#[test]
fn joints_that_make_no_sense_are_named_with_their_place() {
    let bench = Bench::new();
    let (code, words) = bench.glue(BAD_JOINTS);
    assert_eq!(code, 2);
    let told: Vec<&str> =
        words.lines().filter_map(|line| line.strip_prefix("glue:   recipe.toml:")).collect();
    let two = "needs at least two chains to flow into: say into = [\"one\", \"other\"]";
    let one = "takes one stream, and several chains flow into this one: begin with fun_mux";
    let expected = [
        "4:8: no chain is called nowhere".to_owned(),
        "8:8: two chains are called a".into(),
        "10:10: src_stdin gives one stream: several chains need tee_mirror before them".into(),
        "14:8: it flows in a circle".into(),
        format!("15:10: proc_compress {one}"),
        format!("15:29: tee_mirror {two}"),
        "15:29: tee_mirror names what is joined to it; in a recipe the chains say so, with into"
            .into(),
        "20:10: fun_mux joins at least two chains: say into in each of them".into(),
        "25:32: fun_mux joins chains and must be the first step".into(),
        "25:45: tee_mirror parts a stream and must be the last step".into(),
        "25:61: sink_file keeps a stream, and this chain flows into another".into(),
        format!("29:10: proc_record {one}"),
        format!("32:32: tee_mirror {two}"),
        "36:9: there is no step".into(),
        "39:10: fun_mux joins at least two chains: say into in each of them".into(),
        "39:23: sink_null keeps nothing durably; say keeps_nothing = true if that is meant".into(),
        "43:10: src_filesys makes a stream, and other chains flow into this one".into(),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_text_that_is_no_recipe_is_refused_with_its_place() {
    let bench = Bench::new();
    for (recipe, place) in [
        ("name = \"x\"\n[[chain]]\nstep = []\n", "3:1: "),
        ("name = 5\n", "1:8: "),
        ("name = \"x\"\nplumber = \"lead\"\n[[chain]]\nsteps = []\n", "2:11: "),
        ("name = \"x\"\n[[chain]]\nsteps = [[1]]\n", "3:"),
        ("name = \"unended\n", "1:"),
        ("name = \"no chain\"\n", "1:1: "),
    ] {
        let (code, words) = bench.glue(recipe);
        assert_eq!(code, 2, "{recipe}");
        assert!(words.contains(&format!("recipe.toml:{place}")), "{recipe}: {words}");
    }
    let (code, words) = bench.glue(&"#".repeat(70_000));
    assert!(code == 2 && words.contains("at most 65536 bytes"), "{words}");
}

const TO_TAPE: &str = r#"name = "to tape"
plumber = "PLUMBER"
[[chain]]
steps = [
  ["src_file", "stream"],
  ["proc_record", "--list", "PLUMBER.list"],
  ["proc_compress"],
  ["proc_decompress"],
  ["proc_verify"],
  ["proc_compress", "--codec", "lz4"],
  ["sink_tape", "--drive", "virtual:PLUMBER#drive0", "--changer", "virtual:PLUMBER#changer", "--sync-mib", "4"],
]
"#;

#[test]
fn both_plumbers_make_the_same_of_it() {
    let bench = Bench::new();
    // One stream with one identity, so that everything made of it can be compared.
    let (code, words) = bench.glue("name = \"a\"\n[[chain]]\nsteps = [[\"src_filesys\", \"tree\"], [\"sink_file\", \"stream\"]]\n");
    assert_eq!(code, 0, "{words}");
    for plumber in ["ring", "pipe"] {
        bench.library(plumber);
        let (code, words) = bench.glue(&TO_TAPE.replace("PLUMBER", plumber));
        assert_eq!(code, 0, "{words}");
        let drive = format!("virtual:{plumber}#drive0");
        let read = format!(
            "name = \"back\"\nplumber = \"{plumber}\"\n[[chain]]\nsteps = [[\"src_tape\", \"--drive\", \"{drive}\"], [\"sink_file\", \"{plumber}.read\"]]\n"
        );
        let (code, words) = bench.glue(&read);
        assert_eq!(code, 0, "{words}");
    }
    // Places come between entries when receipts happen to arrive, and the last line has a digest over
    // all. Both libraries have the same
    // barcodes; the identity of a volume is its own.
    let comparable = |name: &str| {
        let (places, entries): (Vec<String>, Vec<String>) =
            bench.read(name).lines().map(String::from).partition(|line| line.starts_with('@'));
        let entries: Vec<String> = entries.into_iter().filter(|l| !l.starts_with('=')).collect();
        let without_id = |line: &String| {
            let fields = line.split(' ').enumerate().filter(|&(nth, _)| nth != 5);
            fields.map(|(_, field)| field.to_owned()).collect()
        };
        (places.iter().map(without_id).collect::<Vec<Vec<String>>>(), entries)
    };
    let (ring, pipe) = (comparable("ring.list"), comparable("pipe.list"));
    assert!(ring.0.len() > 2, "no receipts came up");
    assert!(ring == pipe, "the lists differ");
    let of = |name: &str| std::fs::read(bench.at(name)).unwrap();
    assert!(of("ring.read") == of("pipe.read"), "the bytes differ");
    let back = "name = \"restore\"\n[[chain]]\nsteps = [[\"src_file\", \"ring.read\"], [\"proc_decompress\"], [\"sink_filesys\", \"-C\", \"back\"]]\n";
    let (code, words) = bench.glue(back);
    assert_eq!(code, 0, "{words}");
    let mut diff = Command::new("diff");
    diff.arg("-r").arg(bench.at("tree")).arg(bench.at("back/tree"));
    assert!(diff.status().unwrap().success());
}

/// A compressed stream, whole as a file, of which one chunk does not decode, and much after it.
fn damaged(bench: &Bench) {
    let noise: Vec<u8> =
        (0..30_000_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    std::fs::write(bench.at("noise"), noise).unwrap();
    let (code, words) = bench.glue(
        r#"name = "n"
[[chain]]
steps = [["src_exec", "--", "cat", "noise"], ["proc_compress", "--codec", "lz4"], ["sink_file", "packed"]]"#,
    );
    assert_eq!(code, 0, "{words}");
    let mut from = FrameReader::new(std::fs::File::open(bench.at("packed")).unwrap());
    let mut to = FrameWriter::new(std::fs::File::create(bench.at("damaged")).unwrap());
    loop {
        let mut item = from.take().unwrap();
        if let Item::Data { offset: 0, block } = &mut item {
            block.data_mut()[1000] ^= 1;
        }
        let last = matches!(item, Item::End(_));
        to.put(item).unwrap();
        if last {
            return;
        }
    }
}

#[test]
fn the_cause_is_named_and_nothing_half_stays() {
    let bench = Bench::new();
    damaged(&bench);
    for plumber in ["ring", "pipe"] {
        // A source that dies, a processor that is fed rubbish, a sink that cannot write.
        let cases = [
            (
                r#"["src_exec", "--", "sh", "-c", "head -c 3000000 /dev/zero; exit 7"]"#,
                "",
                "sink_file\", \"out",
                "src_exec gave up",
            ),
            (
                r#"["src_exec", "--", "sh", "-c", "head -c 3000000 /dev/zero"]"#,
                "[\"proc_decompress\"],",
                "sink_file\", \"out",
                "proc_decompress gave up",
            ),
            (
                r#"["src_file", "damaged"]"#,
                "[\"proc_decompress\"], [\"proc_compress\"],",
                "sink_file\", \"out",
                "proc_decompress gave up, and with it the pudding: the compressed stream is damaged",
            ),
            (
                r#"["src_exec", "--", "yes"]"#,
                "[\"proc_compress\"],",
                "sink_file\", \"no/such/place",
                "sink_file gave up",
            ),
        ];
        for (source, middle, sink, cause) in cases {
            let recipe = format!(
                "name = \"it breaks\"\nplumber = \"{plumber}\"\n[[chain]]\nsteps = [{source}, {middle} [\"{sink}\"]]\n[[chain]]\nsteps = [[\"src_exec\", \"--\", \"yes\"], [\"sink_file\", \"other\"]]\n"
            );
            let (code, words) = bench.glue(&recipe);
            assert!(code == 100 || code == 111, "{plumber}: {code}: {words}");
            assert!(words.contains(cause), "{plumber}, {cause}: {words}");
            assert!(
                ["out", "other", "out.partial", "other.partial"]
                    .iter()
                    .all(|n| !bench.at(n).exists()),
                "half a file stays"
            );
        }
    }
}

#[test]
fn the_recipes_that_are_shipped_run() {
    let bench = Bench::new();
    std::fs::create_dir(bench.at("srv")).unwrap();
    std::fs::rename(bench.at("tree"), bench.at("srv/www")).unwrap();
    let srv = format!("\"{}\"", bench.at("srv").display());
    let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes");
    let mut ran = 0;
    for recipe in std::fs::read_dir(recipes).unwrap() {
        let path = recipe.unwrap().path();
        // Those of several machines: tests/net/pictures.rs.
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        // Where several chains meet: tests/meet.rs.
        if text.contains("fun_mux") {
            continue;
        }
        bench.library("box");
        let (code, words) = bench.glue(&text.replace("\"/srv\"", &srv));
        assert_eq!(code, 0, "{words}");
        let back = "name = \"b\"\n[[chain]]\nsteps = [[\"src_tape\", \"--drive\", \"virtual:box#drive0\"], LAYERS [\"proc_verify\", \"--list\", \"www.list\"], [\"sink_filesys\", \"-C\", \"back\"]]\n";
        let layers = if text.contains("expanded") { "" } else { "[\"proc_decompress\"]," };
        let (code, words) = bench.glue(&back.replace("LAYERS", layers));
        assert_eq!(code, 0, "{words}");
        let mut diff = Command::new("diff");
        diff.arg("-r").arg(bench.at("srv/www")).arg(bench.at("back/www"));
        assert!(diff.status().unwrap().success());
        let places = bench.read("www.list").lines().filter(|l| l.starts_with("@ ")).count();
        assert!(places > 0, "no receipt came up");
        for made in ["box", "back"] {
            std::fs::remove_dir_all(bench.at(made)).unwrap();
        }
        ran += 1;
    }
    assert_eq!(ran, 2);
}

#[test]
fn a_pudding_that_is_asked_to_end_ends() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let bench = Bench::new();
    for plumber in ["ring", "pipe"] {
        let recipe = format!(
            "name = \"endless\"\nplumber = \"{plumber}\"\n[[chain]]\nsteps = [[\"src_exec\", \"--\", \"yes\"], [\"sink_file\", \"endless\"]]\n"
        );
        std::fs::write(bench.at("recipe.toml"), recipe).unwrap();
        let mut glue = Command::new(EXE)
            .args(["glue", "--json", "recipe.toml"])
            .current_dir(&bench.dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(glue.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("progress"));
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&glue),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        let last = lines.map(Result::unwrap).last().unwrap();
        assert!(last.contains("\"ended\""), "{last}");
        let done = glue.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(111), "{done:?}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("asked to end"));
        assert!(!bench.at("endless").exists(), "half a file stays");
    }
}
