//! What people look at: plans of restores, how media and drives are, quotas.

use serde_json::Value;

use super::gaps::damage;
use super::rig::{Box, noise};
use super::small::served;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn plant(rig: &Box, length: usize) {
    std::fs::create_dir_all(rig.at("tree")).unwrap();
    std::fs::write(rig.at("tree/a"), noise(1, length)).unwrap();
    std::fs::write(rig.at("tree/b"), "b").unwrap();
}

#[test]
fn a_restore_is_told_before_it_runs() {
    let rig = served("--drives 2 --slots 8 --media 6 --capacity 6MiB");
    plant(&rig, 9_000_000);
    rig.on_ok("web", "backup --name all -C tree .");
    rig.unload(1);
    rig.unload(2);
    let outlook = json(&rig.on_ok("web", "restore --name all --to back --plan --json"));
    let outlook = &outlook["Outlook"];
    let stops = outlook["stops"].as_array().unwrap();
    let report = json(&rig.ok("job show 1 --json"));
    let kept = report["JobReport"]["kept"].as_array().unwrap();
    let mut tags: Vec<&str> = kept.iter().map(|run| run["medium"].as_str().unwrap()).collect();
    tags.dedup();
    assert!(tags.len() >= 2, "{tags:?}");
    let told: Vec<&str> = stops.iter().map(|stop| stop["medium"].as_str().unwrap()).collect();
    assert_eq!(told, tags, "media in the order of the stream");
    let bytes: u64 = stops.iter().map(|stop| stop["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes, report["JobReport"]["job"]["recorded"].as_u64().unwrap());
    assert!(stops.iter().all(|stop| stop["place"].as_str().unwrap().starts_with("slot ")));
    assert_eq!(outlook["drives"], serde_json::json!([1, 2]));
    assert_eq!(outlook["measured"], false);
    // Two mounts, two searches, and seconds for the bytes.
    let seconds = outlook["seconds"].as_u64().unwrap();
    assert!(
        (340 * tags.len() as u64 / 2..=400 * tags.len() as u64).contains(&seconds),
        "{seconds}"
    );

    rig.ok(&format!("library export {}", tags[1]));
    let text = rig.on_ok("web", "restore --name all --to back --plan");
    assert!(text.contains(tags[0]) && text.contains("about "), "{text}");
    // One file of one cartridge is one stop.
    let one = json(&rig.on_ok("web", "restore --name all --to back --plan --json b"));
    assert_eq!(one["Outlook"]["stops"].as_array().unwrap().len(), 1);
    assert!(!rig.at("back").exists());
}

#[test]
fn media_and_drives_tell_how_they_are() {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 4 --media 2 --capacity 64MiB");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metrics = format!("metrics = \"127.0.0.1:{port}\"\n");
    std::fs::write(rig.at("serve.toml"), metrics).unwrap();
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    plant(&rig, 3_000_000);
    rig.on_ok("web", "backup --name all -C tree .");
    rig.unload(1);
    let well = rig.ok("medium show TAP001L9");
    assert!(well.contains("well") && well.contains("MiB"), "{well}");
    damage(&rig, "TAP001L9", 7);
    let done = rig.on("web", "restore --name all --to back");
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    rig.unload(1);
    let ill = rig.ok("medium show TAP001L9");
    assert!(ill.contains("hard errors: copy what is on it, and replace it"), "{ill}");
    assert!(ill.contains("IN DANGER"), "{ill}");
    let other = rig.ok("medium show TAP002L9");
    assert!(!other.contains("hard errors"), "{other}");
    let drives = json(&rig.ok("library health --json"));
    let drive = &drives["Conditions"][0];
    assert_eq!(drive["drive"], 1);
    assert!(drive["health"]["mounts"].as_u64().unwrap() >= 2, "{drive}");
    assert!(drive["health"]["written"]["bytes"].as_u64().unwrap() > 3_000_000, "{drive}");
    assert!(drive["health"]["last_read"]["ms"].as_u64().unwrap() > 0, "{drive}");
    let words = drive["words"][0].as_str().unwrap();
    assert_eq!(words, "cleaned never");
    let page = std::process::Command::new("curl")
        .args(["-s", &format!("http://127.0.0.1:{port}/metrics")])
        .output()
        .unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    let hard = "tapioca_medium_hard_errors_total{medium=\"TAP001L9\",does=\"read\"} ";
    let hard = page.lines().find_map(|line| line.strip_prefix(hard)).unwrap();
    assert!(hard.parse::<u64>().unwrap() > 0, "{page}");
    assert!(!page.contains("tapioca_drive_speed_bytes_per_second{drive=\"drive 1\"} 0"), "{page}");
    // It is known after a restart, too.
    rig.stop();
    rig.start();
    assert_eq!(rig.ok("medium show TAP001L9").lines().last(), ill.lines().last());
}

#[test]
fn quotas_are_shown_with_what_is_left() {
    let rig = served("--drives 1 --slots 4 --media 2 --capacity 64MiB");
    rig.ok("machine put web --quota 5000000");
    plant(&rig, 1_000_000);
    rig.on_ok("web", "backup --name all -C tree .");
    let recorded = rig.jobs()[0]["recorded"].as_u64().unwrap();
    let quotas = json(&rig.ok("machine quota --json"));
    let all = quotas["Quotas"]["items"].as_array().unwrap();
    let of_web = all.iter().find(|quota| quota["machine"] == "web").unwrap();
    assert_eq!(of_web["used"], recorded);
    assert_eq!(of_web["left"], 5_000_000 - recorded);
    let text = rig.ok("machine quota");
    assert!(text.contains("web") && text.contains("4.8 MiB"), "{text}");
}

#[test]
fn a_cartridge_goes_out_and_comes_back_by_the_mail_slot() {
    let rig = served("--drives 1 --slots 4 --media 2 --capacity 64MiB");
    plant(&rig, 100_000);
    rig.on_ok("web", "backup --name all -C tree .");
    // It lies in a drive: that does not matter.
    rig.ok("library export TAP001L9");
    let place = |rig: &Box| {
        let media = json(&rig.ok("media --json"));
        let all = media["Media"]["items"].as_array().unwrap().clone();
        let ours = all.into_iter().find(|medium| medium["tag"] == "TAP001L9").unwrap();
        ours["location"].as_str().unwrap().to_owned()
    };
    assert!(place(&rig).starts_with("mail slot "), "{}", place(&rig));
    let asked = json(&rig.ok("request list --json"));
    assert!(asked.to_string().contains("TAP001L9"), "{asked}");
    rig.ok("library import");
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    while !place(&rig).starts_with("slot ") {
        assert!(std::time::Instant::now() < deadline, "{}\n{}", place(&rig), rig.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    rig.on_ok("web", "restore --name all --to back");
}
