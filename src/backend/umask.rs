//! The file mode creation mask. Whatever the server and its supervisors create is for their owner
//! only; the programs that are run create their files with the mask that the server was started
//! with.

use rustix::{
    fs::{Mode, RawMode},
    process::umask,
};
use std::sync::OnceLock;

/// In the environment of a supervisor: the mask that its server was started with, in octal digits.
pub const INITIAL: &str = "KONTASKS_UMASK";

/// What [`restrict`] replaced.
static REPLACED: OnceLock<Mode> = OnceLock::new();

/// From here on, files are created with mode 0600 and folders with 0700 at the most, in the whole
/// process.
pub fn restrict() {
    let inherited = umask(Mode::RWXG | Mode::RWXO);
    let initial = std::env::var(INITIAL).ok().and_then(|text| parse(&text));
    // A second call finds what the first has set.
    REPLACED.get_or_init(|| initial.unwrap_or(inherited));
}

/// The mask that the server was started with; none where [`restrict`] was not called.
#[must_use]
pub fn initial() -> Option<Mode> {
    REPLACED.get().copied()
}

/// The same as text for [`INITIAL`].
#[must_use]
pub fn initial_in_octal() -> Option<String> {
    initial().map(|mask| format!("{:03o}", mask.bits()))
}

/// Sets it for this process. Safe between fork and exec.
pub fn set(mask: Mode) {
    umask(mask);
}

fn parse(text: &str) -> Option<Mode> {
    RawMode::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777).map(Mode::from_raw_mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mask_is_read_as_one() {
        assert_eq!(parse("022"), Some(Mode::from_raw_mode(0o022)));
        for text in ["", "8", "-1", "1000", "0o22"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
