//! The program itself, as a person or a service manager starts it: what it prints, what it refuses, and how fast it goes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn kontasks(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kontasks"));
    for name in ["KONTASKS_ADDR", "KONTASKS_TOKEN", "KONTASKS_CONFIG", "KONTASKS_DATABASE", "LEPTOS_SITE_ADDR"] {
        command.env_remove(name);
    }
    command.env("KONTASKS_DATA", data).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A started server; killed with the test.
struct Started {
    child: Child,
    address: String,
    link: String,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command) -> Started {
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    let address = lines.next().expect("a first line").strip_prefix("Kontasks listens on http://").expect("its words").to_owned();
    let link = lines.next().expect("a second line").strip_prefix("Sign in: ").expect("its words").to_owned();
    Started { child, address, link }
}

fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    answer
}

/// Opens a link to this server and submits the form that its page shows.
fn sign_in(address: &str, link: &str) -> String {
    let path = link.strip_prefix(&format!("http://{address}")).expect("a link to this server");
    ask(address, path);
    let (path, form) = path.split_once('?').expect("a token");
    post(address, path, form)
}

/// Posts a form.
fn post(address: &str, path: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{form}", form.len()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    answer
}

fn refusal(command: &mut Command) -> String {
    let Output { status, stderr, stdout } = command.output().expect("runs");
    assert!(!status.success());
    assert!(stdout.is_empty());
    String::from_utf8(stderr).expect("text")
}

#[test]
fn it_says_where_it_is_and_how_to_get_in() {
    let data = tempfile::tempdir().expect("a folder");
    // Serving is what happens without a word.
    let server = start(kontasks(data.path()).args(["--addr", "127.0.0.1:0"]));
    assert!(ask(&server.address, "/").starts_with("HTTP/1.1 401"));
    assert!(sign_in(&server.address, &server.link).starts_with("HTTP/1.1 303"));
    assert!(sign_in(&server.address, &server.link).starts_with("HTTP/1.1 401"));

    let another = kontasks(data.path()).arg("sign-in-link").output().expect("runs");
    assert!(another.status.success(), "{}", String::from_utf8_lossy(&another.stderr));
    let link = String::from_utf8(another.stdout).expect("text");
    assert!(sign_in(&server.address, link.trim()).starts_with("HTTP/1.1 303"));

    let words = refusal(kontasks(data.path()).args(["serve", "--addr", "127.0.0.1:0"]));
    assert!(words.contains("in use") && words.contains(&server.address) && words.contains(&server.child.id().to_string()), "{words}");
}

#[test]
fn a_data_folder_is_free_once_its_server_is_killed() {
    let data = tempfile::tempdir().expect("a folder");
    let serve = || {
        let mut command = kontasks(data.path());
        command.args(["serve", "--addr", "127.0.0.1:0"]);
        command
    };
    let mut before = None;
    for _ in 0..3 {
        let mut server = start(&mut serve());
        let words = refusal(&mut serve());
        let holder = format!("in use by another server (process {}, http://{})", server.child.id(), server.address);
        assert!(words.contains(&holder), "{words} names not {holder}, but perhaps {before:?}");
        server.child.kill().expect("kills");
        server.child.wait().expect("ends");
        before = Some(holder);
    }
}

#[test]
fn what_it_cannot_start_with_is_said() {
    let data = tempfile::tempdir().expect("a folder");
    let serve = || {
        let mut command = kontasks(data.path());
        command.args(["serve", "--addr", "127.0.0.1:0"]);
        command
    };
    let words = refusal(serve().env("KONTASKS_TOKEN", "too short"));
    assert!(words.contains("KONTASKS_TOKEN is too short") && words.contains("16") && !words.contains("too short\""), "{words}");
    let words = refusal(serve().args(["--database", "postgres://localhost/x"]));
    assert!(words.contains("postgres://") && words.contains("SQLite"), "{words}");
    let words = refusal(serve().args(["--config", "/nonexistent/kontasks.toml"]));
    assert!(words.contains("/nonexistent/kontasks.toml"), "{words}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let words = refusal(kontasks(data.path()).args(["serve", "--addr", &address]));
    assert!(words.contains(&format!("cannot listen at {address}")), "{words}");
    std::fs::write(data.path().join("kontasks.toml"), "hosts = []\nrunners = 7\n").expect("writes");
    let words = refusal(&mut serve());
    assert!(words.contains("kontasks.toml:2") && words.contains("runners"), "{words}");
    let empty = tempfile::tempdir().expect("a folder");
    let words = refusal(kontasks(empty.path()).arg("sign-in-link"));
    assert!(words.contains("no server") && words.contains("--data"), "{words}");
    assert!(empty.path().read_dir().expect("reads").next().is_none(), "nothing was made");
}

/// The password command with that line on its standard input.
fn set_password(data: &Path, arguments: &[&str], line: &str) -> Output {
    let mut child = kontasks(data).arg("password").args(arguments).stdin(Stdio::piped()).spawn().expect("starts");
    // It may refuse before it reads.
    let _ = child.stdin.take().expect("piped").write_all(line.as_bytes());
    child.wait_with_output().expect("ends")
}

fn enter(address: &str, password: &str) -> String {
    post(address, "/sign-in", &format!("password={}", password.replace(' ', "+")))
}

#[test]
fn a_password_is_set_and_removed_beside_a_server_that_runs() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(kontasks(data.path()).args(["serve", "--addr", "127.0.0.1:0"]));
    for (line, words) in [
        ("too short\n".to_owned(), "at least 12 characters"),
        (String::new(), "no password was given"),
        ("\n".into(), "no password was given"),
        (format!("{}\n", "x".repeat(100_000)), "at most 1024 bytes"),
    ] {
        let Output { status, stdout, stderr } = set_password(data.path(), &[], &line);
        let said = String::from_utf8(stderr).expect("text");
        assert!(!status.success() && stdout.is_empty() && said.contains(words), "{said}");
    }
    assert!(!ask(&server.address, "/sign-in").contains("current-password"));

    let Output { status, stdout, stderr } = set_password(data.path(), &[], "correct horse battery\r\nwhat follows is not read\n");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let said = String::from_utf8([stdout, stderr].concat()).expect("text");
    assert!(said.contains("The password is set") && !said.contains("horse"), "{said}");
    assert!(ask(&server.address, "/sign-in").contains("current-password"), "without a restart");
    let welcome = enter(&server.address, "correct horse battery");
    assert!(welcome.starts_with("HTTP/1.1 303"), "{welcome}");
    let cookie = welcome.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie").split(';').next().expect("a value");
    let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", server.address);
    let mut stream = TcpStream::connect(&server.address).expect("connects");
    stream.write_all(head.as_bytes()).expect("writes");
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).expect("an answer");
    assert_eq!(&begin, b"HTTP/1.1 200 OK");

    let Output { stdout, .. } = set_password(data.path(), &["--sign-out-all"], "another one, as long");
    let at = Instant::now();
    assert!(String::from_utf8(stdout).expect("text").contains("Signed out: 1 browser"));
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("sets");
    let mut rest = String::new();
    // The connection itself stays open for other requests.
    while !rest.contains("\r\n0\r\n\r\n") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).expect("reads");
        assert!(length > 0, "{rest}");
        rest.push_str(std::str::from_utf8(&part[..length]).expect("text"));
    }
    assert!(rest.contains("event: force_logout"), "{rest}");
    assert!(at.elapsed() < Duration::from_secs(2), "{:?}", at.elapsed());
    assert!(enter(&server.address, "correct horse battery").starts_with("HTTP/1.1 401"));

    let Output { stdout, .. } = set_password(data.path(), &["--remove"], "");
    assert!(String::from_utf8(stdout).expect("text").contains("is removed"));
    assert!(enter(&server.address, "another one, as long").starts_with("HTTP/1.1 401"));
    assert!(!ask(&server.address, "/sign-in").contains("current-password"));

    let empty = tempfile::tempdir().expect("a folder");
    let words = refusal(kontasks(empty.path()).arg("password"));
    assert!(words.contains("no server") && words.contains("--data"), "{words}");
}

/// What the command says and leaves behind where it is typed at a terminal, each line once its question is there.
fn at_a_terminal(data: &Path, lines: &[&str]) -> (bool, String) {
    use rustix::{
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        termios::{LocalModes, tcgetattr},
    };
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("grants");
    unlockpt(&master).expect("unlocks");
    let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
    let open = || std::fs::File::options().read(true).write(true).open(&name).expect("opens");
    let slave = open();
    let mut child = kontasks(data).arg("password").stdin(open()).stdout(open()).stderr(open()).spawn().expect("starts");
    let mut terminal = std::fs::File::from(master);
    let mut shown = String::new();
    for line in lines {
        let before = shown.len();
        while !shown[before..].contains(": ") {
            let mut part = [0; 1000];
            let length = terminal.read(&mut part).expect("reads");
            shown.push_str(std::str::from_utf8(&part[..length]).expect("text"));
        }
        assert!(!tcgetattr(&slave).expect("modes").local_modes.contains(LocalModes::ECHO), "nothing is shown");
        terminal.write_all(format!("{line}\n").as_bytes()).expect("types");
    }
    let status = child.wait().expect("ends");
    assert!(tcgetattr(&slave).expect("modes").local_modes.contains(LocalModes::ECHO), "as it was before");
    // Once nobody has the terminal open, reading ends, on Linux by an error.
    drop(slave);
    let mut rest = Vec::new();
    let _ = terminal.read_to_end(&mut rest);
    shown.push_str(std::str::from_utf8(&rest).expect("text"));
    (status.success(), shown)
}

#[test]
fn a_password_is_typed_twice_and_not_shown() {
    let data = tempfile::tempdir().expect("a folder");
    let server = start(kontasks(data.path()).args(["serve", "--addr", "127.0.0.1:0"]));
    let (done, shown) = at_a_terminal(data.path(), &["correct horse battery", "correct horse batery"]);
    assert!(!done && shown.contains("two different passwords") && !shown.contains("horse"), "{shown}");
    let (done, shown) = at_a_terminal(data.path(), &["correct horse battery", "correct horse battery"]);
    assert!(done && shown.contains("The password is set") && !shown.contains("horse"), "{shown}");
    assert!(enter(&server.address, "correct horse battery").starts_with("HTTP/1.1 303"));
}

#[test]
fn it_warns_where_others_could_listen() {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = start(kontasks(data.path()).args(["serve", "--addr", "0.0.0.0:0"]));
    assert!(server.link.starts_with("http://127.0.0.1:"), "{}", server.link);
    let mut log = BufReader::new(server.child.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(log.any(|line| line.contains("WARN") && line.contains("without TLS")));
}
