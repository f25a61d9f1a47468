//! The two pictures of a network backup, run as they are shipped: the recipes and the gluepot of
//! docs/recipes/network, only with other names.

use super::rig::{Rig, plant};

const GLUEPOT: &str = include_str!("../../docs/recipes/network/gluepot.toml");
const SIMPLE: &str = include_str!("../../docs/recipes/network/simple.toml");
const COMPRESSED: &str = include_str!("../../docs/recipes/network/compressed.toml");

/// A netplumber with the gluepot that is shipped, a library, and a tree at its client.
fn rig() -> Rig {
    let rig = Rig::new();
    let srv = rig.at("srv").display().to_string();
    std::fs::create_dir_all(rig.at("srv/lists")).unwrap();
    plant(&rig.at("srv/www"));
    rig.ok("$t library create srv/box --drives 1 --slots 8 --media 8 --capacity 32MiB");
    std::fs::write(rig.at("box/gluepot.toml"), GLUEPOT.replace("/srv", &srv)).unwrap();
    rig.enrol("web");
    rig
}

fn run(rig: &Rig, recipe: &str, plumber: &str, more: &[(&str, &str)]) -> String {
    let (srv, box_) = (rig.at("srv").display().to_string(), rig.address.to_string());
    let mut text = recipe.replace("/srv", &srv);
    text = text.replace("\"box.example\"", &format!("\"{box_}\", \"--identity\", \"web\""));
    text = text.replacen("\nname =", &format!("\nplumber = \"{plumber}\"\nname ="), 1);
    for (from, to) in more {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(rig.at("recipe.toml"), text).unwrap();
    rig.ok("$t glue recipe.toml")
}

const DEVICES: &str = "--drive virtual:srv/box#drive0 --changer virtual:srv/box#changer";

fn must_come_back(rig: &Rig, list: &str) {
    rig.ok(&format!(
        "rm -rf got; $t src_tape {DEVICES} --list {list} --only www | $t sink_filesys -C got; diff -r srv/www got/www
        rm -rf got; $t src_tape {DEVICES} --list {list} --only 'www/d1/f 6' | $t sink_filesys -C got
        cmp 'srv/www/d1/f 6' 'got/www/d1/f 6'; test $(find got -type f | wc -l) = 1"
    ));
}

#[test]
fn the_simple_network_backup() {
    for plumber in ["ring", "pipe"] {
        let rig = rig();
        run(&rig, SIMPLE, plumber, &[]);
        must_come_back(&rig, "www.list");
        rig.wait_alone();
    }
}

#[test]
fn compressed_at_the_source_and_expanded_before_the_record_keeper() {
    for plumber in ["ring", "pipe"] {
        let rig = rig();
        // A record keeper at the source as well: receipts cross the wire, and two translations.
        let keeper = "\"www\"],\n  [\"proc_record\", \"--list\", \"here.list\"],";
        run(&rig, COMPRESSED, plumber, &[("\"www\"],", keeper)]);
        must_come_back(&rig, "srv/lists/web.list");
        let entries = |list: &str| rig.ok(&format!("grep -v '^[@=~i]' {list} | sort"));
        assert_eq!(entries("srv/lists/web.list"), entries("here.list"));
        let media = |list: &str| rig.ok(&format!("grep '^@' {list} | cut -d' ' -f5 | sort -u"));
        assert_eq!(media("srv/lists/web.list"), media("here.list"));
        rig.wait_alone();
    }
}

/// A chain there that fails says which of it, and why.
#[test]
fn a_chain_elsewhere_says_what_failed() {
    let rig = rig();
    let done = rig.shell("$t src_filesys -C srv www | $p -- sink_archive; exit ${PIPESTATUS[1]}");
    let words = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(100), "{words}");
    assert!(words.contains("proc_decompress: cannot decompress"), "{words}");
    assert!(!rig.at("srv/lists/web.list").exists());
    rig.wait_alone();
}
