//! All pages of an answer as one JSON document.

use std::io::{self, Write};

use serde_json::Value;

/// The document, written as the pages come: there may be millions of items.
#[derive(Default)]
pub(super) struct Document {
    is_begun: bool,
    items: u64,
}

impl Document {
    /// Adds a page.
    pub(super) fn add(
        &mut self,
        out: &mut impl Write,
        page: &Value,
        is_last: bool,
    ) -> io::Result<()> {
        let paged = page.as_object().and_then(|reply| {
            let (name, value) = reply.iter().next()?;
            Some((name, value.get("items")?.as_array()?))
        });
        let Some((name, items)) = paged else { return writeln!(out, "{page:#}") };
        if !std::mem::replace(&mut self.is_begun, true) {
            write!(out, "{{\"{name}\": {{\"items\": [")?;
        }
        for item in items {
            out.write_all(if self.items > 0 { b",\n" } else { b"\n" })?;
            serde_json::to_writer(&mut *out, item)?;
            self.items += 1;
        }
        if is_last {
            writeln!(out, "\n], \"next\": null}}}}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(pages: &[Value]) -> Value {
        let (mut out, mut document) = (Vec::new(), Document::default());
        for (n, page) in (1..).zip(pages) {
            document.add(&mut out, page, n == pages.len()).unwrap();
        }
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn all_pages_are_one_document() {
        let first = json!({ "Jobs": { "items": [{ "id": 1 }, { "id": 2 }], "next": "2" } });
        let last = json!({ "Jobs": { "items": [{ "id": 3 }], "next": null } });
        let whole =
            json!({ "Jobs": { "items": [{ "id": 1 }, { "id": 2 }, { "id": 3 }], "next": null } });
        assert_eq!(of(&[first, last]), whole);
        let none = json!({ "Entries": { "items": [], "next": null } });
        assert_eq!(of(std::slice::from_ref(&none)), none);
        let other = json!("Done");
        assert_eq!(of(std::slice::from_ref(&other)), other);
    }
}
