//! A machine described as data.
