//! Every capture through its decoder, cut at every byte and changed at every byte.
//!
//! No decoder may panic; a reply cut anywhere must be refused or say that it was cut.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{load, log_page, names};
use scsi::attribute::{Attributes, Coherency, identifiers};
use scsi::density::{Densities, MediumTypes};
use scsi::element::ElementStatus;
use scsi::inquiry::Inquiry;
use scsi::log::{LogPage, supported_pages, walk};
use scsi::log_pages::{
    DeviceStatus, ErrorCounters, SequentialAccess, TapeAlerts, TapeCapacity, tape_alert_response,
};
use scsi::mode::ModeParameters;
use scsi::mode_pages::{
    BlockProtection, Compression, Control, DeviceConfiguration, DeviceConfigurationExtension,
    ElementAddresses, InformationalExceptions, MediumConfiguration, MediumPartitions,
};
use scsi::opcodes::{OneCommand, SupportedCommands};
use scsi::position::{BlockLimits, BufferPosition, LongPosition};
use scsi::statistics::{DeviceStatistics, VolumeStatistics, partition_records};
use scsi::vpd::{self, DeviceIdentification, ExtendedInquiry, TapeCapabilities};
use scsi::{Sense, VolumeTag};

/// Decodes; false when the bytes were refused or said to be cut.
type Whole = fn(&[u8]) -> bool;

/// Which decoder a capture belongs to, by the start of its name.
const DECODERS: &[(&str, Whole)] = &[
    ("density-hp", |b| Densities::decode(b).is_ok_and(|d| !d.truncated)),
    ("density-medium", |b| MediumTypes::decode(b).is_ok_and(|d| !d.truncated)),
    ("elements-", |b| ElementStatus::decode(b).is_ok_and(|s| !s.truncated)),
    ("inquiry-", |b| Inquiry::decode(b).is_ok_and(|i| !i.truncated)),
    ("log", |b| LogPage::decode(b).is_ok_and(|p| !p.truncated)),
    ("mam-", |b| Attributes::decode(b).is_ok_and(|a| !a.truncated)),
    ("mode6-", |b| ModeParameters::decode_6(b).is_ok_and(|m| !m.truncated)),
    ("mode10-", |b| ModeParameters::decode_10(b).is_ok_and(|m| !m.truncated)),
    ("opcodes-", |b| SupportedCommands::decode(b).is_ok_and(|c| !c.truncated)),
    ("position-", |b| LongPosition::decode(b).is_ok()),
    ("sense-", |b| Sense::decode(b).is_some_and(|s| !s.truncated())),
    ("vpd83-", |b| DeviceIdentification::decode(b).is_ok_and(|d| !d.truncated)),
];

/// Published only in part, or with a length that contradicts the bytes.
fn is_partial(name: &str) -> bool {
    name.contains("-of-") || name.starts_with("sense-conner") || name == "vpd83-hpe-ultrium9"
}

/// The capture as a whole reply: runs of log parameters get their page header.
fn reply(name: &str) -> Vec<u8> {
    let bytes = load(name);
    if !name.starts_with("log") || !name.contains("-parameter") {
        return bytes;
    }
    log_page(u8::from_str_radix(&name[3..5], 16).unwrap(), &bytes)
}

fn captures() -> Vec<(String, Vec<u8>, Whole)> {
    names("")
        .into_iter()
        .map(|name| {
            let (_, whole) = DECODERS.iter().find(|(start, _)| name.starts_with(start)).unwrap();
            let bytes = reply(&name);
            (name, bytes, *whole)
        })
        .collect()
}

#[test]
fn whole_captures_are_whole_and_partial_ones_say_so() {
    let captures = captures();
    assert_eq!(captures.len(), 66);
    for (name, bytes, whole) in captures {
        assert_eq!(whole(&bytes), !is_partial(&name), "{name}");
    }
}

#[test]
fn a_reply_cut_at_any_byte_says_so() {
    let mut cuts = 0;
    for (name, bytes, whole) in captures() {
        for end in 0..bytes.len() {
            assert!(!whole(&bytes[..end]), "{name} cut to {end} bytes");
            cuts += 1;
        }
    }
    assert!(cuts > 8_000, "{cuts}");
}

#[test]
fn no_changed_byte_brings_a_decoder_down() {
    for (_, bytes, whole) in captures() {
        for at in 0..bytes.len() {
            for value in (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0x00, 0x7f, 0xff]) {
                let mut changed = bytes.clone();
                changed[at] = value;
                whole(&changed);
                if at < 64 {
                    everything(&changed);
                }
            }
        }
    }
}

#[test]
fn no_decoder_minds_bytes_of_another_kind() {
    for (_, bytes, _) in captures() {
        for end in (0..bytes.len().min(300)).chain([bytes.len()]) {
            everything(&bytes[..end]);
        }
    }
}

/// Every public decoder on the same bytes; whatever it gives must be printable.
fn everything(b: &[u8]) {
    let mut said = String::new();
    let mut note = |what: String| said.push_str(&what);
    note(format!("{:?}", Sense::decode(b)));
    if let Some(sense) = Sense::decode(b) {
        note(format!("{sense} {:?} {:?}", sense.field_pointer(), sense.progress()));
    }
    if let Ok(inquiry) = Inquiry::decode(b) {
        note(format!("{inquiry} {inquiry:?}"));
    }
    if let Ok(page) = DeviceIdentification::decode(b) {
        page.designators.iter().for_each(|d| note(d.name.to_string()));
    }
    note(format!("{:?} {:?}", vpd::Page::decode(b), vpd::supported_pages(b)));
    note(format!("{:?} {:?}", vpd::unit_serial_number(b), vpd::automation_serial_number(b)));
    note(format!("{:?}", vpd::data_transfer_element_address(b)));
    note(format!("{:?} {:?}", vpd::tape_alert_supported(b), TapeCapabilities::decode(b)));
    note(format!("{:?} {:?}", ExtendedInquiry::decode(b), DeviceIdentification::decode(b)));
    note(format!("{:?} {:?}", SupportedCommands::decode(b), OneCommand::decode(b)));
    note(format!("{:?} {:?}", LongPosition::decode(b), BlockLimits::decode(b)));
    note(format!("{:?}", BufferPosition::decode_short(b)));
    note(format!("{:?}", BufferPosition::decode_extended(b)));
    note(format!("{:?} {:?}", Densities::decode(b), MediumTypes::decode(b)));
    note(format!("{:?}", ElementStatus::decode(b)));
    note(format!("{:?} {:?} {:?}", Attributes::decode(b), identifiers(b), Coherency::decode(b)));
    if let Some(tag) = VolumeTag::new(b) {
        note(tag.to_string());
    }
    logs(b, &mut note);
    modes(b, &mut note);
    assert!(!said.contains(|c: char| c.is_control()), "control bytes came through");
}

fn logs(b: &[u8], note: &mut impl FnMut(String)) {
    note(format!("{:?} {:?} {:?}", LogPage::decode(b), supported_pages(b), walk(b)));
    note(format!("{:?} {:?}", ErrorCounters::decode(b), SequentialAccess::decode(b)));
    note(format!("{:?} {:?}", DeviceStatus::decode(b), tape_alert_response(b)));
    note(format!("{:?} {:?}", TapeAlerts::decode(b), TapeCapacity::decode(b)));
    note(format!("{:?} {:?}", VolumeStatistics::decode(b), partition_records(b)));
    note(format!("{:?}", DeviceStatistics::decode(b)));
}

fn modes(b: &[u8], note: &mut impl FnMut(String)) {
    for parameters in [ModeParameters::decode_6(b), ModeParameters::decode_10(b)] {
        note(format!("{parameters:?}"));
        for page in parameters.iter().flat_map(|p| &p.pages) {
            pages(&page.bytes, note);
        }
    }
    pages(b, note);
}

fn pages(b: &[u8], note: &mut impl FnMut(String)) {
    note(format!("{:?} {:?}", Control::decode(b), BlockProtection::decode(b)));
    note(format!("{:?} {:?}", Compression::decode(b), DeviceConfiguration::decode(b)));
    note(format!(
        "{:?} {:?}",
        DeviceConfigurationExtension::decode(b),
        MediumPartitions::decode(b)
    ));
    note(format!("{:?}", InformationalExceptions::decode(b)));
    note(format!("{:?} {:?}", MediumConfiguration::decode(b), ElementAddresses::decode(b)));
}
