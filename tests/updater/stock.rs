//! The boot partition and its copies: what is damaged, and where the power goes.

use std::path::Path;

use bundle::{Manifest, Version};
use esp::Esp;
use tapioca::stream::Fault;
use tapioca::updater::entry::{self, Entry, choice};
use tapioca::updater::shelf::{Journal, Pending, Shelf};
use tapioca::updater::stock::Stock;

use crate::world::{
    Disk, LOADER, SETTINGS, bundled, count_down, files, lay, names, public_key, release, version,
};

/// What a version's bootable file is: different in every sector.
fn content(text: &str) -> Vec<u8> {
    let seed = text.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    (0..3000_usize).map(|n| (n / 512) as u8 ^ seed ^ (n as u8)).collect()
}

struct World {
    disk: Disk,
    folder: tempfile::TempDir,
    journal: Journal,
}

impl World {
    /// A box that was delivered with 0.1.0 and mended itself once.
    fn new() -> World {
        let disk = Disk::default();
        lay(disk.clone(), "0.1.0", &content("0.1.0"));
        let mut world = World { disk, folder: folder(), journal: Journal::default() };
        assert_eq!(world.mend("0.1.0"), [""; 0]);
        world.journal.accepted(&version("0.1.0"));
        world
    }

    /// That took two updates.
    fn grown() -> World {
        let mut world = World::new();
        for (old, new) in [("0.1.0", "0.2.0"), ("0.2.0", "0.3.0")] {
            world.update(old, new).unwrap();
            count_down(world.disk.clone(), &format!("{new}+3"), &format!("{new}+2-1"));
            let stock = world.stock(new);
            stock.change(entry::accept(&stock.entries().unwrap(), &version(new))).unwrap();
            world.journal.accepted(&version(new));
        }
        assert_eq!(names(world.disk.clone()), ["0.1.0", "0.2.0", "0.3.0"]);
        world
    }

    fn copied(&self) -> World {
        let copy = folder();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        World { disk: self.disk.copied(), folder: copy, journal: self.journal.clone() }
    }

    fn stock(&self, running: &str) -> Stock<Disk> {
        let disk = self.disk.clone();
        let shelf = Shelf::at(self.folder.path().to_owned());
        Stock::new(Box::new(move || Ok(disk.clone())), shelf, release(running))
    }

    fn update(&self, old: &str, new: &str) -> Result<(), Fault> {
        let bundle = bundled(&release(new), &content(new));
        let stock = self.stock(old);
        let manifest = stock.receive(&bundle[..], &public_key())?;
        stock.install(&manifest, self.journal.before.as_ref())
    }

    /// What was done, in words; nothing may be lost.
    fn mend(&mut self, running: &str) -> Vec<String> {
        let mended = self.stock(running).mend(&mut self.journal, "later").unwrap();
        assert!(mended.lost.is_empty(), "{:?}", mended.lost);
        mended.done
    }

    /// The loader finds something that is whole; which.
    fn starts(&self) -> Version {
        let all = files(self.disk.clone());
        assert!(all[LOADER] == vec![1; 1000] && all[SETTINGS] == b"timeout 0\n");
        let entries: Vec<Entry> = all.keys().filter_map(|path| Entry::of(path)).collect();
        let entry = choice(&entries).expect("there is nothing to start");
        let text = entry.version.to_string();
        assert!(all[&entry.path()] == content(&text), "{text} is another");
        entry.version.clone()
    }
}

/// In memory, if there is such a place: much is made durable here.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

/// Cuts the power after every sector that `work` writes; what the loader starts then is one of `allowed`, and the next
/// start mends what was left. How many cuts there were.
fn cut_everywhere(
    before: &World,
    running: &str,
    allowed: &[&str],
    work: impl Fn(&World) -> Result<(), Fault>,
) -> usize {
    for cut in 0..10_000 {
        let mut world = before.copied();
        world.disk.power(Some(cut));
        let done = work(&world);
        world.disk.power(None);
        let starts = world.starts().to_string();
        assert!(allowed.contains(&starts.as_str()), "after {cut} writes {starts} is started");
        world.mend(&starts);
        assert_eq!(world.starts().to_string(), starts, "after {cut} writes, mended");
        if done.is_ok() {
            assert_eq!(starts, *allowed.last().unwrap());
            return cut;
        }
        // And it can be done again by whoever runs.
        if starts == running {
            work(&world).unwrap();
            assert_eq!(world.starts().to_string(), *allowed.last().unwrap(), "{cut}, again");
        }
    }
    panic!("it never ended");
}

#[test]
fn a_power_cut_at_any_write_of_an_update_leaves_the_old_version_or_the_new() {
    let mut world = World::grown();
    world.journal.trial = Some(Pending {
        version: version("0.4.0"),
        boot: "now".into(),
        devices: Vec::new(),
        ailing: Vec::new(),
        words: Vec::new(),
    });
    let cuts = cut_everywhere(&world, "0.3.0", &["0.3.0", "0.4.0"], |world| {
        world.update("0.3.0", "0.4.0")
    });
    assert!(cuts > 10, "only {cuts}");
}

#[test]
fn a_power_cut_while_a_version_is_accepted_left_or_gone_back_from_leaves_one_to_start() {
    let world = World::grown();
    world.update("0.3.0", "0.4.0").unwrap();
    count_down(world.disk.clone(), "0.4.0+3", "0.4.0+2-1");
    let change = |how: fn(&[Entry], &Version) -> Vec<entry::Change>| {
        move |world: &World| {
            let stock = world.stock("0.4.0");
            stock.change(how(&stock.entries()?, &version("0.4.0")))
        }
    };
    cut_everywhere(&world, "0.4.0", &["0.4.0"], change(entry::accept));
    cut_everywhere(&world, "0.4.0", &["0.4.0", "0.3.0"], change(entry::give_up));
    let world = World::grown();
    let back = |world: &World| world.stock("0.3.0").roll_back(Some(&version("0.2.0"))).map(drop);
    cut_everywhere(&world, "0.3.0", &["0.3.0", "0.2.0"], back);
}

#[test]
fn what_is_missing_or_changed_on_the_boot_partition_comes_back_from_its_copy() {
    let good = World::grown();
    let wanted = files(good.disk.clone());
    for (path, bytes) in &wanted {
        let missing = good.copied();
        Esp::open(missing.disk.clone()).unwrap().remove(path).unwrap();
        let flipped = good.copied();
        flipped.disk.flip(bytes);
        assert!(files(flipped.disk.clone()) != wanted, "{path}");
        for mut world in [missing, flipped] {
            let done = world.mend("0.3.0");
            assert_eq!(done.len(), 1, "{path}: {done:?}");
            assert!(files(world.disk.clone()) == wanted, "{path}: {done:?}");
            assert_eq!(world.mend("0.3.0"), [""; 0]);
        }
    }
}

#[test]
fn a_boot_partition_that_is_no_file_system_is_made_anew() {
    let good = World::grown();
    let wanted = files(good.disk.clone());
    // Its first sector; its tables.
    for sectors in [0..1, 32..2048] {
        let mut world = good.copied();
        world.disk.zero(sectors.clone());
        let done = world.mend("0.3.0");
        assert!(done[0].contains("made anew"), "{done:?}");
        assert!(files(world.disk.clone()) == wanted);
        // The power may go while it is made.
        let mut cut = 0;
        loop {
            let mut world = good.copied();
            world.disk.zero(sectors.clone());
            world.disk.power(Some(cut));
            let mended = world.stock("0.3.0").mend(&mut world.journal, "later");
            if mended.is_ok_and(|mended| mended.lost.is_empty()) {
                break;
            }
            world.disk.power(None);
            world.mend("0.3.0");
            assert!(files(world.disk.clone()) == wanted, "{cut}");
            cut += 3;
        }
        assert!(cut > 20, "only {cut}");
    }
}

#[test]
fn what_went_behind_stays_behind_when_the_partition_is_made_anew() {
    let mut world = World::grown();
    world.stock("0.3.0").roll_back(Some(&version("0.2.0"))).unwrap();
    world.journal.accepted(&version("0.2.0"));
    world.disk.zero(0..1);
    world.mend("0.2.0");
    assert_eq!(names(world.disk.clone()), ["0.1.0", "0.2.0", "0.3.0+0"]);
}

#[test]
fn a_damaged_copy_comes_back_from_the_boot_partition() {
    let mut world = World::grown();
    for name in ["loader.efi", "loader.conf", "0.3.0.efi", "0.1.0.efi"] {
        let path = world.folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        let mut wrong = bytes.clone();
        wrong[5] ^= 1;
        std::fs::write(&path, &wrong).unwrap();
        assert_eq!(world.mend("0.3.0").len(), 1, "{name}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{name}");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(world.mend("0.3.0").len(), 1, "{name}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{name}");
    }
}

#[test]
fn of_two_things_that_are_damaged_nothing_is_made() {
    let good = World::grown();
    let spoil = |world: &World, text: &str| {
        world.disk.flip(&content(text));
        std::fs::write(world.folder.path().join(format!("{text}.efi")), "x").unwrap();
    };
    // What could be gone back to goes, and that is said.
    let mut world = good.copied();
    spoil(&world, "0.1.0");
    let done = world.mend("0.3.0");
    assert!(done[0].contains("gone"), "{done:?}");
    assert_eq!(names(world.disk.clone()), ["0.2.0", "0.3.0"]);
    // What runs stays as it is: it did start.
    let mut world = good.copied();
    spoil(&world, "0.3.0");
    let before = files(world.disk.clone());
    let mended = world.stock("0.3.0").mend(&mut world.journal, "later").unwrap();
    assert_eq!((mended.done.len(), mended.lost.len()), (0, 1), "{mended:?}");
    assert!(files(world.disk.clone()) == before);
}

#[test]
fn what_is_not_for_this_box_is_refused_and_nothing_changes() {
    let world = World::grown();
    let before = files(world.disk.clone());
    let good = bundled(&release("0.4.0"), &content("0.4.0"));
    let other = |change: fn(&mut bundle::Release)| {
        let mut release = release("0.4.0");
        change(&mut release);
        bundled(&release, &content("0.4.0"))
    };
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut signature = good.clone();
    signature[20] ^= 1;
    let cases = [
        (other(|release| release.board = "other".into()), "made for other"),
        (other(|release| release.security_floor = 1), "none below 2"),
        (other(|release| release.version = version("0.3.0")), "runs already"),
        (changed, "another bootable file"),
        (signature, "not signed"),
        (good[..good.len() - 1].to_vec(), "cut off"),
        (good[..50].to_vec(), "cut off"),
        (Vec::new(), "cut off"),
        (b"no bundle at all".to_vec(), "is none"),
    ];
    for (bundle, word) in cases {
        let refused = world.stock("0.3.0").receive(&bundle[..], &public_key()).unwrap_err();
        assert!(refused.what.contains(word), "{word}: {}", refused.what);
        assert!(files(world.disk.clone()) == before, "{word}");
    }
    assert!(world.stock("0.3.0").receive(&good[..], &[1; 32]).is_err());
    // Newer or older, above the floor: it may be tried.
    let manifest: Manifest = world.stock("0.3.0").receive(&good[..], &public_key()).unwrap();
    assert_eq!(manifest.release, release("0.4.0"));
}

#[test]
fn nobody_goes_back_below_the_security_floor() {
    let world = World::grown();
    let disk = world.disk.clone();
    let shelf = Shelf::at(world.folder.path().to_owned());
    let mut risen = release("0.3.0");
    risen.security_floor = 3;
    let stock = Stock::new(Box::new(move || Ok(disk.clone())), shelf, risen);
    let refused = stock.roll_back(Some(&version("0.2.0"))).unwrap_err();
    assert!(refused.what.contains("none below 3"), "{}", refused.what);
    assert_eq!(names(world.disk), ["0.1.0", "0.2.0", "0.3.0"]);
}
