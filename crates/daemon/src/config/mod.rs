//! Configuration: checked, typed, defaults applied.
