//! Whether a run's output is what its program wrote, as far as anybody knows. It goes back to the
//! supervisor, which hashes what it reads from the program before it is put anywhere.

use super::{
    members::{Members, Read, Unreadable},
    number::counted,
};
use serde::Serialize;
use serde_json::Value;

/// Where an output differs from what the program wrote, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Everything before this byte is what the program wrote.
    pub from: u64,
    /// The first difference lies before this byte. What comes after it is not known to be right.
    pub to: u64,
}

impl Damage {
    /// For the end of a sentence: "between byte 1,048,576 and 2,097,152".
    #[must_use]
    pub fn place(&self) -> String {
        format!("between byte {} and {}", counted(self.from), counted(self.to))
    }
}

impl Read for Damage {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Damage { from: members.take("from")?, to: members.take("to")? })
    }
}

/// What is known of an output when its run ends. The default is that nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Integrity {
    /// The digest of every byte that was read from the program and kept, as
    /// [`OutputDigest::finish`](super::digest::OutputDigest::finish) gives it; none where nobody
    /// has said.
    pub program_digest: Option<String>,
    /// How many bytes from the beginning are known to be what the program wrote.
    pub verified_bytes: Option<u64>,
    /// Where it is known to differ.
    pub damage: Option<Damage>,
}

impl Integrity {
    /// Whether an output of so many bytes is what the program wrote, all of it; none where that
    /// is not known.
    #[must_use]
    pub fn verified(&self, bytes: u64) -> Option<bool> {
        match (&self.damage, self.verified_bytes) {
            (Some(_), _) => Some(false),
            (None, Some(verified)) if verified >= bytes => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_verified_as_a_whole_or_not_at_all() {
        let known = |verified_bytes, damage| Integrity { verified_bytes, damage, ..Integrity::default() };
        assert_eq!(Integrity::default().verified(0), None, "nobody has said anything");
        assert_eq!(known(Some(3), None).verified(3), Some(true));
        assert_eq!(known(Some(2), None).verified(3), None);
        assert_eq!(known(Some(3), Some(Damage { from: 3, to: 4 })).verified(3), Some(false));
    }

    #[test]
    fn a_place_is_named_in_words() {
        let damage = Damage { from: 1 << 20, to: 2 << 20 };
        assert_eq!(damage.place(), "between byte 1,048,576 and 2,097,152");
        assert_eq!(Damage::read(serde_json::to_value(damage).expect("JSON")), Ok(damage));
    }
}
