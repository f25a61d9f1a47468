//! Blocks: some rows that follow each other, column by column.
//!
//! Owns both halves of a block. The first has the keys, each as what it shares with the one before and
//! what is new; whoever looks for a name needs no more. The other has what is said: differences from
//! what the row before leads one to expect, since files of one directory lie behind one another
//! on tape and are of similar age. Digests cannot be compressed and stand behind it as they are.

use super::column::{self, Column, join, put, put_difference, put_text};
use super::row::{Facts, Row, Said};
use crate::list::ENTRY_TYPES;

/// Rows of a block.
pub const ROWS_MAX: usize = 512;
/// Bytes of keys and texts at which a block is full. A row may have a fourth of it.
pub const TEXT_BYTES: usize = 256 << 10;

const GONE: u8 = 16;
const INODE: u8 = 17;
const MISSING: u8 = 18;
const KIND_BITS: u8 = 0x1f;
const HAS_DIGEST: u8 = 0x20;
const HAS_LINK: u8 = 0x40;
const HAS_STORED: u8 = 0x80;
/// Archives lie in blocks of so many bytes.
const PAD: u64 = 512;

/// The first half.
pub fn encode_keys(rows: &[Row]) -> Vec<u8> {
    let (mut shared, mut lengths, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: &[u8] = &[];
    for row in rows {
        let common = row.key.iter().zip(before).take_while(|(a, b)| a == b).count();
        put(&mut shared, common as u64);
        put(&mut lengths, (row.key.len() - common) as u64);
        bytes.extend_from_slice(&row.key[common..]);
        before = &row.key;
    }
    join(&[&shared, &lengths, &bytes])
}

/// Goes through the keys of a first half without keeping them.
pub struct Keys<'a> {
    shared: Column<'a>,
    lengths: Column<'a>,
    bytes: Column<'a>,
    key: Vec<u8>,
}

impl<'a> Keys<'a> {
    /// Those of a first half; `None` if it is none.
    pub fn of(plain: &'a [u8]) -> Option<Keys<'a>> {
        let [shared, lengths, bytes] = column::split(plain)?;
        Some(Keys { shared, lengths, bytes, key: Vec::new() })
    }

    /// The next key: `Ok(None)` behind the last, `Err` where there should be one and is not.
    pub fn next_key(&mut self) -> Result<Option<&[u8]>, String> {
        if self.shared.is_empty() && self.lengths.is_empty() && self.bytes.is_empty() {
            return Ok(None);
        }
        self.step().ok_or("its keys are not in order")?;
        Ok(Some(&self.key))
    }

    fn step(&mut self) -> Option<()> {
        let shared = usize::try_from(self.shared.number()?).ok()?;
        let length = usize::try_from(self.lengths.number()?).ok()?;
        let fresh = self.bytes.bytes(length)?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(fresh);
        Some(())
    }

    /// All of them.
    pub fn all(mut self) -> Result<Vec<Vec<u8>>, String> {
        let mut keys = Vec::new();
        let mut bytes = 0;
        while let Some(key) = self.next_key()? {
            bytes += key.len();
            if keys.len() == ROWS_MAX || bytes > 2 * TEXT_BYTES {
                return Err("it has more keys than a block holds".into());
            }
            keys.push(key.to_vec());
        }
        Ok(keys)
    }
}

/// What the next entry is expected to be.
#[derive(Default)]
struct Expected {
    offset: u64,
    mtime_s: u64,
    inode: u64,
}

impl Expected {
    fn after(&mut self, facts: &Facts) {
        self.offset = facts.offset.wrapping_add(facts.span);
        self.mtime_s = facts.mtime.0 as u64;
    }
}

fn padded(size: u64) -> u64 {
    size.div_ceil(PAD).wrapping_mul(PAD)
}

/// The columns of the other half.
#[derive(Default)]
struct Facing {
    tags: Vec<u8>,
    offsets: Vec<u8>,
    spans: Vec<u8>,
    sizes: Vec<u8>,
    seconds: Vec<u8>,
    nanoseconds: Vec<u8>,
    inodes: Vec<u8>,
    texts: Vec<u8>,
    digests: Vec<u8>,
    expected: Expected,
}

/// The other half, and the digests.
pub fn encode_facts(rows: &[Row]) -> (Vec<u8>, Vec<u8>) {
    let mut half = Facing::default();
    rows.iter().for_each(|row| half.row(row));
    let joined = join(&[
        &half.tags,
        &half.offsets,
        &half.spans,
        &half.sizes,
        &half.seconds,
        &half.nanoseconds,
        &half.inodes,
        &half.texts,
    ]);
    (joined, half.digests)
}

impl Facing {
    fn row(&mut self, row: &Row) {
        let mut tag = match &row.said {
            Said::Gone => GONE,
            Said::Missing(_) => MISSING,
            Said::Inode(_) => INODE,
            Said::Entry(facts) => self.tag(facts),
        };
        if row.stored.is_some() {
            tag |= HAS_STORED;
        }
        self.tags.push(tag);
        match &row.said {
            Said::Gone => {}
            Said::Missing(why) => put_text(&mut self.texts, why.as_bytes()),
            Said::Inode(number) => {
                put_difference(&mut self.inodes, *number, self.expected.inode);
                self.expected.inode = *number;
            }
            Said::Entry(facts) => self.entry(facts),
        }
        row.stored.iter().for_each(|path| put_text(&mut self.texts, path));
    }

    fn tag(&self, facts: &Facts) -> u8 {
        let kind = ENTRY_TYPES.iter().position(|kind| *kind == facts.kind);
        let kind = kind.expect("a line has no other types") as u8;
        let digest = if facts.digest.is_some() { HAS_DIGEST } else { 0 };
        let link = if facts.link.is_some() { HAS_LINK } else { 0 };
        kind | digest | link
    }

    fn entry(&mut self, facts: &Facts) {
        put_difference(&mut self.offsets, facts.offset, self.expected.offset);
        put_difference(&mut self.spans, facts.span, padded(facts.size));
        put(&mut self.sizes, facts.size);
        put_difference(&mut self.seconds, facts.mtime.0 as u64, self.expected.mtime_s);
        self.nanoseconds.extend(facts.mtime.1.to_le_bytes());
        facts.link.iter().for_each(|link| put_text(&mut self.texts, link));
        facts.digest.iter().for_each(|digest| self.digests.extend(digest));
        self.expected.after(facts);
    }
}

/// What the rows of a block say, from its other half.
pub struct FactReader<'a> {
    tags: Column<'a>,
    offsets: Column<'a>,
    spans: Column<'a>,
    sizes: Column<'a>,
    seconds: Column<'a>,
    nanoseconds: Column<'a>,
    inodes: Column<'a>,
    texts: Column<'a>,
    digests: Column<'a>,
    expected: Expected,
}

impl<'a> FactReader<'a> {
    /// Of a half and its digests.
    pub fn of(plain: &'a [u8], digests: &'a [u8]) -> Option<FactReader<'a>> {
        let [tags, offsets, spans, sizes, seconds, nanoseconds, inodes, texts] =
            column::split(plain)?;
        let (digests, expected) = (Column(digests), Expected::default());
        Some(FactReader {
            tags,
            offsets,
            spans,
            sizes,
            seconds,
            nanoseconds,
            inodes,
            texts,
            digests,
            expected,
        })
    }

    /// What the next row says; `None` if that cannot be.
    pub fn row(&mut self, key: Vec<u8>) -> Option<Row> {
        let tag = self.tags.byte()?;
        let said = match tag & KIND_BITS {
            GONE => Said::Gone,
            MISSING => Said::Missing(String::from_utf8(self.texts.text()?.to_vec()).ok()?),
            INODE => {
                self.expected.inode = self.inodes.difference(self.expected.inode)?;
                Said::Inode(self.expected.inode)
            }
            kind => Said::Entry(self.entry(*ENTRY_TYPES.get(usize::from(kind))?, tag)?),
        };
        let stored = (tag & HAS_STORED != 0).then(|| self.texts.text().map(<[u8]>::to_vec));
        Some(Row { key, stored: flat(stored)?, said })
    }

    fn entry(&mut self, kind: u8, tag: u8) -> Option<Facts> {
        let offset = self.offsets.difference(self.expected.offset)?;
        let size = self.sizes.number()?;
        let span = self.spans.difference(padded(size))?;
        let mtime_s = self.seconds.difference(self.expected.mtime_s)? as i64;
        let mtime = (mtime_s, u32::from_le_bytes(self.nanoseconds.array()?));
        let link = (tag & HAS_LINK != 0).then(|| self.texts.text().map(<[u8]>::to_vec));
        let digest = (tag & HAS_DIGEST != 0).then(|| self.digests.array());
        let (link, digest) = (flat(link)?, flat(digest)?);
        let facts = Facts { kind, offset, span, size, mtime, digest, link };
        self.expected.after(&facts);
        Some(facts)
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        let numbers = [&self.offsets, &self.spans, &self.sizes, &self.seconds, &self.inodes];
        let others = [&self.tags, &self.nanoseconds, &self.texts, &self.digests];
        numbers.into_iter().chain(others).all(Column::is_empty)
    }
}

/// What may be left out, of what may be damaged.
fn flat<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

/// All rows of a block. The error says what is wrong with it.
pub fn decode(keys: &[u8], facts: &[u8], digests: &[u8]) -> Result<Vec<Row>, String> {
    let keys = Keys::of(keys).ok_or("its keys are not in columns")?.all()?;
    let mut facts = FactReader::of(facts, digests).ok_or("its facts are not in columns")?;
    let rows: Option<Vec<Row>> = keys.into_iter().map(|key| facts.row(key)).collect();
    let rows = rows.filter(|_| facts.is_over());
    rows.ok_or_else(|| "its keys and its facts do not agree".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::lines;

    fn rows() -> Vec<Row> {
        let text = format!(
            "d 0 512 0 5.000000001 - .\ni 9 .\nf 512 1024 3 5.000000000 {0} a\n- b/c\n\
             ! changed b/d\nl 1536 512 0 -9.999999999 - ./b/e target\n\
             f 18446744073709551615 1 18446744073709551615 -9223372036854775808.000000000 - z\n",
            blake3::hash(b"x").to_hex()
        );
        lines(text.as_bytes()).map(|line| Row::of(line.unwrap()).unwrap()).collect()
    }

    #[test]
    fn rows_come_back() {
        let (facts, digests) = encode_facts(&rows());
        assert_eq!(digests.len(), 32);
        assert_eq!(decode(&encode_keys(&rows()), &facts, &digests), Ok(rows()));
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let (facts, digests) = encode_facts(&rows());
        for (keys, facts, digests) in [
            (encode_keys(&rows()[1..]), &facts, &digests),
            (encode_keys(&rows()), &encode_facts(&rows()[1..]).0, &digests),
            (encode_keys(&rows()), &facts, &Vec::new()),
            (encode_keys(&rows()), &facts, &[digests.clone(), digests.clone()].concat()),
        ] {
            assert!(decode(&keys, facts, digests).is_err());
        }
    }
}
