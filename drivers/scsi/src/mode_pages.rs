//! What the mode pages mean.
//!
//! Owns pages 0Ah and 0Ah/F0h control, 0Fh compression, 10h and 10h/01h device configuration, 11h
//! partitions, 1Ch informational exceptions, 1Dh medium configuration (tape) and 1Dh element address
//! assignment (changer). Each decodes a page with its header, as [`ModePage::bytes`] has it; to
//! change a field, keep the bytes and set it there with the `set_` functions, so that bits nobody
//! knows stay as the device had them. Source: SPC-5 7.5, SSC-5 8.4, SMC-3 7.3.
//!
//! [`ModePage::bytes`]: crate::mode::ModePage::bytes

use crate::error::{Error, at_least};
use crate::reader::{be16, be32, bit, byte};
use crate::types::{ElementAddress, Partition};

/// Checks page code, subpage and length.
fn expect<'a>(
    reply: &'static str,
    bytes: &'a [u8],
    (page, subpage): (u8, Option<u8>),
    need: usize,
) -> Result<&'a [u8], Error> {
    let found = byte(bytes, 0).unwrap_or(0);
    let bytes = at_least(reply, bytes, need)?;
    if found & 0x3f != page || (found & 0x40 != 0) != subpage.is_some() {
        return Err(Error::WrongPage { reply, expected: page, found: found & 0x3f });
    }
    match subpage {
        Some(expected) if bytes[1] != expected => {
            Err(Error::WrongPage { reply, expected, found: bytes[1] })
        }
        _ => Ok(bytes),
    }
}

/// Sets or clears the bits of `mask` in the byte at `at`, if it is there.
fn set(bytes: &mut [u8], at: usize, mask: u8, on: bool) {
    if let Some(b) = bytes.get_mut(at) {
        *b = if on { *b | mask } else { *b & !mask };
    }
}

/// Page 0Ah: control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// D_SENSE: sense data come in descriptor format.
    pub descriptor_sense: bool,
    /// SWP: software write protect.
    pub write_protect: bool,
    /// TAS: aborted commands are answered with TASK ABORTED.
    pub task_aborted_status: bool,
    /// BUSY TIMEOUT PERIOD, tenths of a second; FFFFh is without limit.
    pub busy_timeout_ds: u16,
}

impl Control {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<Control, Error> {
        let bytes = expect("control mode page", bytes, (0x0a, None), 10)?;
        Ok(Control {
            descriptor_sense: bit(bytes, 2, 0x04),
            write_protect: bit(bytes, 4, 0x08),
            task_aborted_status: bit(bytes, 5, 0x40),
            busy_timeout_ds: be16(bytes, 8).unwrap_or(0),
        })
    }
}

/// Page 0Ah/F0h: control data protection, the drive-checked CRC of each block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockProtection {
    /// LBP METHOD: 0 off, 1 Reed-Solomon CRC, 2 CRC32C.
    pub method: u8,
    /// LBP INFORMATION LENGTH: bytes added to each block, 4 for both methods.
    pub length: u8,
    /// LBP_W: on writing.
    pub on_write: bool,
    /// LBP_R: on reading.
    pub on_read: bool,
    /// RBDP: on RECOVER BUFFERED DATA.
    pub on_recover: bool,
}

impl BlockProtection {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<BlockProtection, Error> {
        let bytes = expect("block protection mode page", bytes, (0x0a, Some(0xf0)), 7)?;
        Ok(BlockProtection {
            method: bytes[4],
            length: bytes[5] & 0x3f,
            on_write: bit(bytes, 6, 0x80),
            on_read: bit(bytes, 6, 0x40),
            on_recover: bit(bytes, 6, 0x20),
        })
    }

    /// Writes these values into a page as it came.
    pub fn set_into(self, bytes: &mut [u8]) -> Result<(), Error> {
        Self::decode(bytes)?;
        bytes[4] = self.method;
        bytes[5] = bytes[5] & !0x3f | self.length & 0x3f;
        set(bytes, 6, 0x80, self.on_write);
        set(bytes, 6, 0x40, self.on_read);
        set(bytes, 6, 0x20, self.on_recover);
        Ok(())
    }
}

/// Page 0Fh: data compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// DCE: data are compressed on writing.
    pub compress: bool,
    /// DCC: the drive can compress.
    pub capable: bool,
    /// DDE: data are decompressed on reading.
    pub decompress: bool,
    /// COMPRESSION ALGORITHM.
    pub algorithm: u32,
    /// DECOMPRESSION ALGORITHM.
    pub decompression_algorithm: u32,
}

impl Compression {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<Compression, Error> {
        let bytes = expect("data compression mode page", bytes, (0x0f, None), 12)?;
        Ok(Compression {
            compress: bit(bytes, 2, 0x80),
            capable: bit(bytes, 2, 0x40),
            decompress: bit(bytes, 3, 0x80),
            algorithm: be32(bytes, 4).unwrap_or(0),
            decompression_algorithm: be32(bytes, 8).unwrap_or(0),
        })
    }

    /// Switches compression in a page as it came.
    pub fn set_compress(bytes: &mut [u8], on: bool) -> Result<(), Error> {
        Self::decode(bytes)?;
        set(bytes, 2, 0x80, on);
        Ok(())
    }
}

/// Page 10h: device configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceConfiguration {
    /// ACTIVE PARTITION.
    pub active_partition: Partition,
    /// WRITE DELAY TIME, tenths of a second before a partial buffer is written.
    pub write_delay_ds: u16,
    /// LOIS: logical objects have identifiers.
    pub object_identifiers: bool,
    /// EEG: end of data is written where it must be.
    pub end_of_data_generated: bool,
    /// SEW: buffered data are written when early warning is met.
    pub synchronise_at_early_warning: bool,
    /// BAM: explicit address mode.
    pub explicit_address: bool,
    /// SELECT DATA COMPRESSION ALGORITHM: 0 off, 1 the drive's default.
    pub compression: u8,
    /// WTRE: what happens to WORM media that look tampered with.
    pub worm_tamper: u8,
    /// REWIND ON RESET.
    pub rewind_on_reset: u8,
    /// ASOCWP: write protect of the associated medium.
    pub associated_write_protect: bool,
    /// PERSWP: persistent write protect.
    pub persistent_write_protect: bool,
    /// PRMWP: permanent write protect.
    pub permanent_write_protect: bool,
}

impl DeviceConfiguration {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<DeviceConfiguration, Error> {
        let bytes = expect("device configuration mode page", bytes, (0x10, None), 16)?;
        Ok(DeviceConfiguration {
            active_partition: Partition(bytes[3]),
            write_delay_ds: be16(bytes, 6).unwrap_or(0),
            object_identifiers: bit(bytes, 8, 0x40),
            end_of_data_generated: bit(bytes, 10, 0x10),
            synchronise_at_early_warning: bit(bytes, 10, 0x08),
            explicit_address: bit(bytes, 10, 0x01),
            compression: bytes[14],
            worm_tamper: bytes[15] >> 6,
            rewind_on_reset: bytes[15] >> 3 & 0x03,
            associated_write_protect: bit(bytes, 15, 0x04),
            persistent_write_protect: bit(bytes, 15, 0x02),
            permanent_write_protect: bit(bytes, 15, 0x01),
        })
    }
}

/// Page 10h/01h: device configuration extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceConfigurationExtension {
    /// WRITE MODE: 0 overwriting allowed, 1 append only.
    pub write_mode: u8,
    /// SHORT ERASE MODE.
    pub short_erase_mode: u8,
    /// PEWS: programmable early warning this many MB before early warning; 0 is off.
    pub early_warning_mb: u16,
    /// VCELBRE: the volume containing encrypted logical blocks requires encryption.
    pub encrypted_volume_stays_encrypted: bool,
}

impl DeviceConfigurationExtension {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<DeviceConfigurationExtension, Error> {
        let reply = "device configuration extension mode page";
        let bytes = expect(reply, bytes, (0x10, Some(0x01)), 9)?;
        Ok(DeviceConfigurationExtension {
            write_mode: bytes[5] >> 4,
            short_erase_mode: bytes[5] & 0x0f,
            early_warning_mb: be16(bytes, 6).unwrap_or(0),
            encrypted_volume_stays_encrypted: bit(bytes, 8, 0x01),
        })
    }

    /// Sets the programmable early warning in a page as it came.
    pub fn set_early_warning_mb(bytes: &mut [u8], early_warning_mb: u16) -> Result<(), Error> {
        Self::decode(bytes)?;
        bytes[6..8].copy_from_slice(&early_warning_mb.to_be_bytes());
        Ok(())
    }

    /// Sets append-only mode in a page as it came.
    pub fn set_append_only(bytes: &mut [u8], on: bool) -> Result<(), Error> {
        Self::decode(bytes)?;
        bytes[5] = bytes[5] & 0x0f | u8::from(on) << 4;
        Ok(())
    }
}

/// Page 11h: medium partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumPartitions {
    /// MAXIMUM ADDITIONAL PARTITIONS; 0 when the medium or drive has none.
    pub maximum_additional: u8,
    /// ADDITIONAL PARTITIONS DEFINED: 0 is an ordinary one-partition tape.
    pub additional: u8,
    /// FDP, SDP, IDP: fixed, selected, initiator-defined partitions.
    pub defined_by: [bool; 3],
    /// PSUM: unit of the sizes: 0 bytes, 1 kilobytes, 2 megabytes, 3 ten to the `units`.
    pub size_unit: u8,
    /// POFM: the change takes place at FORMAT MEDIUM.
    pub on_format: bool,
    /// MEDIUM FORMAT RECOGNITION.
    pub format_recognition: u8,
    /// PARTITIONING TYPE.
    pub partitioning_type: u8,
    /// PARTITION UNITS: the power of ten in bytes.
    pub units: u8,
    /// PARTITION SIZEs.
    pub sizes: Vec<u16>,
}

impl MediumPartitions {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<MediumPartitions, Error> {
        let bytes = expect("medium partition mode page", bytes, (0x11, None), 8)?;
        Ok(MediumPartitions {
            maximum_additional: bytes[2],
            additional: bytes[3],
            defined_by: [bit(bytes, 4, 0x80), bit(bytes, 4, 0x40), bit(bytes, 4, 0x20)],
            size_unit: bytes[4] >> 3 & 0x03,
            on_format: bit(bytes, 4, 0x04),
            format_recognition: bytes[5],
            partitioning_type: bytes[6] >> 4,
            units: bytes[6] & 0x0f,
            sizes: bytes[8..].chunks_exact(2).map(|s| u16::from_be_bytes([s[0], s[1]])).collect(),
        })
    }
}

/// Page 1Ch: informational exceptions control: how TapeAlert and failure prediction are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InformationalExceptions {
    /// DEXCPT: reporting by sense data is off; the log pages still tell.
    pub disabled: bool,
    /// TEST: a test condition is made.
    pub test: bool,
    /// MRIE: method of reporting, 0 none, 3 recovered error, 6 on request.
    pub method: u8,
    /// INTERVAL TIMER, tenths of a second.
    pub interval_ds: u32,
    /// REPORT COUNT or TEST FLAG NUMBER.
    pub report_count: u32,
}

impl InformationalExceptions {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<InformationalExceptions, Error> {
        let bytes = expect("informational exceptions mode page", bytes, (0x1c, None), 12)?;
        Ok(InformationalExceptions {
            disabled: bit(bytes, 2, 0x08),
            test: bit(bytes, 2, 0x04),
            method: bytes[3] & 0x0f,
            interval_ds: be32(bytes, 4).unwrap_or(0),
            report_count: be32(bytes, 8).unwrap_or(0),
        })
    }
}

/// Page 1Dh of a tape drive: medium configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediumConfiguration {
    /// WORMM: the medium in the drive is write-once.
    pub worm: bool,
    /// WORM MODE LABEL RESTRICTIONS.
    pub label_restrictions: u8,
    /// WORM MODE FILEMARKS RESTRICTIONS.
    pub filemark_restrictions: u8,
}

impl MediumConfiguration {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<MediumConfiguration, Error> {
        let bytes = expect("medium configuration mode page", bytes, (0x1d, None), 6)?;
        Ok(MediumConfiguration {
            worm: bit(bytes, 2, 0x01),
            label_restrictions: bytes[4],
            filemark_restrictions: bytes[5],
        })
    }
}

/// The addresses of one kind of element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementRange {
    /// First address.
    pub first: ElementAddress,
    /// How many; 0 for none.
    pub count: u16,
}

impl ElementRange {
    /// True when `address` is one of them.
    pub fn contains(self, address: ElementAddress) -> bool {
        address.0.checked_sub(self.first.0).is_some_and(|offset| offset < self.count)
    }
}

/// Page 1Dh of a media changer: element address assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementAddresses {
    /// Medium transport elements: hands.
    pub transports: ElementRange,
    /// Storage elements: slots.
    pub storage: ElementRange,
    /// Import/export elements: mail slots.
    pub import_export: ElementRange,
    /// Data transfer elements: drives.
    pub drives: ElementRange,
}

impl ElementAddresses {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<ElementAddresses, Error> {
        let bytes = expect("element address assignment mode page", bytes, (0x1d, None), 18)?;
        let range = |at| ElementRange {
            first: ElementAddress(be16(bytes, at).unwrap_or(0)),
            count: be16(bytes, at + 2).unwrap_or(0),
        };
        Ok(ElementAddresses {
            transports: range(2),
            storage: range(6),
            import_export: range(10),
            drives: range(14),
        })
    }
}
