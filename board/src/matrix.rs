//! The table of boards that README.md shows between two markers.
//!
//! Owns the table's columns and the markers; a test keeps README.md and this the same.

use std::fmt::Write;

use crate::{Board, Error};

/// Stands in front of the table.
pub const BEGIN: &str = "<!-- boards: begin, made by `tapioca board --matrix` -->";
/// Stands behind it.
pub const END: &str = "<!-- boards: end -->";

/// The table, as Markdown.
///
/// # Errors
///
/// An embedded manifest is wrong.
pub fn markdown() -> Result<String, Error> {
    let mut text = String::from(
        "| board | tier | what it is | kernel | modules named | serial | UKI ≤ MiB | memory ≤ MiB | prompt ≤ s |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for name in Board::names() {
        let board = Board::load(name)?;
        // Without a console it is only there to be inherited.
        let Some(machine) = board.machine.as_ref().filter(|m| !m.serial.is_empty()) else {
            continue;
        };
        let modules: usize = machine.modules.groups().iter().map(|(_, list)| list.len()).sum();
        let serial: Vec<&str> = machine.serial.iter().map(|port| port.port.as_str()).collect();
        let (title, limits) = (&board.title, machine.limits);
        let row = [
            format!("`{name}`"),
            machine.tier.to_string(),
            title.clone(),
            format!("`{}`", machine.kernel.package),
            modules.to_string(),
            serial.join(", "),
            limits.uki_mib_max.to_string(),
            limits.ram_mib_max.to_string(),
            (limits.boot_ms_max / 1000).to_string(),
        ];
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    Ok(text)
}
