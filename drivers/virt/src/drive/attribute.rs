//! READ ATTRIBUTE and WRITE ATTRIBUTE: the cartridge's own memory.
//!
//! Owns which attributes exist, who may write them and how long they are. Source: SPC-5 6.17,
//! 6.48, 7.4; opcodes 8Ch and 8Dh.

use scsi::transport::Data;

use super::{Drive, Mounted};
use crate::memory::Attribute;
use crate::reply::{Reply, field};
use crate::sense::*;
use crate::shape::MediumKind;

const MIB: u64 = 1 << 20;
const PARAMETER_LIST_LENGTH: Condition = Condition::new(5, 0x1a, 0x00);

/// Attribute formats.
const BINARY: u8 = 0;
const ASCII: u8 = 1;
const TEXT: u8 = 2;

/// Attributes a host may write: identifier, format, longest value.
#[rustfmt::skip]
const HOST: [(u16, u8, usize); 16] = [
    (0x0800, ASCII, 8),    // application vendor
    (0x0801, ASCII, 32),   // application name
    (0x0802, ASCII, 8),    // application version
    (0x0803, TEXT, 160),   // user medium text label
    (0x0804, ASCII, 12),   // date and time last written
    (0x0805, BINARY, 1),   // text localization identifier
    (0x0806, ASCII, 32),   // barcode
    (0x0807, TEXT, 80),    // owning host textual name
    (0x0808, TEXT, 160),   // media pool
    (0x0809, ASCII, 16),   // partition user text label
    (0x080a, BINARY, 1),   // load/unload at partition
    (0x080b, ASCII, 16),   // application format version
    (0x080c, BINARY, 1023),// volume coherency information
    (0x0820, BINARY, 36),  // medium globally unique identifier
    (0x0821, BINARY, 36),  // media pool globally unique identifier
    (0x1400, BINARY, 1023),// the first of the vendor's host attributes
];

/// Room for host attributes, as LTO chips have for all together.
const ROOM: usize = 8192;

/// One attribute to send.
struct Entry {
    id: u16,
    read_only: bool,
    format: u8,
    value: Vec<u8>,
}

impl Drive {
    fn remembering(&mut self) -> Result<&mut Mounted, Fail> {
        match &mut self.mounted {
            Some(_) if !self.state.loaded => Err(NEEDS_LOAD.into()),
            Some(mounted) => Ok(mounted),
            None => Err(NO_MEDIUM.into()),
        }
    }

    /// READ ATTRIBUTE: values (00h), list (01h), volumes (02h), partitions (03h), supported (05h).
    pub(super) fn read_attribute(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        self.remembering()?;
        if cdb[7] != 0 {
            return Err(bad_cdb(7, None).into());
        }
        let mut entries = self.entries();
        entries.sort_by_key(|entry| entry.id);
        let mut reply = Reply::new();
        match cdb[1] & 0x1f {
            0x00 => values(&mut reply, &entries, field(cdb, 8, 2) as u16)?,
            0x01 => identifiers(&mut reply, entries.iter().map(|entry| entry.id)),
            0x02 | 0x03 => {
                reply.u16(2).bytes(&[0, 1]); // one, from 0
            }
            0x05 => {
                let host = HOST.iter().map(|each| each.0);
                let device = entries.iter().filter(|e| e.read_only).map(|e| e.id);
                let mut all: Vec<u16> = device.chain(host).collect();
                all.sort_unstable();
                identifiers(&mut reply, all.into_iter());
            }
            _ => return Err(bad_cdb(1, Some(4)).into()),
        }
        reply.send(data, field(cdb, 10, 4) as usize)
    }

    fn entries(&self) -> Vec<Entry> {
        let Some(mounted) = &self.mounted else { return Vec::new() };
        let mut entries = self.of_device(mounted);
        entries.extend(of_medium(mounted));
        for (id, attribute) in &mounted.memory.attributes {
            if let Ok(id) = u16::from_str_radix(id, 16) {
                let (format, value) = (attribute.format, attribute.bytes.clone());
                entries.push(Entry { id, read_only: false, format, value });
            }
        }
        entries
    }

    /// What the drive keeps about the medium.
    fn of_device(&self, mounted: &Mounted) -> Vec<Entry> {
        let Mounted { memory, tape, .. } = mounted;
        let spec = &memory.spec;
        let early = spec.capacity_bytes.saturating_sub(spec.early_warning_bytes);
        let left = early.saturating_sub(tape.used_before(tape.objects()));
        let alerts = self.state.alerts.iter().filter(|flag| (1..=64).contains(*flag));
        let alerts = alerts.fold(0u64, |sum, flag| sum | 1 << (64 - flag));
        let taken: usize = memory.attributes.values().map(|each| each.bytes.len()).sum();
        let written = memory.written_bytes + self.at.mount_written_bytes;
        let read = memory.read_bytes + self.at.mount_read_bytes;
        let changes = memory.changes + u64::from(self.state.written);
        let mut out = vec![
            number(0x0000, left / MIB, 8),
            number(0x0001, early / MIB, 8),
            number(0x0002, alerts, 8),
            number(0x0003, memory.loads, 8),
            number(0x0004, ROOM.saturating_sub(taken) as u64, 8),
            text(0x0005, "LTO-CVE", 8),
            number(0x0006, super::mode::DENSITY.into(), 1),
            number(0x0009, changes, 4),
            number(0x0220, written / MIB, 8),
            number(0x0221, read / MIB, 8),
            number(0x0222, self.at.mount_written_bytes / MIB, 8),
            number(0x0223, self.at.mount_read_bytes / MIB, 8),
            number(0x0224, u64::MAX, 8),
        ];
        for (id, serial) in (0x020a..=0x020d).zip(&memory.drives) {
            let mut value = Reply::new();
            value.ascii(super::inquiry::VENDOR, 8).ascii(serial, 32);
            out.push(Entry { id, read_only: true, format: ASCII, value: value.0 });
        }
        out
    }

    /// WRITE ATTRIBUTE: all of the list or none of it. A length of 0 takes an attribute away.
    pub(super) fn write_attribute(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let mounted = self.remembering()?;
        if mounted.memory.is_protected() {
            return Err(WRITE_PROTECTED.into());
        }
        if cdb[7] != 0 {
            return Err(bad_cdb(7, None).into());
        }
        let Data::Out(list) = data else { return Ok(0) };
        if list.is_empty() {
            return Ok(0);
        }
        let mut attributes = mounted.memory.attributes.clone();
        for (at, id, attribute) in parse(list)? {
            let (_, format, longest) = rule(id).ok_or(bad_parameter(at as u8, None))?;
            if attribute.format != format {
                return Err(bad_parameter(at as u8 + 2, Some(1)).into());
            }
            if attribute.bytes.len() > longest {
                return Err(bad_parameter(at as u8 + 3, None).into());
            }
            match attribute.bytes.is_empty() {
                true => attributes.remove(&format!("{id:04x}")),
                false => attributes.insert(format!("{id:04x}"), attribute),
            };
        }
        if attributes.values().map(|each| each.bytes.len()).sum::<usize>() > ROOM {
            return Err(Condition::new(5, 0x55, 0x06).into()); // auxiliary memory out of space
        }
        mounted.memory.attributes = attributes;
        self.memory_changed = true;
        Ok(list.len())
    }
}

/// The rule for a host attribute; all vendor's host attributes share one.
fn rule(id: u16) -> Option<(u16, u8, usize)> {
    let id = if (0x1400..0x1800).contains(&id) { 0x1400 } else { id };
    HOST.into_iter().find(|each| each.0 == id)
}

/// Offset, identifier and value of each attribute in a parameter list.
fn parse(list: &[u8]) -> Result<Vec<(usize, u16, Attribute)>, Condition> {
    let length = field(list, 0, 4) as usize;
    if list.len() < 4 || length != list.len() - 4 {
        return Err(PARAMETER_LIST_LENGTH);
    }
    let mut found: Vec<(usize, u16, Attribute)> = Vec::new();
    let mut at = 4;
    while at < list.len() {
        let head = list.get(at..at + 5).ok_or(PARAMETER_LIST_LENGTH)?;
        let (id, length) = (field(head, 0, 2) as u16, field(head, 3, 2) as usize);
        let bytes = list.get(at + 5..at + 5 + length).ok_or(PARAMETER_LIST_LENGTH)?.to_vec();
        if found.last().is_some_and(|last| last.1 >= id) {
            return Err(bad_parameter(at as u8, None)); // ascending order, SPC-5 6.48
        }
        found.push((at, id, Attribute { format: head[2] & 0x03, bytes }));
        at += 5 + length;
    }
    Ok(found)
}

fn values(reply: &mut Reply, entries: &[Entry], first: u16) -> Result<(), Fail> {
    if !entries.iter().any(|entry| entry.id == first) {
        return Err(bad_cdb(8, Some(7)).into());
    }
    reply.u32(0);
    for entry in entries.iter().filter(|entry| entry.id >= first) {
        reply.u16(entry.id).u8(u8::from(entry.read_only) << 7 | entry.format);
        reply.u16(entry.value.len() as u16).bytes(&entry.value);
    }
    let length = reply.len() as u32 - 4;
    reply.patch(0, &length.to_be_bytes());
    Ok(())
}

fn identifiers(reply: &mut Reply, ids: impl Iterator<Item = u16>) {
    reply.u32(0);
    ids.for_each(|id| {
        reply.u16(id);
    });
    let length = reply.len() as u32 - 4;
    reply.patch(0, &length.to_be_bytes());
}

/// What the medium's maker wrote.
fn of_medium(mounted: &Mounted) -> Vec<Entry> {
    let memory = &mounted.memory;
    let kind = match memory.spec.kind {
        MediumKind::Cleaning => 0x01,
        MediumKind::Worm => 0x80,
        _ => 0x00,
    };
    vec![
        text(0x0400, super::inquiry::VENDOR, 8),
        text(0x0401, &memory.serial, 32),
        number(0x0403, 127, 4),
        text(0x0404, "LTO-CVE", 8),
        number(0x0405, super::mode::DENSITY.into(), 1),
        text(0x0406, "20260101", 8),
        number(0x0407, ROOM as u64, 8),
        number(0x0408, kind, 1),
    ]
}

fn number(id: u16, value: u64, width: usize) -> Entry {
    let mut bytes = Reply::new();
    bytes.wide(value, width);
    Entry { id, read_only: true, format: BINARY, value: bytes.0 }
}

fn text(id: u16, value: &str, width: usize) -> Entry {
    let mut bytes = Reply::new();
    bytes.ascii(value, width);
    Entry { id, read_only: true, format: ASCII, value: bytes.0 }
}
