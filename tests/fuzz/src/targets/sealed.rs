//! Encrypted streams, opened with an identity that the seeds were sealed to.
//!
//! Promises: nobody forges a chunk, so all that comes out is the seeds' text; any split gives the same.

use std::sync::Arc;

use age::x25519::Identity;
use tapioca::parts::process::age::Decrypt;
use tapioca::stream::{Begin, Block, End, Fault, Item, Outlet, Process};

/// Made for this; opens nothing else.
const IDENTITY: &str = "AGE-SECRET-KEY-1Y49AQATEH8CNGKLKUWQPG80JJ5VDKNY4HJGTC745GFL80Z39FYMQ659SXZ";
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

fn open(bytes: &[u8], piece: usize) -> (Came, bool) {
    let identity: Identity = IDENTITY.parse().expect("the identity is one");
    let mut decrypt = Decrypt::new(Arc::new(vec![Box::new(identity)])).without_lines();
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
