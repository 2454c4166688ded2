//! The server's port, and its replication.
