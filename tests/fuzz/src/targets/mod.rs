//! What is fuzzed: each target takes any bytes and panics where a promise is broken.
//!
//! Owns the list. Knows nothing of libFuzzer, so the same bodies run over the corpus in an ordinary
//! test. A target keeps no state between two inputs.

mod archive;
mod catalogue;
mod console;
mod devices;
mod dhcp;
mod entries;
mod initiator;
mod names;
mod network;
mod outside;
pub mod peer;
mod recipes;
pub mod repair;
mod replies;
mod restore;
mod sealed;
mod slots;
mod streams;
mod tape;
mod tapicom;
mod tls;
mod update;
mod wire;

#[allow(unused_imports, reason = "only what writes the seeds needs it")]
pub use sealed::IDENTITY as SEAL_IDENTITY;
#[allow(unused_imports, reason = "only what writes the seeds needs it")]
pub use update::key as update_key;

/// One thing that takes foreign bytes.
pub struct Target {
    /// Its name, and that of its corpus directory.
    pub name: &'static str,
    /// Feeds it one input.
    pub run: fn(&[u8]),
    /// Puts right what no mutation hits by chance: checksums and digests.
    pub repair: fn(&mut [u8]),
}

const fn target(name: &'static str, run: fn(&[u8]), repair: fn(&mut [u8])) -> Target {
    Target { name, run, repair }
}

/// All targets.
pub const ALL: &[Target] = &[
    target("sense", replies::sense, repair::nothing),
    target("inquiry", replies::inquiry, repair::nothing),
    target("element", replies::element, repair::nothing),
    target("log", replies::log, repair::nothing),
    target("mode", replies::mode, repair::nothing),
    target("attribute", replies::attribute, repair::nothing),
    target("abilities", replies::abilities, repair::nothing),
    target("iscsi", initiator::session, repair::nothing),
    target("door", replies::door, repair::nothing),
    target("pax", archive::pax, repair::archive),
    target("restore", restore::restore, repair::archive),
    target("record", entries::record, repair::archive),
    target("patterns", entries::patterns, repair::nothing),
    target("recipe", recipes::recipe, repair::nothing),
    target("names", names::names, repair::names),
    target("list", names::lists, repair::list),
    target("wire", wire::wire, repair::nothing),
    target("message", network::message, repair::nothing),
    target("gluepot", network::gluepot, repair::nothing),
    target("code", network::code, repair::nothing),
    target("when", outside::when, repair::nothing),
    target("serve", outside::config, repair::nothing),
    target("settings", console::settings, repair::nothing),
    target("command", console::command, repair::nothing),
    target("editor", console::editor, repair::nothing),
    target("dialect", console::dialect, repair::nothing),
    target("steward", console::steward, repair::nothing),
    target("dhcp", dhcp::replies, repair::nothing),
    target("tapicom", tapicom::tapicom, repair::nothing),
    target("tls", tls::tls, repair::nothing),
    target("run", catalogue::run, repair::nothing),
    target("envelope", catalogue::envelope, repair::nothing),
    target("frames", streams::frames, repair::frames),
    target("lines", streams::lines, repair::nothing),
    target("receipt", streams::receipt, repair::nothing),
    target("age", sealed::age, repair::nothing),
    target("seal", sealed::index, repair::nothing),
    target("slots", slots::slots, slots::repair),
    target("chunks", streams::chunks, repair::chunks),
    target("block", tape::block, repair::block),
    target("label", tape::label, repair::label),
    target("part", tape::part, repair::nothing),
    target("index", tape::index, repair::nothing),
    target("volume", tape::volume, repair::nothing),
    target("virtual", devices::virtual_library, repair::nothing),
    target("drive", devices::drive, repair::nothing),
    target("changer", devices::changer, repair::nothing),
    target("bundle", update::bundle, update::repair),
    target("newc", update::newc, repair::nothing),
    target("executable", update::executable, repair::nothing),
    target("partition", update::partition, repair::nothing),
];
