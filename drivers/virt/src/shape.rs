//! What a library is made of, as told by whoever creates it.
//!
//! Owns [`Shape`], [`MediumSpec`] and [`Options`], and their form in `library.toml`. Element
//! addresses follow from the shape: transport 1, mail slots from 16, drives from 256, storage
//! from 1024.

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub(crate) const TRANSPORT: u16 = 1;
pub(crate) const FIRST_MAIL: u16 = 16;
pub(crate) const FIRST_DRIVE: u16 = 256;
pub(crate) const FIRST_STORAGE: u16 = 1024;

/// Shape of a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Data transfer elements, 1 to 256.
    pub drives: u16,
    /// Storage elements, 1 to 32768.
    pub slots: u16,
    /// Import/export elements, 0 to 240.
    pub mail_slots: u16,
    /// Serial numbers and every other arbitrary choice follow from this.
    pub seed: u64,
    /// How the drives spell early warning.
    pub early_warning: EarlyWarningStyle,
    /// Media put into the storage elements, in order, when the library is created.
    #[serde(default)]
    pub media: Vec<MediumSpec>,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            drives: 2,
            slots: 24,
            mail_slots: 2,
            seed: 1,
            early_warning: EarlyWarningStyle::EomBit,
            media: Vec::new(),
        }
    }
}

impl Shape {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bad = |why: &str| Err(Error::BadShape(format!("a library cannot have {why}")));
        if self.drives == 0 || self.drives > 256 {
            return bad("fewer than 1 or more than 256 drives");
        }
        if self.slots == 0 || self.slots > 32768 {
            return bad("fewer than 1 or more than 32768 slots");
        }
        if self.mail_slots > FIRST_DRIVE - FIRST_MAIL {
            return bad("more than 240 mail slots");
        }
        if self.media.len() > usize::from(self.slots) {
            return bad("more media than slots");
        }
        self.media.iter().try_for_each(MediumSpec::check)
    }
}

/// One medium as it leaves the factory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumSpec {
    /// Barcode, up to 32 printable ASCII characters; empty means no label.
    pub volume_tag: String,
    /// Bytes of block data it holds (a filemark takes 32).
    pub capacity_bytes: u64,
    /// Of these, the room left once early warning is given.
    pub early_warning_bytes: u64,
    /// What sort of cartridge.
    pub kind: MediumKind,
}

impl MediumSpec {
    /// A rewritable data medium whose early warning comes at 15/16 of its capacity.
    pub fn data(volume_tag: &str, capacity_bytes: u64) -> MediumSpec {
        MediumSpec {
            volume_tag: volume_tag.to_owned(),
            capacity_bytes,
            early_warning_bytes: capacity_bytes / 16,
            kind: MediumKind::Data,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let tag = &self.volume_tag;
        if tag.len() > 32 || !tag.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(Error::BadShape(format!(
                "{tag:?} is no volume tag: up to 32 printable ASCII characters"
            )));
        }
        if self.early_warning_bytes > self.capacity_bytes {
            return Err(Error::BadShape(format!("{tag}: early warning lies before the beginning")));
        }
        Ok(())
    }
}

/// What sort of cartridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediumKind {
    /// Rewritable.
    Data,
    /// Write once: appends only.
    Worm,
    /// Holds no data; a drive that gets one cleans itself and counts one use.
    Cleaning,
    /// Rewritable, with the write-protect tab set.
    WriteProtected,
}

/// How the drives say that the end comes near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EarlyWarningStyle {
    /// Sense key 0, 00/00, EOM set.
    EomBit,
    /// Sense key 0, 00/02, EOM set.
    EndOfMedium,
    /// 00/07 once on entering the programmable zone, then 00/02. The zone is as long as mode page
    /// 10/01 says or, while that says 0, as long as the room after the early warning.
    Programmable,
}

/// Habits of the devices that differ between real products. Kept in `library.toml`, editable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A flush of the write buffer also waits for the host's own disk.
    pub fsync: bool,
    /// Write buffer of one drive.
    pub buffer_bytes: u64,
    /// A medium put into a drive is loaded without a LOAD command.
    pub auto_load: bool,
    /// TEST UNIT READY and its like answered with 2/04/01 after each load.
    pub becoming_ready: u32,
    /// The robot refuses to take a medium the drive has not unloaded (4/53/01); otherwise it
    /// makes the drive unload it.
    pub eject_before_move: bool,
    /// READ ELEMENT STATUS refuses VOLTAG and DVCID in one command.
    pub refuse_voltag_with_dvcid: bool,
    /// Answers with DVCID leave the FULL bit of drives clear.
    pub dvcid_clears_full: bool,
    /// A read of a never-written medium gives 8/00/00, not 8/00/05.
    pub blank_is_plain: bool,
    /// After a power cut that lost data, end-of-data cannot be found (3/14/03).
    pub power_cut_loses_eod: bool,
    /// Uses of a new cleaning medium.
    pub cleaning_uses: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fsync: true,
            buffer_bytes: 256 << 20,
            auto_load: true,
            becoming_ready: 0,
            eject_before_move: false,
            refuse_voltag_with_dvcid: false,
            dvcid_clears_full: false,
            blank_is_plain: false,
            power_cut_loses_eod: false,
            cleaning_uses: 50,
        }
    }
}
