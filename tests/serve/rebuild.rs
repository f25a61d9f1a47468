//! A catalogue that is lost, or made anew because somebody says so.

use super::rig::Box;
use super::small::{file, served};

/// Waits until the service has copied its records to tape; the job.
fn wait_for_copy(rig: &Box) -> serde_json::Value {
    let deadline = std::time::Instant::now() + super::rig::PATIENCE;
    loop {
        let copied = rig.jobs().into_iter().find(|job| job["machine"] == "console");
        if let Some(copied) = copied.filter(|job| job["state"] == "Done") {
            return copied;
        }
        assert!(std::time::Instant::now() < deadline, "{}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn the_records_are_on_tape_too() {
    let mut rig = Box::new();
    rig.library("--drives 1 --slots 8 --media 6 --capacity 64MiB");
    std::fs::write(rig.at("serve.toml"), "[limits]\nrecords_copy_s = 1\n").unwrap();
    rig.start();
    rig.first_steps();
    rig.enrol("web");
    rig.login_ok("web", "admin");
    file(&rig, "tree/data", 1, 10_000);
    rig.on_ok("web", "backup --name all -C tree .");
    let copied = wait_for_copy(&rig);
    // It is not made again as long as nothing else is.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let of_it = rig.jobs().into_iter().filter(|job| job["machine"] == "console").count();
    assert_eq!(of_it, 1);
    rig.stop();
    let stream = copied["work"]["Backup"]["stream"].as_str().unwrap().to_owned();
    let script = format!(
        "$t src_tape --drive virtual:state/library#drive0 --stream {stream} | $t sink_stdout >records && grep -q admin records && \
         mv state/catalogue.redb lost && rm state/catalogue.redb.last && \
         $t catalogue rebuild --drive virtual:state/library#drive0 --changer virtual:state/library#changer --to state/catalogue.redb --records records"
    );
    let done = std::process::Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &script])
        .env("t", super::rig::EXE)
        .current_dir(rig.dir.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    rig.start();
    rig.on_ok("web", "restore --name all --to back");
    assert!(rig.ok("user list").contains("admin"));
}

#[test]
fn a_service_that_is_told_to_makes_its_catalogue_anew_of_what_lies_on_tape_and_once() {
    let mut rig = Box::new();
    rig.library("--drives 2 --slots 8 --media 6 --capacity 64MiB");
    let told = |rig: &Box, copy_s: u32, word: &str| {
        let text = format!("rebuild = \"{word}\"\n[limits]\nrecords_copy_s = {copy_s}\n");
        std::fs::write(rig.at("serve.toml"), text).unwrap();
    };
    // There is nothing to make it of.
    told(&rig, 1, "first");
    rig.start();
    rig.first_steps();
    rig.user("ada", &["look", "restore"]);
    rig.enrol("web");
    rig.login_ok("web", "admin");
    file(&rig, "tree/data", 1, 10_000);
    rig.on_ok("web", "backup --name all -C tree .");
    wait_for_copy(&rig);
    rig.stop();
    let names = ["catalogue.redb", "catalogue.redb.last"].map(|name| rig.at("state").join(name));
    names.iter().for_each(|name| std::fs::remove_file(name).unwrap());

    told(&rig, 0, "second");
    rig.start();
    let jobs = rig.jobs();
    let of_web = |job: &&serde_json::Value| job["machine"] == "web";
    assert_eq!(jobs.iter().filter(of_web).count(), 1, "{jobs:?}\n{}", rig.log());
    assert!(rig.ok("user list").contains("ada"));
    rig.on_ok("web", "restore --name all --to back");
    let dir = rig.dir.path().to_owned();
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    assert!(read("tree/data") == read("back/data"));

    // A backup that the copy on tape does not know is known of what is kept, with the next word; who made it, too.
    rig.on_ok("web", "backup --name more -C tree .");
    rig.user("eve", &["look"]);
    rig.stop();
    let made =
        |rig: &Box| rig.whole_log().matches("the catalogue is made anew of what lies").count();
    assert_eq!(made(&rig), 2, "{}", rig.log());
    told(&rig, 0, "third");
    rig.start();
    assert_eq!(made(&rig), 3, "{}", rig.log());
    assert!(rig.ok("user list").contains("eve"));
    rig.on_ok("web", "restore --name more --to more");
    assert!(read("tree/data") == read("more/data"));
    assert!(rig.at("state/catalogue.before").exists());
    rig.stop();
    rig.start();
    assert_eq!(made(&rig), 3, "the same word is carried out again:\n{}", rig.log());
    rig.on_ok("web", "restore --name more --to again");
}

#[test]
fn what_lies_on_a_cartridge_that_is_away_is_known_still() {
    let mut rig = served("--drives 1 --slots 8 --media 6 --capacity 16MiB");
    file(&rig, "first/only", 1, 100_000);
    file(&rig, "tree/large", 2, 25_000_000);
    file(&rig, "tree/small", 3, 1000);
    rig.on_ok("web", "backup --name first -C first .");
    rig.on_ok("web", "backup --name large -C tree .");
    let known = |rig: &Box| {
        let job = |number: u64| rig.jobs().into_iter().find(|job| job["id"] == number).unwrap();
        [1, 2].map(|number| job(number)["entries"].clone())
    };
    let before = known(&rig);
    // All of the first lies on it, and the beginning of the other.
    rig.ok("library export TAP001L9");
    rig.stop();
    let library = virt::Library::open(&rig.at("state/library")).unwrap();
    let (number, tag) = library.take_mail(0).unwrap();
    assert_eq!(tag, "TAP001L9");
    std::fs::write(rig.at("serve.toml"), "rebuild = \"away\"\n").unwrap();
    rig.start();
    assert!(rig.whole_log().contains("the catalogue was made anew"), "{}", rig.log());
    assert_eq!(known(&rig), before, "{}", rig.log());
    for name in ["only", "large", "small"] {
        assert!(rig.on_ok("web", &format!("find {name}")).contains(name));
    }
    // It comes back, and everything is given.
    library.put_back(0, number).unwrap();
    rig.ok("library import");
    for (name, tree, files) in
        [("first", "first", &["only"][..]), ("large", "tree", &["large", "small"])]
    {
        rig.on_ok("web", &format!("restore --name {name} --to back-{name}"));
        for file in files {
            let read = |root: &str| std::fs::read(rig.at(root).join(file)).unwrap();
            assert!(read(tree) == read(&format!("back-{name}")), "{file}");
        }
    }
}
