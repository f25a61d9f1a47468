//! What a pattern tells about keys before any is compared.
//!
//! Owns two facts about an `--only` pattern: the directory below which all it selects must be, and texts
//! that every path it selects must have. Both may say less than is true, never more.

use super::run::key;

/// Of one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Key at or below which all is.
    pub root: Vec<u8>,
    /// Texts, as they stand in keys.
    pub texts: Vec<Vec<u8>>,
    /// The same for grams: with a separator where a name must begin or end.
    pub grams: Vec<Vec<u8>>,
}

fn is_plain(part: &[u8]) -> bool {
    !part.iter().any(|b| b"*?[\\".contains(b))
}

/// A stretch of a component that stands for itself, however the rest is read.
#[derive(Default)]
struct Stretch {
    bytes: Vec<u8>,
    begins: bool,
    ends: bool,
}

impl Stretch {
    fn text(&self) -> Vec<u8> {
        key::of_name(&self.bytes)
    }

    fn gram(&self) -> Vec<u8> {
        let edge = |is: bool| if is { &[key::SEPARATOR][..] } else { &[] };
        [edge(self.begins), &self.text(), edge(self.ends)].concat()
    }
}

fn stretches(part: &[u8]) -> Vec<Stretch> {
    let mut all = vec![Stretch { begins: true, ends: true, ..Stretch::default() }];
    let mut rest = part;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let Some(last) = all.last_mut() else { break };
        if !b"*?[\\".contains(byte) {
            last.bytes.push(*byte);
            continue;
        }
        last.ends = false;
        match byte {
            // Where a class ends is not this module's business.
            b'[' => break,
            // What was escaped may match as it is or with its backslash.
            b'\\' => rest = tail.get(1..).unwrap_or_default(),
            _ => {}
        }
        all.push(Stretch { ends: true, ..Stretch::default() });
    }
    all.retain(|stretch| !stretch.bytes.is_empty());
    all
}

impl Hint {
    /// Of a pattern.
    pub fn of(pattern: &[u8]) -> Hint {
        let parts: Vec<&[u8]> =
            pattern.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".").collect();
        let plain = parts.iter().take_while(|part| is_plain(part)).count();
        let root = key::of_path(&parts[..plain].join(&b'/'));
        let all: Vec<Stretch> = parts[plain..].iter().flat_map(|part| stretches(part)).collect();
        let texts = all.iter().map(Stretch::text).collect();
        Hint { root, texts, grams: all.iter().map(Stretch::gram).collect() }
    }

    /// The roots of several patterns, in order, none below another; one empty root where anything may
    /// be selected.
    pub fn roots(patterns: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut roots: Vec<Vec<u8>> = patterns.iter().map(|p| Hint::of(p).root).collect();
        if roots.is_empty() {
            roots.push(Vec::new());
        }
        roots.sort();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for root in roots {
            if !kept.iter().any(|above| key::is_at_or_in(&root, above)) {
                kept.push(root);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_no_more_than_is_true() {
        for (pattern, root, grams) in [
            ("etc/passwd", "etc\0passwd", &[][..]),
            ("./srv/*/index.html", "srv", &["\0index.html\0"]),
            ("**/*.conf", "", &[".conf\0"]),
            ("**/ssh*_config", "", &["\0ssh", "_config\0"]),
            ("a?b/c\\*de/[x]yz", "", &["\0a", "b\0", "\0c", "de\0"]),
            ("*", "", &[]),
            ("a[b", "", &["\0a"]),
        ] {
            let hint = Hint::of(pattern.as_bytes());
            let bytes = |texts: &[&str]| texts.iter().map(|t| t.as_bytes().to_vec()).collect();
            let expected: Vec<Vec<u8>> = bytes(grams);
            assert_eq!((hint.root, hint.grams), (root.as_bytes().to_vec(), expected), "{pattern}");
            let texts: Vec<&str> = grams.iter().map(|gram| gram.trim_matches('\0')).collect();
            assert_eq!(hint.texts, bytes(&texts), "{pattern}");
        }
    }

    #[test]
    fn roots_below_others_are_left_out() {
        let roots = |patterns: &[&str]| {
            Hint::roots(&patterns.iter().map(|p| p.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(roots(&["b", "a/x", "a"]), [b"a", b"b"]);
        assert_eq!(roots(&["a", "a-b"]), [&b"a"[..], b"a-b"]);
        assert_eq!(roots(&["a", "*"]), [b""]);
        assert_eq!(roots(&[]), [b""]);
    }
}
