//! The catalogue, made anew of what lies on cartridges.
//!
//! Owns the way from cartridges to a whole catalogue file, and when the service takes it: once for each word that its
//! configuration gives. The file takes the place of the old one only when it is whole; what was there before stays
//! beside it. A rebuild that fails or is cut changes nothing.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::config;
use super::devices::{Devices, inventory};
use super::doors::{Change, Doors};
use super::own;
use crate::catalogue::export;
use crate::catalogue::rebuild::{Known, Rebuilt, lines_of_indexes, rebuild};
use crate::catalogue::record::Record;
use crate::catalogue::run::RunWriter;
use crate::catalogue::{Catalogue, Snapshot, sync_folder_of};
use crate::library::Mount;
use crate::library::contents::{Contents, StreamFound, Which, gather};
use crate::parts::process::age::Identities;
use crate::parts::recover::{payload, recover};
use crate::parts::whole_file::WholeFile;
use crate::stream::{Fault, KIND_RAW};
use crate::tapicom::door::CONSOLE;

/// How long drives and a robot that others hold may take to come.
const DOORS_WAIT: Duration = Duration::from_secs(20);
/// For how long none comes when all are there.
const DOORS_QUIET: Duration = Duration::from_secs(3);
/// The longest copy of the records that is read, bytes.
const RECORDS_BYTES_MAX: usize = 1 << 30;
/// Ends of a catalogue's two files.
const SUFFIXES: [&str; 2] = ["", ".last"];

/// A path with something behind its last name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes the catalogue `to` of what lies on cartridges and what is known besides. The file has its name
/// only once it is whole; of one that is not nothing stays.
///
/// # Errors
///
/// The drive, the changer, or this host. What is wrong with media is in the answer.
pub fn make(
    to: &Path,
    mount: &mut Mount,
    known: Known<'_>,
    contents: &Contents,
    identities: Option<&Identities>,
) -> Result<Rebuilt, Fault> {
    let partial = with_suffix(to, ".partial");
    let mut catalogue = Catalogue::create(&partial).map_err(|fault| {
        fault.hint("another rebuild is making it, or was stopped and it can be removed")
    })?;
    let rebuilt = rebuild(&mut catalogue, known, contents, &mut |stream, run| {
        lines_of(mount, stream, identities, run)
    });
    drop(catalogue);
    for suffix in SUFFIXES {
        let (from, name) = (with_suffix(&partial, suffix), with_suffix(to, suffix));
        let done = match &rebuilt {
            Ok(_) => fs::rename(from, &name),
            Err(_) => fs::remove_file(from),
        };
        done.map_err(|e| Fault::host(format!("cannot name {}", name.display()), &e))?;
    }
    sync_folder_of(to)?;
    rebuilt
}

/// From the indexes of a stream; from its data where one is lost and nothing is sealed.
fn lines_of(
    mount: &mut Mount,
    stream: &StreamFound,
    identities: Option<&Identities>,
    run: &mut RunWriter,
) -> Result<Vec<String>, Fault> {
    if !stream.needs_recovery() || stream.sealed_lines() > 0 {
        lines_of_indexes(stream, run)?;
        return Ok(Vec::new());
    }
    let mut lines = WholeLines { run, begun: Vec::new() };
    let recovered = recover(mount, stream, identities, &mut lines)?;
    Ok(recovered.lost.into_iter().collect())
}

/// Hands whole lines on.
struct WholeLines<'a> {
    run: &'a mut RunWriter,
    begun: Vec<u8>,
}

impl Write for WholeLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        if let Some(end) = self.begun.iter().rposition(|&b| b == b'\n') {
            let rest = self.begun.split_off(end + 1);
            self.run.lines(&self.begun).map_err(std::io::Error::other)?;
            self.begun = rest;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The records as the newest copy on these cartridges that is whole has them; none if there is none. What is wrong
/// with newer ones goes to `wrong`.
///
/// # Errors
///
/// The drive, the changer, or this host.
pub fn records_on_tape(
    mount: &mut Mount,
    contents: &Contents,
    wrong: &mut Vec<String>,
) -> Result<Vec<Record>, Fault> {
    let name = format!("{CONSOLE}/{}", own::NAME);
    let is_copy =
        |stream: &&StreamFound| stream.begin.kind == KIND_RAW && stream.begin.name == name;
    let mut copies: Vec<&StreamFound> = contents.streams.iter().filter(is_copy).collect();
    copies.sort_by_key(|stream| std::cmp::Reverse(stream.begin.created_s));
    for copy in copies {
        let id = copy.begin.stream;
        let mut bytes = Limited(Vec::new());
        let lost = match copy.is_complete() {
            true => payload(mount, copy, &mut bytes)?,
            false => Some("it was never finished".into()),
        };
        let read = match lost {
            Some(why) => Err(why),
            None => export::records(&mut bytes.0.as_slice(), "the copy").map_err(|f| f.what),
        };
        match read {
            Ok(records) => return Ok(records),
            Err(why) => wrong.push(format!("the records in stream {id} are not used: {why}")),
        }
    }
    Ok(Vec::new())
}

/// Memory that ends.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > RECORDS_BYTES_MAX {
            let what = format!("the copy has more than {RECORDS_BYTES_MAX} bytes");
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// When the service rebuilds: its configuration says a word that it did not carry out yet.
pub struct Asked<'a> {
    word: &'a str,
    state: &'a Path,
}

/// What was carried out last, in the folder of the service's state.
const DONE: &str = "rebuilt";

impl<'a> Asked<'a> {
    /// What is asked of a service that keeps its things in `state`, if anything is.
    ///
    /// # Errors
    ///
    /// What was carried out last cannot be read.
    pub fn of(word: Option<&'a str>, state: &'a Path) -> Result<Option<Asked<'a>>, Fault> {
        let Some(word) = word else { return Ok(None) };
        let done = state.join(DONE);
        match fs::read_to_string(&done) {
            Ok(last) if last == word => Ok(None),
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::host(format!("cannot read {}", done.display()), &e))
            }
            _ => Ok(Some(Asked { word, state })),
        }
    }

    /// Carries it out, and says in words whether it was done, and then what is wrong. It is not tried again: without
    /// success the catalogue is as it was. Who comes and goes behind `doors` is seen here for itself: the service still
    /// has to hear of all of them.
    ///
    /// # Errors
    ///
    /// That it was done cannot be remembered.
    pub fn carry_out(
        self,
        catalogue: &Path,
        devices: &Devices,
        doors: Option<&config::Doors>,
    ) -> Result<Vec<String>, Fault> {
        let doors = doors.map(|doors| Doors::new(doors.clone(), self.state));
        let done = self.state.join(DONE);
        tracing::info!("the catalogue is made anew of what lies on cartridges");
        let words = match anew(catalogue, devices, doors) {
            Ok(words) => words,
            Err(fault) => {
                vec![format!("the catalogue is as it was, as it cannot be made anew: {fault}")]
            }
        };
        let mut file = WholeFile::create(&done)?;
        file.write_all(self.word.as_bytes())
            .map_err(|e| Fault::host(format!("cannot write {}", done.display()), &e))?;
        file.publish()?;
        Ok(words)
    }
}

fn anew(catalogue: &Path, devices: &Devices, doors: Option<Doors>) -> Result<Vec<String>, Fault> {
    if let Some(mut doors) = doors {
        wait_for(&mut doors, devices);
    }
    if let Some(mut changer) = devices.changer()? {
        devices.find_bays(&inventory(&mut changer)?);
    }
    // A cartridge in another drive would be missed.
    for drive in 1..devices.count() {
        match devices.mount(drive) {
            Ok(mut mount) if mount.has_changer() => mount.put_away()?,
            Ok(_) => tracing::warn!("drive {}: what is in it is not read", drive + 1),
            Err(fault) => tracing::warn!(%fault, "drive {} is not looked into", drive + 1),
        }
    }
    let mut mount = devices.mount(0)?;
    let which = if mount.has_changer() { Which::All } else { Which::Loaded };
    let contents = gather(&mut mount, &which)?;
    let mut wrong = Vec::new();
    // What is remembered, if it can be read, is newer than any copy, and is of cartridges that are not here, too.
    let old = remembered(catalogue).unwrap_or_else(|fault| {
        wrong.push(format!("what was remembered is lost: {fault}"));
        None
    });
    let (records, lists) = match old {
        Some((records, lists)) => (records, Some(lists)),
        None => (records_on_tape(&mut mount, &contents, &mut wrong)?, None),
    };
    let new = catalogue.with_extension("new");
    for suffix in SUFFIXES {
        remove(&with_suffix(&new, suffix))?;
        remove(&with_suffix(&new, &format!(".partial{suffix}")))?;
    }
    let rebuilt =
        make(&new, &mut mount, Known { records, lists: lists.as_ref() }, &contents, None)?;
    drop(lists);
    if let Err(fault) = mount.put_away() {
        tracing::warn!(%fault, "a cartridge stays in drive 1");
    }
    exchange(catalogue, &new)?;
    let (jobs, cartridges) = (rebuilt.jobs.len(), contents.cartridges.len());
    wrong.extend(rebuilt.trouble);
    let mut words =
        vec![format!("the catalogue was made anew: {jobs} jobs, of {cartridges} cartridges")];
    words.extend(wrong);
    Ok(words)
}

/// The old catalogue, its records and its lists; none where there is none, or nothing was backed up.
fn remembered(catalogue: &Path) -> Result<Option<(Vec<Record>, Snapshot)>, Fault> {
    if !catalogue.exists() {
        return Ok(None);
    }
    let old = Catalogue::open(catalogue)?;
    let (records, lists) = (old.load()?, old.reader().snapshot()?);
    let is_of_use = records.iter().any(|record| matches!(record, Record::Job(_)));
    Ok(is_of_use.then_some((records, lists)))
}

/// Puts the new catalogue where the old one is, which stays beside it. At no moment is there none.
fn exchange(catalogue: &Path, new: &Path) -> Result<(), Fault> {
    let old = catalogue.with_extension("before");
    remove(&old)?;
    let failed = |e: std::io::Error| Fault::host(format!("cannot keep {}", old.display()), &e);
    match fs::hard_link(catalogue, &old) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        linked => linked.map_err(failed)?,
    }
    for suffix in SUFFIXES {
        let place = with_suffix(catalogue, suffix);
        fs::rename(with_suffix(new, suffix), &place)
            .map_err(|e| Fault::host(format!("cannot change {}", place.display()), &e))?;
    }
    sync_folder_of(catalogue)
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::host(format!("cannot remove {}", path.display()), &e))
        }
        _ => Ok(()),
    }
}

/// Waits until a robot and drives are there and no more come, or for as long as they may take.
fn wait_for(doors: &mut Doors, devices: &Devices) {
    let deadline = Instant::now() + DOORS_WAIT;
    let (mut drives, mut quiet_since) = (0, Instant::now());
    let is_whole = |drives: i32, doors: &Doors, quiet_since: Instant| {
        drives > 0 && doors.robot().is_some() && quiet_since.elapsed() > DOORS_QUIET
    };
    while Instant::now() < deadline && !is_whole(drives, doors, quiet_since) {
        for change in doors.look(Instant::now()) {
            quiet_since = Instant::now();
            match change {
                Change::DriveCame(_) => drives += 1,
                Change::RobotCame(name) => devices.take_changer(name),
                Change::DriveLost(_) => drives -= 1,
                Change::Trouble(words) => tracing::warn!("{words}"),
            }
        }
        devices.rename(doors.names());
        std::thread::sleep(Duration::from_millis(200));
    }
}
