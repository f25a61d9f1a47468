//! MODE SENSE and MODE SELECT of a drive.
//!
//! Owns the header, the block descriptor and pages 01, 02, 0A, 0F, 10, 10/01, 11 and 1D. Each page
//! is a body and a mask of what may be changed; a MODE SELECT that would change anything else is
//! refused whole. Source: SPC-5 7.5, SSC-5 8.3.

use scsi::transport::Data;

use super::Drive;
use super::state::Mode;
use crate::medium::BLOCK_LIMIT;
use crate::reply::{Reply, field};
use crate::sense::*;
use crate::shape::MediumKind;

/// Density of LTO-9.
pub(super) const DENSITY: u8 = 0x60;

const PARAMETER_LIST_LENGTH: Condition = Condition::new(5, 0x1a, 0x00);
const NO_SAVED_VALUES: Condition = Condition::new(5, 0x39, 0x00);

/// One mode page, without its header.
struct Page {
    code: u8,
    subpage: u8,
    body: Vec<u8>,
    changeable: Vec<u8>,
}

impl Page {
    fn new(code: u8, subpage: u8, body: &[u8], masks: &[(usize, u8)]) -> Page {
        let mut changeable = vec![0; body.len()];
        for &(at, mask) in masks {
            changeable[at] = mask;
        }
        Page { code, subpage, body: body.to_vec(), changeable }
    }

    fn write(&self, reply: &mut Reply, body: &[u8]) {
        if self.subpage == 0 {
            reply.u8(self.code).u8(body.len() as u8);
        } else {
            reply.u8(self.code | 0x40).u8(self.subpage).u16(body.len() as u16);
        }
        reply.bytes(body);
    }
}

impl Drive {
    /// The pages, with the values of `mode`.
    fn pages(&self, mode: &Mode) -> Vec<Page> {
        let compression = u8::from(mode.compression);
        let pews = mode.early_warning_mb.to_be_bytes();
        let spec = self.mounted.as_ref().map(|mounted| &mounted.memory.spec);
        let worm = spec.is_some_and(|spec| spec.kind == MediumKind::Worm);
        let size = spec.map_or(0, |spec| spec.capacity_bytes.div_ceil(1_000_000_000));
        let size = (size.min(0xffff) as u16).to_be_bytes();
        let mut extension = [0; 28];
        extension[1] = 0x02; // short erase: end-of-data is written
        extension[2..4].copy_from_slice(&pews);
        let mut worm_page = [0; 30];
        (worm_page[0], worm_page[2], worm_page[3]) = (u8::from(worm), 0x01, 0x02);
        let disconnect = [0; 14];
        let control = [0, 0x01, 0, 0, 0, 0, 0xff, 0xff, 0, 0];
        let dce = 0x40 | compression << 7;
        let compressing = [dce, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0];
        let device = [0, 0, 0, 0, 0x01, 0x2c, 0x40, 0, 0x10, 0, 0, 0, compression, 0x90];
        let partition = [0, 0, 0x1c, 0x03, 0x09, 0, size[0], size[1]];
        vec![
            Page::new(0x01, 0, &[0x20, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0], &[]),
            Page::new(0x02, 0, &disconnect, &[]),
            Page::new(0x0a, 0, &control, &[]),
            Page::new(0x0f, 0, &compressing, &[(0, 0x80)]),
            Page::new(0x10, 0, &device, &[(12, 0xff)]),
            Page::new(0x10, 1, &extension, &[(2, 0xff), (3, 0xff)]),
            Page::new(0x11, 0, &partition, &[]),
            Page::new(0x1d, 0, &worm_page, &[]),
        ]
    }

    /// MODE SENSE(6) and (10), opcodes 1Ah and 5Ah; `header` is 4 or 8.
    pub(super) fn mode_sense(&mut self, cdb: &[u8], data: &mut Data<'_>, header: usize) -> Done {
        let (code, subpage) = (cdb[2] & 0x3f, cdb[3]);
        let mode = match cdb[2] >> 6 {
            2 => Mode::default(),
            3 => return Err(NO_SAVED_VALUES.into()),
            _ => self.state.mode.clone(),
        };
        let mut reply = Reply::new();
        reply.zeros(header);
        if cdb[1] & 0x08 == 0 {
            self.block_descriptor(&mut reply, &mode);
        }
        let described = reply.len() - header;
        let mut found = false;
        for page in self.pages(&mode) {
            let every_subpage = subpage == 0xff;
            if (code == page.code || code == 0x3f) && (every_subpage || subpage == page.subpage) {
                found = true;
                let changeable = cdb[2] >> 6 == 1;
                page.write(&mut reply, if changeable { &page.changeable } else { &page.body });
            }
        }
        // Page 00 asks for header and block descriptor only.
        if !found && (code, subpage) != (0, 0) {
            return Err(bad_cdb(if subpage == 0 { 2 } else { 3 }, None).into());
        }
        self.fill_header(&mut reply, header, described, mode.buffered_mode);
        let allocation = if header == 4 { usize::from(cdb[4]) } else { field(cdb, 7, 2) as usize };
        reply.send(data, allocation)
    }

    fn fill_header(&self, reply: &mut Reply, header: usize, described: usize, buffered: u8) {
        let memory = self.mounted.as_ref().map(|mounted| &mounted.memory);
        let medium_type = memory.map_or(0, |memory| match memory.spec.kind {
            MediumKind::Worm => 0x9c,
            MediumKind::Cleaning => 0x01,
            _ => 0x98,
        });
        let protected = memory.is_some_and(|memory| memory.is_protected());
        let specific = u8::from(protected) << 7 | buffered << 4;
        if header == 4 {
            let length = (reply.len() - 1).min(0xff) as u8;
            reply.patch(0, &[length, medium_type, specific, described as u8]);
        } else {
            let length = (reply.len() - 2) as u16;
            reply.patch(0, &length.to_be_bytes()).patch(2, &[medium_type, specific]);
            reply.patch(7, &[described as u8]);
        }
    }

    fn block_descriptor(&self, reply: &mut Reply, mode: &Mode) {
        reply.u8(DENSITY).u24(0).u8(0).u24(mode.block_length);
    }

    /// MODE SELECT(6) and (10), opcodes 15h and 55h.
    pub(super) fn mode_select(&mut self, cdb: &[u8], data: &mut Data<'_>, header: usize) -> Done {
        if cdb[1] & 0x10 == 0 {
            return Err(bad_cdb(1, Some(4)).into());
        }
        if cdb[1] & 0x01 != 0 {
            return Err(bad_cdb(1, Some(0)).into()); // SP: nothing can be saved
        }
        let Data::Out(list) = data else { return Ok(0) };
        if list.is_empty() {
            return Ok(0);
        }
        self.state.mode = self.selected(list, header)?;
        Ok(list.len())
    }

    /// The mode a parameter list asks for, or what is wrong with it.
    fn selected(&self, list: &[u8], header: usize) -> Result<Mode, Condition> {
        let mut mode = self.state.mode.clone();
        let head = list.get(..header).ok_or(PARAMETER_LIST_LENGTH)?;
        if head[..header / 4].iter().any(|&byte| byte != 0) {
            return Err(bad_parameter(0, None)); // MODE DATA LENGTH is reserved here
        }
        mode.buffered_mode = match head[header / 4 + 1] >> 4 & 0x07 {
            buffered @ 0..=1 => buffered,
            _ => return Err(bad_parameter((header / 4 + 1) as u8, Some(6))),
        };
        let described = usize::from(head[header - 1]);
        let pages = list.get(header + described..).ok_or(PARAMETER_LIST_LENGTH)?;
        match described {
            0 => {}
            8 => describe(&mut mode, &list[header..header + 8], header)?,
            _ => return Err(bad_parameter(header as u8 - 1, None)),
        }
        self.apply_pages(mode, pages, header + described)
    }

    fn apply_pages(
        &self,
        mut mode: Mode,
        mut list: &[u8],
        mut at: usize,
    ) -> Result<Mode, Condition> {
        while let [first, second, ..] = *list {
            let long = first & 0x40 != 0;
            let (head, subpage) = if long { (4, second) } else { (2, 0) };
            let length = if long { field(list, 2, 2) as usize } else { usize::from(second) };
            let pages = self.pages(&mode);
            let page = pages.iter().find(|p| p.code == first & 0x3f && p.subpage == subpage);
            let page = page.ok_or(bad_parameter(at as u8, None))?;
            if length != page.body.len() {
                return Err(bad_parameter((at + head - 1) as u8, None));
            }
            let body = list.get(head..head + length).ok_or(PARAMETER_LIST_LENGTH)?;
            for (i, (new, old)) in body.iter().zip(&page.body).enumerate() {
                if (new ^ old) & !page.changeable[i] != 0 {
                    return Err(bad_parameter((at + head + i) as u8, None));
                }
            }
            adopt(&mut mode, page, body, at + head)?;
            list = &list[head + length..];
            at += head + length;
        }
        if list.is_empty() { Ok(mode) } else { Err(PARAMETER_LIST_LENGTH) }
    }
}

/// Takes over a block descriptor.
fn describe(mode: &mut Mode, descriptor: &[u8], at: usize) -> Result<(), Condition> {
    if !matches!(descriptor[0], 0x00 | 0x7f | DENSITY) {
        return Err(bad_parameter(at as u8, None));
    }
    match field(descriptor, 5, 3) as u32 {
        length if length <= BLOCK_LIMIT => mode.block_length = length,
        _ => return Err(bad_parameter(at as u8 + 5, None)),
    }
    Ok(())
}

/// Takes over what may be changed in one page.
fn adopt(mode: &mut Mode, page: &Page, body: &[u8], at: usize) -> Result<(), Condition> {
    match (page.code, page.subpage) {
        (0x0f, _) => mode.compression = body[0] & 0x80 != 0,
        (0x10, 0) => match body[12] {
            choice @ 0..=1 => mode.compression = choice == 1,
            _ => return Err(bad_parameter((at + 12) as u8, None)),
        },
        (0x10, 1) => mode.early_warning_mb = field(body, 2, 2) as u16,
        _ => {}
    }
    Ok(())
}
