//! Who is at the other end: the shared cluster key.
