//! Finding a lost position again.
//!
//! Owns the way from a unit attention, a reset, a deferred error or a lost answer back to writing:
//! reach the drive, recognise the volume by its label, read the last confirmed block, see what of the
//! kept blocks landed. What cannot be proved ends the stream; nothing is overwritten on a guess.

use scsi::BlockAddress;
use ssc::ReadOut;

use super::{READY_LIMIT, RECOVERIES_MAX, TapeWriter};
use crate::library::fault::drive_fault;
use crate::library::reel::{Anchor, Found, identify};
use crate::stream::{Blame, Fault};
use crate::volume::{Label, block};

impl TapeWriter {
    /// Finds the last confirmed block again and returns which kept block is to be written next, or
    /// `None` when this medium cannot be written any more.
    pub(super) fn recover(&mut self, error: &ssc::Error) -> Result<Option<usize>, Fault> {
        let mut error = error.clone();
        loop {
            self.recoveries += 1;
            let name = self.label().map(Label::name).unwrap_or_default();
            if self.recoveries > RECOVERIES_MAX || !is_recoverable(&error) {
                let what = format!("cannot write block {} of {name}", self.next);
                return Err(drive_fault(&self.reel().drive, &what, &error));
            }
            tracing::warn!(volume = name, %error, "finding the position again");
            match self.find_position()? {
                Ok(resume) => return Ok(Some(resume)),
                Err(ssc::Error::Medium { .. }) => return Ok(None),
                Err(again) => error = again,
            }
        }
    }

    /// The outer error ends the stream; the inner one is worth another try.
    pub(super) fn find_position(&mut self) -> Result<Result<usize, ssc::Error>, Fault> {
        macro_rules! inner {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(error) => return Ok(Err(error)),
                }
            };
        }
        let reel = self.reel.as_mut().expect("a part has a volume");
        inner!(wake(&mut reel.drive));
        match inner!(identify(&mut reel.drive)) {
            Found::Ours { label, .. } if label.volume_id == reel.label.volume_id => {}
            found => return Err(changed_medium(&reel.label, &found)),
        }
        let Anchor { address, checksum, then_filemark } = reel.anchor;
        let mut buffer = vec![0; reel.label.block_bytes];
        inner!(reel.drive.locate(BlockAddress(address)));
        let read = inner!(reel.drive.read_block(&mut buffer));
        if !is_block(read, &buffer, checksum) {
            return Err(lost_confirmed_block(&reel.label, address));
        }
        if then_filemark && inner!(reel.drive.read_block(&mut buffer)) != ReadOut::Filemark {
            return Err(lost_confirmed_block(&reel.label, address + 1));
        }
        // What landed stays: some media cannot be written twice.
        let mut landed = 0;
        for kept in &self.kept {
            match reel.drive.read_block(&mut buffer) {
                Ok(read) if is_block(read, &buffer, kept.checksum) => landed += 1,
                Ok(_) | Err(ssc::Error::Medium { .. }) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        let resume = reel.anchor.next() + landed as u64;
        inner!(reel.drive.locate(BlockAddress(resume)));
        Ok(Ok(landed))
    }
}

fn is_recoverable(error: &ssc::Error) -> bool {
    match error {
        ssc::Error::Reset { .. } | ssc::Error::Deferred { .. } | ssc::Error::Drive { .. } => true,
        ssc::Error::Link { fault, .. } => !matches!(fault, ssc::LinkFault::Stranger { .. }),
        ssc::Error::Operator { need, .. } => matches!(need, ssc::Need::Patience | ssc::Need::Load),
        ssc::Error::Medium { .. } | ssc::Error::Unsupported { .. } | ssc::Error::Ours { .. } => {
            false
        }
    }
}

/// Reaches the drive again, medium mounted and modes set.
fn wake(drive: &mut ssc::Drive) -> Result<(), ssc::Error> {
    match drive.ready() {
        Ok(ssc::Readiness::Ready) => {}
        Ok(_) => {
            if drive.wait_ready(READY_LIMIT)? == ssc::Readiness::NeedsLoad {
                drive.load()?;
            }
        }
        Err(error) if error.is_gone() => drive.reopen()?,
        Err(error) => return Err(error),
    }
    drive.configure()
}

fn is_block(read: ReadOut, buffer: &[u8], checksum: u32) -> bool {
    let ReadOut::Block(bytes) = read else { return false };
    block::open(&buffer[..bytes]).is_ok_and(|opened| opened.checksum == checksum)
}

fn changed_medium(label: &Label, found: &Found) -> Fault {
    let now = match found {
        Found::Blank => "a blank one".into(),
        Found::Ours { label, .. } => format!("volume {}", label.name()),
        Found::Foreign { why } => format!("a foreign one ({why})"),
    };
    Fault::never(
        Blame::Operator,
        format!(
            "the medium was changed under us: {} was being written and now there is {now}",
            label.name()
        ),
    )
}

fn lost_confirmed_block(label: &Label, address: u64) -> Fault {
    Fault::never(
        Blame::Medium,
        format!("{}: block {address}, which the drive had confirmed, is not there", label.name()),
    )
    .hint("this drive or medium loses data it has acknowledged: take both out of use, and check the volume")
}
