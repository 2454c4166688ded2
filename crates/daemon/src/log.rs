//! The only place that sets up logging.
