//! Restores of what media have lost a part of: all else is given back, and what is missing is told to the byte.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;

use super::rig::{Box, PATIENCE, noise};
use super::small::served;
use super::tree::snapshot;

/// Bytes of a stream in a block.
const STRIDE: u64 = 524_288 - 96;

fn plant(rig: &Box) {
    for n in 0..60u64 {
        let folder = rig.at(&format!("tree/d{}", n / 10));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("f{n:02}")), noise(n, 40_000 + n as usize)).unwrap();
    }
    std::fs::write(rig.at("tree/d2/large"), noise(99, 4_000_000)).unwrap();
    std::fs::write(rig.at("tree/d3/empty"), "").unwrap();
}

/// Where the stream of a job lies: the first runs of its first copy.
fn kept(rig: &Box, job: u64) -> Vec<Value> {
    let report: Value = serde_json::from_str(&rig.ok(&format!("job show {job} --json"))).unwrap();
    report["JobReport"]["kept"].as_array().unwrap().clone()
}

/// The files of a virtual cartridge.
fn cartridge(rig: &Box, tag: &str) -> std::path::PathBuf {
    // TAP002L9 is the second that was made.
    rig.at(&format!("state/library/media/00{}", &tag[3..6]))
}

/// Flips a bit in a block of a virtual cartridge.
pub fn damage(rig: &Box, tag: &str, block: u64) {
    let folder = cartridge(rig, tag);
    let index = std::fs::read(folder.join("index")).unwrap();
    let at = usize::try_from(block).unwrap() * 16;
    let offset = u64::from_le_bytes(index[at..at + 8].try_into().unwrap());
    let data = std::fs::File::options().read(true).write(true).open(folder.join("data")).unwrap();
    let mut byte = [0];
    data.read_exact_at(&mut byte, offset + 1000).unwrap();
    data.write_all_at(&[byte[0] ^ 1], offset + 1000).unwrap();
}

/// A file of a list: path, where its headers begin, where its content does, its size.
fn listed(rig: &Box, job: u64) -> Vec<(String, u64, u64, u64)> {
    let mut files = Vec::new();
    for line in rig.on_ok("web", &format!("job list {job}")).lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields.len() < 7 || !["f", "d"].contains(&fields[0]) {
            continue;
        }
        let number = |at: usize| fields[at].parse::<u64>().unwrap();
        let (offset, span, size) = (number(1), number(2), number(3));
        let content = offset + span - size.next_multiple_of(512);
        files.push((fields[6].to_owned(), offset, content, size));
    }
    files
}

type Ranges = BTreeMap<String, (u64, u64)>;

/// What is missing when payload bytes are, found out from the list alone.
fn expected(files: &[(String, u64, u64, u64)], (from, to): (u64, u64)) -> Ranges {
    let mut missing = Ranges::new();
    for (path, offset, content, size) in files {
        let end = content + size.next_multiple_of(512);
        if *offset >= to || end <= from {
            continue;
        }
        let range = match *content <= from {
            true => ((from - content).min(*size), (to.max(*content) - content).min(*size)),
            false => (0, *size),
        };
        missing.insert(path.clone(), range);
    }
    missing
}

fn told(json: &str) -> (Ranges, Vec<(String, u64)>) {
    let value: Value = serde_json::from_str(json).unwrap();
    let lost = value["lost"].as_array().unwrap();
    let path = |file: &Value| {
        let bytes = file["path"].as_array().unwrap().iter();
        String::from_utf8(bytes.map(|b| b.as_u64().unwrap() as u8).collect()).unwrap()
    };
    let range = |file: &Value| (file["from"].as_u64().unwrap(), file["to"].as_u64().unwrap());
    let place = |file: &Value| {
        (file["medium"].as_str().unwrap().to_owned(), file["block"].as_u64().unwrap())
    };
    (lost.iter().map(|file| (path(file), range(file))).collect(), lost.iter().map(place).collect())
}

/// Everything but what is missing is back as it was; of files that are there in part, that part is.
fn rest_is_back(rig: &Box, back: &str, missing: &Ranges) {
    let mut wanted = snapshot(&rig.at("tree"));
    let mut restored = snapshot(&rig.at(back));
    for (path, (from, to)) in missing {
        let key = path.trim_start_matches("./").trim_matches('.').as_bytes();
        wanted.retain(|node| node.path != key);
        if rig.at("tree").join(path).is_dir() {
            // It was made all the same, for what is in it.
            restored.retain(|node| node.path != key);
            continue;
        }
        let name = format!("{path}.incomplete");
        let incomplete = rig.at(back).join(&name);
        assert!(!rig.at(back).join(path).exists(), "{path} looks whole");
        if *from == 0 {
            assert!(!incomplete.exists(), "{name} has nothing");
            continue;
        }
        let mut whole = std::fs::read(rig.at("tree").join(path)).unwrap();
        whole[*from as usize..*to as usize].fill(0);
        assert!(std::fs::read(&incomplete).unwrap() == whole, "{name}");
        let key = name.trim_start_matches("./").as_bytes();
        restored.retain(|node| node.path != key);
    }
    super::tree::assert_same(&wanted, &restored);
}

#[test]
fn a_damaged_cartridge_costs_what_lies_in_its_bad_blocks() {
    let rig = served("--drives 1 --slots 4 --media 2 --capacity 64MiB");
    plant(&rig);
    rig.on_ok("web", "backup --name all -C tree .");
    let run = kept(&rig, 1)[0].clone();
    let (tag, block) = (run["medium"].as_str().unwrap().to_owned(), run["block"].as_u64().unwrap());
    assert_eq!(run["stride"], STRIDE);
    let files = listed(&rig, 1);
    let large = files.iter().find(|(path, ..)| path.ends_with("large")).unwrap().clone();
    // One among small files, one within the large file, two at its end.
    let within = (large.2 + 1_500_000) / STRIDE;
    let end = (large.2 + large.3) / STRIDE;
    let bad = [1, within, end - 1, end];
    rig.unload(1);
    bad.iter().for_each(|nth| damage(&rig, &tag, block + nth));

    let done = rig.on("web", "restore --name all --to back --json");
    assert_eq!(done.status.code(), Some(3), "{done:?}\n{}", rig.log());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("tapicli job gaps 2"), "{said}");
    let (missing, places) = told(std::str::from_utf8(&done.stdout).unwrap());
    let mut all = expected(&files, (STRIDE, 2 * STRIDE));
    // The large file is there twice: each range of it is a line of its own, and the last one is in the map.
    let of_large = expected(&files, ((end - 1) * STRIDE, (end + 1) * STRIDE));
    all.extend(of_large);
    assert_eq!(missing, all);
    let wanted: Vec<u64> = [1, within, end - 1].iter().map(|nth| block + nth).collect();
    let mut found: Vec<u64> = places.iter().map(|(_, block)| *block).collect();
    found.dedup();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, wanted);
    assert!(places.iter().all(|(medium, _)| *medium == tag));
    let of_large = places.len() - missing.len();
    assert_eq!(of_large, 1, "a range within the large file");

    let holes = [(within * STRIDE, (within + 1) * STRIDE), ((end - 1) * STRIDE, u64::MAX)];
    let mut whole = std::fs::read(rig.at("tree/d2/large")).unwrap();
    for (from, to) in holes {
        let clip = |byte: u64| (byte.max(large.2) - large.2).min(large.3) as usize;
        whole[clip(from)..clip(to)].fill(0);
    }
    assert!(std::fs::read(rig.at("back/d2/large.incomplete")).unwrap() == whole);
    let mut rest = missing.clone();
    rest.remove("./d2/large").or_else(|| rest.remove("d2/large")).unwrap();
    std::fs::remove_file(rig.at("back/d2/large.incomplete")).unwrap();
    std::fs::remove_file(rig.at("tree/d2/large")).unwrap();
    for folder in ["tree/d2", "back/d2"] {
        touch(&rig.at(folder));
    }
    rest_is_back(&rig, "back", &rest);

    let report = rig.on_ok("web", "job show 2");
    assert!(report.contains(&format!("{tag}, block {}", block + 1)), "{report}");
    let again = rig.on_ok("web", "job gaps 2");
    assert_eq!(again.lines().count(), places.len(), "{again}");
}

/// The same time for both.
fn touch(path: &Path) {
    let done = std::process::Command::new("touch").args(["-d", "@1700000000"]).arg(path).status();
    assert!(done.unwrap().success());
}

#[test]
fn through_compression_it_costs_a_chunk() {
    let rig = served("--drives 1 --slots 4 --media 2 --capacity 64MiB");
    plant(&rig);
    rig.on_ok("web", "backup --name all --compress -C tree .");
    let run = kept(&rig, 1)[0].clone();
    let (tag, block) = (run["medium"].as_str().unwrap().to_owned(), run["block"].as_u64().unwrap());
    rig.unload(1);
    // In the first chunk, among small files, and in the fourth, within the large file.
    [0, 6].iter().for_each(|nth| damage(&rig, &tag, block + nth));
    let done = rig.on("web", "restore --name all --to back --json");
    assert_eq!(done.status.code(), Some(3), "{done:?}\n{}", rig.log());
    let (missing, _) = told(std::str::from_utf8(&done.stdout).unwrap());
    let bytes: u64 = missing.values().map(|(from, to)| to - from).sum();
    assert!((1_500_000..2_300_000).contains(&bytes), "{missing:?}");
    rest_is_back(&rig, "back", &missing);
    // What is chosen and not hit comes back as if nothing were wrong, behind the gap, too.
    let whole = "d5/f59";
    rig.on_ok("web", &format!("restore --name all --to some {whole}"));
    assert!(
        std::fs::read(rig.at("some").join(whole)).unwrap()
            == std::fs::read(rig.at("tree").join(whole)).unwrap()
    );
    let hit = missing.keys().find(|path| path.contains("/f")).unwrap();
    let chosen = rig.on("web", &format!("restore --name all --to few {hit} {whole}"));
    assert_eq!(chosen.status.code(), Some(3), "{chosen:?}");
    assert!(rig.at("few").join(whole).exists());
}

#[test]
fn a_cartridge_that_is_gone_costs_what_lay_on_it() {
    let rig = served("--drives 1 --slots 6 --media 4 --capacity 6MiB");
    plant(&rig);
    rig.on_ok("web", "backup --name all -C tree .");
    let runs = kept(&rig, 1);
    let tags: Vec<&str> = runs.iter().map(|run| run["medium"].as_str().unwrap()).collect();
    let second = runs.iter().find(|run| run["medium"] != tags[0]).unwrap();
    let tag = second["medium"].as_str().unwrap();
    let ours: Vec<&Value> = runs.iter().filter(|run| run["medium"] == tag).collect();
    let from = ours[0]["from"].as_u64().unwrap();
    let to = ours.last().unwrap()["to"].as_u64().unwrap();
    let files = listed(&rig, 1);
    rig.unload(1);
    rig.ok(&format!("library export {tag}"));
    let restore = rig.begin_on("web", "restore --name all --to back --json");
    let deadline = std::time::Instant::now() + PATIENCE;
    // What is to be brought is asked for; the answer is that it is lost.
    loop {
        let asked: Value = serde_json::from_str(&rig.ok("request list --json")).unwrap();
        let asked = asked["Requests"]["items"].as_array().unwrap().clone();
        let bring = asked.iter().find(|a| a["what"].as_str().unwrap().contains("job 2"));
        if let Some(bring) = bring {
            rig.ok(&format!("request no {} --why lost", bring["number"]));
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{asked:?} {}", rig.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let done = restore.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{done:?}\n{}", rig.log());
    let (missing, places) = told(std::str::from_utf8(&done.stdout).unwrap());
    assert_eq!(missing, expected(&files, (from, to)));
    assert!(places.iter().all(|(medium, _)| medium == tag), "{places:?}");
    rest_is_back(&rig, "back", &missing);
}
