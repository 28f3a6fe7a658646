//! What can be typed after `kontasks`, and what is said to the person who typed it.

pub mod standard_streams;
pub mod typed;

use crate::backend::{auth::Secret, data_dir::DataDir};
use anyhow::{Result, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tracing_subscriber::EnvFilter;

/// A self-hosted task board with a live console
#[derive(Debug, Parser)]
#[command(name = "kontasks", version, about, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// What to do; without a word, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `serve`, where no word is given.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server (this is what happens without a command)
    Serve(ServeOptions),
    /// Print a link that signs a browser in once, for the server of the same data folder
    SignInLink(DataOptions),
    /// Set the password that browsers can sign in by, or take it away; it is asked for twice, or read from a pipe as one line
    Password(PasswordOptions),
    /// Hold one run; started by the server, not meant for people
    #[command(hide = true)]
    Supervise {
        /// The run's own folder.
        folder: PathBuf,
    },
}

/// Where everything lies.
#[derive(Clone, Debug, Args)]
pub struct DataOptions {
    /// The folder of the database, the configuration and the runs [default: the user's data directory, kontasks in it]
    #[arg(long, env = "KONTASKS_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// The SQLite file [default: kontasks.db in the data folder]
    #[arg(long, env = "KONTASKS_DATABASE", hide_env_values = true, value_name = "FILE")]
    pub database: Option<PathBuf>,
}

/// What to do with the password.
#[derive(Clone, Debug, Args)]
pub struct PasswordOptions {
    /// Take the password away: browsers then sign in by a link only
    #[arg(long)]
    pub remove: bool,
    /// Sign out every browser as well; those that are signed in stay so otherwise
    #[arg(long)]
    pub sign_out_all: bool,
    /// Where everything lies.
    #[command(flatten)]
    pub at: DataOptions,
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// The address to listen at; port 0 takes any free one
    #[arg(long, env = "KONTASKS_ADDR", value_name = "ADDRESS", default_value_t = default_address())]
    pub addr: SocketAddr,
    /// Where everything lies.
    #[command(flatten)]
    pub at: DataOptions,
    /// The configuration file [default: kontasks.toml in the data folder]
    #[arg(long, env = "KONTASKS_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A bearer token with full rights, for automation; at least 16 characters. Taken from the environment only, since other users
    /// of the machine can read command lines.
    #[arg(skip = std::env::var("KONTASKS_TOKEN").ok().map(Secret::new))]
    pub token: Option<Secret>,
}

/// `cargo leptos watch` says where it expects the server.
fn default_address() -> SocketAddr {
    let from_leptos = std::env::var("LEPTOS_SITE_ADDR").ok().and_then(|text| text.parse().ok());
    from_leptos.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000)))
}

impl DataOptions {
    /// The data folder: the one that was named, or the one that the platform has for the user's data.
    ///
    /// # Errors
    /// In words, where none was named and the user has no home.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = self.data.clone().or_else(DataDir::default_path);
        folder.ok_or_else(|| anyhow!("there is no home folder to keep data in; name a folder with --data"))
    }

    /// The SQLite file, where `folder` is the data folder.
    ///
    /// # Errors
    /// In words, where the database is not a file.
    pub fn database_file(&self, folder: &Path) -> Result<PathBuf> {
        let Some(named) = &self.database else { return Ok(DataDir::database(folder)) };
        match named.to_str().and_then(|text| text.split_once("://")) {
            None => Ok(named.clone()),
            Some(("sqlite", path)) => Ok(path.into()),
            Some((other, _)) => bail!("a database of the kind {other}:// is not supported; name an SQLite file"),
        }
    }
}

impl DataOptions {
    /// What to type for a link that signs in to this server, on this machine and as this user.
    #[must_use]
    pub fn sign_in_command(&self) -> String {
        let mut command = "kontasks sign-in-link".to_owned();
        let data = self.data.as_ref().filter(|data| DataDir::default_path().as_ref() != Some(*data));
        for (option, path) in [("--data", data), ("--database", self.database.as_ref())] {
            if let Some(path) = path {
                let named = path.display().to_string();
                // A database can be named by an address as well.
                let is_path = !named.contains("://");
                let absolute = std::path::absolute(path).ok().filter(|_| is_path).map(|path| path.display().to_string());
                command.push_str(&format!(" {option} {}", quoted(&absolute.unwrap_or(named))));
            }
        }
        command
    }
}

/// As a shell reads it as one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Says a line to whoever started the program, on standard output. It never fails or waits once the streams are relayed.
pub fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// What is logged where `KONTASKS_LOG` says nothing: dependencies warn of what a program posts, a line for each tag of it.
const LOGGED: &str = "error,kontasks=info";

/// Logs go to standard error, as much of them as `KONTASKS_LOG` wants (`info`, `debug`, `kontasks=trace`).
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("KONTASKS_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false).init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::environment::SECRETS;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    /// Whoever adds a variable decides here whether it has to leave the environment.
    #[test]
    fn every_variable_is_known_to_be_a_secret_or_none() {
        const OPEN: [&str; 3] = ["KONTASKS_ADDR", "KONTASKS_CONFIG", "KONTASKS_DATA"];
        let command = CommandLine::command();
        let arguments = command.get_arguments().chain(command.get_subcommands().flat_map(clap::Command::get_arguments));
        for name in arguments.filter_map(|argument| argument.get_env()?.to_str()) {
            assert!(OPEN.contains(&name) != SECRETS.contains(&name), "{name}");
        }
        for argument in CommandLine::command().get_arguments().filter(|argument| argument.get_env().is_some()) {
            let is_secret = SECRETS.iter().any(|secret| argument.get_env().is_some_and(|name| name == *secret));
            assert_eq!(argument.is_hide_env_values_set(), is_secret, "{:?}: what --help shows", argument.get_env());
        }
    }

    #[test]
    fn serve_is_what_happens_without_a_word() {
        let line = CommandLine::try_parse_from(["kontasks", "--addr", "127.0.0.1:0", "--data", "/tmp/x"]).expect("valid");
        assert!(line.command.is_none());
        assert_eq!(line.serve.addr.port(), 0);
        let line = CommandLine::try_parse_from(["kontasks", "serve", "--addr", "[::1]:7"]).expect("valid");
        assert!(matches!(line.command, Some(Command::Serve(options)) if options.addr.port() == 7));
        assert!(CommandLine::try_parse_from(["kontasks", "serve", "--addr", "nonsense"]).is_err());
    }

    #[test]
    fn the_command_for_a_link_names_what_is_not_the_default() {
        let command = |data: Option<&str>, database: Option<&str>| {
            DataOptions { data: data.map(PathBuf::from), database: database.map(PathBuf::from) }.sign_in_command()
        };
        assert_eq!(command(None, None), "kontasks sign-in-link");
        assert_eq!(command(DataDir::default_path().as_deref().and_then(Path::to_str), None), "kontasks sign-in-link");
        assert_eq!(command(Some("/var/lib/kontasks"), None), "kontasks sign-in-link --data /var/lib/kontasks");
        assert_eq!(command(Some("/it's here"), Some("/b.db")), "kontasks sign-in-link --data '/it'\\''s here' --database /b.db");
    }

    #[test]
    fn another_kind_of_database_is_refused_in_words() {
        let at = |database: Option<&str>| DataOptions { data: None, database: database.map(PathBuf::from) }.database_file(Path::new("/d"));
        assert!(at(Some("postgres://x/y")).is_err_and(|error| error.to_string().contains("SQLite")));
        for (database, file) in [(Some("sqlite:///a/b.db"), "/a/b.db"), (Some("b.db"), "b.db"), (None, "/d/kontasks.db")] {
            assert_eq!(at(database).expect("a file"), Path::new(file));
        }
    }
}
