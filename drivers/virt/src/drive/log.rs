//! LOG SENSE of a drive.
//!
//! Owns pages 00, 02, 03, 0C, 11, 12, 14, 17, 2E and 31. All counters are real: they count what
//! this drive and this medium did. Source: SPC-5 7.3, SSC-5 8.2; page 31 as LTO drives have it.

use scsi::transport::Data;

use super::{Drive, Mounted};
use crate::reply::{Reply, field};
use crate::sense::{Done, bad_cdb};

const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
const PAGES: [u8; 10] = [0x00, 0x02, 0x03, 0x0c, 0x11, 0x12, 0x14, 0x17, 0x2e, 0x31];

/// Parameter control bytes: a counter, a binary list, an ASCII list.
const COUNTER: u8 = 0x60;
const BINARY: u8 = 0x03;
const ASCII: u8 = 0x01;

/// Log parameters: code, control byte, value.
#[derive(Default)]
struct Parameters(Vec<(u16, u8, Vec<u8>)>);

impl Parameters {
    fn counter(&mut self, code: u16, value: u64, width: usize) {
        let mut bytes = Reply::new();
        bytes.wide(value, width);
        self.0.push((code, COUNTER, bytes.0));
    }

    fn binary(&mut self, code: u16, bytes: &[u8]) {
        self.0.push((code, BINARY, bytes.to_vec()));
    }

    fn ascii(&mut self, code: u16, text: &str, width: usize) {
        let mut bytes = Reply::new();
        bytes.ascii(text, width);
        self.0.push((code, ASCII, bytes.0));
    }

    /// A per-partition record: length byte (itself not counted), partition number, counter.
    fn of_partition(&mut self, code: u16, value: u64) {
        let mut bytes = Reply::new();
        bytes.u8(7).u8(0).u16(0).wide(value, 4);
        self.binary(code, &bytes.0);
    }
}

impl Drive {
    /// LOG SENSE, opcode 4Dh. Needs no medium.
    pub(super) fn log_sense(&mut self, cdb: &[u8], data: &mut Data<'_>) -> Done {
        let code = cdb[2] & 0x3f;
        if cdb[3] != 0 {
            return Err(bad_cdb(3, None).into());
        }
        if !PAGES.contains(&code) {
            return Err(bad_cdb(2, Some(5)).into());
        }
        let mut body = Reply::new();
        if code == 0 {
            body.bytes(&PAGES);
        } else {
            let first = field(cdb, 5, 2) as u16;
            let parameters = self.parameters(code).0;
            if parameters.last().is_none_or(|last| last.0 < first) {
                return Err(bad_cdb(5, None).into());
            }
            for (code, control, value) in parameters.iter().filter(|each| each.0 >= first) {
                body.u16(*code).u8(*control).u8(value.len() as u8).bytes(value);
            }
        }
        let mut reply = Reply::new();
        reply.u8(code).u8(0).u16(body.len() as u16).bytes(&body.0);
        reply.send(data, field(cdb, 7, 2) as usize)
    }

    fn parameters(&mut self, code: u8) -> Parameters {
        let mut out = Parameters::default();
        match code {
            0x02 => errors(&mut out, self.at.mount_written_bytes, self.at.mount_write_errors),
            0x03 => errors(&mut out, self.at.mount_read_bytes, self.at.mount_read_errors),
            0x0c => self.sequential_access(&mut out),
            0x11 => self.device_status(&mut out),
            0x12 => out.binary(0, &self.alert_bits()),
            0x14 => self.device_statistics(&mut out),
            0x17 => self.volume_statistics(&mut out),
            0x2e => self.alerts(&mut out),
            _ => self.capacity(&mut out),
        }
        out
    }

    /// Page 0C: bytes moved since the medium was loaded, then distances in MB.
    fn sequential_access(&self, out: &mut Parameters) {
        let at = &self.at;
        out.counter(0x0000, at.mount_written_bytes, 8);
        out.counter(0x0001, at.mount_written_bytes, 8);
        out.counter(0x0002, at.mount_read_bytes, 8);
        out.counter(0x0003, at.mount_read_bytes, 8);
        if let Some(mounted) = self.readable() {
            let zones = self.zones(mounted);
            let tape = &mounted.tape;
            out.counter(0x0004, tape.used_before(tape.objects()) / MB, 8);
            out.counter(0x0005, zones.early / MB, 8);
            out.counter(0x0006, (zones.end - zones.early) / MB, 8);
            out.counter(0x0007, tape.used_before(at.block) / MB, 8);
            out.counter(0x0008, self.options.buffer_bytes / MB, 8);
        }
        let cleaning = self.state.alerts.iter().any(|flag| matches!(flag, 20 | 21));
        out.counter(0x0100, cleaning.into(), 4);
    }

    fn readable(&self) -> Option<&Mounted> {
        self.mounted.as_ref().filter(|m| self.state.loaded && !m.memory.is_cleaning())
    }

    /// Page 11: very high frequency data.
    fn device_status(&self, out: &mut Parameters) {
        let protected = self.mounted.as_ref().is_some_and(|m| m.memory.is_protected());
        let present = self.mounted.is_some();
        let mounted = self.readable().is_some() && self.state.becoming_ready == 0;
        let clean_now = self.state.alerts.contains(&20);
        let clean_soon = self.state.alerts.contains(&21);
        let first = u8::from(self.state.prevent) << 7
            | u8::from(present) << 5
            | u8::from(self.state.mode.compression) << 4
            | u8::from(protected) << 3
            | u8::from(clean_soon || clean_now) << 2
            | u8::from(clean_now) << 1
            | 0x01;
        let second = u8::from(present) << 4
            | u8::from(present) << 2
            | u8::from(self.state.loaded) << 1
            | u8::from(mounted);
        let activity = if self.state.becoming_ready > 0 { 0x02 } else { 0x00 };
        let alert_changed = u8::from(!self.state.unread_alerts.is_empty());
        out.binary(0x0000, &[first, second, activity, alert_changed]);
        out.binary(0x0001, &[0x00, 0x64]); // poll again after 100 ms
    }

    /// Page 12: 64 bits, flag 1 first. Stays as it is when read.
    fn alert_bits(&self) -> [u8; 8] {
        let bits = self.state.alerts.iter().filter(|flag| (1..=64).contains(*flag));
        bits.fold(0u64, |sum, flag| sum | 1 << (64 - flag)).to_be_bytes()
    }

    /// Page 2E: a byte a flag. Cleared by being read.
    fn alerts(&mut self, out: &mut Parameters) {
        let set = std::mem::take(&mut self.state.unread_alerts);
        for flag in 1..=64u8 {
            out.0.push((flag.into(), 0x40, vec![set.contains(&flag).into()]));
        }
    }

    /// Page 14: the drive's life.
    fn device_statistics(&self, out: &mut Parameters) {
        let at = &self.at;
        out.counter(0x0000, at.loads, 8);
        out.counter(0x0001, at.cleanings, 8);
        out.counter(0x000d, at.power_cycles, 8);
        out.counter(0x000f, at.write_errors, 8);
        out.counter(0x0010, at.read_errors, 8);
        out.ascii(0x0041, &self.serial, 32);
        out.binary(0x0080, &[self.state.prevent.into()]);
    }

    /// Page 17: the medium's life.
    fn volume_statistics(&self, out: &mut Parameters) {
        let Some(Mounted { memory, tape, .. }) = self.readable() else {
            return out.binary(0x0000, &[0]);
        };
        let (at, used) = (&self.at, tape.used_before(tape.objects()));
        let capacity = memory.spec.capacity_bytes;
        out.binary(0x0000, &[1]);
        out.counter(0x0001, memory.loads, 4);
        out.counter(0x0004, at.mount_write_errors, 4);
        out.counter(0x0009, at.mount_read_errors, 4);
        out.counter(0x000e, at.mount_written_bytes / MB, 4);
        out.counter(0x000f, at.mount_read_bytes / MB, 4);
        out.counter(0x0010, (memory.written_bytes + at.mount_written_bytes) / MB, 8);
        out.counter(0x0011, (memory.read_bytes + at.mount_read_bytes) / MB, 8);
        out.counter(0x0016, capacity / MB, 8);
        out.counter(0x0017, used / MB, 8);
        out.ascii(0x0040, &memory.serial, 32);
        out.ascii(0x0042, &memory.spec.volume_tag, 32);
        out.ascii(0x0043, super::inquiry::VENDOR, 8);
        out.ascii(0x0045, "Ultrium-9", 9);
        out.binary(0x0080, &[memory.is_protected().into()]);
        out.binary(0x0081, &[memory.is_worm().into()]);
        out.of_partition(0x0202, capacity / MB);
        out.of_partition(0x0203, used / MB);
        out.of_partition(0x0204, capacity.saturating_sub(used) / MB);
    }

    /// Page 31, in MiB: what remains behind the present position, and all there is.
    fn capacity(&self, out: &mut Parameters) {
        let (left, all) = self.readable().map_or((0, 0), |mounted| {
            let early = self.zones(mounted).early;
            (early.saturating_sub(mounted.tape.used_before(self.at.block)), early)
        });
        out.counter(0x0001, left / MIB, 4);
        out.counter(0x0002, 0, 4);
        out.counter(0x0003, all / MIB, 4);
        out.counter(0x0004, 0, 4);
    }
}

/// Pages 02 and 03. Nothing is ever corrected here: a check holds or it does not.
fn errors(out: &mut Parameters, bytes: u64, uncorrected: u64) {
    for code in 0x0000..=0x0004 {
        out.counter(code, 0, 4);
    }
    out.counter(0x0005, bytes, 8);
    out.counter(0x0006, uncorrected, 4);
}
