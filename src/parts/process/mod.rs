//! Processors change or watch streams.
