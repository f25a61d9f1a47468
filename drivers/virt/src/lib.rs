//! A virtual tape library that answers commands from files.
