//! The table of runners: each a way to make a prompt into a program that is started.

use super::{folder::Program, limits::RunLimits, queue::Limits, shell};
use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    thread,
};

/// The configured runners, and how many runs may execute at once.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerTable {
    /// Never empty.
    runners: Vec<Runner>,
    /// None means as many as there are processor cores.
    max_running: Option<NonZeroUsize>,
}

/// A way to execute a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Runner {
    /// What it is chosen by.
    pub name: String,
    /// The program and its arguments, with [`Runner::PLACE`] where the prompt goes; none where the prompt is run by the user's shell.
    pub command: Option<Vec<String>>,
    /// The working folder; none means the user's home.
    pub folder: Option<PathBuf>,
    /// What is added to the environment of the server.
    pub environment: BTreeMap<String, String>,
    /// Whether the program writes to a terminal, or to a pipe.
    pub terminal: bool,
    /// What each of its runs may use.
    pub limits: RunLimits,
    /// How many of its runs may execute at once; none where only the limit on all runs holds.
    pub max_running: Option<NonZeroUsize>,
}

impl RunnerTable {
    /// The built-in runner.
    pub const SHELL: &str = "shell";

    /// The runners given or, where there are none, the shell.
    #[must_use]
    pub fn new(runners: Vec<Runner>) -> Self {
        let runners = if runners.is_empty() { vec![Runner::shell()] } else { runners };
        RunnerTable { runners, max_running: None }
    }

    /// The same runners, of which those that have no limit of their own may write that many bytes in a run.
    #[must_use]
    pub fn with_max_output(mut self, bytes: NonZeroU64) -> Self {
        for runner in &mut self.runners {
            runner.limits.bytes = runner.limits.bytes.or(Some(bytes));
        }
        self
    }

    /// The same runners, and a limit on how many runs execute at once; none means as many as there are processor cores.
    #[must_use]
    pub fn with_max_running(self, max_running: Option<NonZeroUsize>) -> Self {
        RunnerTable { max_running, ..self }
    }

    /// How many runs may execute at once, in all and of each runner.
    pub(super) fn limits(&self) -> Limits {
        // A machine that does not say how many cores it has has one.
        let total = self.max_running.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let own = self.runners.iter().filter_map(|runner| Some((runner.name.clone(), runner.max_running?.get())));
        Limits { total, of_runner: own.collect() }
    }

    /// Their names, the default first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.runners.iter().map(|runner| runner.name.clone()).collect()
    }

    /// Each of them, the default first.
    pub fn iter(&self) -> impl Iterator<Item = &Runner> {
        self.runners.iter()
    }

    /// The runner of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Runner> {
        self.runners.iter().find(|runner| runner.name == name)
    }
}

impl Default for RunnerTable {
    fn default() -> Self {
        RunnerTable::new(Vec::new()).with_max_output(RunLimits::BYTES)
    }
}

impl Runner {
    fn shell() -> Self {
        let (name, limits) = (RunnerTable::SHELL.to_owned(), RunLimits::default());
        Runner { name, command: None, folder: None, environment: BTreeMap::new(), terminal: true, limits, max_running: None }
    }

    /// What stands for the prompt in a command.
    pub const PLACE: &str = "{prompt}";

    /// The program that executes `prompt`. A configured command has it in its arguments as it is: no shell looks at it on the way, and
    /// every user of the machine can read it there. The shell has it from the file `script`, into which the supervisor puts it.
    pub(super) fn program(&self, prompt: &str, script: &Path) -> Program {
        let (command, script) = match &self.command {
            Some(command) => (command.iter().map(|part| part.replace(Self::PLACE, prompt)).collect(), None),
            None => (shell::command(script), Some(prompt.to_owned())),
        };
        let folder = self.folder.clone().or_else(dirs::home_dir).unwrap_or_else(|| PathBuf::from("/"));
        Program { command, script, folder, environment: self.environment.clone(), terminal: self.terminal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_stays_one_argument_whatever_is_in_it() {
        let command = ["agent", "--prompt={prompt}", "{prompt}"].map(str::to_owned).to_vec();
        let runner = Runner { command: Some(command), ..RunnerTable::default().runners[0].clone() };
        let prompt = "'; rm -rf \"$HOME\" `id`\n{prompt}";
        let program = runner.program(prompt, Path::new("/run/prompt"));
        assert_eq!(program.command, ["agent".to_owned(), format!("--prompt={prompt}"), prompt.to_owned()]);
        assert_eq!(program.script, None);
    }

    #[test]
    fn the_shell_never_gets_a_prompt_as_an_argument() {
        let table = RunnerTable::default();
        let shell = table.get("shell").expect("built in");
        for prompt in ["true", &"#".repeat(1 << 20)] {
            let program = shell.program(prompt, Path::new("/run/prompt"));
            assert!(program.command.iter().all(|argument| !argument.contains(prompt)), "{:?}", program.command);
            assert_eq!(program.script.as_deref(), Some(prompt));
        }
    }
}
