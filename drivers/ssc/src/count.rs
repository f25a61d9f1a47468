//! Counting logical objects, for drives that cannot say where they are.
//!
//! Owns the two numbers of a position that follow from what was done: objects (blocks and
//! filemarks) and filemarks before the head. Whatever makes one of them uncertain makes it unknown
//! until the next rewind. Source: SSC-5 4.2.8, logical object numbering.

/// Where the head is, as far as it follows from the commands so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    pub objects: Option<u64>,
    pub filemarks: Option<u64>,
}

impl Count {
    pub const BEGINNING: Count = Count { objects: Some(0), filemarks: Some(0) };
    pub const UNKNOWN: Count = Count { objects: None, filemarks: None };

    /// `blocks` were passed going forward.
    pub fn forward_blocks(&mut self, blocks: u64) {
        self.objects = self.objects.and_then(|n| n.checked_add(blocks));
    }

    /// `marks` filemarks were passed going forward, and nothing else.
    pub fn forward_filemarks(&mut self, marks: u64) {
        self.objects = self.objects.and_then(|n| n.checked_add(marks));
        self.filemarks = self.filemarks.and_then(|n| n.checked_add(marks));
    }

    /// `blocks` were passed going back.
    pub fn back_blocks(&mut self, blocks: u64) {
        self.objects = self.objects.and_then(|n| n.checked_sub(blocks));
    }

    /// One filemark was passed going back.
    pub fn back_filemark(&mut self) {
        self.objects = self.objects.and_then(|n| n.checked_sub(1));
        self.filemarks = self.filemarks.and_then(|n| n.checked_sub(1));
    }
}
