//! Runs the real program, and makes sure that none of it outlives a test.
#![allow(dead_code, unreachable_pub, reason = "every test file takes what it needs")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long a line may take. Never reached unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command left behind when it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Every line of stdout, each of which must be JSON.
    pub fn records(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The last line of stdout, which must be the summary.
    pub fn summary(&self) -> Value {
        let summary = self.records().pop().expect("there is a last line");
        assert_eq!(summary["type"], "summary", "{self:?}");
        summary
    }
}

/// The program, with nothing in its environment that could change what it does.
pub fn khashmir(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_khashmir"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Ended {
    Running::start(khashmir(args)).wait()
}

/// Runs a command to its end, with something to read on standard input.
pub fn run_with_input(args: &[&str], input: &[u8]) -> Ended {
    let mut command = khashmir(args);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.child.stdin.take().unwrap().write_all(input).unwrap();
    running.wait()
}

/// A program that runs; killed when dropped.
pub struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map(lines_of);
        let stderr = child.stderr.take().map(lines_of);
        let nothing = || channel().1;
        Self { child, stdout: stdout.unwrap_or_else(nothing), stderr: stderr.unwrap_or_else(nothing) }
    }

    /// The next line of stdout.
    pub fn line(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("a line on stdout")
    }

    /// The next line of stdout, which must be JSON.
    pub fn record(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).expect(&line)
    }

    /// The next line of stderr.
    pub fn error_line(&self) -> String {
        self.stderr.recv_timeout(PATIENCE).expect("a line on stderr")
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end; the output not yet taken.
    pub fn wait(mut self) -> Ended {
        let join = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        let (stdout, stderr) = (join(&self.stdout), join(&self.stderr));
        let status = self.child.wait().unwrap();
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come; the stream is read to its end, so that the program never waits for us.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (line_in, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            // Whoever wanted the lines may have gone away.
            let _ = line_in.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}

/// A node that serves.
pub struct Node {
    pub running: Running,
    pub id: String,
    pub addr: String,
    /// The line that said so.
    pub ready: Value,
}

impl Node {
    /// A node on this machine, at a free port.
    pub fn start(args: &[&str]) -> Self {
        let running = Running::start(khashmir(&[&["node", "-b", "127.0.0.1:0", "--json"], args].concat()));
        let ready = running.record();
        assert_eq!(ready["type"], "ready");
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self { id: text("id"), addr: text("addr"), ready, running }
    }

    /// The same, with everything kept in `directory`.
    pub fn with_state(directory: &Path) -> Self {
        Self::start(&["--state", directory.to_str().unwrap()])
    }

    /// A node that has joined the network of this one.
    pub fn neighbour(&self) -> Self {
        let node = Self::start(&["--bootstrap", &self.addr]);
        assert_eq!(node.running.record()["type"], "joined");
        node
    }

    /// Ends it as a service manager does.
    pub fn terminate(self) -> Ended {
        self.running.signal("TERM");
        self.running.wait()
    }
}

/// A port at which nobody answers, for as long as the socket exists.
pub fn silence() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap().to_string();
    (socket, addr)
}
