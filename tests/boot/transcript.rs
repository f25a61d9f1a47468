//! What was typed and what was answered, as it stands in a file that people read.

use super::typist::{PASSWORD, Typist};

/// A session so far.
pub struct Transcript<'a> {
    pub line: &'a Typist,
    text: String,
    prompt: String,
}

impl<'a> Transcript<'a> {
    pub fn new(line: &'a Typist) -> Transcript<'a> {
        Transcript { line, text: String::new(), prompt: String::new() }
    }

    /// What the line shows before anything is typed.
    pub fn begin(&mut self, prompt: &str) {
        let shown = self.line.prompt(prompt);
        let at = shown.rfind("Tapioca, on ").expect("the console says where it is");
        let page = &shown[at..];
        self.text = page[..page.len() - prompt.trim_end().len()].to_owned();
        prompt.clone_into(&mut self.prompt);
    }

    /// Types a line and waits for a prompt; what was answered. News is left out.
    pub fn say(&mut self, typed: &str, prompt: &str) -> String {
        let shown = self.line.say(typed, prompt);
        let secret = typed == PASSWORD;
        let typed = if secret { "" } else { typed };
        self.text.push_str(format!("{}{typed}", self.prompt).trim_end());
        self.text.push('\n');
        // News pushes what is asked and what is typed down: they are there again.
        let (asked, whole) = (self.prompt.trim_end(), format!("{}{typed}", self.prompt));
        let is_again = |line: &str| line == asked || line == whole.trim_end();
        let is_answer = |line: &&str| !line.starts_with("* ") && !is_again(line.trim_end());
        let mut lines: Vec<&str> = shown.lines().filter(is_answer).collect();
        if lines.last().is_some_and(|last| last.trim_end() == prompt.trim_end()) {
            lines.pop();
        }
        for line in &lines {
            self.text.push_str(line);
            self.text.push('\n');
        }
        prompt.clone_into(&mut self.prompt);
        lines.join("\n")
    }

    /// Types the last line, after which the box says this and asks nothing more.
    pub fn end(&mut self, typed: &str, answer: &str) {
        let is_it = |line: &str| line.trim_end() == answer;
        let before = self.line.text().lines().filter(|line| is_it(line)).count();
        self.line.send(format!("{typed}\r").as_bytes());
        self.line.until(answer, |screen| {
            screen.text().lines().filter(|line| is_it(line)).count() > before
        });
        self.text.push_str(&format!("{}{typed}\n{answer}\n", self.prompt));
    }

    /// Compares with the file; `BLESS=1` writes it.
    pub fn is_golden(&self, name: &str) {
        let text = normal(&self.text);
        let path = super::rig::root().join("tests/boot").join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert!(golden == text, "{name} differs; what was seen:\n{text}");
    }
}

/// What differs from run to run, as words of the same length.
fn normal(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(normal_line).collect();
    lines.push(String::new());
    lines.join("\n")
}

fn normal_line(line: &str) -> String {
    // Before the claim, links come up while the page is shown.
    if line.starts_with("link  ") {
        return "link           (one)".into();
    }
    let mut out = String::new();
    for word in line.split_inclusive(' ') {
        let bare = word.trim_end();
        let rest = &word[bare.len()..];
        out.push_str(&normal_word(bare));
        out.push_str(rest);
    }
    out.trim_end().to_owned()
}

fn normal_word(word: &str) -> String {
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let all = |by: char, count: usize| {
        let parts: Vec<&str> = word.split(by).collect();
        parts.len() == count && parts.iter().all(|part| digits(part))
    };
    let letters = |part: &str, count: usize| {
        part.len() == count && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let is_code = |part: &str| {
        part.len() == 4 && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let blocks: Vec<&str> = word.split('-').collect();
    if word.starts_with("TAP-") {
        "TAP-1234-5678".into()
    } else if blocks.len() == 6 && blocks.iter().all(|block| letters(block, 4)) {
        "aaaa-bbbb-cccc-dddd-eeee-ffff".into()
    } else if blocks.len() == 5 && blocks.iter().all(|block| is_code(block)) {
        "ABCD-EFGH-JKMN-PQRS-TVWX".into()
    } else if all('-', 3) {
        "2026-11-28".into()
    } else if all(':', 3) || all(':', 2) {
        "12:34:56"[..word.len().min(8)].into()
    } else if word == env!("CARGO_PKG_VERSION") {
        "VERSION".into()
    } else {
        word.to_owned()
    }
}
