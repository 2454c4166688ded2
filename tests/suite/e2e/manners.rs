//! `mmm-control` and `mmm-tui` on a real cluster.
