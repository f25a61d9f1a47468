//! Blocks: page-aligned bytes from a pool of fixed size.
//!
//! Owns the memory of the data path. A block is unique, has headroom in front of its bytes for a
//! header, and goes home to its pool when dropped. A dry pool makes the next taker wait: that is the
//! back-pressure, and the pool's size is the ceiling on memory.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

const PAGE: usize = 4096;

/// Room in front of a block's bytes, enough for any header of ours.
pub const HEADROOM: usize = 128;

/// Default bytes of a block on an edge: half of a usual second-level cache.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// The largest block an edge carries.
pub const BLOCK_BYTES_MAX: usize = 1024 * 1024;

struct Shelf {
    free: Vec<Vec<u8>>,
    made: usize,
}

struct Store {
    shelf: Mutex<Shelf>,
    came_home: Condvar,
    capacity: usize,
    limit: usize,
}

/// A bounded supply of blocks.
#[derive(Clone)]
pub struct Pool {
    store: Arc<Store>,
}

impl Pool {
    /// A pool of at most `limit` blocks, each able to hold `capacity` bytes.
    pub fn new(capacity: usize, limit: usize) -> Pool {
        assert!(limit > 0, "a pool holds at least one block");
        let shelf = Mutex::new(Shelf { free: Vec::new(), made: 0 });
        Pool { store: Arc::new(Store { shelf, came_home: Condvar::new(), capacity, limit }) }
    }

    /// Bytes one block can hold.
    pub fn capacity(&self) -> usize {
        self.store.capacity
    }

    /// Takes an empty block; waits while all are out.
    pub fn take(&self) -> Block {
        let store = &self.store;
        let mut shelf = store.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(bytes) = shelf.free.pop() {
                return Block::over(bytes, Some(self.clone()));
            }
            if shelf.made < store.limit {
                shelf.made += 1;
                drop(shelf);
                return Block::over(room_for(store.capacity), Some(self.clone()));
            }
            shelf = store.came_home.wait(shelf).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes an empty block, unless all are out.
    pub fn try_take(&self) -> Option<Block> {
        let store = &self.store;
        let mut shelf = store.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.free.is_empty() && shelf.made == store.limit {
            return None;
        }
        let bytes = shelf.free.pop();
        shelf.made += usize::from(bytes.is_none());
        drop(shelf);
        Some(Block::over(bytes.unwrap_or_else(|| room_for(store.capacity)), Some(self.clone())))
    }

    /// Blocks that are out at this moment.
    pub fn out(&self) -> usize {
        let shelf = self.store.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.made - shelf.free.len()
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut shelf = self.store.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.free.push(bytes);
        self.store.came_home.notify_one();
    }
}

fn room_for(capacity: usize) -> Vec<u8> {
    vec![0; HEADROOM + PAGE + capacity]
}

/// Some bytes on their way, page-aligned, with [`HEADROOM`] in front.
pub struct Block {
    bytes: Vec<u8>,
    base: usize,
    start: usize,
    end: usize,
    home: Option<Pool>,
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({} bytes)", self.len())
    }
}

/// Another block with the same bytes and no more; it belongs to no pool.
impl Clone for Block {
    fn clone(&self) -> Block {
        Block::of_vec(self.data().to_vec())
    }
}

/// Blocks are the same if their bytes are.
impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        self.data() == other.data()
    }
}

impl Eq for Block {}

impl std::hash::Hash for Block {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.data().hash(state);
    }
}

impl Block {
    fn over(bytes: Vec<u8>, home: Option<Pool>) -> Block {
        let base = HEADROOM + bytes[HEADROOM..].as_ptr().align_offset(PAGE).min(PAGE);
        Block { bytes, base, start: base, end: base, home }
    }

    /// An empty block that belongs to no pool.
    pub fn with_capacity(capacity: usize) -> Block {
        Block::over(room_for(capacity), None)
    }

    /// A block that belongs to no pool, holding a copy of `data`.
    pub fn copy_of(data: &[u8]) -> Block {
        let mut block = Block::with_capacity(data.len());
        block.append(data);
        block
    }

    /// A block that belongs to no pool and is these bytes: no alignment, no headroom, no room.
    pub fn of_vec(bytes: Vec<u8>) -> Block {
        let end = bytes.len();
        Block { bytes, base: 0, start: 0, end, home: None }
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Bytes of memory it takes, held or not.
    pub fn footprint(&self) -> usize {
        self.bytes.len()
    }

    /// True when no byte is held.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// Bytes that can still be appended.
    pub fn room(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The bytes, to change in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// The free space behind the bytes; say with [`Block::grow`] how much of it was filled.
    pub fn spare(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Takes `count` bytes of the spare space into the block.
    pub fn grow(&mut self, count: usize) {
        assert!(count <= self.room(), "grown past its room");
        self.end += count;
    }

    /// Appends as much of `data` as there is room for and returns how much that was.
    pub fn append(&mut self, data: &[u8]) -> usize {
        let count = data.len().min(self.room());
        self.bytes[self.end..self.end + count].copy_from_slice(&data[..count]);
        self.end += count;
        count
    }

    /// Drops `count` bytes from the front.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "advanced past its end");
        self.start += count;
    }

    /// Keeps only the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        self.end = self.end.min(self.start + count);
    }

    /// Forgets the bytes.
    pub fn clear(&mut self) {
        self.start = self.base;
        self.end = self.base;
    }

    /// Puts `header` in front of the bytes, if there is headroom for it; returns whether there was.
    pub fn prepend(&mut self, header: &[u8]) -> bool {
        let Some(from) = self.start.checked_sub(header.len()) else { return false };
        self.bytes[from..self.start].copy_from_slice(header);
        self.start = from;
        true
    }

    /// The `N` bytes of headroom directly in front of the data together with the data, with the
    /// headroom set to `header`: one slice, so one write sends both.
    pub fn with_header<const N: usize>(&mut self, header: [u8; N]) -> &[u8] {
        const { assert!(N <= HEADROOM) };
        let from = self.start - N;
        self.bytes[from..self.start].copy_from_slice(&header);
        &self.bytes[from..self.end]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.home.take() {
            pool.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_aligned_and_comes_home() {
        let pool = Pool::new(1000, 1);
        let mut block = pool.take();
        assert_eq!(block.data().as_ptr().align_offset(PAGE), 0);
        assert!(block.room() >= 1000);
        assert_eq!(block.append(&[7; 10]), 10);
        assert_eq!(block.with_header([1, 2, 3])[..4], [1, 2, 3, 7]);
        assert_eq!(pool.out(), 1);
        drop(block);
        assert_eq!(pool.out(), 0);
        assert!(pool.take().is_empty());
    }

    #[test]
    fn a_dry_pool_makes_the_taker_wait() {
        let pool = Pool::new(10, 1);
        let held = pool.take();
        let other = pool.clone();
        let waiter = std::thread::spawn(move || other.take().len());
        drop(held);
        assert_eq!(waiter.join().expect("the waiter got its block"), 0);
    }
}
