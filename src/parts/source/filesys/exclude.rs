//! Names not to take.
//!
//! Owns the patterns: `?` is one byte and `*` any number of them but no slash, `**` any number of
//! any bytes, `[a-z]` and `[!a-z]` one byte of a set, `\` takes the next byte as it is. A pattern
//! without a slash is matched against each last component; one with a slash against the whole path
//! as stored, a leading slash dropped. An excluded directory is not entered.

/// A set of patterns.
#[derive(Default)]
pub struct Excludes {
    names: Vec<Vec<u8>>,
    paths: Vec<Vec<u8>>,
}

impl Excludes {
    /// Adds a pattern.
    pub fn add(&mut self, pattern: &[u8]) {
        let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
        match pattern.contains(&b'/') {
            true => self.paths.push(pattern.strip_prefix(b"/").unwrap_or(pattern).to_vec()),
            false => self.names.push(pattern.to_vec()),
        }
    }

    /// True when a pattern matches the stored path.
    pub fn matches(&self, path: &[u8]) -> bool {
        if self.names.is_empty() && self.paths.is_empty() {
            return false;
        }
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        self.names.iter().any(|pattern| glob(pattern, name))
            || self.paths.iter().any(|pattern| glob(pattern, path))
    }
}

/// Matches with one point of return for each kind of star: time is bounded by the product of the
/// lengths, to the second power when both kinds are used.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    let mut double: Option<(usize, usize)> = None;
    loop {
        if pattern[p..].starts_with(b"**") {
            p += 2;
            (double, star) = (Some((p, t)), None);
            continue;
        }
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        if t == text.len() && p == pattern.len() {
            return true;
        }
        if let Some(length) = text.get(t).and_then(|&byte| one(&pattern[p..], byte)) {
            p += length;
            t += 1;
            continue;
        }
        // Let the last star take one byte more, else the last double star.
        if let Some((after, from)) = star
            && text.get(from).is_some_and(|&b| b != b'/')
        {
            (p, t) = (after, from + 1);
            star = Some((after, from + 1));
        } else if let Some((after, from)) = double
            && from < text.len()
        {
            (p, t) = (after, from + 1);
            (double, star) = (Some((after, from + 1)), None);
        } else {
            return false;
        }
    }
}

/// Length of the pattern's first element if it matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern {
        [b'?', ..] => (byte != b'/').then_some(1),
        [b'[', ref rest @ ..] => match set(rest, byte) {
            Some((length, found)) => (found && byte != b'/').then_some(length + 1),
            None => (byte == b'[').then_some(1),
        },
        [b'\\', literal, ..] => (literal == byte).then_some(2),
        [literal, ..] => (literal == byte).then_some(1),
        [] => None,
    }
}

/// Bytes up to the closing bracket and whether `byte` is in the set; `None` when it never closes.
fn set(rest: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        match *rest.get(at..)? {
            [b']', ..] if at > first => return Some((at + 1, found != negated)),
            [from, b'-', to, ..] if to != b']' => {
                found |= (from..=to).contains(&byte);
                at += 3;
            }
            [one, ..] => {
                found |= one == byte;
                at += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(pattern: &str, path: &str) -> bool {
        let mut excludes = Excludes::default();
        excludes.add(pattern.as_bytes());
        excludes.matches(path.as_bytes())
    }

    #[test]
    fn a_pattern_without_slash_is_for_names() {
        for (pattern, path) in [
            ("*.o", "a/b/c.o"),
            ("cache", "home/cache"),
            ("cache/", "home/cache"),
            ("[a-c]?", "x/bz"),
            ("[!a-c]*", "x/d"),
            ("[]]", "]"),
            ("a\\*", "a*"),
            ("a[", "a["),
            ("*a*b*c*", "xxaxxbxxc"),
            ("\u{e4}*", "\u{e4}x"),
        ] {
            assert!(excluded(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("*.o", "a.o/b"), ("cache", "cached"), ("[!a-c]*", "a"), ("a\\*", "ab"), ("?", "")]
        {
            assert!(!excluded(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_with_slash_is_for_whole_paths() {
        for (pattern, path) in [
            ("/home/*/.cache", "home/ann/.cache"),
            ("**/x/*", "a/b/x/y"),
            ("a/**/z", "a/b/c/z"),
            ("a/**", "a/b/c"),
            ("a/*b/**c/*d", "a/xb/y/z/c/qd"),
        ] {
            assert!(excluded(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/home/*/.cache", "home/ann/x/.cache"),
            ("home/?", "home//"),
            ("b/c", "a/b/c"),
            ("a/[/]c", "a//c"),
            ("a/*b/**c/*d", "a/x/b/y/z/c/qd"),
        ] {
            assert!(!excluded(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn no_pattern_takes_exponential_time() {
        let text = "a".repeat(2000);
        assert!(!excluded(&"*a".repeat(50).replace("**", "*"), &format!("{text}b")));
        assert!(!excluded(&format!("/{}b", "**a*".repeat(20)), &text));
    }
}
