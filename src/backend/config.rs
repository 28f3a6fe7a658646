//! The configuration file, `kontasks.toml`: which runners there are, how many runs execute at once, and by which names the board is
//! reached. A file that is not
//! understood in every part is refused, with the line and the reason: a misspelt member must not silently mean its default.

use super::runner::{
    limits::{RunLimits, parse_duration, parse_size},
    table::{Runner, RunnerTable},
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs, io,
    num::{NonZeroU64, NonZeroUsize},
    ops::Range,
    path::{Path, PathBuf},
};
use toml::Spanned;

/// What the configuration file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The runners, the default first.
    pub runners: RunnerTable,
    /// Host names besides `localhost` by which the board may be reached, in lower case, as a browser's address bar shows them: with a port
    /// only where it is not the usual one.
    pub hosts: Vec<String>,
    /// How much the data folder may have in it before nothing new is taken on, in bytes; none where only the disk limits it.
    pub max_data: Option<u64>,
    /// Origins besides the board's own whose pages may use the API, as browsers write them: `https://dash.example.org`.
    pub origins: Vec<String>,
}

/// The configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no TOML, or says something that has no meaning here.
    #[error("{}:{line}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong, in words.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    runner: Vec<Entry>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    #[serde(default)]
    origins: Vec<Spanned<String>>,
    max_output: Option<Spanned<String>>,
    max_running: Option<Spanned<i64>>,
    max_data: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    command: Option<Spanned<Vec<String>>>,
    folder: Option<Spanned<String>>,
    #[serde(default)]
    environment: BTreeMap<Spanned<String>, Spanned<String>>,
    terminal: Option<bool>,
    limit: Option<Spanned<String>>,
    idle_limit: Option<Spanned<String>>,
    max_output: Option<Spanned<String>>,
    max_running: Option<Spanned<i64>>,
}

/// A reason and the bytes of the text that it is about.
type Fault = (Range<usize>, String);

impl Config {
    /// Reads the file. One that is not there means the defaults, unless it was asked for by name (`must_exist`).
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn load(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|(at, reason)| {
                let line = text.as_bytes().iter().take(at.start).filter(|byte| **byte == b'\n').count() + 1;
                ConfigError::Invalid { path: path.to_owned(), line, reason }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let document: Document =
            toml::from_str(text).map_err(|error| (error.span().unwrap_or_default(), error.message().trim().replace('\n', ", ")))?;
        let mut runners: Vec<Runner> = Vec::new();
        for entry in document.runner {
            let at = entry.name.span();
            let runner = entry.check()?;
            if runners.iter().any(|known| known.name == runner.name) {
                return Err((at, format!("there is already a runner {:?}", runner.name)));
            }
            runners.push(runner);
        }
        let hosts = document.hosts.into_iter().map(check_host).collect::<Result<_, _>>()?;
        let origins = document.origins.into_iter().map(check_origin).collect::<Result<_, _>>()?;
        let max_output = document.max_output.map(check_size).transpose()?.unwrap_or(RunLimits::BYTES);
        let max_running = document.max_running.map(check_max_running).transpose()?;
        let max_data = document.max_data.map(check_size).transpose()?.map(NonZeroU64::get);
        let runners = RunnerTable::new(runners).with_max_output(max_output).with_max_running(max_running);
        Ok(Config { runners, hosts, max_data, origins })
    }
}

impl Entry {
    fn check(self) -> Result<Runner, Fault> {
        let at = self.name.span();
        let name = self.name.into_inner();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err((at, format!("{name:?} cannot name a runner: 1 to 64 letters, digits, - and _ are expected")));
        }
        let command = self.command.map(|command| check_command(&name, command)).transpose()?;
        if command.is_none() && name != RunnerTable::SHELL {
            return Err((at, format!("the runner {name:?} has no command")));
        }
        let folder = self.folder.map(check_folder).transpose()?;
        let environment = self.environment.into_iter().map(check_variable).collect::<Result<_, _>>()?;
        let limits = RunLimits {
            seconds: self.limit.map(check_duration).transpose()?,
            silent_seconds: self.idle_limit.map(check_duration).transpose()?,
            bytes: self.max_output.map(check_size).transpose()?,
        };
        let max_running = self.max_running.map(check_max_running).transpose()?;
        Ok(Runner { name, command, folder, environment, terminal: self.terminal.unwrap_or(true), limits, max_running })
    }
}

fn check_command(runner: &str, command: Spanned<Vec<String>>) -> Result<Vec<String>, Fault> {
    let at = command.span();
    let command = command.into_inner();
    let fault = |reason: String| Err((at.clone(), reason));
    match command.split_first() {
        None => fault(format!("the command of the runner {runner:?} is empty")),
        Some((program, _)) if program.is_empty() || program.contains(Runner::PLACE) => {
            fault(format!("the command of the runner {runner:?} must begin with a program, which is not the prompt"))
        }
        Some((_, arguments)) if !arguments.iter().any(|argument| argument.contains(Runner::PLACE)) => {
            fault(format!("the command of the runner {runner:?} has no argument with {} in it", Runner::PLACE))
        }
        _ if command.iter().any(|part| part.contains('\0')) => fault("a command cannot contain a NUL character".into()),
        _ => Ok(command),
    }
}

/// An absolute folder, or one below the user's home as `~/…`. Whether it exists is seen when a run is started: it may come later.
fn check_folder(folder: Spanned<String>) -> Result<PathBuf, Fault> {
    let at = folder.span();
    let folder = folder.into_inner();
    let path = match folder.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => match dirs::home_dir() {
            Some(home) => home.join(rest.trim_start_matches('/')),
            None => return Err((at, "there is no home folder that ~ could mean".into())),
        },
        _ => PathBuf::from(&folder),
    };
    if !path.is_absolute() || folder.contains('\0') {
        return Err((at, format!("the folder {folder:?} must be an absolute path, or begin with ~/")));
    }
    Ok(path)
}

fn check_variable((name, value): (Spanned<String>, Spanned<String>)) -> Result<(String, String), Fault> {
    let at = name.span();
    let (name, value) = (name.into_inner(), value.into_inner());
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err((at, format!("{name:?} cannot be an environment variable")));
    }
    Ok((name, value))
}

fn check_max_running(limit: Spanned<i64>) -> Result<NonZeroUsize, Fault> {
    let at = limit.span();
    let limit = limit.into_inner();
    usize::try_from(limit).ok().and_then(NonZeroUsize::new).ok_or_else(|| (at, format!("max_running is {limit}: at least 1 is expected")))
}

fn check_duration(text: Spanned<String>) -> Result<NonZeroU64, Fault> {
    parse_duration(text.as_ref()).ok_or_else(|| {
        let expected = "a whole number and s, m, h or d are expected, such as 90s or 2h";
        (text.span(), format!("{:?} is no duration: {expected}", text.as_ref()))
    })
}

fn check_size(text: Spanned<String>) -> Result<NonZeroU64, Fault> {
    parse_size(text.as_ref()).ok_or_else(|| {
        let expected = "a whole number and its unit are expected, such as 500 MB or 1 GiB";
        (text.span(), format!("{:?} is no size: {expected}", text.as_ref()))
    })
}

fn check_host(host: Spanned<String>) -> Result<String, Fault> {
    let at = host.span();
    let host = host.into_inner().to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    let (name, port) = host.rsplit_once(':').map_or((host.as_str(), None), |(name, port)| (name, Some(port)));
    if name.is_empty() || !name.chars().all(fits) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        let expected = "only the name is expected, and its port where an address bar shows one, such as board.example.org:8080";
        return Err((at, format!("{host:?} is not a host name: {expected}")));
    }
    Ok(host)
}

fn check_origin(origin: Spanned<String>) -> Result<String, Fault> {
    let at = origin.span();
    let origin = origin.into_inner();
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")).unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c);
    if authority.is_empty() || !authority.chars().all(fits) {
        let expected = "scheme, name and port are expected as a browser writes them, without a path, such as https://dash.example.org";
        return Err((at, format!("{origin:?} is not an origin: {expected}")));
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("kontasks.toml");
        fs::write(&path, text).expect("written");
        let words = Config::load(&path, true).expect_err("refused").to_string();
        words.strip_prefix(&path.display().to_string()).expect("names the file").to_owned()
    }

    #[test]
    fn a_full_file_is_read() {
        let config = Config::parse(
            "max_running = 3\nmax_data = \"100 GiB\"\nmax_output = \"1 GiB\"\nhosts = [\"Board.example.org\", \"b:8080\"]\norigins = [\"http://dash:81\"]\n[[runner]]\nname = \"agent\"\ncommand = [\"agent\", \"-p\", \"{prompt}\"]\n\
             folder = \"/srv/work\"\nenvironment = { LANG = \"C.UTF-8\" }\nterminal = false\nlimit = \"2h\"\nidle_limit = \"90s\"\nmax_output = \"5 MB\"\nmax_running = 1\n[[runner]]\nname = \"shell\"\nfolder = \"/tmp\"\n",
        )
        .expect("valid");
        assert_eq!(config.hosts, ["board.example.org", "b:8080"]);
        assert_eq!(config.max_data, Some(100 << 30));
        assert_eq!(config.origins, ["http://dash:81"]);
        assert_eq!(config.runners.names(), ["agent", "shell"]);
        let agent = config.runners.get("agent").expect("there");
        assert_eq!(agent.command.as_deref(), Some(&["agent".to_owned(), "-p".into(), "{prompt}".into()][..]));
        assert_eq!((agent.folder.as_deref(), agent.terminal), (Some(Path::new("/srv/work")), false));
        assert_eq!(agent.environment.get("LANG").map(String::as_str), Some("C.UTF-8"));
        let limits = |seconds, silent, bytes| RunLimits {
            seconds: NonZeroU64::new(seconds),
            silent_seconds: NonZeroU64::new(silent),
            bytes: NonZeroU64::new(bytes),
        };
        assert_eq!(agent.limits, limits(7200, 90, 5_000_000));
        let shell = config.runners.get("shell").expect("there");
        assert!(shell.command.is_none());
        assert_eq!(shell.limits, limits(0, 0, 1 << 30));
        assert_eq!([agent.max_running, shell.max_running], [NonZeroUsize::new(1), None]);
        assert_ne!(config.runners, config.runners.clone().with_max_running(None), "three in all");
    }

    #[test]
    fn the_documented_file_is_a_valid_one() {
        let document = include_str!("../../docs/configuration.md");
        let text = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let config = Config::parse(text).expect("valid");
        assert_eq!((config.runners.names(), config.max_data), (vec!["claude".to_owned(), "shell".into()], Some(100 << 30)));
        let claude = config.runners.get("claude").expect("there");
        assert_eq!((claude.limits.bytes, claude.max_running), (NonZeroU64::new(1 << 30), NonZeroUsize::new(1)));
        for name in ["hosts", "origins", "max_running", "max_output", "max_data", "name", "command", "folder", "environment", "terminal"] {
            assert!(document.contains(&format!("| `{name}` |")), "{name} is not explained");
        }
    }

    #[test]
    fn nothing_said_means_the_shell_alone() {
        let shell = |text: &str| Config::parse(text).expect("valid").runners.get("shell").expect("there").limits.bytes;
        assert_eq!([shell(""), shell("max_output = \"7 kB\"")], [Some(RunLimits::BYTES), NonZeroU64::new(7000)]);
        assert_eq!(Config::parse("").expect("valid").runners.names(), ["shell"]);
        let missing = Path::new("/nonexistent/kontasks.toml");
        assert_eq!(Config::load(missing, false).expect("defaults"), Config::default());
        assert!(Config::load(missing, true).expect_err("asked for").to_string().contains("No such file"));
    }

    #[test]
    fn a_broken_file_is_refused_with_line_and_reason() {
        let runner = "[[runner]]\nname = \"x\"\n";
        for (text, expected) in [
            ("hosts = [".to_owned(), ":1: "),
            ("\n\n[[runer]]\nname = \"x\"".into(), ":3: unknown field `runer`"),
            (format!("{runner}comand = [\"a\", \"{{prompt}}\"]"), ":3: unknown field `comand`"),
            (runner.into(), ":2: the runner \"x\" has no command"),
            (format!("{runner}command = []"), ":3: the command of the runner \"x\" is empty"),
            (format!("{runner}command = [\"a\"]"), ":3: the command of the runner \"x\" has no argument with {prompt}"),
            (format!("{runner}command = [\"{{prompt}}\"]"), ":3: the command of the runner \"x\" must begin with a program"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\n{runner}command = [\"a\", \"{{prompt}}\"]"), ":5: there is already"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\nfolder = \"work\""), ":4: the folder \"work\" must be an absolute path"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\nterminal = 3"), ":4: "),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\n[runner.environment]\n\"A=B\" = \"c\""), ":5: \"A=B\" cannot be"),
            ("[[runner]]\nname = \"a b\"".into(), ":2: \"a b\" cannot name a runner"),
            ("hosts = [\"http://x\"]".into(), ":1: \"http://x\" is not a host name"),
            ("origins = [\"dash.example.org\"]".into(), ":1: \"dash.example.org\" is not an origin"),
            ("origins = [\"https://dash.example.org/\"]".into(), ":1: \"https://dash.example.org/\" is not an origin"),
            ("max_output = \"much\"".into(), ":1: \"much\" is no size: a whole number and its unit are expected, such as 500 MB or 1 GiB"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\nlimit = \"soon\""), ":4: \"soon\" is no duration: a whole number"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\nidle_limit = \"0s\""), ":4: \"0s\" is no duration"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\nlimit = 3"), ":4: "),
            ("max_running = 0".into(), ":1: max_running is 0: at least 1 is expected"),
            ("max_running = \"2\"".into(), ":1: "),
            ("\nmax_data = \"much\"".into(), ":2: \"much\" is no size"),
            (format!("{runner}command = [\"a\", \"{{prompt}}\"]\nmax_running = -1"), ":4: max_running is -1: at least 1"),
            ("hosts = [\"x:99999\"]".into(), ":1: \"x:99999\" is not a host name"),
        ] {
            let words = refusal(&text);
            assert!(words.starts_with(expected), "{text}\n{words}");
        }
    }
}
