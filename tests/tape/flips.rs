//! Each byte of a volume, turned over.
