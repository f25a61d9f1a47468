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
}

fn is_plain(part: &[u8]) -> bool {
    !part.iter().any(|b| b"*?[\\".contains(b))
}

/// Stretches of a component that stand for themselves, however the rest is read.
fn plain_stretches(part: &[u8]) -> Vec<Vec<u8>> {
    let mut stretches = vec![Vec::new()];
    let mut rest = part;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'*' | b'?' => stretches.push(Vec::new()),
            // What was escaped may match as it is or with its backslash.
            b'\\' => {
                stretches.push(Vec::new());
                rest = tail.get(1..).unwrap_or_default();
            }
            // Where a class ends is not this module's business.
            b'[' => break,
            byte => stretches.last_mut().into_iter().for_each(|last| last.push(*byte)),
        }
    }
    stretches
}

impl Hint {
    /// Of a pattern.
    pub fn of(pattern: &[u8]) -> Hint {
        let parts: Vec<&[u8]> =
            pattern.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".").collect();
        let plain = parts.iter().take_while(|part| is_plain(part)).count();
        let root = key::of_path(&parts[..plain].join(&b'/'));
        let stretches = parts[plain..].iter().flat_map(|part| plain_stretches(part));
        let texts = stretches.filter(|text| !text.is_empty()).map(|text| key::of_name(&text));
        Hint { root, texts: texts.collect() }
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
        for (pattern, root, texts) in [
            ("etc/passwd", "etc\0passwd", &[][..]),
            ("./srv/*/index.html", "srv", &["index.html"]),
            ("**/*.conf", "", &[".conf"]),
            ("a?b/c\\*de/[x]yz", "", &["a", "b", "c", "de"]),
            ("*", "", &[]),
            ("a[b", "", &["a"]),
        ] {
            let hint = Hint::of(pattern.as_bytes());
            let texts: Vec<Vec<u8>> = texts.iter().map(|t| t.as_bytes().to_vec()).collect();
            assert_eq!((hint.root, hint.texts), (root.as_bytes().to_vec(), texts), "{pattern}");
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
