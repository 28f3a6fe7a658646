//! The token that the forms of a session's pages carry. What stands in a page cannot know it, so a
//! form that content has brought into a page cannot act for whoever looks at it, though their
//! browser sends the session's cookie along.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What else is ever derived from a session's secret is derived for something else.
const PURPOSE: &[u8] = b"kontasks form token 1";

/// The block of SHA-256, to which HMAC fills up its key with zeros (RFC 2104, section 2). A
/// session's secret has 43 bytes.
const BLOCK: usize = 64;

/// HMAC-SHA256 under a session's secret: the same for as long as the session lasts, and of no use
/// for signing in.
#[derive(Clone)]
pub struct FormToken(Hmac<Sha256>);

impl FormToken {
    /// The form token of the session whose cookie holds that secret.
    #[must_use]
    pub fn of_session(secret: &str) -> Self {
        let mut key = [0; BLOCK];
        key.iter_mut().zip(secret.bytes()).for_each(|(place, byte)| *place = byte);
        let mut mac = Hmac::new(&key.into());
        mac.update(PURPOSE);
        FormToken(mac)
    }

    /// The text for a form of that session: 43 letters, digits, `-` and `_`.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.clone().finalize().into_bytes())
    }

    /// Whether a form carried this token. Compared in constant time.
    #[must_use]
    pub fn matches(&self, sent: &str) -> bool {
        URL_SAFE_NO_PAD.decode(sent).is_ok_and(|sent| self.0.clone().verify_slice(&sent).is_ok())
    }
}

impl fmt::Debug for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_one_session_is_no_form_of_another() {
        let (one, other) = (FormToken::of_session("one"), FormToken::of_session("other"));
        assert!(one.matches(&one.reveal()) && one.matches(&FormToken::of_session("one").reveal()));
        assert!(!one.matches(&other.reveal()));
        for sent in ["", "one", &one.reveal()[..42], &format!("{}A", one.reveal()), &one.reveal().to_lowercase(), "ä"] {
            assert!(!one.matches(sent), "{sent}");
        }
        assert_eq!(one.reveal().len(), 43);
        assert_eq!(format!("{one:?}"), "FormToken(…)");
    }

    /// By `printf 'kontasks form token 1' | openssl dgst -sha256 -hmac one -binary | basenc
    /// --base64url`.
    #[test]
    fn it_is_hmac_sha256() {
        assert_eq!(FormToken::of_session("one").reveal(), "oLMZVp3TRrnSF8NJB1LYcEDzAQ2dSOfYewtzJ1vInu4");
    }
}
