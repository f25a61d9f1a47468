//! A tape drive over any transport.
