//! Privileges, from the text of `SHOW GRANTS` and `information_schema`. Pure.

/// What the agent's account needs, and for what.
pub(super) const NEEDED: &[(&str, &str)] = &[
    ("SLAVE MONITOR", "to see replication"),
    ("BINLOG MONITOR", "to see positions"),
    ("REPLICATION SLAVE ADMIN", "to start, stop and re-point replication"),
    ("REPLICATION MASTER ADMIN", "to see replicas and to set semi-sync"),
    ("READ_ONLY ADMIN", "to set read_only"),
    ("CONNECTION ADMIN", "to end sessions"),
    ("BINLOG ADMIN", "to keep its own writes out of the binary log"),
    ("PROCESS", "to see sessions"),
    ("RELOAD", "to flush"),
];

/// The one who may do everything by the server's own design, when only from this machine.
const BUILT_IN: &[&str] = &["root", "mysql", "mariadb.sys"];
const LOCAL: &[&str] = &["localhost", "127.0.0.1", "::1"];

/// The privileges on everything (`ON *.*`) of these `GRANT` statements; `ALL PRIVILEGES` as it is.
pub(super) fn global(grants: &[String]) -> Vec<String> {
    let lists = grants.iter().filter_map(|grant| {
        let rest = grant.strip_prefix("GRANT ")?;
        rest.split_once(" ON *.* TO ").map(|(list, _)| list)
    });
    let words = lists.flat_map(|list| list.split(','));
    words.map(|word| plain(word.trim())).collect()
}

/// `READ_ONLY ADMIN` and `READ ONLY ADMIN` are the same.
fn plain(word: &str) -> String {
    word.to_uppercase().replace('_', " ")
}

/// Whether these grants contain the privilege.
pub(super) fn has(grants: &[String], privilege: &str) -> bool {
    let global = global(grants);
    global.iter().any(|word| word == "ALL PRIVILEGES" || *word == plain(privilege))
}

/// The needed privileges that are not there. SUPER contained most of them before 10.11.
pub(super) fn missing(grants: &[String], old: bool) -> Vec<(&'static str, &'static str)> {
    let by_super = old && has(grants, "SUPER");
    let contained = |name: &str| by_super && !matches!(name, "PROCESS" | "RELOAD");
    NEEDED.iter().filter(|(name, _)| !has(grants, name) && !contained(name)).copied().collect()
}

/// What the dead-man event needs on its own schema, in the order of the README.
const NEEDED_ON_SCHEMA: &[&str] = &["CREATE", "DROP", "EVENT", "SELECT", "INSERT", "UPDATE"];

/// Those of them that are not there.
pub(super) fn lacking_on_schema(grants: &[String], schema: &str) -> Vec<&'static str> {
    let (on, all) = (format!(" ON `{schema}`.* TO "), "ALL PRIVILEGES");
    let lists = grants.iter().filter_map(|grant| {
        grant.strip_prefix("GRANT ")?.split_once(on.as_str()).map(|(list, _)| list)
    });
    let mut there = global(grants);
    there.extend(lists.flat_map(|list| list.split(',')).map(|word| plain(word.trim())));
    let has = |name: &str| there.iter().any(|word| word == all || word == name);
    NEEDED_ON_SCHEMA.iter().copied().filter(|name| !has(name)).collect()
}

/// How an account that may write under `read_only` is to be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bypass {
    /// One of the product's own.
    Own,
    /// The server's own administrator, from this machine only.
    Administrator,
    /// Anybody else.
    Application,
}

/// Sorts a grantee such as `'app'@'%'`.
pub(super) fn bypass(grantee: &str, own: &[&str]) -> Bypass {
    let (user, host) = parts(grantee);
    if own.contains(&user.as_str()) {
        Bypass::Own
    } else if BUILT_IN.contains(&user.as_str()) && LOCAL.contains(&host.as_str()) {
        Bypass::Administrator
    } else {
        Bypass::Application
    }
}

fn parts(grantee: &str) -> (String, String) {
    let (user, host) = grantee.rsplit_once('@').unwrap_or((grantee, ""));
    (user.trim_matches('\'').to_owned(), host.trim_matches('\'').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn only_what_is_granted_on_everything_counts() {
        let some = grants(
            "GRANT PROCESS, READ_ONLY ADMIN ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*X'\n\
             GRANT ALL PRIVILEGES ON `app`.* TO `a`@`%`\nGRANT RELOAD ON `x`.* TO `a`@`%`",
        );
        assert!(has(&some, "READ ONLY ADMIN") && has(&some, "PROCESS"));
        assert!(!has(&some, "RELOAD") && !has(&some, "SUPER"));
        let lacks: Vec<&str> = missing(&some, false).iter().map(|(name, _)| *name).collect();
        assert!(lacks.contains(&"RELOAD") && !lacks.contains(&"PROCESS"), "{lacks:?}");
        let all = grants("GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION");
        assert_eq!(missing(&all, false), []);
        let old = grants("GRANT SUPER, PROCESS, RELOAD ON *.* TO `a`@`%`");
        assert_eq!(missing(&old, true), []);
        assert!(missing(&old, false).len() > 5);
    }

    #[test]
    fn what_is_granted_on_the_schema_or_on_everything_counts() {
        let some = grants(
            "GRANT SELECT, PROCESS ON *.* TO `a`@`%`\n\
             GRANT CREATE, DROP, INSERT, EVENT ON `mmm`.* TO `a`@`%`\n\
             GRANT UPDATE ON `mmm2`.* TO `a`@`%`\nGRANT UPDATE ON `mmm`.`t` TO `a`@`%`",
        );
        assert_eq!(lacking_on_schema(&some, "mmm"), ["UPDATE"]);
        let all = grants("GRANT ALL PRIVILEGES ON `mmm`.* TO `a`@`%`");
        assert!(lacking_on_schema(&all, "mmm").is_empty());
    }

    #[test]
    fn the_application_is_told_from_root_at_home() {
        let own = ["mmm_agent"];
        assert_eq!(bypass("'mmm_agent'@'10.0.0.%'", &own), Bypass::Own);
        assert_eq!(bypass("'root'@'localhost'", &own), Bypass::Administrator);
        assert_eq!(bypass("'root'@'%'", &own), Bypass::Application);
        assert_eq!(bypass("'app'@'localhost'", &own), Bypass::Application);
    }
}
