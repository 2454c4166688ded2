//! The agent's listener: monitors that dial in.
