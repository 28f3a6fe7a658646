//! The user's shell, and how it gets a script: from a file in the run's folder that only the run's
//! user can read, never as an argument, since arguments stand in the process list for every user of
//! the machine.

use std::path::Path;

/// Those that take `eval "$(…)"`.
const POSIX: [&str; 9] = ["sh", "dash", "ash", "bash", "zsh", "ksh", "ksh93", "mksh", "yash"];

/// The program and the arguments that make the user's shell execute the script in that file.
pub(super) fn command(script: &Path) -> Vec<String> {
    let shell = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned());
    with_shell(shell, script)
}

/// A shell that is given a file by name has that name in `$0` and before each of its messages:
/// `/home/a/.local/share/kontasks/runs/019d…/prompt: line 1: foo: command not found`. Where it reads
/// the file by `eval`, `$0`, the numbers of lines and the name in messages are as they would be for
/// `-c` with the script itself. What differs is one word: dash 0.5.12 has `sh: 1: eval: foo: not
/// found`, zsh 5.9 `(eval):1:`, ksh 93u+m `eval[1]:`; bash 5.2 has it in syntax errors only, and mksh
/// R59 nowhere. `. file` has the file's name in messages as well; `/dev/fd/3` would stay open in
/// everything that the script starts; and standard input is the terminal's. A shell of another kind,
/// such as fish, is given the name: that is something every shell understands.
fn with_shell(shell: String, script: &Path) -> Vec<String> {
    let script = script.to_string_lossy().into_owned();
    let name = Path::new(&shell).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !POSIX.contains(&name) {
        return vec![shell, script];
    }
    // Whatever the run's PATH is. A script that cannot be read must not be taken for an empty one,
    // which succeeds.
    let cat = if Path::new("/bin/cat").exists() { "/bin/cat" } else { "cat" };
    let quoted = script.replace('\'', r"'\''");
    vec![shell, "-c".to_owned(), format!(r#"eval "$({cat} '{quoted}' || echo exit 127)""#)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        process::{Command, Output},
    };

    fn run(shell: &str, script: &Path) -> (Option<i32>, String, String) {
        let command = with_shell(shell.to_owned(), script);
        // Without a PATH, as a runner's configuration may leave it.
        let Output { status, stdout, stderr } = Command::new(&command[0]).args(&command[1..]).env("PATH", "").output().expect("starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status.code(), text(stdout), text(stderr))
    }

    #[test]
    fn a_script_runs_as_if_it_were_an_argument() {
        let place = tempfile::tempdir().expect("a folder");
        let script = place.path().join("it's a \"$HOME\" `id`");
        fs::write(&script, "#!/bin/nothing\necho \"$0 $# $-\"\nno-such-program\necho 'a  b'\n\nexit 3\n").expect("written");
        for shell in ["/bin/sh", "/bin/bash"] {
            let (code, stdout, stderr) = run(shell, &script);
            let as_argument = Command::new(shell).args(["-c", "echo \"$0 $# $-\""]).output().expect("starts").stdout;
            assert_eq!(stdout, format!("{}a  b\n", String::from_utf8(as_argument).expect("text")));
            assert_eq!(code, Some(3));
            assert!(stderr.starts_with(shell) && stderr.contains('3') && !stderr.contains("it's"), "{stderr}");
        }
    }

    #[test]
    fn a_script_that_cannot_be_read_is_a_failure() {
        for shell in ["/bin/sh", "/bin/bash"] {
            let (code, _, stderr) = run(shell, Path::new("/nonexistent/prompt"));
            assert_eq!(code, Some(127), "{stderr}");
        }
    }

    #[test]
    fn another_kind_of_shell_is_given_the_file() {
        assert_eq!(with_shell("/usr/bin/fish".into(), Path::new("/r/prompt")), ["/usr/bin/fish", "/r/prompt"]);
        assert_eq!(with_shell("zsh".into(), Path::new("/r/prompt"))[1], "-c");
    }
}
