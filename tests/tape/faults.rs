//! Everything a drive can do to a backup ends in recovery or in a clear error, never in a false
//! receipt or a wrong byte.
