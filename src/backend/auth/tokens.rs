//! The tokens that people make for programs. A token's secret is shown once, to whoever made it, and waits for that in memory only.

use super::{Auth, AuthError, Caller, SEEN_AFTER, secret::Secret};
use crate::{
    backend::store::{Token, TokenId},
    domain::limits::{self, Invalid},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// How many secrets wait to be shown; the oldest goes first.
const MOST_UNSHOWN: usize = 16;

/// The secrets that were not shown yet, each with who may see it; a cheap clone.
#[derive(Clone, Default)]
pub(super) struct Unshown(Arc<Mutex<VecDeque<(TokenId, Caller, Secret)>>>);

impl Unshown {
    fn keep(&self, id: TokenId, maker: Caller, secret: Secret) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back((id, maker, secret));
        if all.len() > MOST_UNSHOWN {
            all.pop_front();
        }
    }

    fn take(&self, id: TokenId, maker: &Caller) -> Option<Secret> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(known, who, _)| *known == id && who == maker)?;
        all.remove(at).map(|(_, _, secret)| secret)
    }

    fn forget(&self, id: TokenId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, ..)| *known != id);
    }
}

impl Auth {
    /// Makes a token for a program; [`Auth::show_once`] has its secret. Or says what is wrong with its name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn make_token(&self, name: &str, maker: &Caller) -> Result<Result<TokenId, Invalid>, AuthError> {
        let name = name.trim();
        if let Err(invalid) = limits::word("name", name) {
            return Ok(Err(invalid));
        }
        let secret = Secret::draw()?;
        let Some(Token { id, .. }) = self.store.create_token(Secret::hash(secret.reveal()), name.to_owned()).await? else {
            return Ok(Err(Invalid::new("name", "is taken by another token", "choose another one, or revoke that token first")));
        };
        self.unshown.keep(id, maker.clone(), secret);
        Ok(Ok(id))
    }

    /// The secret of a token that was just made: once, and only for its maker.
    #[must_use]
    pub fn show_once(&self, id: TokenId, maker: &Caller) -> Option<Secret> {
        self.unshown.take(id, maker)
    }

    /// All tokens that people have made, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn tokens(&self) -> Result<Vec<Token>, AuthError> {
        Ok(self.store.tokens().await?)
    }

    /// Whether there is a token from the environment.
    #[must_use]
    pub fn has_configured_token(&self) -> bool {
        self.token.is_some()
    }

    /// Who comes with that token, if it is a good one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn admit_token(&self, text: &str) -> Result<Option<Caller>, AuthError> {
        if self.accepts_token(text) {
            return Ok(Some(Caller::ConfiguredToken));
        }
        let Some(Token { id, last_used, .. }) = self.store.token(Secret::hash(text)).await? else { return Ok(None) };
        if last_used.is_none_or(|at| self.clock.now().since(at) >= SEEN_AFTER)
            && let Err(error) = self.store.touch_token(id).await
        {
            tracing::warn!(%error, "the use of a token could not be noted");
        }
        Ok(Some(Caller::Token(id)))
    }

    /// Revokes a token and gives its name; none where it was gone already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_token(&self, id: TokenId) -> Result<Option<String>, AuthError> {
        let name = self.store.delete_token(id).await?;
        self.unshown.forget(id);
        self.endings.ring();
        Ok(name)
    }

    /// Waits until a token is revoked.
    pub async fn token_revoked(&self, id: TokenId) {
        let mut endings = self.endings.listen();
        loop {
            endings.begin();
            let is_known = match self.store.has_token(id).await {
                Ok(false) => return,
                Ok(true) => true,
                Err(error) => {
                    tracing::warn!(%error, "whether a token is still good cannot be told now");
                    false
                }
            };
            endings.heard(|| !is_known).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{START, auth},
        *,
    };
    use crate::{backend::store::SessionId, domain::timestamp::Timestamp};

    const MAKER: Caller = Caller::Session(SessionId(1));

    #[tokio::test]
    async fn a_token_is_shown_once_works_and_is_revoked() {
        let (auth, clock, _place) = auth(None).await;
        let id = auth.make_token("  laptop ", &MAKER).await.expect("works").expect("a good name");
        assert_eq!(auth.show_once(id, &Caller::Session(SessionId(2))), None, "only its maker sees it");
        let secret = auth.show_once(id, &MAKER).expect("once");
        assert_eq!(auth.show_once(id, &MAKER), None);
        assert_eq!(secret.reveal().len(), 43);

        assert_eq!(auth.tokens().await.expect("reads")[0].last_used, None);
        clock.set(Timestamp(START.0 + 1));
        assert_eq!(auth.admit_token(secret.reveal()).await.expect("works"), Some(Caller::Token(id)));
        clock.set(Timestamp(START.0 + SEEN_AFTER));
        assert_eq!(auth.admit_token(secret.reveal()).await.expect("works"), Some(Caller::Token(id)));
        let [token] = <[Token; 1]>::try_from(auth.tokens().await.expect("reads")).expect("one");
        assert_eq!((token.name.as_str(), token.last_used), ("laptop", Some(Timestamp(START.0 + 1))), "not a commit for each use");
        for other in ["", "laptop", &secret.reveal()[1..]] {
            assert_eq!(auth.admit_token(other).await.expect("works"), None, "{other}");
        }

        let waits = tokio::spawn({
            let auth = auth.clone();
            async move { auth.token_revoked(id).await }
        });
        assert_eq!(auth.revoke_token(id).await.expect("works").as_deref(), Some("laptop"));
        waits.await.expect("is told");
        assert_eq!(auth.revoke_token(id).await.expect("works"), None);
        assert_eq!(auth.admit_token(secret.reveal()).await.expect("works"), None);
    }

    #[tokio::test]
    async fn a_token_has_a_name_of_its_own() {
        let (auth, _clock, _place) = auth(None).await;
        auth.make_token("ci", &MAKER).await.expect("works").expect("a good name");
        for (name, words) in [("ci", "taken"), (" \t", "blank"), (&"x".repeat(65), "longer")] {
            let refused = auth.make_token(name, &MAKER).await.expect("works").expect_err("refused");
            assert!(refused.to_string().contains(words), "{refused}");
        }
        assert_eq!(auth.tokens().await.expect("reads").len(), 1);
    }

    #[tokio::test]
    async fn secrets_that_nobody_fetches_do_not_pile_up() {
        let (auth, _clock, _place) = auth(None).await;
        let mut ids = Vec::new();
        for number in 0..=MOST_UNSHOWN {
            ids.push(auth.make_token(&number.to_string(), &MAKER).await.expect("works").expect("a good name"));
        }
        assert_eq!(auth.show_once(ids[0], &MAKER), None);
        auth.show_once(ids[1], &MAKER).expect("still there");
        auth.revoke_token(ids[2]).await.expect("works");
        assert_eq!(auth.show_once(ids[2], &MAKER), None, "what is revoked is not shown");
    }
}
