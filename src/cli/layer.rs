//! Arguments of the components that add and remove layers.

use clap::{Args, ValueEnum};

use crate::parts::process::compress::Compress;
use crate::stream::Fault;

#[derive(Clone, Copy, ValueEnum)]
enum Codec {
    Zstd,
    Lz4,
}

#[derive(Args)]
pub(super) struct ProcCompress {
    /// How to compress
    #[arg(long, value_enum, default_value_t = Codec::Zstd)]
    codec: Codec,
    /// How hard to try, for zstd: 1 (the default) is fast, 19 is small
    #[arg(long, allow_negative_numbers = true)]
    level: Option<i32>,
}

impl ProcCompress {
    pub(super) fn process(self, receipts: bool) -> Result<Compress, Fault> {
        let layer = match self.codec {
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
        };
        Compress::new(layer, self.level, receipts)
    }
}
