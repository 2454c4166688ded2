//! A monitor that says what a test wants: real socket, real lines, scripted answers.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mmm_proto::auth::{challenge, hex};
use mmm_proto::console::{Answer, FromMonitor, ToMonitor};
use mmm_proto::hello::{First, Hello, Program, You};
use mmm_proto::line::{Lines, Message, decode, encode};
use mmm_proto::plan::Level;
use mmm_proto::{ClusterName, ClusterView, Event, Verb};

use crate::sample;

/// How a test waits for the other side, at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `what` gives something.
pub(crate) fn until<T>(name: &str, mut what: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match what() {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => panic!("{name}: last seen: {seen}"),
            Err(_) => std::thread::yield_now(),
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// One thing that the monitor does when it is asked.
#[derive(Clone)]
pub(crate) enum Say {
    Answer(Answer),
    /// The new picture, to everybody who subscribed.
    View(Box<ClusterView>),
    Error(&'static str),
    Garbage(&'static [u8]),
    Close,
}

type Script = Box<dyn FnMut(&ToMonitor) -> Vec<Say> + Send>;

/// What the fake monitor is.
pub(crate) struct State {
    pub(crate) view: ClusterView,
    pub(crate) events: Vec<Event>,
    pub(crate) hello: Hello,
    /// Says nothing at all when a console connects.
    pub(crate) mute: bool,
    pub(crate) seen: Vec<ToMonitor>,
    script: Script,
    subscribers: Vec<UnixStream>,
    all: Vec<UnixStream>,
}

pub(crate) struct FakeMonitor {
    dir: tempfile::TempDir,
    pub(crate) state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A monitor that makes plans and carries them out at once.
pub(crate) fn obedient(request: &ToMonitor) -> Vec<Say> {
    match request {
        ToMonitor::Plan { verb, .. } => {
            let (level, confirm) = match verb {
                Verb::MoveRole { host, .. } => (Level::Typed, host.to_string()),
                _ => (Level::Key, String::new()),
            };
            let plan = Box::new(sample::plan(verb.clone(), level, &confirm));
            vec![Say::Answer(Answer::Plan { plan })]
        }
        ToMonitor::Apply { plan, .. } => vec![
            Say::Answer(Answer::Started { plan: *plan }),
            Say::View(Box::new(sample::moving())),
            Say::View(Box::new(sample::moved())),
            done("Role 'writer' has been moved from 'db1' to 'db2'."),
        ],
        ToMonitor::Run { verb, .. } if *verb == Verb::Ping => vec![done("Pinged successfully!")],
        ToMonitor::Run { .. } => vec![done("State of 'db5' changed to ONLINE.")],
        _ => Vec::new(),
    }
}

pub(crate) fn done(text: &str) -> Say {
    Say::Answer(Answer::Done { text: text.to_owned(), took: mmm_proto::Span(120) })
}

impl FakeMonitor {
    pub(crate) fn start(script: impl FnMut(&ToMonitor) -> Vec<Say> + Send + 'static) -> Self {
        let view = sample::view();
        let mut hello = Hello::new(Program::Monitor, view.cluster.clone());
        hello.you = Some(You { name: "ops".to_owned(), may_act: true, why_not: String::new() });
        let mut monitor = Self {
            dir: tempfile::tempdir().unwrap(),
            state: Arc::new(Mutex::new(State {
                view,
                events: sample::events(),
                hello,
                mute: false,
                seen: Vec::new(),
                script: Box::new(script),
                subscribers: Vec::new(),
                all: Vec::new(),
            })),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        monitor.listen();
        monitor
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("m.sock")
    }

    /// Goes away: the socket is gone, every console loses its link.
    pub(crate) fn down(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.socket());
        let _ = std::fs::remove_file(self.socket());
        let mut state = self.state.lock().unwrap();
        for stream in state.all.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.subscribers.clear();
        drop(state);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    /// Comes (back) up.
    pub(crate) fn listen(&mut self) {
        self.stop = Arc::new(AtomicBool::new(false));
        let listener = UnixListener::bind(self.socket()).unwrap();
        let (state, stop) = (Arc::clone(&self.state), Arc::clone(&self.stop));
        self.threads.push(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                state.lock().unwrap().all.push(stream.try_clone().unwrap());
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream, &state));
            }
        }));
        let (state, stop) = (Arc::clone(&self.state), Arc::clone(&self.stop));
        self.threads.push(std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                beat(&state);
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }));
    }

    /// A new picture for everybody.
    pub(crate) fn show(&self, view: ClusterView) {
        publish(&mut self.state.lock().unwrap(), view);
    }

    /// What was asked so far.
    pub(crate) fn seen(&self) -> Vec<ToMonitor> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl Drop for FakeMonitor {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.down();
        }
    }
}

fn beat(state: &Mutex<State>) {
    let mut state = state.lock().unwrap();
    let beat = FromMonitor::Beat { generation: state.view.generation, now: state.view.now };
    state.subscribers.retain_mut(|stream| say(stream, &beat));
}

fn publish(state: &mut State, view: ClusterView) {
    state.view = view.clone();
    let view = FromMonitor::View { view: Box::new(view) };
    state.subscribers.retain_mut(|stream| say(stream, &view));
}

fn say<M: Message>(stream: &mut UnixStream, message: &M) -> bool {
    stream.write_all(encode(message).unwrap().as_bytes()).is_ok()
}

fn serve(mut stream: UnixStream, state: &Mutex<State>) {
    let mut lines = Lines::default();
    let (hello, mute) = {
        let state = state.lock().unwrap();
        (state.hello.clone(), state.mute)
    };
    if mute {
        while read::<ToMonitor>(&mut stream, &mut lines).is_some() {}
        return;
    }
    // As the real one: it introduces itself before it hears who is there.
    say(&mut stream, &First::Hello(hello));
    let Some(First::Hello(_)) = read::<First>(&mut stream, &mut lines) else {
        return;
    };
    while let Some(request) = read::<ToMonitor>(&mut stream, &mut lines) {
        let mut state = state.lock().unwrap();
        state.seen.push(request.clone());
        if !answer(&mut stream, &mut state, &request) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Does what the script says; false when that is to hang up.
fn answer(stream: &mut UnixStream, state: &mut State, request: &ToMonitor) -> bool {
    match request {
        ToMonitor::Subscribe { events_since } => {
            let view = FromMonitor::View { view: Box::new(state.view.clone()) };
            say(stream, &view);
            let since = events_since.unwrap_or(0);
            let events = state.events.iter().filter(|event| event.seq > since);
            let events = FromMonitor::Events { events: events.cloned().collect(), skipped: 0 };
            say(stream, &events);
            state.subscribers.push(stream.try_clone().unwrap());
            true
        }
        ToMonitor::Snapshot { id } => {
            let view = Box::new(state.view.clone());
            let answer = Answer::Snapshot { view };
            say(stream, &FromMonitor::Answer { id: *id, answer })
        }
        ToMonitor::Run { id, .. }
        | ToMonitor::Plan { id, .. }
        | ToMonitor::Apply { id, .. }
        | ToMonitor::Stop { id, .. }
        | ToMonitor::Demo { id, .. } => {
            let says = (state.script)(request);
            for what in says {
                match what {
                    Say::Answer(answer) => {
                        say(stream, &FromMonitor::Answer { id: *id, answer });
                    }
                    Say::View(view) => publish(state, *view),
                    Say::Error(why) => {
                        let why = why.to_owned();
                        say(stream, &FromMonitor::Error { why });
                    }
                    Say::Garbage(bytes) => {
                        let _ = stream.write_all(bytes);
                    }
                    Say::Close => return false,
                }
            }
            true
        }
    }
}

fn read<M: Message>(stream: &mut impl std::io::Read, lines: &mut Lines) -> Option<M> {
    let mut bytes = [0; 4096];
    loop {
        if let Some(line) = lines.next_line().unwrap() {
            return Some(decode(&line).unwrap());
        }
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return None,
            Ok(count) => lines.push(&bytes[..count]),
        }
    }
}

/// A monitor on TCP that proves and asks for the cluster key, answers one snapshot and ends. Gives
/// its address.
pub(crate) fn keyed(key: &'static [u8]) -> (String, JoinHandle<Result<(), String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = Lines::default();
        let cluster = ClusterName::parse("main").unwrap();
        let mut hello = Hello::new(Program::Monitor, cluster);
        hello.nonce = Some("aa".repeat(32));
        let line = |message: &First| encode(message).unwrap().into_bytes();
        stream.write_all(&line(&First::Hello(hello))).unwrap();
        let Some(First::Hello(theirs)) = read(&mut stream, &mut lines) else {
            return Err("no hello".to_owned());
        };
        let theirs = theirs.nonce.unwrap_or_default();
        let Some(First::Proof { proof }) = read(&mut stream, &mut lines) else {
            return Err("no proof".to_owned());
        };
        let own = "aa".repeat(32);
        if proof != sign(key, &challenge("main", Program::Console.word(), &own, &theirs)) {
            let why = "the cluster key differs".to_owned();
            stream.write_all(&line(&First::Error { why })).unwrap();
            return Err("wrong proof".to_owned());
        }
        let proof = sign(key, &challenge("main", Program::Monitor.word(), &theirs, &own));
        stream.write_all(&line(&First::Proof { proof })).unwrap();
        let Some(ToMonitor::Snapshot { id }) = read(&mut stream, &mut lines) else {
            return Err("no request".to_owned());
        };
        let view = Box::new(sample::view());
        let answer = FromMonitor::Answer { id, answer: Answer::Snapshot { view } };
        stream.write_all(encode(&answer).unwrap().as_bytes()).unwrap();
        Ok(())
    });
    (addr, thread)
}

fn sign(key: &[u8], text: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}
