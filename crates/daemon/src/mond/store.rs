//! What the monitor keeps on disk.
