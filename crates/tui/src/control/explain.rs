//! The text of `explain`: why the cluster, a host or a role is as it is, what is in the way and
//! when that ends. Made from the picture alone, so that console, command and tests say the same.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod page;
pub(crate) mod peers;

use mmm_proto::agent::Reach;
use mmm_proto::view::{
    ActionView, Blocked, FlapsView, HostView, Readiness, RoleView, Verdict, VipView, WriterState,
};
use mmm_proto::{ClusterView, HostName, RoleMode, Verb, Wall};
use serde_json::{Value, json};

use page::Page;

/// Explains the whole cluster, or the host or role of that name; both, if there are both.
///
/// # Errors
/// When the cluster has nothing of that name; says which names there are.
pub fn explain(view: &ClusterView, name: Option<&HostName>) -> Result<String, String> {
    let Some(name) = name else {
        return Ok(cluster(view));
    };
    let host = view.host(name.as_str()).map(|found| host(view, found));
    let role = view.role(name.as_str()).map(|found| role(view, found));
    match (host, role) {
        (None, None) => Err(unknown(view, name)),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (Some(host), Some(role)) => Ok(format!("{host}\n{role}")),
    }
}

/// The same for programs: the parts of the picture that the text is made from.
///
/// # Errors
/// As [`explain`].
pub fn values(view: &ClusterView, name: Option<&HostName>) -> Result<Value, String> {
    let Some(name) = name else {
        return Ok(json!({ "cluster": view }));
    };
    match (view.host(name.as_str()), view.role(name.as_str())) {
        (None, None) => Err(unknown(view, name)),
        (host, role) => {
            let mut all = json!({ "now": view.now });
            if let Some(host) = host {
                all["host"] = json!(host);
            }
            if let Some(role) = role {
                all["role"] = json!(role);
                if role.writer {
                    all["writer"] = json!(view.writer);
                }
            }
            Ok(all)
        }
    }
}

fn unknown(view: &ClusterView, name: &HostName) -> String {
    let hosts: Vec<&str> = view.hosts.iter().map(|host| host.name.as_str()).collect();
    let roles: Vec<&str> = view.roles.iter().map(|role| role.name.as_str()).collect();
    format!(
        "Unknown name '{name}'! Hosts are {}; roles are {}.",
        hosts.join(", "),
        roles.join(", ")
    )
}

fn cluster(view: &ClusterView) -> String {
    let mut page = Page::default();
    page.head(&format!("Cluster {}: {}", view.cluster, view.mode));
    page.row("cause", &view.mode_cause);
    let ends = view.mode_ends.map(|ends| format!("in {}", ends.since(view.now)));
    page.row("mode ends", &ends.unwrap_or_default());
    page.row("held", &view.held);
    page.row("since", &format!("{} ago, term {}", ago(view, view.started), view.term));
    page.row("writer", &writer(view));
    page.rows("in the way", view.writer.blocked.iter().map(|one| blocked(view.now, one)));
    page.row("next", &next(view));
    if let Some(running) = &view.running {
        page.row("runs", &format!("plan {}: {}", running.plan, running.title));
    }
    page.rows("look at", view.attention.iter().cloned());
    let hosts = view.hosts.iter().map(|host| {
        let why = if host.why.is_empty() { "" } else { ": " };
        let lasts = ago(view, host.since);
        format!("{} {} for {lasts}{why}{}", host.name, host.state, host.why)
    });
    page.rows("hosts", hosts);
    let free = view.roles.iter().flat_map(|role| {
        let vips = role.vips.iter().filter(|vip| vip.host.is_none());
        vips.map(|vip| format!("{}({}) is with nobody", role.name, vip.ip))
    });
    page.rows("VIPs", free);
    verbs(&mut page, view.actions.iter());
    page.text()
}

/// How it is about the writer, in a sentence.
fn writer(view: &ClusterView) -> String {
    let writer = &view.writer;
    let host = writer.host.as_ref().map_or("nobody", |host| host.as_str());
    let lasts = ago(view, writer.since);
    match writer.state {
        WriterState::Serving => {
            let by = if writer.why.is_empty() { "" } else { ": " };
            format!("{host} serves {} for {lasts}{by}{}", writer.vip, writer.why)
        }
        WriterState::Moving => format!("moving: {}", writer.why),
        WriterState::Vacant => format!("nobody serves {}: {}", writer.vip, writer.why),
        WriterState::Conflict => format!("in conflict: {}", writer.why),
    }
}

/// Who would become writer next, and at what cost.
fn next(view: &ClusterView) -> String {
    let heir = view.hosts.iter().filter_map(|host| {
        let ready = host.readiness.as_ref()?;
        Some((ready.rank?, host, ready))
    });
    match heir.min_by_key(|(rank, ..)| *rank) {
        Some((_, host, ready)) => format!("{} would take over; {}", host.name, cost(ready)),
        None if view.hosts.iter().all(|host| host.readiness.is_none()) => String::new(),
        None => "nobody could take over".to_owned(),
    }
}

fn host(view: &ClusterView, host: &HostView) -> String {
    let mut page = Page::default();
    page.head(&format!("Host {}: {} ({}:{})", host.name, host.mode, host.ip, host.port));
    let before = host.before.map_or(String::new(), |before| format!(", {before} before"));
    page.row("state", &format!("{} for {}{before}", host.state, ago(view, host.since)));
    page.row("why", &host.why);
    page.row("ends", &host.ends);
    page.row("flaps", &host.flaps.as_ref().map_or(String::new(), |found| flaps(view.now, found)));
    let roles: Vec<String> =
        host.roles.iter().map(|vip| format!("{}({})", vip.role, vip.ip)).collect();
    page.row("roles", &if roles.is_empty() { "none".to_owned() } else { roles.join(", ") });
    let checks = host.checks.iter().map(|check| {
        let word = match check.verdict {
            Verdict::Good => "good",
            Verdict::Failing => "failing",
            Verdict::Bad => "failed",
            Verdict::Unknown => "unknown",
        };
        let lasts = ago(view, check.since);
        format!("{:<12} {word:<8} for {lasts:<7}\t{}", check.check, check.message)
    });
    page.rows("checks", checks);
    page.row("agent", &agent(view, host));
    for (label, text) in peers::lines(view, view.now, host) {
        page.row(label, &text);
    }
    page.row("server", &server(host));
    page.row("behind", &behind(host));
    if let Some(ready) = &host.readiness {
        page.row("as writer", &readiness(ready, is_writer(view, host)));
        let blockers = ready.blockers.iter().filter(|_| !is_writer(view, host));
        page.rows("", blockers.map(|one| blocked(view.now, one)));
    }
    verbs(&mut page, host.actions.iter());
    page.text()
}

/// How often a host dropped of late, and when that is too often.
pub(crate) fn flaps(now: Wall, flaps: &FlapsView) -> String {
    let FlapsView { drops, limit, window, .. } = flaps;
    let times = if *drops == 1 { "once".to_owned() } else { format!("{drops} times") };
    let first = flaps.first.map_or(String::new(), |first| {
        let at = if *drops == 1 { "" } else { "the first " };
        format!(", {at}{} ago", now.since(first).coarse())
    });
    if flaps.flapping {
        return format!("it is flapping: dropped from ONLINE {times} within {window}");
    }
    format!("dropped from ONLINE {times}{first}; more than {limit} within {window} is flapping")
}

pub(crate) fn is_writer(view: &ClusterView, host: &HostView) -> bool {
    view.writer.host.as_ref() == Some(&host.name)
}

fn agent(view: &ClusterView, host: &HostView) -> String {
    let heard = host
        .agent
        .heard
        .map_or("never heard".to_owned(), |heard| format!("heard {} ago", view.now.since(heard)));
    let reach = if host.agent.reachable { "answers" } else { "does not answer" };
    let sep = if host.agent.trouble.is_empty() { "" } else { ": " };
    format!("{reach}, {heard}, writer duty {}{sep}{}", host.agent.duty, host.agent.trouble)
}

fn server(host: &HostView) -> String {
    let reach = match &host.server.reach {
        Reach::Unknown => "not looked at yet".to_owned(),
        Reach::Up => "up".to_owned(),
        Reach::Gone { why } => format!("gone: {why}"),
        Reach::Silent { why } => format!("silent: {why}"),
    };
    let read_only = match host.server.read_only {
        Some(true) => ", read-only",
        Some(false) => ", writable",
        None => "",
    };
    let source = host.server.source.as_ref();
    let source = source.map_or(String::new(), |source| format!(", replicates from {source}"));
    let error = host.server.replication.as_ref().map_or("", |found| found.error.as_str());
    let sep = if error.is_empty() { "" } else { ": " };
    format!("{reach}{read_only}{source}{sep}{error}")
}

fn behind(host: &HostView) -> String {
    let behind = host.behind.map_or(String::new(), |count| format!(", {}", transactions(count)));
    match host.lag {
        mmm_proto::Lag::Source => String::new(),
        lag => format!("lag {lag}{behind} (limit {})", host.lag_limit.coarse()),
    }
}

/// Whether a host could become writer, its place in line, and the cost.
pub(crate) fn readiness(ready: &Readiness, is_writer: bool) -> String {
    match (ready.able, ready.rank) {
        _ if is_writer => "it is the writer".to_owned(),
        (true, Some(rank)) => format!("ready, number {rank} in line; {}", cost(ready)),
        (true, None) => format!("ready; {}", cost(ready)),
        (false, _) if ready.lacks.is_some() => format!("not ready; {}", cost(ready)),
        (false, _) => "not ready".to_owned(),
    }
}

/// What would be lost with this host as the next writer.
fn cost(ready: &Readiness) -> String {
    let sep = if ready.note.is_empty() { "" } else { " (" };
    let end = if ready.note.is_empty() { "" } else { ")" };
    let cost = match (ready.lacks, ready.loss) {
        (Some(0), _) => "expected loss 0".to_owned(),
        (Some(lacks), Some(0)) => {
            format!("expected loss 0: it lacks {}, others have them", transactions(lacks))
        }
        (Some(lacks), Some(loss)) if loss < lacks => {
            format!("expected loss {}: it lacks {lacks}, others have the rest", transactions(loss))
        }
        (Some(lacks), _) => format!("expected loss {}", transactions(lacks)),
        (None, _) => "expected loss unknown".to_owned(),
    };
    format!("{cost}{sep}{}{end}", ready.note)
}

fn transactions(count: u64) -> String {
    if count == 1 { "1 transaction".to_owned() } else { format!("{count} transactions") }
}

fn role(view: &ClusterView, role: &RoleView) -> String {
    let mut page = Page::default();
    let mode = match role.mode {
        RoleMode::Exclusive => "exclusive",
        RoleMode::Balanced => "balanced",
    };
    let what = if role.writer { ", its host is the writer" } else { "" };
    page.head(&format!("Role {}: {mode}{what}", role.name));
    let hosts: Vec<&str> = role.hosts.iter().map(HostName::as_str).collect();
    page.row("hosts", &hosts.join(", "));
    if let Some(prefer) = &role.prefer {
        page.row("prefers", prefer.as_str());
    }
    if role.writer {
        page.row("state", &writer(view));
    }
    for vip in &role.vips {
        one_vip(&mut page, view, role, vip);
    }
    if role.writer {
        page.rows("in the way", view.writer.blocked.iter().map(|one| blocked(view.now, one)));
        page.row("next", &next(view));
    }
    let others = role.hosts.iter().filter_map(|name| view.host(name.as_str()));
    page.rows("why not", others.filter_map(|host| why_not(view, role, host)));
    let about = |verb: &Verb| match verb {
        Verb::MoveRole { role: of, .. } => *of == role.name,
        Verb::SetIp { ip, .. } => role.vips.iter().any(|vip| vip.ip == *ip),
        _ => false,
    };
    let all = view.hosts.iter().flat_map(|host| &host.actions);
    verbs(&mut page, all.filter(|action| about(&action.verb)));
    page.text()
}

fn one_vip(page: &mut Page, view: &ClusterView, role: &RoleView, vip: &VipView) {
    let seen: Vec<&str> = vip.seen_on.iter().map(HostName::as_str).collect();
    let seen = if seen.is_empty() { "no host".to_owned() } else { seen.join(", ") };
    let host = vip.host.as_ref().map_or("nobody", |host| host.as_str());
    let lasts = ago(view, vip.since);
    page.row("VIP", &format!("{} with {host} for {lasts}, seen on {seen}", vip.ip));
    if vip.host.is_none() && !role.writer {
        page.row("", &vip.note);
    }
    // While nobody has it, the claims are among what is in the way.
    let claims = vip.claims.iter().filter(|_| vip.host.is_some()).map(|claim| {
        let left = claim.over.since(view.now);
        format!("{} may have it until its grant is over, in {left} at the latest", claim.host)
    });
    page.rows("", claims);
    page.rows("", vip.blocked.iter().map(|one| blocked(view.now, one)));
}

/// Why a host that may hold a role does not have it, or could not.
fn why_not(view: &ClusterView, role: &RoleView, host: &HostView) -> Option<String> {
    if host.roles.iter().any(|vip| vip.role == role.name) {
        return None;
    }
    if role.writer {
        let ready = host.readiness.as_ref()?;
        let first = ready.blockers.first().map(|one| blocked(view.now, one));
        return Some(match (ready.rank, first) {
            (Some(rank), None) => format!("{}: number {rank} in line", host.name),
            (_, Some(why)) => why,
            (None, None) => format!("{}: not ready", host.name),
        });
    }
    let able = role.vips.iter().any(|vip| vip.may_go_to.contains(&host.name));
    Some(if able {
        format!("{}: could serve, others are no fuller", host.name)
    } else if host.state != mmm_proto::HostState::Online {
        format!("{} is {}: {}", host.name, host.state, host.why)
    } else {
        format!("{}: {}", host.name, agent(view, host))
    })
}

/// The verbs that are allowed, and those that are not with the reason.
fn verbs<'a>(page: &mut Page, actions: impl Iterator<Item = &'a ActionView> + Clone) {
    let allowed = actions.clone().filter(|action| action.off.is_empty());
    page.rows("allowed", allowed.map(|action| action.verb.to_string()));
    let refused = actions.filter(|action| !action.off.is_empty());
    page.rows("refused", refused.map(|action| format!("{}: {}", action.verb, action.off)));
}

/// A thing that is in the way, when that ends by itself, and what ends it otherwise.
pub(crate) fn blocked(now: Wall, one: &Blocked) -> String {
    let mut text = one.why.clone();
    let ends = one.ends.map(|ends| match ends.since(now) {
        mmm_proto::Span::ZERO => "ends now".to_owned(),
        left => format!("ends in {left}"),
    });
    let until = (!one.until.is_empty()).then(|| format!("until {}", one.until));
    let tail: Vec<String> = ends.into_iter().chain(until).collect();
    if !tail.is_empty() {
        text.push_str(&format!(" [{}]", tail.join(", or ")));
    }
    text
}

fn ago(view: &ClusterView, since: Wall) -> String {
    view.now.since(since).coarse()
}
