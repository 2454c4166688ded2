//! The one test binary: modules only.
//!
//! Tests that need the lab fail with the reason and the remedy where rights or MariaDB are
//! missing; they are never skipped. They run one at a time (`support::lab`), because they measure.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::unwrap_used)]
#![allow(clippy::print_stdout)]

mod config_import;
mod docs;
mod e2e;
mod goals;
mod lab_itself;
mod lab_teardown;
mod lab_tools;
mod manual;
mod sim;
mod ssh;
mod support;
mod tidy;
mod transcripts;
