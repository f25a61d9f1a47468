//! Is there a medium, and is it ready?
//!
//! Owns TEST UNIT READY and its answers, LOAD UNLOAD, and PREVENT ALLOW MEDIUM REMOVAL. A drive that
//! is becoming ready is waited for, however long the caller is willing to wait: the first load of
//! an LTO-9 cartridge calibrates for up to two hours. Source: SSC-5 7.3, SPC-5 6.16 and 6.47.

use std::time::Duration;

use scsi::{Data, Sense, SenseKey, cdb};

use crate::capability::Support;
use crate::count::Count;
use crate::drive::{Answer, Drive, succeeded};
use crate::error::{Error, Need};
use crate::outcome::Readiness;

/// Unit attentions a drive may have queued before something else is wrong.
const ATTENTIONS_MAX: u32 = 16;
const POLL_FIRST: Duration = Duration::from_millis(50);
const POLL_MAX: Duration = Duration::from_secs(2);

impl Drive {
    /// Asks whether the drive can work now. Pending unit attentions are absorbed: compare
    /// [`generation`](Drive::generation) before and after to learn of them.
    pub fn ready(&mut self) -> Result<Readiness, Error> {
        let mut attentions = 0;
        loop {
            match self.issue(&cdb::test_unit_ready(), Data::None) {
                Ok(Answer::Good { .. }) => return Ok(Readiness::Ready),
                Ok(Answer::Check { sense, .. }) => return self.readiness(sense),
                Err(Error::Reset { .. }) if attentions < ATTENTIONS_MAX => attentions += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn readiness(&mut self, sense: Sense) -> Result<Readiness, Error> {
        if succeeded(&sense) {
            return Ok(Readiness::Ready);
        }
        self.count = Count::UNKNOWN;
        Ok(match (sense.key, sense.code) {
            (SenseKey::NotReady, Some((0x3a, _))) => Readiness::NoMedium,
            (SenseKey::NotReady, Some((0x04, 0x02))) => Readiness::NeedsLoad,
            // Becoming ready, format, rebuild, operation, long write, self-test, calibration.
            (SenseKey::NotReady, Some((0x04, 0x01 | 0x04..=0x08 | 0x14))) => {
                Readiness::BecomingReady
            }
            (SenseKey::NotReady | SenseKey::MediumError, Some((0x30, 0x03))) => Readiness::Cleaning,
            _ => Readiness::Other(sense),
        })
    }

    /// Asks until the drive is anything but becoming ready, or until `limit` has passed; then the
    /// answer is still [`Readiness::BecomingReady`].
    pub fn wait_ready(&mut self, limit: Duration) -> Result<Readiness, Error> {
        let started = self.clock.now();
        let mut pause = POLL_FIRST;
        loop {
            let readiness = self.ready()?;
            let waited = self.clock.now().saturating_sub(started);
            if readiness != Readiness::BecomingReady || waited >= limit {
                return Ok(readiness);
            }
            self.clock.sleep(pause.min(limit - waited));
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    /// Mounts the medium and waits until it is ready, at most the time limit of LOAD UNLOAD (two
    /// hours and more). To show progress or to wait less, call [`wait_ready`](Drive::wait_ready)
    /// in steps instead: a drive that was just given a medium by a robot mounts it by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Operator`] when there is no medium, or none this drive can use.
    pub fn load(&mut self) -> Result<(), Error> {
        let cdb = cdb::load(true);
        self.past_attentions(&cdb)?;
        let limit = self.limits.of(&cdb);
        let need = match self.wait_ready(limit)? {
            Readiness::Ready => return Ok(()),
            Readiness::BecomingReady => Need::Patience,
            Readiness::NoMedium => Need::Medium,
            Readiness::NeedsLoad => Need::Load,
            Readiness::Cleaning => Need::Cleaning,
            Readiness::Other(sense) => return Err(self.refuse(&cdb, sense)),
        };
        let device = self.name.clone();
        Err(Error::Operator { device, command: "LOAD UNLOAD", need, sense: None })
    }

    /// Writes out what is buffered, rewinds, and lets go of the medium. Blocks until done: minutes.
    pub fn unload(&mut self) -> Result<(), Error> {
        self.moving(&cdb::unload(false))?;
        self.attention();
        Ok(())
    }

    /// Locks the medium in. Not every drive can; one that cannot is left as it is.
    pub fn prevent_removal(&mut self) -> Result<(), Error> {
        self.removal(true)
    }

    /// Lets the medium be taken out again.
    pub fn allow_removal(&mut self) -> Result<(), Error> {
        self.removal(false)
    }

    fn removal(&mut self, prevent: bool) -> Result<(), Error> {
        let outcome = self.past_attentions(&cdb::prevent_allow_medium_removal(prevent));
        self.capabilities.prevent_removal = match outcome {
            Ok(()) => Support::Yes,
            Err(Error::Unsupported { .. }) => Support::No,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// A command that may follow unit attentions: it is what brings the drive into a known state.
    pub(crate) fn past_attentions(&mut self, cdb: &[u8]) -> Result<(), Error> {
        for _ in 0..ATTENTIONS_MAX {
            match self.simple(cdb, Data::None) {
                Err(Error::Reset { .. }) => {}
                result => return result.map(drop),
            }
        }
        self.simple(cdb, Data::None).map(drop)
    }
}
