//! Parts: what begins, syncs and ends a piece of a stream on a volume.
//!
//! Owns the text of the `B`, `S` and `E` blocks (`docs/format.md` section 5).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use uuid::Uuid;

use super::text::{Reader, Writer};
use crate::stream::{Begin, StreamId};

/// What a part's first block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartBegin {
    /// The stream it is a part of.
    pub stream: Begin,
    /// Number of this part in its stream, from 1.
    pub stream_part: u32,
    /// Stream offset where it starts.
    pub from: u64,
    /// Volume tag.
    pub volume_tag: String,
    /// Volume identity.
    pub volume_id: Uuid,
    /// Address of the last good block of an unfinished part before this one.
    pub after_cut: Option<u64>,
}

impl PartBegin {
    /// The block's payload.
    pub fn text(&self) -> Vec<u8> {
        let lines = Writer::default()
            .line("stream-id", self.stream.stream)
            .line("name", &self.stream.name)
            .line("kind", &self.stream.kind)
            .line("layers", self.stream.layers.join(","))
            .line("stream-created", self.stream.created_s)
            .line("stream-part", self.stream_part)
            .line("from", self.from)
            .line("volume-tag", &self.volume_tag)
            .line("volume-id", self.volume_id);
        let lines = self.stream.heads.iter().fold(lines, |lines, (layer, head)| {
            lines.line(&format!("head-{layer}"), BASE64_STANDARD.encode(head))
        });
        match self.after_cut {
            Some(address) => lines.line("after-cut", address).done(),
            None => lines.done(),
        }
    }

    /// Reads the block's payload.
    pub fn parse(payload: &[u8]) -> Result<PartBegin, String> {
        let lines = Reader::new(payload)?;
        let layers = lines.text("layers")?;
        let layers: Vec<String> =
            layers.split(',').filter(|l| !l.is_empty()).map(String::from).collect();
        let mut heads = Vec::new();
        for layer in (1..=u8::MAX).take(layers.len()) {
            if let Some(head) = lines.optional(&format!("head-{layer}"))? {
                let head = BASE64_STANDARD.decode(head);
                heads.push((layer, head.map_err(|_| format!("`head-{layer}` is not base64"))?));
            }
        }
        Ok(PartBegin {
            stream: Begin {
                stream: StreamId(lines.value("stream-id")?),
                name: lines.text("name")?,
                kind: lines.text("kind")?,
                layers,
                heads,
                created_s: lines.value("stream-created")?,
                partial: false,
            },
            stream_part: lines.value("stream-part")?,
            from: lines.value("from")?,
            volume_tag: lines.text("volume-tag")?,
            volume_id: lines.value("volume-id")?,
            after_cut: lines.optional("after-cut")?.and_then(|text| text.parse().ok()),
        })
    }
}

/// What a sync record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSync {
    /// All stream bytes before this offset are on the medium.
    pub reached: u64,
    /// Address of the sync record before it in the part.
    pub previous: Option<u64>,
}

impl PartSync {
    /// The block's payload.
    pub fn text(&self) -> Vec<u8> {
        let previous = self.previous.map_or("-".into(), |address| address.to_string());
        Writer::default().line("reached", self.reached).line("previous-sync", previous).done()
    }

    /// Reads the block's payload.
    pub fn parse(payload: &[u8]) -> Result<PartSync, String> {
        let lines = Reader::new(payload)?;
        let previous = match lines.text("previous-sync")?.as_str() {
            "-" => None,
            text => Some(text.parse().map_err(|_| "the value of `previous-sync` makes no sense")?),
        };
        Ok(PartSync { reached: lines.value("reached")?, previous })
    }
}

/// How a part came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// The stream ends here, whole.
    Complete,
    /// The stream goes on in another part.
    Continued,
    /// The source gave up: a fragment.
    Aborted {
        /// Why.
        why: String,
    },
}

impl PartState {
    /// The word on the medium.
    pub fn word(&self) -> &'static str {
        match self {
            PartState::Complete => "complete",
            PartState::Continued => "continued",
            PartState::Aborted { .. } => "aborted",
        }
    }
}

/// What a part's last block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEnd {
    /// How it ended.
    pub state: PartState,
    /// Stream offset where it starts.
    pub from: u64,
    /// Stream offset where it ends.
    pub to: u64,
    /// Address of its first index block.
    pub index_block: u64,
    /// Compressed bytes of the index.
    pub index_bytes: u64,
    /// Bytes of the index.
    pub index_raw_bytes: u64,
    /// Data blocks.
    pub data_blocks: u64,
    /// Things the source left out.
    pub skipped: u64,
}

impl PartEnd {
    /// The block's payload.
    pub fn text(&self) -> Vec<u8> {
        let why = match &self.state {
            PartState::Aborted { why } => why.as_str(),
            PartState::Complete | PartState::Continued => "",
        };
        Writer::default()
            .line("state", self.state.word())
            .line("from", self.from)
            .line("to", self.to)
            .line("index-block", self.index_block)
            .line("index-bytes", self.index_bytes)
            .line("index-raw-bytes", self.index_raw_bytes)
            .line("data-blocks", self.data_blocks)
            .line("skipped", self.skipped)
            .line("why", why)
            .done()
    }

    /// Reads the block's payload.
    pub fn parse(payload: &[u8]) -> Result<PartEnd, String> {
        let lines = Reader::new(payload)?;
        let state = match lines.text("state")?.as_str() {
            "complete" => PartState::Complete,
            "continued" => PartState::Continued,
            "aborted" => PartState::Aborted { why: lines.text("why")? },
            other => return Err(format!("state `{other}` is not known here")),
        };
        Ok(PartEnd {
            state,
            from: lines.value("from")?,
            to: lines.value("to")?,
            index_block: lines.value("index-block")?,
            index_bytes: lines.value("index-bytes")?,
            index_raw_bytes: lines.value("index-raw-bytes")?,
            data_blocks: lines.value("data-blocks")?,
            skipped: lines.value("skipped")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        let begin = PartBegin {
            stream: Begin {
                stream: StreamId(Uuid::from_u128(7)),
                name: "host /srv\nnext".into(),
                kind: "pax".into(),
                layers: vec!["zstd".into(), "age".into()],
                heads: vec![(2, b"a head\n\x00\xff".to_vec())],
                created_s: -5,
                partial: false,
            },
            stream_part: 2,
            from: 10,
            volume_tag: String::new(),
            volume_id: Uuid::from_u128(8),
            after_cut: Some(9),
        };
        assert_eq!(PartBegin::parse(&begin.text()).unwrap(), begin);
        for previous in [None, Some(4)] {
            let sync = PartSync { reached: 5, previous };
            assert_eq!(PartSync::parse(&sync.text()).unwrap(), sync);
        }
        let end = PartEnd {
            state: PartState::Aborted { why: "cable\tcut".into() },
            from: 1,
            to: 2,
            index_block: 3,
            index_bytes: 4,
            index_raw_bytes: 5,
            data_blocks: 6,
            skipped: 7,
        };
        assert_eq!(PartEnd::parse(&end.text()).unwrap(), end);
    }
}
