//! A few lines of DER: what a signature is put together from. Source: ITU-T X.690.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Tag of a constructed element that only its place tells.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One element.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.extend(u8::try_from(short)),
        _ => {
            out.extend(u8::try_from(significant.len()).map(|count| 0x80 | count));
            out.extend(significant);
        }
    }
    out.extend(content);
    out
}

/// One element of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
    pub(crate) rest: &'a [u8],
}

/// The first element.
pub(crate) fn first(bytes: &[u8]) -> Option<Element<'_>> {
    let (tag, length) = (*bytes.first()?, *bytes.get(1)?);
    let (head, length) = match length {
        0..=0x7f => (2, usize::from(length)),
        0x81..=0x84 => {
            let digits = bytes.get(2..2 + usize::from(length & 0x7f))?;
            let length = digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (2 + digits.len(), length)
        }
        _ => return None,
    };
    let whole = bytes.get(..head.checked_add(length)?)?;
    Some(Element { tag, content: &whole[head..], whole, rest: &bytes[whole.len()..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_at_every_length() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let mut bytes = element(SEQUENCE, &[&content]);
            bytes.push(9);
            let Element { tag, content: inner, whole, rest } = first(&bytes).unwrap();
            assert_eq!((tag, inner, rest), (SEQUENCE, &content[..], &[9][..]));
            assert_eq!(whole.len() + 1, bytes.len());
            assert_eq!(first(&bytes[..bytes.len() - 2]), None);
        }
    }
}
