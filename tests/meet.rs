//! Where streams meet and part, from trees to two libraries and back: each stream is alone again in the
//! end, on either copy, and one that fails harms no other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use tapioca::list::{Line, lines};

const EXE: &str = env!("CARGO_BIN_EXE_tapioca");
const TREES: [&str; 3] = ["www", "mail", "home"];
const LIBRARIES: [&str; 2] = ["box", "cellar"];
const RECIPE: &str = include_str!("../docs/recipes/three-clients-two-libraries.toml");

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// Three different trees of some mebibytes, and two libraries of small cartridges.
    fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        for (nth, tree) in TREES.iter().enumerate() {
            std::fs::create_dir_all(bench.at(&format!("srv/{tree}/sub"))).unwrap();
            for file in 0..(5 + nth as u32 * 3) {
                let seed = file + 100 * nth as u32;
                let length = (file % 4) * 400_000 + 1000 + seed;
                let content: Vec<u8> =
                    (0..length).map(|b| (b.wrapping_mul(b ^ seed) >> 7) as u8).collect();
                let name = format!("srv/{tree}/sub/file {file}");
                std::fs::write(bench.at(&name), content).unwrap();
            }
        }
        bench
    }

    fn library(&self, name: &str, media: &str) {
        let shape = ["--drives", "1", "--slots", "12", "--media", media, "--capacity", "4MiB"];
        let made = self.run(&[&["library", "create", name][..], &shape].concat());
        assert!(made.status.success(), "{made:?}");
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(EXE).args(words).current_dir(&self.dir).output().unwrap()
    }

    /// Runs the shipped recipe under a plumber, small blocks and turns, and with these changes.
    fn glue(&self, plumber: &str, changes: &[(&str, &str)]) -> (i32, String) {
        let srv = self.at("srv").display().to_string();
        let mut text = RECIPE.replace("/srv", &srv).replace("\"256\"", "\"1\"");
        text = text
            .replace("#drive0\"", "#drive0\", \"--block-bytes\", \"65536\", \"--sync-mib\", \"1\"");
        text = text.replacen("\nname =", &format!("\nplumber = \"{plumber}\"\nname ="), 1);
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        std::fs::write(self.at("recipe.toml"), text).unwrap();
        let done = self.run(&["glue", "recipe.toml"]);
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    }

    fn list(&self, tree: &str) -> Vec<Line> {
        let text = std::fs::read(self.at(&format!("{tree}.list"))).unwrap();
        lines(&text).collect::<Result<_, _>>().unwrap()
    }

    /// Reads a tree from a library with these words, and compares.
    fn restore(&self, tree: &str, library: &str, words: &[&str]) {
        let (drive, changer) =
            (format!("virtual:{library}#drive0"), format!("virtual:{library}#changer"));
        let source = ["src_tape", "--drive", &drive, "--changer", &changer];
        let source: Vec<String> = source.iter().chain(words).map(|w| format!("{w:?}")).collect();
        let recipe = format!(
            "name = \"back\"\n[[chain]]\nsteps = [[{}], [\"sink_filesys\", \"-C\", \"back\"]]\n",
            source.join(", ")
        );
        std::fs::write(self.at("back.toml"), recipe).unwrap();
        let done = self.run(&["glue", "back.toml"]);
        assert!(done.status.success(), "{tree} from {library} {words:?}: {done:?}");
        let (there, back) = (self.at("srv").join(tree), self.at("back").join(tree));
        let same = Command::new("diff").arg("-r").arg(there).arg(back).status().unwrap();
        assert!(same.success(), "{tree} from {library} differs");
        std::fs::remove_dir_all(self.at("back")).unwrap();
    }

    /// The identity of a tree's stream, by what `library list` says of it.
    fn stream(&self, tree: &str, library: &str) -> String {
        let listed = self.listed(library);
        let of_tree = listed.lines().find(|line| line.trim_end().ends_with(tree)).unwrap();
        of_tree.split(' ').next().unwrap().to_owned()
    }

    /// The lists once more, from the cartridges alone.
    fn rebuild(&self, library: &str) {
        let (drive, changer) =
            (format!("virtual:{library}#drive0"), format!("virtual:{library}#changer"));
        let to = format!("{library}.lists");
        let words = ["library", "rebuild", "--drive", &drive, "--changer", &changer, "--to", &to];
        let done = self.run(&words);
        assert!(done.status.success(), "{done:?}");
    }

    fn listed(&self, library: &str) -> String {
        let (drive, changer) =
            (format!("virtual:{library}#drive0"), format!("virtual:{library}#changer"));
        let listed = self.run(&["library", "list", "--drive", &drive, "--changer", &changer]);
        String::from_utf8(listed.stdout).unwrap()
    }
}

/// Each file has a place on both copies; media of each copy.
fn media(list: &[Line]) -> BTreeSet<(String, uuid::Uuid)> {
    let mut media = BTreeSet::new();
    let mut covered = Vec::new();
    for line in list {
        if let Line::Place { extent, place, grade } = line {
            assert_eq!(grade, "on tape");
            media.insert((place.medium.clone(), place.volume.unwrap()));
            covered.push(*extent);
        }
    }
    for line in list {
        let Line::Entry(entry) = line else { continue };
        let copies = covered.iter().filter(|e| (e.from..e.to).contains(&entry.offset)).count();
        assert_eq!(copies, 2, "{}", String::from_utf8_lossy(&entry.path));
    }
    media
}

#[test]
fn each_client_comes_back_alone_from_either_library() {
    for plumber in ["ring", "pipe"] {
        let bench = Bench::new();
        LIBRARIES.iter().for_each(|library| bench.library(library, "12"));
        let (code, words) = bench.glue(plumber, &[]);
        assert_eq!(code, 0, "{words}");
        let all: BTreeSet<_> = TREES.iter().flat_map(|tree| media(&bench.list(tree))).collect();
        assert!(all.len() >= 6, "{all:?}: several cartridges in each library");
        for library in LIBRARIES {
            bench.rebuild(library);
            for tree in TREES {
                let list = format!("{tree}.list");
                bench.restore(tree, library, &["--only", tree, "--list", &list]);
                let id = bench.stream(tree, library);
                let rebuilt = format!("{library}.lists/{id}.list");
                bench.restore(tree, library, &["--only", tree, "--list", &rebuilt]);
                let first = ["--volume", "TAP001L9", "--stream", &id];
                bench.restore(tree, library, &first);
                bench.restore(tree, library, &[&first[..], &["--only", tree]].concat());
            }
        }
    }
}

#[test]
fn the_reader_in_python_agrees() {
    let bench = Bench::new();
    LIBRARIES.iter().for_each(|library| bench.library(library, "12"));
    assert_eq!(bench.glue("ring", &[]).0, 0);
    // What holds nothing of ours is no source for it.
    let used = bench.listed("box").lines().filter(|line| line.contains(" volume ")).count();
    let mut dumps = Vec::new();
    for number in 1..=used {
        let (tag, dump) = (format!("TAP{number:03}L9"), format!("dump{number}"));
        let change = ["--changer", "virtual:box#changer"];
        let _ = bench.run(&[&["library", "unload"][..], &change].concat());
        let load = [&["library", "load"][..], &change, &["--volume", &tag]].concat();
        assert!(bench.run(&load).status.success());
        let dumped = bench.run(&["drive", "dump", "--drive", "virtual:box#drive0", "--to", &dump]);
        assert!(dumped.status.success(), "{dumped:?}");
        dumps.push(dump);
    }
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/src/volume/kit/reader.py");
    let python = |words: &[&str]| {
        let mut command = Command::new("python3");
        command.arg(reader).arg(words[0]).args(&dumps).args(&words[1..]);
        let done = command.current_dir(&bench.dir).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{words:?}: {told}");
        done.stdout
    };
    python(&["check"]);
    let listed = String::from_utf8(python(&["list"])).unwrap();
    assert_eq!(listed.matches(" layers none: complete, ").count(), 3, "{listed}");
    for tree in TREES {
        let id = bench.stream(tree, "box");
        std::fs::write(bench.at("theirs.tar"), python(&["stream", "--stream", &id])).unwrap();
        let unpack = format!(
            "mkdir theirs.{tree} && tar -xf theirs.tar -C theirs.{tree} && diff -r srv/{tree} theirs.{tree}/{tree}"
        );
        let same = Command::new("sh").args(["-c", &unpack]).current_dir(&bench.dir).status();
        assert!(same.unwrap().success(), "{tree} differs");
    }
}

const KILLED: &str =
    r#"["src_exec", "--name", "mail", "--", "sh", "-c", "head -c 3000000 /dev/zero; kill -9 $$"]"#;

#[test]
fn a_client_that_is_killed_harms_no_other() {
    for plumber in ["ring", "pipe"] {
        let bench = Bench::new();
        LIBRARIES.iter().for_each(|library| bench.library(library, "12"));
        let srv = bench.at("srv").display().to_string();
        let mail = format!("[\"src_filesys\", \"-C\", \"{srv}\", \"mail\"]");
        let (code, words) = bench.glue(plumber, &[(&mail, KILLED)]);
        assert_eq!(code, 1, "{words}");
        assert!(words.contains("mail/src_exec gave up, and the others went on"), "{words}");
        assert!(words.contains("fun_mux: input 2: left out: "), "{words}");
        assert!(!bench.at("mail.list").exists(), "a list of half a stream");
        for library in LIBRARIES {
            let listed = bench.listed(library);
            let of_mail = listed.lines().find(|line| line.trim_end().ends_with("mail")).unwrap();
            assert!(of_mail.contains(" aborted "), "{listed}");
            for tree in ["www", "home"] {
                let list = format!("{tree}.list");
                bench.restore(tree, library, &["--only", tree, "--list", &list]);
                let id = bench.stream(tree, library);
                bench.restore(tree, library, &["--volume", "TAP001L9", "--stream", &id]);
            }
        }
    }
}

#[test]
fn a_library_that_fails_ends_all_or_is_left_out_as_it_is_said() {
    for plumber in ["ring", "pipe"] {
        let bench = Bench::new();
        bench.library("box", "12");
        bench.library("cellar", "2");
        let (code, words) = bench.glue(plumber, &[]);
        assert_eq!(code, 111, "{words}");
        let cause = "glue: second/sink_tape gave up, and with it the pudding: there is no blank";
        assert!(words.contains(cause), "{plumber}: {words}");
        // A list is there if the other copy was whole before that, and then it is right.
        for tree in TREES.iter().filter(|tree| bench.at(&format!("{tree}.list")).exists()) {
            bench.restore(tree, "box", &["--only", tree, "--list", &format!("{tree}.list")]);
        }
        let bench = Bench::new();
        bench.library("box", "12");
        bench.library("cellar", "2");
        let any = ("\"--policy\", \"all\"", "\"--policy\", \"any\"");
        let (code, words) = bench.glue(plumber, &[any]);
        assert_eq!(code, 1, "{plumber}: {words}");
        assert!(words.contains("second/sink_tape gave up, and the others went on"), "{words}");
        assert!(words.contains("tee_mirror: side 2: "), "{words}");
        for tree in TREES {
            let list = format!("{tree}.list");
            bench.restore(tree, "box", &["--only", tree, "--list", &list]);
        }
    }
}

const ENDLESS: &str = r#"["src_exec", "--", "yes"]"#;

#[test]
fn streams_that_meet_end_when_they_are_asked_to() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    for plumber in ["ring", "pipe"] {
        let bench = Bench::new();
        let recipe = format!(
            r#"name = "endless"
plumber = "{plumber}"
chain = [
  {{ into = "both", steps = [{ENDLESS}] }},
  {{ into = "both", steps = [{ENDLESS}, ["proc_compress"]] }},
  {{ name = "both", into = ["a", "b"], steps = [["fun_mux", "--turn-mib", "1"], ["tee_mirror"]] }},
  {{ name = "a", steps = [["sink_file", "first"]] }},
  {{ name = "b", steps = [["sink_file", "second"]] }},
]
"#
        );
        std::fs::write(bench.at("recipe.toml"), recipe).unwrap();
        let mut glue = Command::new(EXE)
            .args(["glue", "--json", "recipe.toml"])
            .current_dir(&bench.dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(glue.stdout.take().unwrap()).lines();
        assert!(told.next().unwrap().unwrap().contains("progress"));
        let pid = rustix::process::Pid::from_child(&glue);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let last = told.map(Result::unwrap).last().unwrap();
        assert!(last.contains("\"ended\""), "{last}");
        let done = glue.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(111), "{done:?}");
        for name in ["first", "second", "first.partial", "second.partial"] {
            assert!(!bench.at(name).exists(), "{plumber}: {name} stays");
        }
    }
}
