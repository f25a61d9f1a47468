//! Shell transcripts: what a person types and everything they see, compared whole.
//!
//! A file in `tests/pipes` is a title, an empty line, and commands (`$ `, continued with `> `), each
//! followed by all it printed and, unless 0, its status in brackets. Each file runs in a new empty
//! folder with every component on the path. `BLESS=1` writes what was seen instead of comparing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const NAMES: &[&str] = &[
    "src_filesys",
    "sink_filesys",
    "src_stdin",
    "src_exec",
    "src_file",
    "proc_compress",
    "proc_decompress",
    "proc_list",
    "proc_record",
    "proc_since",
    "proc_verify",
    "fun_mux",
    "fun_demux",
    "tee_mirror",
    "sink_file",
    "sink_stdout",
    "sink_null",
    "sink_tape",
    "src_tape",
    "tapioca",
];

/// Runs one command and renders it as it should stand in the file.
fn seen(command: &str, dir: &Path, path: &str) -> String {
    let run = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(dir)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .env_remove("TAPIOCA_LOG")
        .output()
        .unwrap();
    let mut text = format!("$ {}\n", command.replace('\n', "\n> "));
    text.push_str(&String::from_utf8_lossy(&run.stdout));
    if !text.ends_with('\n') {
        text.push_str("[no newline]\n");
    }
    match run.status.code() {
        Some(0) => {}
        Some(code) => writeln!(text, "[{code}]").unwrap(),
        None => writeln!(text, "[{}]", run.status).unwrap(),
    }
    text
}

fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        if let Some(first) = line.strip_prefix("$ ") {
            found.push(first.to_owned());
        } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), found.last_mut()) {
            last.push('\n');
            last.push_str(more);
        }
    }
    found
}

#[test]
fn transcripts_are_as_they_were() {
    let room = tempfile::tempdir().unwrap();
    let links = room.path().join("bin");
    std::fs::create_dir(&links).unwrap();
    for name in NAMES {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tapioca"), links.join(name)).unwrap();
    }
    let path = format!("{}:{}", links.display(), std::env::var("PATH").unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipes");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "t"));
    files.sort();
    assert!(!files.is_empty(), "no transcripts");
    let mut wrong = String::new();
    for file in files {
        let name = file.file_stem().unwrap();
        let dir = room.path().join("run").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let expected = std::fs::read_to_string(&file).unwrap();
        let mut actual = format!("{}\n", expected.lines().next().unwrap());
        let commands = commands(&expected);
        assert!(!commands.is_empty(), "{} has no commands", file.display());
        for command in commands {
            actual.push('\n');
            actual.push_str(&seen(&command, &dir, &path));
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, actual).unwrap();
        } else if actual != expected {
            let (at, _) = actual
                .lines()
                .zip(expected.lines())
                .enumerate()
                .find(|(_, (a, e))| a != e)
                .unwrap_or_default();
            writeln!(wrong, "{}, from line {}:\n{actual}", file.display(), at + 1).unwrap();
        }
    }
    assert!(wrong.is_empty(), "transcripts differ; what was seen:\n{wrong}");
}
