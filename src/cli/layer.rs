//! Arguments of the components that add and remove layers.

use clap::{Args, ValueEnum};

use crate::parts::process::compress::Compress;
use crate::parts::process::decompress::Decompress;
use crate::plumb::pipe::{self, Channels};
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
    pub(super) fn run(self, channels: Channels) -> Result<u64, Fault> {
        let layer = match self.codec {
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
        };
        let mut process = Compress::new(layer, self.level, channels.expects_receipts())?;
        pipe::run_process("proc_compress", &mut process, channels)
    }
}

pub(super) fn proc_decompress(channels: Channels) -> Result<u64, Fault> {
    pipe::run_process("proc_decompress", &mut Decompress::new(), channels)
}
