//! Replies of devices: every decoder of `scsi`.
//!
//! Promises beyond "no panic": what is said is printable, a part is a part of the whole (a reply cut
//! short never tells more), and what is written again reads the same.

use std::fmt::{self, Write};

use scsi::alert::Alerts;
use scsi::attribute::{Attributes, Coherency, identifiers, write_list};
use scsi::density::{Densities, MediumTypes};
use scsi::element::{ElementKind, ElementStatus};
use scsi::inquiry::Inquiry;
use scsi::log::{LogPage, supported_pages, walk};
use scsi::log_pages::{
    CapacityUnit, DeviceStatus, ErrorCounters, SequentialAccess, TapeAlerts, TapeCapacity,
    tape_alert_response,
};
use scsi::mode::{ModeParameters, select_6, select_10};
use scsi::mode_pages::{
    BlockProtection, Compression, Control, DeviceConfiguration, DeviceConfigurationExtension,
    ElementAddresses, InformationalExceptions, MediumConfiguration, MediumPartitions,
};
use scsi::opcodes::{OneCommand, SupportedCommands, command_name};
use scsi::position::{BlockLimits, BufferPosition, LongPosition};
use scsi::sense_text::{key_text, sense_text};
use scsi::statistics::{DeviceStatistics, VolumeStatistics, partition_records};
use scsi::vpd::{self, DeviceIdentification, ExtendedInquiry, TapeCapabilities};
use scsi::{Sense, SenseKey, VolumeTag};

/// Takes text and keeps nothing of it.
struct Watch;

impl fmt::Write for Watch {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        assert!(!text.contains(|c: char| c.is_control()), "control bytes came through: {text:?}");
        Ok(())
    }
}

/// Text for an operator: no control byte may come through.
fn printable(text: impl fmt::Display) {
    write!(Watch, "{text}").expect("it takes everything");
}

/// What a log would show of it.
fn shown(value: impl fmt::Debug) {
    write!(Watch, "{value:?}").expect("it takes everything");
}

pub fn sense(b: &[u8]) {
    let Some(sense) = Sense::decode(b) else { return };
    let text = sense_text(&sense);
    assert!(!text.is_empty() && !key_text(sense.key).is_empty());
    assert_eq!(SenseKey::from_bits(sense.key.bits()), sense.key);
    assert!(sense.code.is_none_or(|(asc, ascq)| sense.is(sense.key, asc, ascq)));
    assert!(sense.field_pointer().is_none() || sense.progress().is_none());
    printable(format_args!("{sense} {text}"));
    shown((&sense, sense.field_pointer(), sense.progress(), sense.retries(), sense.truncated()));
}

pub fn inquiry(b: &[u8]) {
    if let Ok(inquiry) = Inquiry::decode(b) {
        printable(&inquiry);
        shown((&inquiry, inquiry.has_identity()));
    }
    if let Ok(page) = DeviceIdentification::decode(b) {
        page.designators.iter().for_each(|d| printable(&d.name));
        shown((&page, page.world_wide_name()));
    }
    if let Some((designator, used)) = vpd::Designator::decode_one(b) {
        assert!(used > 0 && used <= b.len(), "{used} of {}", b.len());
        printable(&designator.name);
    }
    shown((vpd::Page::decode(b), vpd::supported_pages(b), vpd::tape_alert_supported(b)));
    shown((vpd::unit_serial_number(b), vpd::manufacturer_serial_number(b)));
    shown((vpd::automation_serial_number(b), vpd::data_transfer_element_address(b)));
    shown((TapeCapabilities::decode(b), ExtendedInquiry::decode(b)));
}

pub fn element(b: &[u8]) {
    let Ok(status) = ElementStatus::decode(b) else { return };
    let known = |code| ElementKind::from_code(code).is_some();
    let pages = status.pages.iter().filter(|page| known(page.kind_code));
    let elements: usize = pages.map(|page| page.elements.len()).sum();
    let sorted: usize = ElementKind::ALL.map(|kind| status.of_kind(kind).count()).iter().sum();
    assert_eq!(sorted, elements, "every element of a known kind is found by it");
    shown(&status);
    if let Some(tag) = VolumeTag::new(b) {
        printable(&tag);
        shown(tag.looks_like_cleaner());
    }
}

pub fn log(b: &[u8]) {
    let (parameters, truncated) = walk(b);
    let bytes: usize = parameters.iter().map(|p| 4 + p.value.len()).sum();
    assert!(bytes <= b.len(), "more parameters than bytes");
    assert!(truncated || bytes == b.len(), "bytes were passed over without a word");
    parameters.iter().for_each(|p| printable(p.text()));
    shown((&parameters, supported_pages(b), partition_records(b)));
    if let Ok(page) = LogPage::decode(b) {
        for parameter in &page.parameters {
            assert!(page.parameter(parameter.code).is_some());
            shown((page.number(parameter.code), page.text(parameter.code)));
            shown((parameter.number(), parameter.known_number()));
            shown(partition_records(&parameter.value));
        }
        shown(LogPage::expect(b, page.page, page.subpage));
    }
    shown((ErrorCounters::decode(b), SequentialAccess::decode(b), DeviceStatus::decode(b)));
    shown((VolumeStatistics::decode(b), DeviceStatistics::decode(b)));
    if let Ok(capacity) = TapeCapacity::decode(b) {
        for unit in [CapacityUnit::Kibibytes, CapacityUnit::Mebibytes] {
            shown((&capacity, capacity.remaining_bytes(unit)));
        }
    }
    alerts(b);
}

fn alerts(b: &[u8]) {
    let raised = [
        tape_alert_response(b).ok(),
        TapeAlerts::decode(b).ok().map(|page| page.alerts),
        b.first_chunk().map(|bits| Alerts::from_bits(u64::from_be_bytes(*bits))),
    ];
    for alerts in raised.into_iter().flatten() {
        assert_eq!(Alerts::from_bits(alerts.bits()), alerts);
        assert_eq!(alerts.is_empty(), alerts.worst().is_none());
        for flag in alerts.iter() {
            assert!(alerts.is_raised(u16::from(flag.number)));
            shown(flag);
        }
    }
}

pub fn mode(b: &[u8]) {
    for parameters in [ModeParameters::decode_6(b), ModeParameters::decode_10(b)] {
        shown(&parameters);
        let Ok(parameters) = parameters else { continue };
        for page in &parameters.pages {
            assert!(parameters.page(page.page, page.subpage).is_some());
            mode_page(&page.bytes);
        }
        written_again(&parameters);
    }
    mode_page(b);
}

/// The pages that came whole, sent back with MODE SELECT, are the pages that came.
fn written_again(was: &ModeParameters) {
    let whole: Vec<_> = was.pages.iter().filter(|p| !p.truncated).collect();
    let pages: Vec<&[u8]> = whole.iter().map(|p| &p.bytes[..]).collect();
    let mut long = select_10(was.buffered_mode, was.speed, was.block, &pages);
    let Ok(length) = u16::try_from(long.len() - 2) else { return };
    long[..2].copy_from_slice(&length.to_be_bytes());
    let mut short = select_6(was.buffered_mode, was.speed, was.block, &pages);
    let mut again = vec![ModeParameters::decode_10(&long)];
    if let Ok(length) = u8::try_from(short.len() - 1) {
        short[0] = length;
        again.push(ModeParameters::decode_6(&short));
    }
    for again in again {
        let again = again.expect("what we write can be read");
        let fields = |m: &ModeParameters| (m.buffered_mode, m.speed, m.block);
        assert_eq!(fields(&again), fields(was));
        assert_eq!(again.pages.len(), whole.len());
        for (is, was) in again.pages.iter().zip(&whole) {
            assert_eq!(
                (is.page, is.subpage, &is.bytes[1..]),
                (was.page, was.subpage, &was.bytes[1..])
            );
        }
    }
}

fn mode_page(b: &[u8]) {
    shown((Control::decode(b), BlockProtection::decode(b), Compression::decode(b)));
    shown((DeviceConfiguration::decode(b), DeviceConfigurationExtension::decode(b)));
    shown((MediumPartitions::decode(b), InformationalExceptions::decode(b)));
    shown(MediumConfiguration::decode(b));
    if let Ok(addresses) = ElementAddresses::decode(b) {
        shown(addresses);
    }
    for on in [true, false] {
        let mut page = b.to_vec();
        if Compression::set_compress(&mut page, on).is_ok()
            && let Ok(compression) = Compression::decode(&page)
        {
            assert_eq!(compression.compress, on);
        }
        let _ = DeviceConfigurationExtension::set_append_only(&mut page, on);
        let _ = DeviceConfigurationExtension::set_early_warning_mb(&mut page, 77);
        if let Ok(protection) = BlockProtection::decode(b) {
            let _ = protection.set_into(&mut page);
        }
        assert_eq!(page.len(), b.len(), "a page keeps its length");
    }
}

pub fn attribute(b: &[u8]) {
    shown(identifiers(b));
    if let Ok(coherency) = Coherency::decode(b)
        && let Some(attribute) = coherency.to_attribute()
    {
        assert_eq!(Coherency::decode(&attribute.value).as_ref(), Ok(&coherency));
    }
    let Ok(found) = Attributes::decode(b) else { return };
    for attribute in &found.attributes {
        assert!(found.find(attribute.id).is_some());
        printable(attribute.text());
        shown((attribute.name(), attribute.number()));
    }
    let list = write_list(&found.attributes).expect("what came fits in what goes");
    let again = Attributes::decode(&list).expect("what we write can be read");
    let essence = |all: &Attributes| -> Vec<_> {
        all.attributes.iter().map(|a| (a.id, a.format, a.value.clone())).collect()
    };
    assert_eq!(essence(&again), essence(&found));
    assert!(!again.truncated);
}

pub fn abilities(b: &[u8]) {
    assert!(!command_name(b).is_empty());
    shown((LongPosition::decode(b), BlockLimits::decode(b)));
    shown((BufferPosition::decode_short(b), BufferPosition::decode_extended(b)));
    shown((Densities::decode(b), MediumTypes::decode(b), OneCommand::decode(b)));
    if let Ok(list) = SupportedCommands::decode(b) {
        for command in &list.commands {
            assert!(list.find(command.opcode, command.service_action).is_some());
        }
        shown(&list);
    }
}

/// What commanders and keepers say to each other at a door.
pub fn door(b: &[u8]) {
    let mut asked = b;
    while let Ok(Some(_)) = door::Request::read(&mut asked) {}
    let mut said = b;
    let mut data = [0; 256];
    while let Ok(reply) = door::Reply::read(&mut said, &mut data) {
        let mut again = Vec::new();
        reply.write(&mut again, &[]).expect("what was read can be written");
        let read = door::Reply::read(&mut again.as_slice(), &mut []);
        assert_eq!(read.ok(), Some(reply));
    }
}
