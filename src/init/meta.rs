//! What the raw partition asks of a start: a time that the clock is not behind, and a reset.
//!
//! Owns both, before anybody else has the partition. A reset is taken off the list last: cut in the middle, it is
//! done once more at the next start. It never touches who the box is, how it started before, or what boots it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use disk::Found;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use slots::Slots;

use super::{BOARD, say};
use crate::steward::keep::{Keep, Kind, Resetting, TimeFloor, encode, newest};
use crate::steward::message::Reset;

/// Does what is asked; in words, what was done.
pub(super) fn heed(found: &Found) -> Result<String, String> {
    let failed = |error| format!("{}: {error}", found.meta.display());
    let mut meta = Slots::open(&found.meta).map_err(failed)?;
    // What time it is may be unknown, and a reset is done all the same.
    let clock = set_clock(&meta);
    let asked: Option<Resetting> = newest(&meta, Kind::Reset).map_err(|fault| fault.what)?;
    let reset = asked.and_then(|asked| Some((asked.what?, asked)));
    let reset = match reset {
        Some((what, asked)) => {
            carry_out(&mut meta, found, what, asked)?;
            format!("reset: {what:?}")
        }
        None => String::new(),
    };
    let done = [clock?, reset];
    Ok(done.iter().filter(|done| !done.is_empty()).cloned().collect::<Vec<_>>().join(", "))
}

fn carry_out(meta: &mut Slots, found: &Found, what: Reset, asked: Resetting) -> Result<(), String> {
    say(&format!("a reset was asked for: {what:?}"));
    let failed = |error: slots::Error| format!("reset: {error}");
    if what == Reset::Everything {
        if let Some(data) = &found.data {
            disk::forget(data).map_err(|e| format!("reset: {}: {e}", data.display()))?;
        }
        meta.erase(slots::Kind::Administrator).map_err(failed)?;
    }
    meta.erase(slots::Kind::Settings).map_err(failed)?;
    let done = encode(&Resetting { what: None, ..asked }).map_err(|fault| fault.what)?;
    Keep::write(meta, Kind::Reset, &done).map(drop).map_err(|fault| fault.what)
}

/// It is no earlier than when the image was made, or than it was the last time it was written down.
fn set_clock(meta: &Slots) -> Result<String, String> {
    let built_s = fs::metadata(BOARD).map_err(|e| format!("{BOARD}: {e}"))?.mtime();
    let noted: Result<Option<TimeFloor>, _> = newest(meta, Kind::TimeFloor);
    let floor_s = noted.as_ref().ok().copied().flatten().map_or(built_s, |at| at.at_s.max(built_s));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let is_behind = i64::try_from(since.as_secs()).is_ok_and(|now_s| now_s < floor_s);
    if is_behind {
        clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(floor_s, 0))
            .map_err(|e| format!("the clock cannot be set: {e}"))?;
    }
    noted.map_err(|fault| fault.what)?;
    Ok(if is_behind {
        format!("the clock was behind and is {floor_s} s now")
    } else {
        String::new()
    })
}
