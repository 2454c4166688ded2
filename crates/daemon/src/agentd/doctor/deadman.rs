//! The dead-man event: can it run, may the agent make it, is it there. Only where it is asked for.

use mmm_proto::doctor::Findings;

use super::Span;
use super::accounts::lacking_on_schema;
use crate::agentd::server::Server;

const CHECK: &str = "deadman_event";
/// One question to the server.
const LIMIT: Span = Span::secs(2);

/// `grants`: those of the agent's account, which is `who`.
pub(super) async fn examine(server: &Server, grants: &[String], who: &str, found: &mut Findings) {
    let seen = match server.deadman_event(LIMIT).await {
        Ok(seen) => seen,
        Err(error) => return found.warn(CHECK, error.to_string(), "SHOW EVENTS FROM mmm"),
    };
    let off = seen.scheduler_off();
    if let Some(why) = &off {
        let (what, remedy) = why.split_once(": ").unwrap_or((why, ""));
        found.bad(CHECK, format!("{what}: the event never runs"), remedy);
    }
    let lacks = lacking_on_schema(grants, "mmm").join(", ");
    if !lacks.is_empty() {
        let what = format!("{who} lacks {lacks} on mmm.*: it cannot make the event");
        found.bad(CHECK, what, format!("GRANT {lacks} ON mmm.* TO {who};"));
    }
    match seen.missing() {
        Some(why) if lacks.is_empty() => {
            let what = format!("{why}: the agent makes it when it runs");
            found.warn(CHECK, what, "systemctl start mmm-agentd; SHOW EVENTS FROM mmm");
        }
        None if off.is_none() && lacks.is_empty() => {
            found.ok(CHECK, "mmm.deadman is enabled, and events run");
        }
        _ => {}
    }
}
