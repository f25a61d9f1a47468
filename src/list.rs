//! Index lines: what a stream says about itself, one line a fact.
//!
//! Owns the text that travels in marks, that ends each object on tape, and that `proc_record`
//! writes to a file: the same lines in all three places. `docs/format.md` draws them for readers
//! of a tape. Offsets are bytes of the innermost payload unless a line says otherwise.
//!
//! ```text
//! f 512 4608 3000 1700000000.000000000 <blake3 or -> path       an entry: type offset span size mtime digest path [link]
//! ~ 1 1048576 400123                                             a seek point of layer 1: payload offset, offset after the layer
//! ? 0 512 5120                                                   a wanted range at depth 0 (only in partial streams)
//! x 0 9728                                                      what comes before byte 9728 at depth 0, and did not yet, is lost
//! c                                                              the stream was cut here: what is half here is left out
//! ! unreadable path                                              a thing left out, and why in one word
//! @ 0 524192 524192 TAP001L8 <uuid or -> 0 5 on-tape             where bytes lie: from to stride medium volume partition block grade
//! % 2 0 more <base64>                                            lines that layer 2 sealed: piece 0, and more follow
//! + 2 <base64>                                                   the head of layer 2, in lists whose lines are sealed
//! i 131073 path                                                  the number of a directory's inode
//! - path                                                         what an earlier stream holds and is there no more
//! # <uuid> 1700000000.000000000 pax name                         first in a file: stream, when its source began, kind, name
//! = 4711 <blake3>                                                last in a file: how many lines are before it, their digest
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{BufRead, Read as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use crate::stream::{Blame, Fault, StreamId};

pub mod file;

/// Type letters of entries, as `ls` and `find` use them; `h` is a hard link to an earlier entry.
pub const ENTRY_TYPES: &[u8] = b"fdlhpcbs";

/// Longest line that is accepted, bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// One entry of a file tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// One of [`ENTRY_TYPES`].
    pub kind: u8,
    /// Payload offset of the entry's first header.
    pub offset: u64,
    /// Payload bytes from there to the end of the entry's padded data.
    pub span: u64,
    /// Size of the file.
    pub size: u64,
    /// Modification time: seconds (floor) and nanoseconds.
    pub mtime: (i64, u32),
    /// BLAKE3 of the file's content (holes read as zeros); only for `f`.
    pub digest: Option<[u8; 32]>,
    /// Path as stored.
    pub path: Vec<u8>,
    /// Target of a symbolic or hard link.
    pub link: Option<Vec<u8>>,
}

/// Lines that a layer has sealed: a piece of the stream's index that its recipients alone can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which layer, 1 = innermost.
    pub depth: u8,
    /// Number of the piece, from 0.
    pub number: u64,
    /// Whether it is the layer's last.
    pub last: bool,
    /// What was made of the lines.
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// The line up to its bytes. They are sealed together with it, so none of it can be changed.
    pub fn front(&self) -> String {
        let state = if self.last { "last" } else { "more" };
        format!("% {} {} {state} ", self.depth, self.number)
    }
}

/// One parsed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An entry.
    Entry(Entry),
    /// A seek point: reading a layer may start here.
    Seek {
        /// Which layer, 1 = innermost.
        depth: u8,
        /// Offset before the layer was applied.
        input: u64,
        /// Offset after.
        output: u64,
    },
    /// A range that a partial stream is to yield at a depth.
    Want {
        /// 0 = the payload itself.
        depth: u8,
        /// First byte.
        from: u64,
        /// One past the last.
        to: u64,
    },
    /// Bytes that nobody has any more: of what has not come yet, nothing before this byte will. Reading
    /// goes on there, at the start of a chunk of the layer, or of the payload at an entry or within one.
    Lost {
        /// 0 = the payload itself.
        depth: u8,
        /// The next byte that is of use.
        to: u64,
    },
    /// The backup was cut short here: what is half in the stream is left out, and something else goes on.
    Cut,
    /// Something the source left out.
    Missing {
        /// One word: `unreadable`, `vanished`, `changed`, `excluded`, `socket`, `long-name`.
        why: String,
        /// Path as it would have been stored.
        path: Vec<u8>,
    },
    /// Where a run of bytes lies.
    Place {
        /// The run.
        extent: crate::stream::Extent,
        /// On what.
        place: crate::stream::Place,
        /// The rung of the ladder, spaces as `-`.
        grade: String,
    },
    /// Lines that only a layer's recipients can read.
    Sealed(Sealed),
    /// What opens the sealed lines of a layer, for its recipients.
    LayerHead {
        /// Which layer, 1 = innermost.
        depth: u8,
        /// The head, as the stream's begin has it.
        head: Vec<u8>,
    },
    /// The inode of a directory, by which one that was put in its place is known.
    Inode {
        /// Its number.
        number: u64,
        /// The directory's path.
        path: Vec<u8>,
    },
    /// Something that an earlier stream of the same tree holds and that is there no more.
    Gone {
        /// Its path as stored.
        path: Vec<u8>,
    },
    /// What the lines of a file are about; its first.
    Head(Head),
    /// The last line of a file that is whole.
    Tail {
        /// Lines before it.
        lines: u64,
        /// BLAKE3 of those.
        digest: [u8; 32],
    },
}

/// Which stream a list is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its identity.
    pub stream: StreamId,
    /// When its source began: nothing that changed before is missing in it. Seconds (floor) and
    /// nanoseconds.
    pub began: (i64, u32),
    /// What the payload is.
    pub kind: String,
    /// What an operator calls it.
    pub name: String,
}

/// Writes a byte string so that it has no white space, control byte or backslash.
pub fn escape(bytes: &[u8]) -> Cow<'_, [u8]> {
    let plain = |b: &u8| (0x21..0x7f).contains(b) && *b != b'\\' || *b >= 0x80;
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return Cow::Borrowed(bytes);
    }
    if bytes.is_empty() {
        return Cow::Borrowed(b"\\e");
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for b in bytes {
        match plain(b) {
            true => out.push(*b),
            false => out.extend_from_slice(format!("\\x{b:02x}").as_bytes()),
        }
    }
    Cow::Owned(out)
}

/// Undoes [`escape`].
pub fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    if text == b"\\e" {
        return Some(Vec::new());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let ([b'x', high, low], tail) = rest.split_first_chunk::<3>()? else { return None };
        let digit = |b: u8| (b as char).to_digit(16);
        out.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = tail;
    }
    Some(out)
}

impl Entry {
    /// Appends the line of this entry to `out`.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let mut head = String::with_capacity(140);
        let (s, ns) = self.mtime;
        // Writing to a String cannot fail.
        let _ = write!(
            head,
            "{} {} {} {} {s}.{ns:09} ",
            self.kind as char, self.offset, self.span, self.size
        );
        match &self.digest {
            Some(digest) => head.push_str(blake3::Hash::from_bytes(*digest).to_hex().as_str()),
            None => head.push('-'),
        }
        out.extend_from_slice(head.as_bytes());
        for text in std::iter::once(&self.path).chain(&self.link) {
            out.push(b' ');
            out.extend_from_slice(&escape(text));
        }
        out.push(b'\n');
    }
}

impl Line {
    /// Appends the line to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let text = match self {
            Line::Entry(entry) => return entry.write_line(out),
            Line::Seek { depth, input, output } => format!("~ {depth} {input} {output}"),
            Line::Want { depth, from, to } => format!("? {depth} {from} {to}"),
            Line::Cut => "c".into(),
            Line::Lost { depth, to } => format!("x {depth} {to}"),
            Line::Missing { why, path } => {
                return write_path(&format!("! {why}"), path, out);
            }
            Line::Inode { number, path } => return write_path(&format!("i {number}"), path, out),
            Line::Gone { path } => return write_path("-", path, out),
            Line::Head(Head { stream, began: (s, ns), kind, name }) => {
                let head = format!("# {stream} {s}.{ns:09} {}", escaped(kind));
                return write_path(&head, name.as_bytes(), out);
            }
            Line::Tail { lines, digest } => {
                format!("= {lines} {}", blake3::Hash::from_bytes(*digest).to_hex())
            }
            Line::Place { extent, place, grade } => {
                let medium = escaped(&place.medium);
                let volume = place.volume.map_or("-".into(), |v| v.to_string());
                let grade = grade.replace(' ', "-");
                format!(
                    "@ {} {} {} {medium} {volume} {} {} {grade}",
                    extent.from, extent.to, extent.stride, place.partition, extent.block
                )
            }
            Line::Sealed(sealed) => format!("{}{}", sealed.front(), BASE64.encode(&sealed.bytes)),
            Line::LayerHead { depth, head } => format!("+ {depth} {}", BASE64.encode(head)),
        };
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }

    /// Parses one line, without its newline. The error says what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Line, String> {
        let fault = || {
            format!(
                "not an index line: {:?}",
                String::from_utf8_lossy(&line[..line.len().min(120)])
            )
        };
        if line.len() > LINE_BYTES_MAX {
            return Err(fault());
        }
        let fields: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
        parse_fields(&fields).ok_or_else(fault)
    }
}

fn escaped(text: &str) -> String {
    String::from_utf8_lossy(&escape(text.as_bytes())).into_owned()
}

fn write_path(head: &str, path: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(head.as_bytes());
    out.push(b' ');
    out.extend_from_slice(&escape(path));
    out.push(b'\n');
}

fn parse_fields(fields: &[&[u8]]) -> Option<Line> {
    match *fields {
        [b"-", path] => Some(Line::Gone { path: unescape(path)? }),
        [b"i", inode, path] => Some(Line::Inode { number: number(inode)?, path: unescape(path)? }),
        [b"=", lines, digest] => Some(Line::Tail {
            lines: number(lines)?,
            digest: *blake3::Hash::from_hex(digest).ok()?.as_bytes(),
        }),
        [b"#", stream, began, kind, name] => Some(Line::Head(Head {
            stream: StreamId(std::str::from_utf8(stream).ok()?.parse().ok()?),
            began: time(began)?,
            kind: text(kind)?,
            name: text(name)?,
        })),
        [b"~", depth, input, output] => Some(Line::Seek {
            depth: number(depth)?,
            input: number(input)?,
            output: number(output)?,
        }),
        [b"?", depth, from, to] => {
            Some(Line::Want { depth: number(depth)?, from: number(from)?, to: number(to)? })
        }
        [b"c"] => Some(Line::Cut),
        [b"x", depth, to] => Some(Line::Lost { depth: number(depth)?, to: number(to)? }),
        [b"!", why, path] => Some(Line::Missing {
            why: String::from_utf8(why.to_vec()).ok()?,
            path: unescape(path)?,
        }),
        [b"%", depth, number_text, state, bytes] => Some(Line::Sealed(Sealed {
            depth: number(depth)?,
            number: number(number_text)?,
            last: match state {
                b"last" => true,
                b"more" => false,
                _ => return None,
            },
            bytes: BASE64.decode(bytes).ok()?,
        })),
        [b"+", depth, head] => {
            Some(Line::LayerHead { depth: number(depth)?, head: BASE64.decode(head).ok()? })
        }
        [b"@", from, to, stride, medium, volume, partition, block, grade] => Some(Line::Place {
            extent: crate::stream::Extent {
                from: number(from)?,
                to: number(to)?,
                stride: number(stride)?,
                block: number(block)?,
            },
            place: crate::stream::Place {
                medium: text(medium)?,
                volume: match volume {
                    b"-" => None,
                    text => Some(std::str::from_utf8(text).ok()?.parse().ok()?),
                },
                partition: number(partition)?,
            },
            grade: String::from_utf8(grade.to_vec()).ok()?.replace('-', " "),
        }),
        [kind, offset, span, size, mtime, digest, path, ref link @ ..] => {
            parse_entry(kind, [offset, span, size], mtime, digest, path, link).map(Line::Entry)
        }
        _ => None,
    }
}

fn parse_entry(
    kind: &[u8],
    [offset, span, size]: [&[u8]; 3],
    mtime: &[u8],
    digest: &[u8],
    path: &[u8],
    link: &[&[u8]],
) -> Option<Entry> {
    let &[kind] = kind else { return None };
    let digest = match digest {
        b"-" => None,
        hex => Some(*blake3::Hash::from_hex(hex).ok()?.as_bytes()),
    };
    let link = match link {
        [] => None,
        [one] => Some(unescape(one)?),
        _ => return None,
    };
    ENTRY_TYPES.contains(&kind).then_some(())?;
    Some(Entry {
        kind,
        offset: number(offset)?,
        span: number(span)?,
        size: number(size)?,
        mtime: time(mtime)?,
        digest,
        path: unescape(path)?,
        link,
    })
}

/// Seconds and nine digits of a second.
pub(crate) fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (s, ns) = std::str::from_utf8(text).ok()?.split_once('.')?;
    let whole = ns.len() == 9 && ns.bytes().all(|b| b.is_ascii_digit());
    Some((s.parse().ok()?, ns.parse().ok().filter(|_| whole)?))
}

fn text(field: &[u8]) -> Option<String> {
    String::from_utf8(unescape(field)?).ok()
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Takes the words about lost bytes out of a mark: for each its depth and the byte where reading goes on.
/// Does without parsing the lines, but for those.
///
/// # Errors
///
/// Such a line makes no sense.
pub fn lost(lines: &[u8]) -> Result<Vec<(u8, u64)>, Fault> {
    let is_one = |line: &&[u8]| line.starts_with(b"x ");
    let each = lines.split(|&b| b == b'\n').filter(is_one).map(Line::parse);
    each.map(|line| match line.map_err(Fault::stream)? {
        Line::Lost { depth, to } => Ok((depth, to)),
        _ => Err(Fault::stream("a line about lost bytes makes no sense")),
    })
    .collect()
}

/// Whether a mark says that the backup was cut short here.
pub fn says_cut(lines: &[u8]) -> bool {
    lines.split(|&b| b == b'\n').any(|line| line == b"c")
}

/// The lines of a mark or of an index, each parsed.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Result<Line, String>> {
    bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(Line::parse)
}

/// The next line of a list in a file, `None` at its end. Never takes more than a line's memory.
pub fn read_line(list: &mut dyn BufRead) -> Result<Option<Line>, Fault> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    let read = list.take(limit).read_until(b'\n', &mut line);
    match read.map_err(|e| Fault::host("cannot read the list", &e))? {
        0 => Ok(None),
        _ => {
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            Line::parse(line).map(Some).map_err(|e| Fault::never(Blame::Host, e))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_comes_back() {
        let text = b"f 512 4608 3000 -1.000000001 - a\\x20b\n\
            l 0 512 0 0.000000000 - \\e target\n~ 1 10 20\n? 0 1 2\nx 0 9\nc\n! vanished x\xff\n\
            @ 0 10 5 TAP001L8 - 0 5 on-tape\n% 2 0 more AAECAw==\n% 2 1 last \n+ 2 aGVhZA==\n\
            i 77 a\\x0a\n- a\\x20b\n\
            # 6f8f57e4-1b0a-4ad4-9c4e-0c5a1d2b3c4d -1.000000002 pax host\\x20/srv\n\
            = 7 af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262\n";
        let parsed: Vec<Line> = lines(text).collect::<Result<_, _>>().unwrap();
        let mut again = Vec::new();
        parsed.iter().for_each(|line| line.write(&mut again));
        assert_eq!(again, text);
        let Line::Entry(first) = &parsed[0] else { panic!("an entry") };
        assert_eq!(first.path, b"a b");
        assert_eq!(first.mtime, (-1, 1));
    }

    #[test]
    fn bad_lines_are_refused() {
        for bad in [
            &b"x 1 2 3 4.000000000 - p"[..],
            b"f 1 2",
            b"~ 1 2",
            b"f 1 2 3 4.5 - p",
            b"! a \\xzz",
            b"% 2 0 next AAEC",
            b"% 2 0 last AAE",
            b"-",
            b"- a b",
            b"i x p",
            b"= 1 -",
            b"# 7 0.000000000 pax x",
        ] {
            assert!(Line::parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}
