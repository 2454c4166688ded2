//! What tests wait for that stop a process. No test is here.

/// Returns once every thread of a process is stopped: the signal is on its way until then, and a
/// server may still answer.
pub(crate) fn stands_still(pid: i32) {
    let stopped = |task: &std::path::Path| {
        let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
        // The state follows the name, which is in brackets and may hold anything.
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let runs = tasks.flatten().filter(|task| !stopped(&task.path())).count();
        if runs == 0 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{runs} threads of {pid} still run");
        std::thread::yield_now();
    }
}
