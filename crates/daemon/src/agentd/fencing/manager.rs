//! Asking systemd whether the agent that just ended is about to be started again. `ExecStopPost=`
//! runs for a restart and for a stop alike, and only the manager's job tells them apart.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long systemd may take to answer.
const LIMIT: Duration = Duration::from_millis(500);

/// Whether an agent is about to be started here; and what is worth telling about it.
pub(super) async fn brings_it_back() -> (bool, Option<String>) {
    // Set for `ExecStopPost=` alone.
    let Ok(result) = std::env::var("SERVICE_RESULT") else { return (false, None) };
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(unit) = unit_of(&groups) else {
        return (false, Some("systemd: this is no service's process: taken as a stop".to_owned()));
    };
    match ask(&["list-jobs", "--plain", "--no-legend"]).await {
        Ok(jobs) => match job_of(&jobs, &unit) {
            Some("stop") => (false, Some(format!("systemd: {unit} is being stopped"))),
            Some(job) => (true, Some(format!("systemd: {unit} is being restarted ({job})"))),
            // It ended by itself; asking for `Restart=` too would take time that is needed.
            None => (true, Some(format!("systemd: {unit} ended ({result}) and comes back"))),
        },
        // Ended by anything but an order: a restart, by what the unit says.
        Err(_) if result != "success" => (true, None),
        Err(why) => {
            let why = format!(
                "systemd: cannot ask whether {unit} is restarted ({why}): taken as a stop; with the \
                 package dbus installed restarts go unseen by clients"
            );
            (false, Some(why))
        }
    }
}

async fn ask(words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("systemctl");
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let asked = tokio::time::timeout(LIMIT, command.output()).await;
    let done = asked.map_err(|_| format!("no answer within {} ms", LIMIT.as_millis()))?;
    let done = done.map_err(|error| format!("systemctl: {error}"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).trim().to_owned())
    }
}

/// The service in whose control group this process is.
fn unit_of(groups: &str) -> Option<String> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

/// What is being done with a unit, from the lines of `list-jobs`.
fn job_of<'a>(jobs: &'a str, unit: &str) -> Option<&'a str> {
    jobs.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == unit).then(|| words.next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_and_its_job_are_found() {
        let groups = "0::/system.slice/mmm-agentd.service\n";
        assert_eq!(unit_of(groups).as_deref(), Some("mmm-agentd.service"));
        assert_eq!(unit_of("0::/user.slice/session-1.scope\n"), None);
        let jobs = "12 mmm-agentd.service restart running\n13 other.service stop running\n";
        assert_eq!(job_of(jobs, "mmm-agentd.service"), Some("restart"));
        assert_eq!(job_of(jobs, "mmm-mond.service"), None);
        assert_eq!(job_of("", "mmm-agentd.service"), None);
    }
}
