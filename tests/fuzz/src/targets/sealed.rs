//! Encrypted streams and their index lines, opened with an identity that the seeds were sealed to.
//!
//! Promises: nobody forges a chunk or a line, so all that comes out is the seeds' text; any split gives the
//! same; lines that are sealed come back as they were.

use std::sync::Arc;

use age::x25519::Identity;
use tapioca::list::{Line, lines};
use tapioca::parts::process::age::unseal::Unseal;
use tapioca::parts::process::age::{Decrypt, Encrypt, Identities};
use tapioca::stream::{Begin, Block, End, Fault, Item, Outlet, Process};

/// Made for this; opens nothing else.
pub const IDENTITY: &str =
    "AGE-SECRET-KEY-1Y49AQATEH8CNGKLKUWQPG80JJ5VDKNY4HJGTC745GFL80Z39FYMQ659SXZ";
const TEXT: &[u8] = b"tapioca!";

#[derive(Default, PartialEq, Debug)]
struct Came(Vec<u8>);

impl Outlet for Came {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        if let Item::Data { offset, block } = item {
            assert_eq!(offset, self.0.len() as u64);
            self.0.extend_from_slice(block.data());
        }
        Ok(())
    }
}

fn identities() -> Identities {
    let identity: Identity = IDENTITY.parse().expect("the identity is one");
    Arc::new(vec![Box::new(identity)])
}

fn open(bytes: &[u8], piece: usize) -> (Came, bool) {
    let mut decrypt = Decrypt::new(identities()).without_lines();
    let mut came = Came::default();
    let begin = Begin { layers: vec!["age".into()], ..Begin::default() };
    let feed = || {
        decrypt.item(Item::Begin(begin), &mut came)?;
        let mut offset = 0;
        for piece in bytes.chunks(piece) {
            decrypt.item(Item::Data { offset, block: Block::copy_of(piece) }, &mut came)?;
            offset += piece.len() as u64;
        }
        decrypt.item(Item::End(End { bytes: offset, skipped: 0 }), &mut came)
    };
    let whole = feed().is_ok();
    (came, whole)
}

pub fn age(bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let (came, whole) = open(bytes, usize::from(piece).max(1));
    let text = TEXT.iter().cycle();
    assert!(came.0.iter().zip(text).all(|(a, b)| a == b), "something else came out");
    assert_eq!(open(bytes, bytes.len().max(1)), (came, whole));
}

/// A byte that is odd: index lines to be sealed and opened. Else the length of a head, the head, and
/// lines that it should open.
pub fn index(bytes: &[u8]) {
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    match mode % 2 {
        1 => there_and_back(bytes),
        _ => only_what_was_sealed(bytes),
    }
}

fn only_what_was_sealed(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let Some((head, text)) = rest.split_at_checked(length) else { return };
    let identities = identities();
    let mut unseal = Unseal::without_heads(&identities);
    if unseal.head(1, head).is_err() {
        return;
    }
    let opened = unseal.part(text);
    let is_sound = unseal.troubles(true).is_empty();
    let in_clear = |line: &Line| {
        matches!(line, Line::Seek { .. } | Line::Place { .. } | Line::LayerHead { .. })
    };
    let sealed: Vec<Line> = lines(&opened)
        .map(|line| line.expect("what comes out are lines"))
        .filter(|line| !in_clear(line))
        .collect();
    let path = |line: &Line| match line {
        Line::Missing { path, .. } => path.clone(),
        line => panic!("{line:?} was never sealed"),
    };
    assert!(sealed.iter().all(|line| path(line).starts_with(TEXT)), "something else came out");
    assert!(!is_sound || text.split(|&b| b == b'\n').any(|line| line.starts_with(b"% 1 ")));
}

#[derive(Default)]
struct Said(Vec<Item>);

impl Outlet for Said {
    fn put(&mut self, item: Item) -> Result<(), Fault> {
        self.0.push(item);
        Ok(())
    }
}

fn there_and_back(bytes: &[u8]) {
    let mut lines: Vec<u8> = bytes
        .split_inclusive(|&b| b == b'\n')
        .filter(|line| !line.starts_with(b"?"))
        .flatten()
        .copied()
        .collect();
    lines.push(b'\n');
    let identity: Identity = IDENTITY.parse().expect("the identity is one");
    let mut encrypt =
        Encrypt::new(vec![Box::new(identity.to_public())], false).expect("a recipient");
    let mut sealed = Said::default();
    let end = Item::End(End { bytes: 0, skipped: 0 });
    for item in [Item::Begin(Begin::default()), Item::Mark(lines.clone()), end] {
        encrypt.item(item, &mut sealed).expect("anything can be sealed");
    }
    let (mut decrypt, mut said) = (Decrypt::new(identities()), Said::default());
    for item in sealed.0 {
        decrypt.item(item, &mut said).expect("what was sealed opens");
    }
    let is_seek = |line: &&[u8]| line.starts_with(b"~ 1 ");
    let marks = said.0.into_iter().filter_map(|item| match item {
        Item::Mark(lines) => Some(lines),
        _ => None,
    });
    let said = marks.collect::<Vec<_>>().concat();
    let without = |text: &[u8]| -> Vec<u8> {
        text.split_inclusive(|&b| b == b'\n')
            .filter(|line| !is_seek(line))
            .flatten()
            .copied()
            .collect()
    };
    assert_eq!(without(&said), without(&lines));
}
