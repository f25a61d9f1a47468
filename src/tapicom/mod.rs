//! Tapicom: how people's tools command the authority.
