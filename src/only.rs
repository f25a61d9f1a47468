//! Which members are wanted.
//!
//! Owns the `--only` patterns: a path, or a path with `*`, `?`, `[a-z]`, `[!a-z]` inside a
//! component and `**` for any number of components. A pattern that names a directory includes what
//! is below. A path is first compared as it stands, so a name with a star in it can be asked for.

/// The patterns; none: everything is wanted.
pub struct Only {
    patterns: Vec<Pattern>,
}

struct Pattern {
    text: Vec<u8>,
    parts: Vec<Vec<u8>>,
    matched: bool,
}

impl Only {
    /// Patterns as the operator wrote them.
    pub fn new(patterns: &[Vec<u8>]) -> Only {
        let parse = |text: &Vec<u8>| Pattern {
            text: text.clone(),
            parts: parts(text).map(<[u8]>::to_vec).collect(),
            matched: false,
        };
        Only { patterns: patterns.iter().map(parse).collect() }
    }

    /// True when everything is wanted.
    pub fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// True when `path` (clean) or a directory above it matches; remembers which patterns did.
    pub fn selects(&mut self, path: &[u8]) -> bool {
        if self.is_all() {
            return true;
        }
        let names: Vec<&[u8]> = parts(path).collect();
        let mut wanted = false;
        for pattern in &mut self.patterns {
            if begins(&pattern.parts, &names) {
                pattern.matched = true;
                wanted = true;
            }
        }
        wanted
    }

    /// True when something below the directory `path` may be wanted.
    pub fn leads_to(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = parts(path).collect();
        self.patterns.iter().any(|pattern| leads(&pattern.parts, &names))
    }

    /// The patterns that have matched nothing.
    pub fn unmatched(&self) -> impl Iterator<Item = &[u8]> {
        self.patterns.iter().filter(|p| !p.matched).map(|p| p.text.as_slice())
    }
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".")
}

/// Whether all of `parts` match the first components of `names`. Only the last `**` met is ever
/// retried, one component later, so time is at most the product of the lengths.
fn begins(parts: &[Vec<u8>], names: &[&[u8]]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut any: Option<(usize, usize)> = None;
    while let Some(part) = parts.get(p) {
        if part == b"**" {
            p += 1;
            any = Some((p, n));
        } else if names.get(n).is_some_and(|name| name_matches(part, name)) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((after, from)) = any.filter(|(_, from)| *from < names.len()) {
            any = Some((after, from + 1));
            (p, n) = (after, from + 1);
        } else {
            return false;
        }
    }
    true
}

/// Whether a longer path that starts with `names` could match.
fn leads(parts: &[Vec<u8>], names: &[&[u8]]) -> bool {
    match (parts, names) {
        (_, []) => true,
        ([], _) => true,
        ([any, ..], _) if any == b"**" => true,
        ([part, rest @ ..], [name, below @ ..]) => name_matches(part, name) && leads(rest, below),
    }
}

fn name_matches(part: &[u8], name: &[u8]) -> bool {
    part == name || glob(part, name)
}

/// Matches one component; a star that failed is retried one byte later, so time is at most the
/// product of the lengths.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(width) = one(&pattern[p..], name[n]) {
            p += width;
            n += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (p, n) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Pattern bytes used to match `byte`, if they do.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => class_width(class, byte),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// Bytes of a `[class]`, when it holds `byte`. An unclosed `[` stands for itself.
fn class_width(class: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(class, [b'!' | b'^', ..]);
    let first = usize::from(negated);
    let Some(close) = class.iter().skip(first + 1).position(|&b| b == b']') else {
        return (byte == b'[').then_some(1);
    };
    let close = close + first + 1;
    let mut rest = &class[first..close];
    let mut found = false;
    while let [low, tail @ ..] = rest {
        match tail {
            [b'-', high, after @ ..] => {
                found |= (*low..=*high).contains(&byte);
                rest = after;
            }
            _ => {
                found |= *low == byte;
                rest = tail;
            }
        }
    }
    (found != negated).then_some(close + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(pattern: &str, path: &str) -> bool {
        Only::new(&[pattern.into()]).selects(path.as_bytes())
    }

    #[test]
    fn paths_globs_and_what_is_below() {
        for (pattern, path) in [
            ("a", "a"),
            ("a", "a/b/c"),
            ("./a/b/", "a/b/c"),
            ("/a", "a"),
            ("a/*", "a/b"),
            ("*.txt", "x.txt"),
            ("**/x", "x"),
            ("**/x", "a/b/x/below"),
            ("a/**/z", "a/z"),
            ("a/**/z", "a/b/c/z"),
            ("a/**", "a/b"),
            ("[a-c]?[!x]", "bzy"),
            ("a[b", "a[b"),
            ("[x]", "[x]"),
            ("*a*b*", "xxaxxbxx"),
            ("\\*", "*"),
            (".", "anything"),
        ] {
            assert!(selects(pattern, path), "{pattern} should select {path}");
        }
        for (pattern, path) in [
            ("a", "ab"),
            ("a/b", "a"),
            ("*.txt", "d/x.txt"),
            ("[a-c]", "d"),
            ("[!a]", "a"),
            ("\\*", "x"),
            ("a/**/z", "b/z"),
            ("?", ""),
        ] {
            assert!(!selects(pattern, path), "{pattern} should not select {path}");
        }
    }

    #[test]
    fn no_pattern_takes_exponential_time() {
        let pattern = "**/a/".repeat(20) + "z";
        assert!(!selects(&pattern, &"a/".repeat(400)));
        assert!(selects(&pattern, &("a/".repeat(400) + "z/below")));
    }

    #[test]
    fn parents_and_patterns_that_match_nothing() {
        let mut only = Only::new(&[b"a/b/*.c".to_vec(), b"none".to_vec()]);
        assert!(only.leads_to(b"a") && only.leads_to(b"a/b"));
        assert!(!only.leads_to(b"b") && !only.leads_to(b"a/c"));
        assert!(only.selects(b"a/b/x.c"));
        assert_eq!(only.unmatched().collect::<Vec<_>>(), [b"none"]);
        assert!(Only::new(&[]).selects(b"x"));
    }
}
