//! Checksums put right after a mutation, in place.
//!
//! Owns just enough of each layout to find its checksums; everything else stays as wrong as the
//! mutation made it.

pub fn nothing(_: &mut [u8]) {}

/// Tar headers: where the sizes lead, or every block that looks like one.
pub fn archive(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + 512) {
        at += 512;
        if block.iter().all(|&b| b == 0) {
            continue;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        at = at.saturating_add(content_of(block).next_multiple_of(512));
    }
}

/// Content bytes behind a header, as far as plain octal says; other forms are let go.
fn content_of(block: &[u8]) -> usize {
    let digits = block[124..136].iter().skip_while(|b| **b == b' ');
    let octal = digits.take_while(|b| (b'0'..=b'7').contains(*b));
    let size = octal.fold(0usize, |sum, b| sum.saturating_mul(8) + usize::from(b - b'0'));
    match block[156] {
        b'1'..=b'6' => 0,
        _ => size.min(1 << 30),
    }
}

/// Name streams: the count in the end, where it has as many digits, and the digest.
pub fn names(bytes: &mut [u8]) {
    let count = bytes.iter().filter(|&&b| b == 0).count().saturating_sub(2);
    seal(bytes, 0, b"$ ", count);
}

/// Lists: likewise, in the last line.
pub fn list(bytes: &mut [u8]) {
    let count = bytes.iter().filter(|&&b| b == b'\n').count().saturating_sub(1);
    seal(bytes, b'\n', b"= ", count);
}

/// Puts right the count and the digest in a last record that begins with `mark`.
fn seal(bytes: &mut [u8], separator: u8, mark: &[u8], count: usize) {
    let Some(body) = bytes.strip_suffix(&[separator]) else { return };
    let Some(start) = body.iter().rposition(|&b| b == separator).map(|at| at + 1) else { return };
    let end = body.len();
    let digest = blake3::hash(&bytes[..start]).to_hex();
    let last = &mut bytes[start..end];
    if !last.starts_with(mark) || last.len() < mark.len() + 1 + 64 {
        return;
    }
    let digits = last[mark.len()..].iter().take_while(|b| b.is_ascii_digit()).count();
    let count = count.to_string();
    if digits == count.len() {
        last[mark.len()..mark.len() + digits].copy_from_slice(count.as_bytes());
    }
    let from = last.len() - 64;
    last[from..].copy_from_slice(digest.as_bytes());
}

/// Frames: magic, length within the input, checksum, and the digest and count an end carries.
pub fn frames(bytes: &mut [u8]) {
    let mut chain = blake3::Hasher::new();
    let mut at = 0;
    // Bytes of the edge, and of each stream that takes turns on it.
    let (mut carried, mut turn) = (0u64, None);
    let mut streams = std::collections::BTreeMap::<Vec<u8>, u64>::new();
    while at + 24 <= bytes.len() {
        let left = (bytes.len() - at - 24) as u32;
        let frame = &mut bytes[at..];
        frame[..4].copy_from_slice(b"tpf1");
        frame[5..8].fill(0);
        let said = u32::from_le_bytes([frame[16], frame[17], frame[18], frame[19]]);
        let length = said.min(left);
        frame[16..20].copy_from_slice(&length.to_le_bytes());
        let whole = 24 + length as usize;
        match frame[4] {
            2 => {
                carried += u64::from(length);
                let of_turn = turn.as_ref().and_then(|id| streams.get_mut(id));
                of_turn.into_iter().for_each(|bytes| *bytes += u64::from(length));
            }
            5 => turn = None,
            6 => {
                let id = frame[24..whole].to_vec();
                streams.entry(id.clone()).or_default();
                turn = Some(id);
            }
            4 => {
                let ended = turn.take().map_or(carried, |id| streams[&id]);
                frame[8..16].copy_from_slice(&ended.to_le_bytes());
                if length >= 33 {
                    frame[whole - 32..whole].copy_from_slice(chain.finalize().as_bytes());
                }
            }
            _ => {}
        }
        let sum = crc32c::crc32c_append(crc32c::crc32c(&frame[..20]), &frame[24..whole]);
        frame[20..24].copy_from_slice(&sum.to_le_bytes());
        chain.update(&frame[..24]);
        at += whole;
    }
}

/// Compressed chunks behind the byte (or seven) that [`super::streams::chunks`] takes for itself.
pub fn chunks(bytes: &mut [u8]) {
    let mut at = match bytes.first() {
        Some(flags) if flags & 2 != 0 => 7,
        _ => 1,
    };
    while at + 32 <= bytes.len() {
        let left = (bytes.len() - at - 32) as u32;
        let chunk = &mut bytes[at..];
        chunk[..8].copy_from_slice(&[0x5d, 0x2a, 0x4d, 0x18, 24, 0, 0, 0]);
        let said = u32::from_le_bytes([chunk[20], chunk[21], chunk[22], chunk[23]]);
        let packed = said.min(left);
        chunk[20..24].copy_from_slice(&packed.to_le_bytes());
        let sum = crc32c::crc32c(&chunk[8..24]);
        chunk[24..28].copy_from_slice(&sum.to_le_bytes());
        chunk[28..32].fill(0);
        at += 32 + packed as usize;
    }
}

/// A block of a volume.
pub fn block(bytes: &mut [u8]) {
    if bytes.len() < 96 {
        return;
    }
    bytes[..8].copy_from_slice(b"TAPIOCA1");
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..92]);
    sum.update(&bytes[96..]);
    bytes[92..96].copy_from_slice(&sum.finalize().to_le_bytes());
}

/// A text page or a label block.
pub fn label(bytes: &mut [u8]) {
    let mark = b"page-checksum: ";
    let at = bytes.windows(mark.len()).rposition(|window| window == mark);
    match at.filter(|at| bytes.starts_with(b"TAPIOCA VOLUME\n") && at + 23 <= bytes.len()) {
        Some(at) => {
            let sum = crc32fast::hash(&bytes[..at]);
            bytes[at + 15..at + 23].copy_from_slice(format!("{sum:08x}").as_bytes());
        }
        None => block(bytes),
    }
}
