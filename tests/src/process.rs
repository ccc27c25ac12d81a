//! A local stack in a process of its own, which a test can kill.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::Caller;

/// The running process. It is killed with its value, also when the test fails.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Calls it.
    pub caller: Caller,
    output: Vec<JoinHandle<String>>,
}

impl Process {
    /// Starts `binary` (the `okaeri` command) on `directory`, with everything but the AWS SDK logging all it can, and waits
    /// until it says where it answers.
    pub fn start(binary: &str, directory: &Path) -> Self {
        let mut child = Command::new(binary)
            .args(["local", "--port", "0", "--data"])
            .arg(directory)
            .env("RUST_LOG", "info")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut errors = child.stderr.take().expect("standard error");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let mut said = String::new();
        let url = loop {
            let line = lines
                .next()
                .expect("the stack says where it answers")
                .expect("a line");
            said.push_str(&line);
            if let Some(start) = line.find("http://127.0.0.1:") {
                let url: String = line[start..]
                    .chars()
                    .take_while(|symbol| !symbol.is_whitespace())
                    .collect();
                break url.trim_end_matches('/').to_owned();
            }
        };
        // Both are read to their end, so that the process never blocks on a full pipe.
        let rest = std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .fold(said, |said, line| said + &line + "\n")
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Self {
            child,
            caller: Caller::new(&url),
            output: vec![rest, errors],
        }
    }

    /// SIGKILL: no destructor, no flush. Answers everything it printed and logged.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("a running process");
        self.child.wait().expect("an end");
        self.output
            .drain(..)
            .map(|output| output.join().expect("a reader"))
            .collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
