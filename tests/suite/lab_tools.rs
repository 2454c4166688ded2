//! The lab's tools that need no cluster: the terminal, and waiting.
use std::time::Duration;

use lab::wait::{pass, until};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_terminal_shows_what_a_program_draws_and_takes_keys() {
    let shell = std::path::Path::new("/bin/sh");
    let script = "printf '\\033[?1049h\\033[2;5Hready'; read x; echo \"got $x\"; read x";
    let mut screen = lab::screen::Screen::open(shell, &["-c", script], 40, 6).unwrap();
    screen.wait_for("ready", SOON).unwrap();
    assert_eq!(screen.lines()[1], "    ready");
    assert!(screen.is_alternate());
    screen.keys("abc\r").unwrap();
    screen.wait_for("got abc", SOON).unwrap();
    let error = screen.wait_for("never", Duration::from_millis(20)).unwrap_err();
    assert!(error.to_string().contains("got abc"), "the error shows the screen: {error}");
    screen.keys("\r").unwrap();
    assert!(screen.wait_exit(SOON).unwrap().success());
}

#[test]
fn waiting_says_what_it_last_saw() {
    let mut calls = 0;
    let error = until("rain", Duration::from_millis(30), || {
        calls += 1;
        Err::<(), _>(format!("look {calls}: sun"))
    })
    .unwrap_err()
    .to_string();
    assert!(error.starts_with("waited 0.0 s for rain; last seen: look "), "{error}");
    assert!(error.ends_with(": sun"), "{error}");
    pass(Duration::ZERO);
    assert_eq!(until("now", Duration::ZERO, || Ok::<_, String>(7)).unwrap(), 7);
}
