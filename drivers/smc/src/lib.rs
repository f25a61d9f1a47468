//! A media changer over any transport.
