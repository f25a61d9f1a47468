//! Columns: numbers and texts of one kind, one after the other.
//!
//! Owns the varints (little-endian, seven bits a byte, as LEB128), the zigzag for differences, and the
//! joining of columns into one string of bytes. Reads what anybody wrote: nothing is taken that is
//! not there, and no length is believed before the bytes are seen.

/// Appends a number.
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends the difference of two numbers, whatever way round.
pub fn put_difference(out: &mut Vec<u8>, number: u64, expected: u64) {
    let difference = number.wrapping_sub(expected) as i64;
    put(out, ((difference << 1) ^ (difference >> 63)) as u64);
}

/// Appends bytes and how many they are.
pub fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Columns as one string of bytes: the lengths, then the columns.
pub fn join(columns: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(columns.iter().map(|c| c.len() + 5).sum());
    columns.iter().for_each(|column| put(&mut out, column.len() as u64));
    columns.iter().for_each(|column| out.extend_from_slice(column));
    out
}

/// Undoes [`join`]; every byte must belong to a column.
pub fn split<const N: usize>(bytes: &[u8]) -> Option<[Column<'_>; N]> {
    let mut all = Column(bytes);
    let mut lengths = [0; N];
    for length in &mut lengths {
        *length = usize::try_from(all.number()?).ok()?;
    }
    let mut columns = [(); N].map(|()| Column(&[]));
    for (column, length) in columns.iter_mut().zip(lengths) {
        *column = Column(all.bytes(length)?);
    }
    all.is_empty().then_some(columns)
}

/// What is left of a column.
pub struct Column<'a>(pub &'a [u8]);

impl<'a> Column<'a> {
    /// Whether all of it was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next number.
    pub fn number(&mut self) -> Option<u64> {
        // Most are small.
        if let [byte @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Some(u64::from(*byte));
        }
        let mut number = 0u64;
        for (at, &byte) in self.0.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if at == 9 && bits > 1 {
                return None;
            }
            number |= bits << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }

    /// The next number, kept as its difference from `expected`.
    pub fn difference(&mut self, expected: u64) -> Option<u64> {
        let zigzag = self.number()?;
        Some(expected.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg()))
    }

    /// The next so many bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|one| one[0])
    }

    /// The next text.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.number()?).ok()?;
        self.bytes(count)
    }

    /// The next bytes of an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for number in numbers {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(Column(&out).number(), Some(number));
            for cut in 0..out.len() {
                assert_eq!(Column(&out[..cut]).number(), None);
            }
            for expected in numbers {
                let mut out = Vec::new();
                put_difference(&mut out, number, expected);
                assert_eq!(Column(&out).difference(expected), Some(number));
            }
        }
        assert_eq!(Column(&[0xff; 11]).number(), None);
    }

    #[test]
    fn columns_are_taken_apart_only_where_all_fits() {
        let joined = join(&[b"ab", b"", b"c"]);
        let [a, b, c] = split::<3>(&joined).unwrap();
        assert_eq!((a.0, b.0, c.0), (&b"ab"[..], &b""[..], &b"c"[..]));
        assert!(split::<2>(&joined).is_none() && split::<4>(&joined).is_none());
        assert!(split::<3>(&joined[..joined.len() - 1]).is_none());
    }
}
