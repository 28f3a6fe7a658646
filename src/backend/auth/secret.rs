//! A text that opens the door. It shows itself only to whoever asks by name, never in a log.

use super::AuthError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// A text that opens the door; it does not show itself in logs, and is overwritten in memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// Draws 256 random bits.
    pub(super) fn draw() -> Result<Self, AuthError> {
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?)))
    }

    /// The text, to be handed to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| AuthError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_themselves() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        let (one, other) = (Secret::draw().expect("random"), Secret::draw().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 43);
    }
}
