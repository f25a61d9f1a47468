//! The index of a sealed stream, opened outside the stream: from a tape or from a list.
//!
//! Owns the judgement of sealed lines that were gathered part by part: each must open, none may be
//! missing, and beside them only lines may stand that are known to stay in clear. What is wrong is named
//! and left out; whether that is borne is the caller's business. Opens layers inside layers.

use std::collections::BTreeMap;

use super::lines::LineOpener;
use super::{Identities, LAYER, header, name};
use crate::library::contents::StreamFound;
use crate::list::{Line, Sealed};
use crate::stream::{Begin, Blame, Fault};

/// Opens the index lines of one stream.
pub struct Unseal<'a> {
    identities: &'a Identities,
    layers: BTreeMap<u8, Layer>,
    troubles: Vec<String>,
}

struct Layer {
    opener: LineOpener,
    /// Number of the line that comes next.
    next: u64,
    /// The same at the start of the part: a part that could not be confirmed is told again in the next.
    part_start: u64,
    over: bool,
}

impl<'a> Unseal<'a> {
    /// Opens for `identities` what the heads of a stream say is theirs.
    pub fn of(begin: &Begin, identities: &'a Identities) -> Result<Unseal<'a>, Fault> {
        let mut unseal = Unseal::without_heads(identities);
        for (depth, layer) in (1..=u8::MAX).zip(&begin.layers) {
            if layer != LAYER {
                continue;
            }
            let head = begin.heads.iter().find(|(of, _)| *of == depth);
            let (_, head) = head.ok_or_else(|| {
                Fault::never(
                    Blame::Medium,
                    format!("the head of layer {depth} ({LAYER}) is missing"),
                )
            })?;
            unseal.head(depth, head)?;
        }
        Ok(unseal)
    }

    /// Opens for `identities` what heads, still to be told, say is theirs.
    pub fn without_heads(identities: &'a Identities) -> Unseal<'a> {
        Unseal { identities, layers: BTreeMap::new(), troubles: Vec::new() }
    }

    /// Takes the head of a layer.
    pub fn head(&mut self, depth: u8, head: &[u8]) -> Result<(), Fault> {
        let (key, nonce) = header::unlock(head, self.identities)?;
        let opener = LineOpener::new(&key, &nonce)?;
        self.layers.insert(depth, Layer { opener, next: 0, part_start: 0, over: false });
        Ok(())
    }

    /// The lines of the next part.
    pub fn part(&mut self, lines: &[u8]) -> Vec<u8> {
        self.start_part();
        let mut opened = Vec::with_capacity(lines.len());
        for line in lines.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            self.line(line, &mut opened);
        }
        opened
    }

    fn start_part(&mut self) {
        self.layers.values_mut().for_each(|layer| layer.part_start = layer.next);
    }

    /// The lines in one of a list, where nothing says which part it was in.
    pub fn piece(&mut self, sealed: Sealed) -> Vec<u8> {
        let mut opened = Vec::new();
        self.start_part();
        self.sealed(sealed, &mut opened);
        opened
    }

    /// Opens one line, or passes it on if it is one that stays in clear.
    fn line(&mut self, line: &[u8], opened: &mut Vec<u8>) {
        let outermost = self.layers.last_key_value().map_or(0, |(depth, _)| *depth);
        match Line::parse(line) {
            Ok(Line::Sealed(sealed)) => self.sealed(sealed, opened),
            Ok(Line::LayerHead { .. } | Line::Place { .. }) => keep(line, opened),
            Ok(Line::Seek { depth, .. }) if depth >= outermost => keep(line, opened),
            Ok(_) if outermost == 0 => keep(line, opened),
            Ok(_) => self.trouble("a line that should be sealed stands in clear".into()),
            Err(why) => self.trouble(why),
        }
    }

    fn sealed(&mut self, sealed: Sealed, opened: &mut Vec<u8>) {
        let depth = sealed.depth;
        let named = format!("sealed index line {} of layer {depth}", sealed.number);
        let Some(layer) = self.layers.get_mut(&depth) else {
            return self.trouble(format!("{named}: there is no head of that layer"));
        };
        if sealed.number < layer.part_start {
            return;
        }
        let (number, last) = (sealed.number, sealed.last);
        let lines = match layer.opener.open(sealed) {
            Ok(lines) => lines,
            Err(why) => return self.trouble(why),
        };
        // Only now is its number to be believed.
        let expected = layer.next;
        if number < expected || layer.over {
            return self.trouble(format!("{named} comes again or behind the last"));
        }
        (layer.next, layer.over) = (number.saturating_add(1), last);
        if number > expected {
            let what = format!("sealed index lines {expected} to {} are missing", number - 1);
            self.trouble(format!("{what} (layer {depth})"));
        }
        for line in lines.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            self.inner(depth, line, opened);
        }
    }

    /// A line that was sealed by the layer `outer`, maybe one that a layer further in has sealed.
    fn inner(&mut self, outer: u8, line: &[u8], opened: &mut Vec<u8>) {
        match Line::parse(line) {
            Ok(Line::Sealed(sealed)) if sealed.depth < outer => self.sealed(sealed, opened),
            Ok(Line::Sealed(_)) => self.trouble("a layer has sealed a line of its own".into()),
            Ok(_) => keep(line, opened),
            Err(why) => self.trouble(why),
        }
    }

    fn trouble(&mut self, what: String) {
        self.troubles.push(what);
    }

    /// What was wrong. With `whole` the last line of each layer must have come.
    pub fn troubles(mut self, whole: bool) -> Vec<String> {
        let cut = self.layers.iter().filter(|(_, layer)| whole && !layer.over);
        let cut: Vec<String> = cut
            .map(|(depth, layer)| {
                format!("the sealed index of layer {depth} is cut: line {} is missing", layer.next)
            })
            .collect();
        self.troubles.extend(cut);
        self.troubles
    }
}

fn keep(line: &[u8], opened: &mut Vec<u8>) {
    opened.extend_from_slice(line);
    opened.push(b'\n');
}

/// Opens the indexes of a stream that was found on media, in their place, and its name. Returns what is
/// wrong with them. A stream that is for others stays as it is, and that is said.
pub fn unseal_found(
    stream: &mut StreamFound,
    identities: &Identities,
) -> Result<Vec<String>, Fault> {
    if !is_sealed(&stream.begin) {
        return Ok(Vec::new());
    }
    let name = opened_name(&stream.begin, identities);
    let opened = name.and_then(|name| Ok((name, Unseal::of(&stream.begin, identities)?)));
    let (name, mut unseal) = match opened {
        Ok(opened) => opened,
        Err(fault) if fault.blame == Blame::Ours => return Err(fault),
        Err(fault) => return Ok(vec![fault.what]),
    };
    stream.begin.name = name;
    for part in &mut stream.parts {
        let opened = unseal.part(&part.lines()?);
        part.replace_lines(&opened)?;
    }
    Ok(unseal.troubles(stream.is_complete()))
}

/// Whether the index of such a stream is sealed.
pub fn is_sealed(begin: &Begin) -> bool {
    begin.layers.iter().any(|layer| layer == LAYER)
}

/// What everybody may see of a stream's name.
pub fn shown_name(begin: &Begin) -> &str {
    match is_sealed(begin) {
        true => name::shown(&begin.name),
        false => &begin.name,
    }
}

/// The name under all seals.
fn opened_name(begin: &Begin, identities: &Identities) -> Result<String, Fault> {
    let mut opened = begin.name.clone();
    for (depth, layer) in (1..=u8::MAX).zip(&begin.layers).rev() {
        let head = begin.heads.iter().find(|(of, _)| *of == depth);
        if let (LAYER, Some((_, head))) = (layer.as_str(), head) {
            let (key, nonce) = header::unlock(head, identities)?;
            opened = name::open(&opened, &key, &nonce)?;
        }
    }
    Ok(opened)
}
