//! Making a VIP refuse connections (nf_tables).
