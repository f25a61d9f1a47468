//! A link that is cut, at any byte, or falls silent: both ends end, nothing is left behind, and nothing was
//! promised that is not there.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::rig::{Dice, PATIENCE, Proxy, Rig, plant};

/// Waits for the end of a process whose input stays open, and gives its status.
pub fn wait(child: &mut std::process::Child) -> i32 {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        assert!(std::time::Instant::now() < deadline, "it hangs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn nothing_half_done(folder: &std::path::Path) {
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("partial"))
        .collect();
    assert!(left.is_empty(), "left behind {left:?}");
}

#[test]
fn a_cut_link_is_an_abort_at_both_ends() {
    let rig = Rig::new();
    rig.enrol("web");
    plant(&rig.at("tree"));
    let proxy = Proxy::to(rig.address);
    rig.also_at("web", proxy.address);
    let out = rig.at("out");
    let back = |cut: Option<u64>, name: &str, what: &str| {
        proxy.cut_after(cut.unwrap_or(u64::MAX));
        let recipe = match what {
            "sink" => format!(
                "mkfifo up{name}; $t src_filesys -C tree . | $t proc_record --list L{name} 4<up{name} | $p -- sink_file {}/{name} 3>up{name}; s=\"${{PIPESTATUS[*]}}\"; echo $s",
                out.display()
            ),
            _ => format!("$p -- src_filesys . | $t sink_file S{name}; echo \"${{PIPESTATUS[*]}}\""),
        };
        let mut child = Command::new("bash")
            .args(["-c", &recipe])
            .current_dir(&rig.dir)
            .env("t", super::rig::EXE)
            .env("p", format!("{} plumb --identity web {}", super::rig::EXE, proxy.address))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait(&mut child);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(back(None, "whole", "sink"), "0 0 0");
    let total = proxy.passed();
    let rounds = if std::env::var_os("TAPIOCA_LONG").is_some() { 200 } else { 20 };
    let seed = 0x5eed_0001;
    let mut dice = Dice(seed);
    let mut cut_short = 0;
    for round in 0..rounds {
        // Every other one close to the end, where promises are made.
        let cut = match round % 4 {
            0 => dice.below(6000),
            1 => total - dice.below(3000),
            _ => dice.below(total),
        };
        let (name, what) = (round.to_string(), if round % 3 == 2 { "source" } else { "sink" });
        let statuses = back(Some(cut), &name, what);
        rig.wait_alone();
        let whole = statuses.split(' ').all(|status| status == "0");
        cut_short += usize::from(!whole);
        if what == "sink" {
            let (list, kept) = (rig.at(&format!("L{name}")), out.join(&name));
            // A list under its name promises a whole file there.
            assert!(
                !list.exists() || kept.exists(),
                "round {round}, cut at {cut}: a false receipt"
            );
            assert!(!whole || list.exists(), "round {round}: success without a list");
            if kept.exists() {
                rig.ok(&format!("$t src_file out/{name} | $t sink_null"));
            }
        } else {
            assert_eq!(rig.at(&format!("S{name}")).exists(), whole, "round {round}, cut at {cut}");
        }
        nothing_half_done(&out);
    }
    eprintln!(
        "seed {seed:#x}: {cut_short} of {rounds} were cut short, none hung, none promised too much"
    );
    assert!(cut_short > rounds / 2);
}

#[test]
fn silence_is_a_cut() {
    let rig = Rig::with(&["--dead-after-s", "2"]);
    rig.enrol("web");
    let proxy = Proxy::to(rig.address);
    rig.also_at("web", proxy.address);
    let mut command = rig.plumb("web", proxy.address, &["--dead-after-s", "2", "--", "cat"]);
    let plumb = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut plumb = plumb.spawn().unwrap();
    // There and back once: both know that it runs.
    plumb.stdin.as_mut().unwrap().write_all(b"u").unwrap();
    plumb.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    proxy.fall_silent();
    // Both notice by themselves.
    rig.wait_log("nothing was heard for", 1);
    rig.wait_alone();
    let status = wait(&mut plumb);
    let words = String::from_utf8(plumb.wait_with_output().unwrap().stderr).unwrap();
    assert!(status == 111 && words.contains("nothing was heard for"), "{status} {words}");
}

#[test]
fn a_client_that_is_killed_leaves_nothing() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.program("act", "#!/bin/sh\nsleep 600 & exec sleep 600\n");
    for words in [["--", "act"], ["--", "cat"], ["--", "sink_null"]] {
        let mut command = rig.plumb("web", rig.address, &words);
        let mut plumb = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        rig.wait_log(&format!("running from={}", ""), 1);
        plumb.kill().unwrap();
        plumb.wait().unwrap();
        rig.wait_alone();
    }
}

#[test]
fn a_netplumber_that_is_killed_leaves_nothing() {
    let mut rig = Rig::new();
    rig.enrol("web");
    rig.program("act", "#!/bin/sh\necho up; exec sleep 600\n");
    let mut command = rig.plumb("web", rig.address, &["--", "act"]);
    let mut plumb = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    rig.wait_log("running", 1);
    rig.signal("-KILL");
    rig.wait();
    assert_eq!(wait(&mut plumb), 111);
}

#[test]
fn a_netplumber_that_is_asked_to_end_lets_components_end() {
    let mut rig = Rig::with(&["--drain-s", "600"]);
    rig.enrol("web");
    let mut command = rig.plumb("web", rig.address, &["--", "cat"]);
    let mut plumb = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    rig.wait_log("running", 1);
    rig.signal("-TERM");
    rig.wait_log("ending", 1);
    // Nobody new, but the one that runs ends in its own time.
    let done = rig.plumb("web", rig.address, &["--", "cat"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(done.status.code(), Some(111));
    drop(plumb.stdin.take());
    assert_eq!(wait(&mut plumb), 0);
    assert_eq!(rig.wait(), 0);
}

#[test]
fn a_link_with_nothing_to_say_lives() {
    let rig = Rig::with(&["--dead-after-s", "2"]);
    rig.enrol("web");
    // Longer than a silent machine is waited for, several times.
    assert_eq!(rig.ok("(sleep 7; echo late) | $p --dead-after-s 2 -- cat"), "late\n");
    rig.wait_alone();
}
