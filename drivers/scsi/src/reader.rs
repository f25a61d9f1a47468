//! Checked reads of big-endian fields.
//!
//! Owns the only indexing into device replies: every function answers `None` where the bytes end
//! too soon, so no decoder can run past a reply. Refuses to interpret: what a number means is said
//! where it is decoded. SCSI fields are big-endian throughout (SPC-5 3.4).

/// The byte at `at`.
pub fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The `count` bytes from `at`, all or nothing.
pub fn slice(bytes: &[u8], at: usize, count: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(count)?)
}

/// The `N` bytes from `at` as an array.
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    slice(bytes, at, N)?.try_into().ok()
}

/// Two bytes.
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// Three bytes.
pub fn be24(bytes: &[u8], at: usize) -> Option<u32> {
    let [a, b, c] = array(bytes, at)?;
    Some(u32::from_be_bytes([0, a, b, c]))
}

/// Four bytes.
pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// Eight bytes.
pub fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

/// A whole slice of one to eight bytes as one number.
pub fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    Some(bytes.iter().fold(0, |sum, &b| sum << 8 | u64::from(b)))
}

/// Bit mask test on the byte at `at`; an absent byte has no bit set.
pub fn bit(bytes: &[u8], at: usize, mask: u8) -> bool {
    byte(bytes, at).is_some_and(|b| b & mask != 0)
}

/// Text a device sent, made safe to print: spaces and NULs at both ends are dropped, every byte
/// that is not printable ASCII becomes `?`. Devices pad with either, and some leave rubbish in the
/// middle.
pub fn text(bytes: &[u8]) -> String {
    let padding = |b: &u8| *b == b' ' || *b == 0;
    let start = bytes.iter().position(|b| !padding(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !padding(b)).map_or(start, |last| last + 1);
    bytes[start..end]
        .iter()
        .map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '?' })
        .collect()
}

/// [`text`] of a field, empty when the field is not whole.
pub fn text_at(bytes: &[u8], at: usize, count: usize) -> String {
    slice(bytes, at, count).map(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        let bytes = [1, 2, 3, 4];
        assert_eq!(be16(&bytes, 2), Some(0x0304));
        assert_eq!(be24(&bytes, 1), Some(0x02_0304));
        assert_eq!(be32(&bytes, 1), None);
        assert_eq!(slice(&bytes, usize::MAX, 2), None);
        assert_eq!(number(&[]), None);
        assert_eq!(number(&[0xff; 8]), Some(u64::MAX));
        assert_eq!(number(&[0; 9]), None);
    }

    #[test]
    fn text_is_always_printable() {
        assert_eq!(text(b"\0 AB\x1b[1mC\0\0 "), "AB?[1mC");
        assert_eq!(text(b"   \0"), "");
        assert_eq!(text(b"A\xc3\x84"), "A??");
    }
}
