//! Telling the neighbours where a VIP is.
