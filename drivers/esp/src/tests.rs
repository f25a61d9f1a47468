//! The file system judged by others, and by every power cut.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::rc::Rc;

use super::*;

const BYTES: u64 = 64 << 20;
type Sector = [u8; 512];

/// A partition of which only what was written takes room, and which remembers the order of it.
#[derive(Debug, Clone, Default)]
struct Sparse {
    sectors: BTreeMap<u64, Sector>,
    log: Rc<RefCell<Vec<Step>>>,
}

#[derive(Debug, Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "there are few")]
enum Step {
    Write(u64, Sector),
    Flush,
}

impl Sparse {
    /// The same content, with nothing remembered.
    fn fresh(&self) -> Sparse {
        Sparse { sectors: self.sectors.clone(), log: Rc::default() }
    }
}

impl Medium for Sparse {
    fn bytes(&self) -> io::Result<u64> {
        Ok(BYTES)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let (mut left, mut at) = (bytes, at);
        while !left.is_empty() {
            let from = (at % SECTOR) as usize;
            let (part, rest) = left.split_at_mut(left.len().min(512 - from));
            match self.sectors.get(&(at / SECTOR)) {
                Some(sector) => part.copy_from_slice(&sector[from..from + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            left = rest;
        }
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        assert!(at.is_multiple_of(SECTOR) && bytes.len().is_multiple_of(512) && at < BYTES);
        for (content, n) in bytes.as_chunks::<512>().0.iter().zip(at / SECTOR..) {
            self.sectors.insert(n, *content);
            self.log.borrow_mut().push(Step::Write(n, *content));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.borrow_mut().push(Step::Flush);
        Ok(())
    }
}

/// Content that tells which file it is of.
fn content(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n / 512) as u8 ^ seed).collect()
}

fn put<M: Medium>(esp: &mut Esp<M>, path: &str, bytes: &[u8]) {
    esp.put(path, bytes.len() as u64, &mut &bytes[..]).unwrap();
}

fn all<M: Medium>(esp: &Esp<M>) -> BTreeMap<String, Vec<u8>> {
    let read = |file: &File| {
        let mut bytes = Vec::new();
        esp.copy_to(&file.path, &mut bytes).map(|()| (file.path.clone(), bytes))
    };
    esp.files().iter().map(read).collect::<Result<_, _>>().unwrap()
}

const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
const OLD: &str = "EFI/Linux/tapioca_0.1.0.efi";
const NEW: &str = "EFI/Linux/tapioca_0.2.0+3.efi";

fn usual() -> Sparse {
    let mut esp = Esp::format(Sparse::default()).unwrap();
    put(&mut esp, LOADER, &content(1, 1000));
    put(&mut esp, "loader/loader.conf", b"timeout 0\n");
    put(&mut esp, OLD, &content(2, 5000));
    esp.medium
}

fn image(sparse: &Sparse) -> Vec<u8> {
    let mut bytes = vec![0; BYTES as usize];
    sparse.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn others_read_what_is_written_here() {
    let mut esp = Esp::open(usual()).unwrap();
    put(&mut esp, NEW, &content(3, 70_000));
    esp.remove(OLD).unwrap();
    put(&mut esp, "empty", b"");
    let mut bytes = image(&esp.medium);
    {
        let options = fatfs::FsOptions::new();
        let volume = fatfs::FileSystem::new(Cursor::new(&mut bytes[..]), options).unwrap();
        for (path, wanted) in all(&esp) {
            let mut read = Vec::new();
            volume.root_dir().open_file(&path).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == wanted, "{path}");
        }
        assert!(volume.root_dir().open_file(OLD).is_err());
        assert_eq!(volume.volume_label(), "TAPIOCA");
    }
    let Some(fsck) = ["/usr/sbin/fsck.vfat", "/sbin/fsck.vfat"].into_iter().find(|p| exists(p))
    else {
        eprintln!("SKIPPED, the other opinion on the boot partition: there is no fsck.vfat");
        return;
    };
    let path = std::env::temp_dir().join(format!("esp-{}", std::process::id()));
    std::fs::write(&path, &bytes).unwrap();
    let judged = std::process::Command::new(fsck).arg("-n").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

fn exists(path: &str) -> bool {
    std::path::Path::new(path).exists()
}

#[test]
fn what_others_write_is_read_here() {
    let mut bytes = vec![0; BYTES as usize];
    let how =
        fatfs::FormatVolumeOptions::new().fat_type(fatfs::FatType::Fat32).bytes_per_cluster(512);
    fatfs::format_volume(Cursor::new(&mut bytes[..]), how).unwrap();
    {
        use std::io::Write;
        let options = fatfs::FsOptions::new();
        let volume = fatfs::FileSystem::new(Cursor::new(&mut bytes[..]), options).unwrap();
        volume.root_dir().create_dir("EFI").unwrap();
        let mut file = volume.root_dir().create_file("EFI/Größe of a long name.efi").unwrap();
        file.write_all(&content(4, 3000)).unwrap();
    }
    let mut esp = Esp::open(&mut bytes[..]).unwrap();
    assert_eq!(all(&esp), [("EFI/Größe of a long name.efi".to_owned(), content(4, 3000))].into());
    put(&mut esp, NEW, b"x");
    assert_eq!(all(&Esp::open(&mut bytes[..]).unwrap()).len(), 2);
}

/// Every state that a power cut can leave: all that was flushed, and of what came after any part of it.
fn cut_off(before: &Sparse, log: &[Step], mut judge: impl FnMut(Sparse, &str)) -> usize {
    let mut cases = 0;
    let mut seed = 1_u64;
    let mut flushed = before.fresh();
    let mut waiting: Vec<(u64, Sector)> = Vec::new();
    for (at, step) in log.iter().chain([&Step::Flush]).enumerate() {
        match step {
            Step::Write(n, sector) => waiting.push((*n, *sector)),
            Step::Flush => {
                flushed.sectors.extend(waiting.drain(..));
            }
        }
        for chance in 0..4 {
            let mut left = flushed.fresh();
            for (n, sector) in &waiting {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Nothing of it, all of it, or any part.
                if chance == 1 || (chance > 1 && seed >> 63 == 1) {
                    left.sectors.insert(*n, *sector);
                }
            }
            judge(left, &format!("after step {at}, chance {chance}"));
            cases += 1;
        }
    }
    cases
}

/// `count` names of files that make the directory so full that the next name lies in two sectors.
fn crowd(esp: &mut Esp<Sparse>, count: usize) {
    (0..count).for_each(|n| put(esp, &format!("EFI/Linux/old_{n:02}.efi"), b"old"));
}

#[test]
fn a_power_cut_leaves_the_old_files_and_the_new_one_whole_or_not_at_all() {
    let mut cases = 0;
    // From a directory with room to one that has to become longer.
    for crowded in 0..8 {
        let mut esp = Esp::open(usual()).unwrap();
        crowd(&mut esp, crowded);
        let before = esp.medium.fresh();
        let old = all(&esp);
        let mut esp = Esp::open(before.clone()).unwrap();
        before.log.borrow_mut().clear();
        put(&mut esp, NEW, &content(3, 4000));
        let mut new = old.clone();
        new.insert(NEW.into(), content(3, 4000));
        assert!(all(&esp) == new);
        let log = esp.medium.log.borrow().clone();
        cases += cut_off(&before, &log, |left, when| {
            let mut esp = Esp::open(left).unwrap();
            let found = all(&esp);
            assert!(found == old || found == new, "{when}: {:?}", found.keys());
            // And it can be tried again.
            if found == old {
                put(&mut esp, NEW, &content(3, 4000));
                assert!(all(&Esp::open(esp.medium.fresh()).unwrap()) == new, "{when}");
            }
        });
    }
    assert!(cases > 500, "only {cases} cases");
}

#[test]
fn a_power_cut_leaves_a_removed_file_whole_or_not_at_all() {
    for crowded in 0..6 {
        let mut esp = Esp::open(usual()).unwrap();
        crowd(&mut esp, crowded);
        put(&mut esp, NEW, &content(3, 4000));
        let before = esp.medium.fresh();
        let old = all(&esp);
        let mut esp = Esp::open(before.clone()).unwrap();
        before.log.borrow_mut().clear();
        esp.remove(NEW).unwrap();
        let new = all(&esp);
        assert!(!new.contains_key(NEW));
        let log = esp.medium.log.borrow().clone();
        cut_off(&before, &log, |left, when| {
            let found = all(&Esp::open(left).unwrap());
            assert!(found == old || found == new, "{when}: {:?}", found.keys());
        });
    }
}

#[test]
fn a_power_cut_leaves_a_replaced_file_as_it_was_or_as_it_is_to_be() {
    let before = usual();
    let old = all(&Esp::open(before.fresh()).unwrap());
    let mut esp = Esp::open(before.clone()).unwrap();
    before.log.borrow_mut().clear();
    let loader = content(9, 2000);
    esp.replace(LOADER, loader.len() as u64, &mut &loader[..]).unwrap();
    let mut new = old.clone();
    new.insert(LOADER.into(), loader);
    assert!(all(&Esp::open(esp.medium.fresh()).unwrap()) == new);
    let log = esp.medium.log.borrow().clone();
    let cases = cut_off(&before, &log, |left, when| {
        let found = all(&Esp::open(left).unwrap());
        assert!(found == old || found == new, "{when}: {:?}", found.keys());
    });
    assert!(cases > 40, "only {cases} cases");
}

#[test]
fn what_a_failing_disk_returns_is_an_error_or_a_file_that_is_said_to_be_broken() {
    let good = usual();
    let wanted = all(&Esp::open(good.fresh()).unwrap());
    let used: Vec<u64> = good.sectors.keys().copied().collect();
    let mut seed = 7_u64;
    let mut noticed = 0;
    for _ in 0..3000 {
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        let mut bad = good.fresh();
        for _ in 0..=next(3) {
            // The first sectors and those of directories most of all.
            let sector = used[next(used.len().min(40))];
            let at = next(512);
            bad.sectors.get_mut(&sector).unwrap()[at] = [0, 1, 0x7f, 0xff, 0xe5][next(5)];
        }
        match Esp::open(bad) {
            Err(Error::Damaged(_)) => noticed += 1,
            Err(other) => panic!("{other}"),
            Ok(esp) => {
                let broken = esp.files().iter().filter(|file| !file.whole).count();
                noticed += usize::from(broken > 0);
                for file in esp.files().iter().filter(|file| file.whole && file.bytes < 1 << 20) {
                    esp.copy_to(&file.path, &mut io::sink()).unwrap();
                }
            }
        }
    }
    assert!(noticed > 50, "only {noticed}");
    assert_eq!(wanted.len(), 3);
}

#[test]
fn a_broken_file_is_replaced() {
    let mut esp = Esp::open(usual()).unwrap();
    let first = esp.file(OLD).unwrap().clusters[1];
    esp.fat[first as usize] = 0;
    esp.settle().unwrap();
    let mut esp = Esp::open(esp.medium).unwrap();
    assert!(!esp.file(OLD).unwrap().whole);
    assert!(esp.copy_to(OLD, &mut io::sink()).is_err());
    esp.replace(OLD, 5000, &mut &content(2, 5000)[..]).unwrap();
    assert!(all(&Esp::open(esp.medium).unwrap())[OLD] == content(2, 5000));
}

#[test]
fn what_lies_behind_the_end_of_a_directory_stays_nothing() {
    let name = |esp: &Esp<Sparse>| {
        let directory = esp.directories.iter().find(|d| d.path == "EFI/Linux").unwrap().clone();
        let entries = esp.entries(&directory).unwrap();
        let end = entries.iter().position(|(_, entry)| entry[0] == 0).unwrap();
        // As many entries as the new name takes.
        entries[end + 3].0
    };
    let mut medium = usual();
    let at = name(&Esp::open(medium.fresh()).unwrap());
    let sector = medium.sectors.entry(at / SECTOR).or_insert([0; 512]);
    let from = (at % SECTOR) as usize;
    // A directory that leads nowhere.
    sector[from..from + 11].copy_from_slice(b"GARBAGE    ");
    sector[from + 11] = read::DIRECTORY;
    sector[from + 26] = 0xff;
    let mut esp = Esp::open(medium).unwrap();
    let before = all(&esp);
    for n in 0..9 {
        put(&mut esp, &format!("EFI/Linux/tapioca_0.{n}.0+3.efi"), b"x");
        let found = all(&Esp::open(esp.medium.fresh()).unwrap());
        assert_eq!(found.len(), before.len() + n + 1);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut esp = Esp::open(usual()).unwrap();
    let before = all(&esp);
    let free = esp.free_bytes();
    for (path, bytes) in [(OLD, 1), ("EFI", 1), ("EFI/a b", 1), ("../x", 1), ("big", free + 1)] {
        let refused = esp.put(path, bytes, &mut io::repeat(0));
        assert!(matches!(refused, Err(Error::Refused(_))), "{path}: {refused:?}");
    }
    // The source ends early: nothing is named.
    assert!(esp.put("short", 5000, &mut &b"x"[..]).is_err());
    assert!(all(&Esp::open(esp.medium.fresh()).unwrap()) == before);
    assert_eq!(Esp::open(esp.medium).unwrap().free_bytes(), free);
}
