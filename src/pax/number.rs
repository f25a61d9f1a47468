//! Numbers as archives write them.
//!
//! Owns the octal and base-256 fields of a header block (POSIX.1-2017 pax, "ustar Interchange
//! Format"; base-256 is GNU's and star's extension for what does not fit), the decimal numbers and
//! times of extended records, and their hand-made writing, which allocates nothing.

use super::Time;

/// A numeric header field: octal with leading blanks, ended by a blank or NUL, or base-256 when the
/// top bit of its first byte is set. An empty field is 0.
pub(super) fn field(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => base_256(bytes),
        _ => octal(bytes),
    }
}

/// A numeric header field that cannot be negative.
pub(super) fn natural(bytes: &[u8]) -> Option<u64> {
    u64::try_from(field(bytes)?).ok()
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let from = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let digits = &bytes[from..];
    let to = digits.iter().position(blank).unwrap_or(digits.len());
    digits[..to].iter().try_fold(0i64, |sum, b| match b {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(i64::from(b - b'0')),
        _ => None,
    })
}

/// Two's complement, big-endian; the top bit of the first byte is the marker, the one below it the
/// sign.
fn base_256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    let first = if negative { bytes[0] | 0x80 } else { bytes[0] & 0x7f };
    let start = i128::from(first as i8);
    let value = bytes[1..]
        .iter()
        .try_fold(start, |sum, b| sum.checked_mul(256).map(|sum| sum + i128::from(*b)))?;
    i64::try_from(value).ok()
}

/// A decimal number without sign.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, b| match b {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// A time record: seconds, perhaps negative, perhaps with a fraction, whose digits past the ninth
/// are dropped.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let point = text.iter().position(|&b| b == b'.').unwrap_or(text.len());
    let s = i64::try_from(decimal(&text[..point])?).ok()?;
    let ns = fraction(text.get(point + 1..).unwrap_or(&[]))?;
    Some(match (negative, ns) {
        (false, _) => Time { s, ns },
        (true, 0) => Time { s: -s, ns },
        (true, _) => Time { s: -s - 1, ns: 1_000_000_000 - ns },
    })
}

fn fraction(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| digits.get(at).map_or(0, |b| u32::from(b - b'0'));
    Some((0..9).fold(0, |sum, at| sum * 10 + digit(at)))
}

/// Fills `field` with octal digits and a closing NUL; false when the number does not fit.
pub(super) fn put_octal(field: &mut [u8], value: u64) -> bool {
    let Some((last, digits)) = field.split_last_mut() else { return value == 0 };
    *last = 0;
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    rest == 0
}

/// Decimal digits of a number, made on the stack.
pub(super) struct Digits {
    text: [u8; 20],
    from: usize,
}

impl Digits {
    pub(super) fn of(value: u64) -> Digits {
        let mut digits = Digits { text: [b'0'; 20], from: 20 };
        let mut rest = value;
        loop {
            digits.from -= 1;
            digits.text[digits.from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return digits;
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.text[self.from..]
    }
}

/// How many decimal digits a number has.
pub(super) fn digits_of(value: usize) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The text of a time record, made on the stack.
pub(super) struct TimeText {
    text: [u8; 32],
    len: usize,
}

impl TimeText {
    pub(super) fn of(time: Time) -> TimeText {
        let mut text = TimeText { text: [0; 32], len: 0 };
        let (sign, s, ns) = match (time.s < 0, time.ns) {
            (true, 1..) => (true, (time.s + 1).unsigned_abs(), 1_000_000_000 - time.ns),
            (negative, ns) => (negative, time.s.unsigned_abs(), ns),
        };
        if sign {
            text.push(b"-");
        }
        text.push(Digits::of(s).bytes());
        if ns != 0 {
            // The leading 1 keeps the zeros.
            let digits = Digits::of(u64::from(ns) + 1_000_000_000);
            text.push(b".");
            text.push(&digits.bytes()[1..]);
        }
        text
    }

    fn push(&mut self, bytes: &[u8]) {
        self.text[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_base_256() {
        assert_eq!(field(b"0000644\0"), Some(0o644));
        assert_eq!(field(b"   644 \0"), Some(0o644));
        assert_eq!(field(&[0; 8]), Some(0));
        assert_eq!(field(b"00009\0"), None);
        assert_eq!(field(&[0x80, 0, 0, 0, 0, 0x3d, 0x09, 0x00]), Some(4_000_000));
        assert_eq!(field(&[0xff; 12]), Some(-1));
        assert_eq!(natural(&[0xff; 12]), None);
        assert_eq!(field(&[0xbf; 12]), None, "more than 63 bits");
        assert_eq!(field(b"777777777777777777777777"), None);
    }

    #[test]
    fn times_keep_their_nanoseconds_on_both_sides_of_1970() {
        for (text, s, ns) in [
            (&b"0"[..], 0, 0),
            (b"1.5", 1, 500_000_000),
            (b"-1", -1, 0),
            (b"-0.000000001", -1, 999_999_999),
            (b"-2.25", -3, 750_000_000),
            (b"9223372036.854775807", 9_223_372_036, 854_775_807),
        ] {
            let parsed = time(text).unwrap();
            assert_eq!(parsed, Time { s, ns });
            assert_eq!(time(TimeText::of(parsed).bytes()), Some(parsed));
        }
        assert_eq!(time(b"1.0000000019"), Some(Time { s: 1, ns: 1 }));
        assert_eq!(
            TimeText::of(Time { s: i64::MIN, ns: 1 }).bytes(),
            b"-9223372036854775807.999999999"
        );
        assert!(
            [&b""[..], b"-", b".5", b"1,5", b"1.x", b"99999999999999999999"]
                .iter()
                .all(|bad| time(bad).is_none())
        );
    }

    #[test]
    fn octal_says_when_it_does_not_fit() {
        let mut field = [0; 8];
        assert!(put_octal(&mut field, 0o7_777_777));
        assert_eq!(&field, b"7777777\0");
        assert!(!put_octal(&mut field, 0o10_000_000));
        assert_eq!(Digits::of(u64::MAX).bytes(), b"18446744073709551615");
        assert!((0..2000).all(|n| digits_of(n) == Digits::of(n as u64).bytes().len()));
    }
}
