//! `board`: prints what a machine is, and which manifest says so.

use std::io::Write;

use board::{Board, Value};
use clap::Args;
use serde_json::json;

use super::Done;
use crate::stream::Fault;

/// Print the manifest of a machine, with all it inherits
#[derive(Args)]
pub(super) struct BoardArgs {
    /// Name of a board, with mix-ins behind `+`, or a manifest file (default: the names there are)
    #[arg(value_name = "NAME|FILE")]
    board: Option<String>,
    /// The table of bootable boards that README.md shows
    #[arg(long, conflicts_with_all = ["board", "json"])]
    matrix: bool,
    /// JSON
    #[arg(long)]
    json: bool,
}

impl BoardArgs {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let text = match (&self.board, self.json) {
            (Some(name), false) => load(name)?.to_string(),
            (Some(name), true) => format!("{}\n", as_json(&load(name)?)),
            (None, _) if self.matrix => matrix()?,
            (None, json) => names(json)?,
        };
        let mut out = std::io::stdout().lock();
        let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        printed.map_err(|e| Fault::host("cannot print", &e))?;
        Ok(Done::Whole)
    }
}

fn load(name: &str) -> Result<Board, Fault> {
    Board::load(name).map_err(|error| Fault::usage(error.to_string()))
}

fn matrix() -> Result<String, Fault> {
    board::matrix::markdown().map_err(|error| Fault::usage(error.to_string()))
}

fn names(json: bool) -> Result<String, Fault> {
    let mut text = if json { String::new() } else { format!("{:<16} TITLE\n", "BOARD") };
    for name in Board::names() {
        let title = load(name)?.title;
        text.push_str(&match json {
            true => format!("{}\n", json!({ "board": name, "title": title })),
            false => format!("{name:<16} {title}\n"),
        });
    }
    Ok(text)
}

/// `{"tape.sync_mib": {"value": 32, "from": "dev-host"}, …}`
fn as_json(board: &Board) -> serde_json::Value {
    let setting = |(key, setting): (&str, &board::Setting)| {
        let value = match &setting.value {
            Value::Text(text) => json!(text),
            Value::Flag(flag) => json!(flag),
            Value::Number(number) => json!(number),
            Value::Texts(texts) => json!(texts),
            Value::Numbers(numbers) => json!(numbers),
        };
        (key.to_owned(), json!({ "value": value, "from": setting.from }))
    };
    serde_json::Value::Object(board.settings().map(setting).collect())
}
