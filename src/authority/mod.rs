//! The authority: decides who may do what, which job runs where, and what happens to media.
