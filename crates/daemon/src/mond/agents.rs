//! One link to each agent.
