//! What crosses the wire arrives as it was sent: bytes, receipts, words, named pipes, statuses, signals.

use std::io::{Read, Write};
use std::process::Stdio;

use super::rig::{Rig, noise, plant};

#[test]
fn everything_is_echoed() {
    let rig = Rig::new();
    rig.enrol("web");
    plant(&rig.at("tree"));
    std::fs::write(rig.at("noise"), noise(5_000_000)).unwrap();
    for seal in ["", "--seal none"] {
        assert_eq!(
            rig.ok(&format!("$p {seal} -- cat <noise | cmp - noise && echo same")),
            "same\n"
        );
        // Nothing at all, and one byte.
        assert_eq!(rig.ok(&format!("$p {seal} -- cat </dev/null")), "");
        assert_eq!(rig.ok(&format!("printf x | $p {seal} -- cat")), "x");
        // A source and a sink there; layers taken off here and put on there.
        let line = format!(
            "$p {seal} -- src_filesys . | $t sink_filesys -C here{} && diff -r tree here{0}",
            seal.len()
        );
        rig.ok(&line);
        rig.ok(&format!("$t src_filesys -C tree . | $p {seal} -- proc_compress --codec lz4 | $t proc_decompress | $t sink_stdout | tar d -C tree"));
    }
    rig.ok("$t src_filesys -C tree . | $p -- sink_filesys && diff -r tree back");
    // Raw bytes, through components that use standard input and output themselves.
    assert_eq!(
        rig.ok("$p -- src_stdin <noise | $p -- sink_stdout | cmp - noise && echo same"),
        "same\n"
    );
    rig.wait_alone();
    assert!(rig.log_so_far().iter().all(|line| !line.contains("WARN")), "{:#?}", rig.log_so_far());
}

#[test]
fn receipts_find_their_way_home() {
    let rig = Rig::new();
    rig.enrol("web");
    plant(&rig.at("tree"));
    let out = rig.at("out/kept");
    let out = out.display();
    let local = "$t src_filesys -C tree . | $t proc_record --list A 4<a | $t proc_compress --codec lz4 3>a 4<b | $t sink_file out/kept 3>b";
    rig.ok(&format!("mkfifo a b; {}", local.replace("out/kept", &out.to_string())));
    // The same with the sink there, and with the compressor there, too: a receipt crosses it both ways.
    rig.ok(&format!("$t src_filesys -C tree . | $t proc_record --list B 4<a | $t proc_compress --codec lz4 3>a 4<b | $p -- sink_file {out} 3>b"));
    rig.ok(&format!("$t src_filesys -C tree . | $t proc_record --list C 4<a | $p -- proc_compress --codec lz4 3>a 4<b | $p -- sink_file {out} 3>b"));
    let places = |list: &str| {
        let text = std::fs::read_to_string(rig.at(list)).unwrap();
        let lines: Vec<String> =
            text.lines().filter(|l| l.starts_with('@')).map(str::to_owned).collect();
        assert!(lines.len() > 2, "{text}");
        lines
    };
    assert_eq!(places("A"), places("B"));
    assert_eq!(places("A"), places("C"));
}

#[test]
fn named_pipes_are_there_as_well() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.program(
        "act",
        "#!/bin/sh\ncat one two >out1 & sort >out2; wait; echo done; echo words >&2\n",
    );
    let script = "mkfifo one two out1 out2
        (echo a; echo b) >one & (echo c) >two & cat out1 >x & cat out2 >y &
        (echo 3; echo 1; echo 2) | $p --in one --in two --out out1 --out out2 -- act 2>words; wait; cat x y words";
    assert_eq!(rig.ok(script), "done\na\nb\nc\n1\n2\n3\nwords\n");
    rig.wait_alone();
}

#[test]
fn statuses_come_back() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.program("act", "#!/bin/sh\ncase $1 in kill) kill -9 $$;; *) exit $1;; esac\n");
    for (said, status) in
        [("0", 0), ("1", 1), ("2", 100), ("100", 100), ("111", 111), ("7", 111), ("kill", 111)]
    {
        let done = rig.shell(&format!("$p -- act {said} </dev/null"));
        assert_eq!(done.status.code(), Some(status), "{said}: {done:?}");
    }
    // A component of ours says why.
    let done = rig.shell("$p -- src_file | $t sink_null; exit ${PIPESTATUS[0]}");
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(words.contains("plumb: src_file: ") && words.contains("No such file"), "{words}");
    assert_eq!(done.status.code(), Some(111));
    rig.wait_alone();
}

#[test]
fn a_signal_ends_the_component_there() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.program("act", "#!/bin/sh\necho up; exec sleep 600\n");
    for name in ["act", "cat"] {
        let mut command = rig.plumb("web", rig.address, &["--", name]);
        let mut plumb = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut byte = [0];
        if name == "cat" {
            plumb.stdin.as_mut().unwrap().write_all(b"u").unwrap();
        }
        plumb.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        let pid = plumb.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success()
        );
        // Held open, or the component could end by itself before the signal is there.
        let input = plumb.stdin.take();
        let done = plumb.wait_with_output().unwrap();
        drop(input);
        assert_eq!(done.status.code(), Some(111), "{done:?}");
        rig.wait_alone();
    }
}

#[test]
fn a_reader_that_leaves_ends_what_writes() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.program("act", "#!/bin/sh\nexec yes\n");
    assert_eq!(rig.ok("set +o pipefail; $p -- act </dev/null | head -n 1"), "y\n");
    // A component that does not read its input does not keep whoever writes it waiting.
    rig.program("act", "#!/bin/sh\nexec 0<&-; echo over\n");
    assert_eq!(rig.ok("set +o pipefail; yes | $p -- act"), "over\n");
    rig.wait_alone();
}

/// A tape that is being changed reads nothing for minutes, and then goes on.
#[test]
fn a_reader_that_takes_its_time_gets_everything() {
    let rig = Rig::new();
    rig.enrol("web");
    std::fs::write(rig.at("noise"), noise(2_900_000)).unwrap();
    let line = "set -o pipefail; $p -- cat <noise | (sleep 7; cmp - noise) && echo same";
    assert_eq!(rig.ok(line), "same\n");
    rig.wait_log("ended: whole", 1);
}

#[test]
fn a_recipe_runs_the_same_with_a_sink_elsewhere() {
    let rig = Rig::new();
    rig.enrol("web");
    plant(&rig.at("tree"));
    let out = rig.at("out");
    for plumber in ["ring", "pipe"] {
        let recipe = format!(
            r#"
            name = "here and there"
            plumber = "{plumber}"
            [[chain]]
            steps = [
              ["src_filesys", "-C", "tree", "."],
              ["proc_record", "--list", "{plumber}.list"],
              ["plumb", "{address}", "--identity", "web", "--", "sink_file", "{out}/x"],
            ]
            [[chain]]
            steps = [
              ["plumb", "{address}", "--identity", "web", "--", "src_filesys", "."],
              ["sink_file", "{plumber}.copy"],
            ]
            "#,
            address = rig.address,
            out = out.display(),
        );
        std::fs::write(rig.at("recipe.toml"), recipe).unwrap();
        rig.ok("$t glue recipe.toml");
        rig.ok(&format!(
            "mv out/x {plumber}.x; $t src_file {plumber}.copy | $t sink_stdout | tar d -C tree"
        ));
        rig.ok(&format!("$t src_file {plumber}.x | $t sink_stdout | tar d -C tree"));
    }
    // Head and tail are each stream's own.
    let list = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(rig.at(name)).unwrap();
        text.lines().filter(|line| !line.starts_with(['#', '='])).map(str::to_owned).collect()
    };
    assert_eq!(list("ring.list"), list("pipe.list"));
    // What goes wrong there is told here.
    let bad = std::fs::read_to_string(rig.at("recipe.toml"))
        .unwrap()
        .replace("sink_file\", \"/", "sink_file\", \"/nowhere/");
    std::fs::write(rig.at("recipe.toml"), bad.replace("\"pipe\"", "\"ring\"")).unwrap();
    let done = rig.run(&["glue", "recipe.toml"]);
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(words.contains("may not be given to sink_file"), "{words}");
    rig.wait_alone();
}
