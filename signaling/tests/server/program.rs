//! The built program: settings, the line it prints, and how it stops.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use peerloom_protocol::signal::Refusal;
use peerloom_signaling::Limits;

use crate::common::{Client, Server, join, within};

/// Kills the program should a test fail.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// The first line of the log that has this text. What came before it is not kept.
    pub(crate) fn line_of_log(&mut self, text: &str) -> String {
        let mut log = String::new();
        let stderr = self.0.stderr.as_mut().unwrap();
        loop {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "no {text:?} in {log}");
            log.push(char::from(byte[0]));
            if byte[0] == b'\n' {
                let line = std::mem::take(&mut log);
                if line.contains(text) {
                    return line;
                }
            }
        }
    }

    /// Ends it; gives the rest of its log.
    pub(crate) fn end(mut self) -> String {
        let _ = self.0.kill();
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerloom-signaling"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PEERLOOM_") {
            command.env_remove(name);
        }
    }
    // Tests run beside each other, and STUN has one usual port. A flag wins over this.
    command.env("PEERLOOM_STUN", "off");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same, trusting the certificates that this authority of `keys` has signed, and nobody else.
pub(crate) fn program_trusting(authority: &Path) -> Command {
    let mut command = program();
    command.env("SSL_CERT_FILE", authority).env_remove("SSL_CERT_DIR");
    command
}

/// Starts it and reads the line that says where it listens.
pub(crate) fn start(command: &mut Command) -> (Running, SocketAddr, BufReader<ChildStdout>) {
    let mut child = Running(command.spawn().unwrap());
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on http://").and_then(|line| line.strip_suffix('\n'));
    (child, address.unwrap_or_else(|| panic!("unexpected first line {line:?}")).parse().unwrap(), stdout)
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_says_goodbye_to_everyone_and_exits_cleanly() {
    for signal in ["TERM", "INT"] {
        let (mut child, address, mut stdout) = start(program().args(["--port", "0", "--log-format", "json"]));
        let server = Server::elsewhere(address);
        let (mut one, _) = Client::join(&server, join("secret-room-name", "1")).await;
        let (mut two, _) = Client::join(&server, join("secret-room-name", "2")).await;
        let mut waiting = Client::connect(&server).await;
        one.joined().await;

        let killed = Command::new("kill").arg(format!("-{signal}")).arg(child.0.id().to_string()).status();
        assert!(killed.unwrap().success());
        one.assert_refused(Refusal::GoingAway).await;
        two.assert_refused(Refusal::GoingAway).await;
        waiting.assert_refused(Refusal::GoingAway).await;
        drop((one, two, waiting));

        let status = tokio::task::spawn_blocking(move || {
            let status = child.0.wait().unwrap();
            let mut log = String::new();
            child.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            (status, log)
        });
        let (status, log) = within(status).await.unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing else goes to standard output");
        assert!(log.contains("\"message\":\"member joined\""), "{log}");
        assert!(!log.contains("secret-room-name") && !log.contains("127.0.0.1"), "{log}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_close_is_not_waited_for_longer_than_the_drain_timeout() {
    let limits = Limits { drain_timeout: std::time::Duration::from_millis(100), ..Limits::default() };
    let server = Server::with_limits(limits).await;
    let (_deaf, _) = Client::join(&server, join("r", "deaf")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_goes_down_lets_nobody_in() {
    let server = Server::start().await;
    let address = server.address;
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("peerloom.toml");
    // A folder that is not there shows, by the error, which setting won.
    std::fs::write(&file, "www = \"/from/file\"\nport = 0\n").unwrap();
    let file = file.to_str().unwrap();
    let winner = |command: &mut Command| run(command.env("PEERLOOM_CONFIG", file)).1;
    assert!(winner(&mut program()).contains("/from/file"));
    assert!(winner(program().env("PEERLOOM_WWW", "/from/env")).contains("/from/env"));
    assert!(
        winner(program().env("PEERLOOM_WWW", "/from/env").args(["--www", "/from/flag"]))
            .contains("/from/flag")
    );
}

#[test]
fn settings_that_make_no_sense_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let typo = dir.path().join("typo.toml");
    std::fs::write(&typo, "prot = 80\n").unwrap();
    for (arguments, expected) in [
        (vec!["--allow-origin", "example.com"], "not an origin"),
        (vec!["--allow-origin", "https://example.com/page"], "not an origin"),
        (vec!["--max-room-size", "257"], "between 1 and 256"),
        (vec!["--max-room-size", "0"], "between 1 and 256"),
        (vec!["--byte-burst", "1000"], "between 131072"),
        (vec!["--relay-burst", "1000"], "the largest packet needs 18688"),
        (vec!["--relay-rate", "300000"], "more than --byte-rate with 262144"),
        (vec!["--www", "/no/such/folder"], "not a folder"),
        (vec!["--token-keys", "/no/such/file"], "cannot read the key file"),
        (vec!["--token-keys-url", "http://keys.example/"], "must be https"),
        (vec!["--token-keys-url", "https://keys.example/", "--token-keys", "x"], "only one of"),
        (vec!["--token-audience", "x"], "--token-keys"),
        (vec!["--admission-url", "https://a.example/"], "at least 32 bytes"),
        (vec!["--admission-url", "http://10.0.0.1/"], "must be https"),
        (vec!["--config", "/no/such/file"], "cannot read"),
        (vec!["--config", typo.to_str().unwrap()], "prot"),
        (vec!["--no-such-flag"], "--no-such-flag"),
    ] {
        let (code, text) = run(program().args(&arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

#[test]
fn a_token_is_made_for_any_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    // One key in 64 looks like a flag.
    for key in ["aEYOvvOxOBZOx_2GEOlYAN91mPcPLy6n21FyrHTrwUQ", "-Yo8obWM9AHYCvb2VvIVaqqXn9PDeO5b5Qu0qZgTK5c"]
    {
        let (code, said) = run(program().args(["token", "--room", "demo", "--cnf", key, "--key"]).arg(&file));
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.trim().split('.').count(), 3, "{said}");
    }
}

#[test]
fn a_port_in_use_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, text) = run(program().args(["--port", &port]));
    assert_eq!(code, Some(1));
    assert!(text.contains("choose one with --port"), "{text}");
}

#[test]
fn help_explains_every_flag_with_its_variable() {
    let (code, text) = run(program().arg("--help"));
    assert_eq!(code, Some(0));
    let flags: Vec<_> = text.lines().filter_map(|line| line.trim_start().split_once("--")).collect();
    assert!(flags.len() > 20, "{text}");
    for name in [
        "HOST",
        "PORT",
        "ALLOW_ORIGIN",
        "TOKEN_KEYS_URL",
        "ADMISSION_URL",
        "WWW",
        "MAX_CONNECTIONS",
        "RELAY_RATE",
        "RELAY_BURST",
        "RELAY_ROOM_RATE",
        "RELAY_ROOM_BURST",
        "DRAIN_TIMEOUT",
        "LOG_FORMAT",
    ] {
        assert!(text.contains(&format!("[env: PEERLOOM_{name}")), "{name}");
    }
}
