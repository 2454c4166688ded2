//! The local database server: facts, read_only, replication.
