//! Sources make streams.
