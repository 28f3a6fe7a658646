//! Who gets in: one-time links, the sessions that they open, and the token for automation. Secrets are 256 random bits; the database has
//! only their SHA-256. It knows nothing of cookies and headers.

use super::{
    clock::Clock,
    store::{LinkUse, Session, SessionId, Store, StoreError},
};
use crate::domain::timestamp::Timestamp;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long a one-time link is good.
pub const LINK_MINUTES: i64 = 15;
/// How long a session is good after it was last used.
pub const SESSION_DAYS: i64 = 30;

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;
/// How old the note of a session's last use may be: each renewal is a commit.
const RENEW_AFTER: i64 = DAY / 2;
/// How often the clock is looked at while a session is waited for to expire.
const GLANCE: Duration = Duration::from_secs(1);

/// A text that opens the door; it does not show itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// Draws 256 random bits.
    fn draw() -> Result<Self, AuthError> {
        let mut bits = [0; 32];
        OsRng.try_fill_bytes(&mut bits).map_err(|error| AuthError::NoRandomness(error.to_string()))?;
        Ok(Secret(URL_SAFE_NO_PAD.encode(bits)))
    }

    /// The text, to be handed to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Somebody who may do everything here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A signed-in browser.
    Session(SessionId),
    /// A program with the configured token.
    Token,
}

/// A session that a request came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which.
    pub id: SessionId,
    /// Its end was moved, so that the browser has to hear of it.
    pub renewed: bool,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOver {
    /// A person ended it.
    Ended,
    /// It was not used for too long.
    Expired,
}

impl fmt::Display for SessionOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SessionOver::Ended => "this browser was signed out",
            SessionOver::Expired => "this browser's sign-in has expired",
        })
    }
}

/// Sign-in; a cheap clone.
#[derive(Clone)]
pub struct Auth {
    store: Store,
    clock: Clock,
    /// The hash of the token for automation.
    token: Option<Arc<[u8; 32]>>,
    /// Moves with each session that is ended.
    endings: Arc<watch::Sender<()>>,
}

/// Why sign-in cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The configured token could be guessed.
    #[error("KONTASKS_TOKEN is too short: at least {} characters are wanted, such as `openssl rand -hex 32` prints", Auth::TOKEN_CHARS)]
    WeakToken,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Auth {
    /// The shortest token that is accepted.
    pub const TOKEN_CHARS: usize = 16;

    /// Checks the token for automation, where there is one.
    ///
    /// # Errors
    /// [`AuthError::WeakToken`].
    pub fn new(store: Store, clock: Clock, token: Option<&Secret>) -> Result<Self, AuthError> {
        let token = match token.map(Secret::reveal) {
            None | Some("") => None,
            Some(text) if text.chars().count() < Self::TOKEN_CHARS => return Err(AuthError::WeakToken),
            Some(text) => Some(Arc::new(Secret::hash(text))),
        };
        Ok(Auth { store, clock, token, endings: Arc::new(watch::Sender::new(())) })
    }

    /// Makes a one-time link's secret, good for [`LINK_MINUTES`].
    ///
    /// # Errors
    /// The database failed.
    pub async fn issue_link(&self) -> Result<Secret, AuthError> {
        let secret = Secret::draw()?;
        self.store.create_link(Secret::hash(secret.reveal()), self.in_future(LINK_MINUTES * MINUTE)).await?;
        Ok(secret)
    }

    /// Uses a one-time link up and opens a session, whose token is given only here; or says why not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sign_in(&self, link: &str, user_agent: &str) -> Result<Result<Secret, LinkUse>, AuthError> {
        match self.store.consume_link(Secret::hash(link)).await? {
            LinkUse::Accepted => {}
            refused => return Ok(Err(refused)),
        }
        let token = Secret::draw()?;
        let user_agent = user_agent.chars().take(300).collect();
        self.store.create_session(Secret::hash(token.reveal()), user_agent, self.in_future(SESSION_DAYS * DAY)).await?;
        Ok(Ok(token))
    }

    /// The session that a token belongs to, if it is still good. Its end moves as it is used.
    ///
    /// # Errors
    /// The database failed.
    pub async fn admit(&self, token: &str) -> Result<Option<Admitted>, AuthError> {
        let Some(Session { id, last_seen, .. }) = self.store.session(Secret::hash(token)).await? else { return Ok(None) };
        let renewed = self.clock.now().since(last_seen) >= RENEW_AFTER;
        if renewed {
            match self.store.touch_session(id, self.in_future(SESSION_DAYS * DAY)).await {
                Ok(()) => {}
                // It was ended at this very moment.
                Err(StoreError::NotFound(_)) => return Ok(None),
                // A full disk must not lock anybody out.
                Err(error) => tracing::warn!(%error, "the session could not be renewed"),
            }
        }
        Ok(Some(Admitted { id, renewed }))
    }

    /// Whether the text is the token for automation. Hashes are compared, whose order tells nothing about the texts.
    #[must_use]
    pub fn accepts_token(&self, text: &str) -> bool {
        self.token.as_deref().is_some_and(|expected| Secret::hash(text).iter().zip(expected).fold(0, |all, (a, b)| all | (a ^ b)) == 0)
    }

    /// Ends a session. One that is gone already stays gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sign_out(&self, id: SessionId) -> Result<(), AuthError> {
        match self.store.delete_session(id).await {
            Err(StoreError::NotFound(_)) => Ok(()),
            other => {
                other?;
                self.endings.send_replace(());
                Ok(())
            }
        }
    }

    /// Waits until a session is over, and says why. What is asked while it waits is little: the database is read when a session was
    /// ended or this one's time has come, and the clock once a second, since a clock can be set.
    pub async fn session_over(&self, id: SessionId) -> SessionOver {
        let mut endings = self.endings.subscribe();
        let mut end = None;
        loop {
            endings.mark_unchanged();
            match self.store.session_end(id).await {
                Ok(Some(at)) if at > self.clock.now() => end = Some(at),
                Ok(Some(_)) => return SessionOver::Expired,
                // Whoever signs in clears away what has expired.
                Ok(None) if end.is_some_and(|at| at <= self.clock.now()) => return SessionOver::Expired,
                Ok(None) => return SessionOver::Ended,
                Err(error) => tracing::warn!(%error, "whether a session is still good cannot be told now"),
            }
            loop {
                tokio::select! {
                    _ = endings.changed() => break,
                    () = tokio::time::sleep(GLANCE) => {
                        if end.is_none_or(|at| at <= self.clock.now()) {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn in_future(&self, millis: i64) -> Timestamp {
        Timestamp(self.clock.now().0 + millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    async fn auth(token: Option<&str>) -> (Auth, Clock, tempfile::TempDir) {
        let place = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(START);
        let store = Store::open(&place.path().join("test.db"), clock.clone()).await.expect("a store");
        let auth = Auth::new(store, clock.clone(), token.map(Secret::new).as_ref()).expect("valid");
        (auth, clock, place)
    }

    #[tokio::test]
    async fn a_link_opens_one_session() {
        let (auth, clock, _place) = auth(None).await;
        let link = auth.issue_link().await.expect("a link");
        let token = auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted");
        assert_ne!(token, link);
        assert!(auth.admit(token.reveal()).await.expect("works").is_some_and(|session| !session.renewed));
        assert_eq!(auth.sign_in(link.reveal(), "").await.expect("works"), Err(LinkUse::Used));
        assert_eq!(auth.sign_in("nonsense", "").await.expect("works"), Err(LinkUse::Unknown));
        assert_eq!(auth.admit(link.reveal()).await.expect("works"), None);
        assert_eq!(auth.admit("").await.expect("works"), None);

        let late = auth.issue_link().await.expect("a link");
        clock.set(Timestamp(START.0 + LINK_MINUTES * MINUTE));
        assert_eq!(auth.sign_in(late.reveal(), "").await.expect("works"), Err(LinkUse::Expired));
    }

    #[tokio::test]
    async fn a_session_lasts_while_it_is_used() {
        let (auth, clock, _place) = auth(None).await;
        let link = auth.issue_link().await.expect("a link");
        let token = auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted");
        clock.set(Timestamp(START.0 + 29 * DAY));
        assert!(auth.admit(token.reveal()).await.expect("works").is_some_and(|session| session.renewed));
        clock.set(Timestamp(START.0 + 58 * DAY));
        let session = auth.admit(token.reveal()).await.expect("works").expect("renewed before");
        auth.sign_out(session.id).await.expect("works");
        auth.sign_out(session.id).await.expect("a second time too");
        assert_eq!(auth.admit(token.reveal()).await.expect("works"), None);
    }

    #[tokio::test]
    async fn an_unused_session_ends() {
        let (auth, clock, _place) = auth(None).await;
        let link = auth.issue_link().await.expect("a link");
        let token = auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted");
        clock.set(Timestamp(START.0 + SESSION_DAYS * DAY));
        assert_eq!(auth.admit(token.reveal()).await.expect("works"), None);
    }

    #[tokio::test]
    async fn the_end_of_a_session_is_noticed_and_the_end_of_another_is_not() {
        let (auth, clock, _place) = auth(None).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let link = auth.issue_link().await.expect("a link");
            let token = auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted");
            ids.push(auth.admit(token.reveal()).await.expect("works").expect("good").id);
        }
        let waits = ids.iter().map(|id| {
            let (auth, id) = (auth.clone(), *id);
            tokio::spawn(async move { auth.session_over(id).await })
        });
        let waits: Vec<_> = waits.collect();
        auth.sign_out(ids[1]).await.expect("works");
        let [first, second, third] = <[_; 3]>::try_from(waits).expect("three");
        assert_eq!(second.await.expect("waits"), SessionOver::Ended);
        assert!(!first.is_finished() && !third.is_finished());
        clock.set(Timestamp(START.0 + SESSION_DAYS * DAY));
        assert_eq!(first.await.expect("waits"), SessionOver::Expired);
        assert_eq!(third.await.expect("waits"), SessionOver::Expired);
        assert_eq!(auth.session_over(ids[1]).await, SessionOver::Ended, "what is over already is not waited for");
    }

    #[tokio::test]
    async fn the_token_is_that_one_text() {
        let (auth, ..) = auth(Some("0123456789abcdef")).await;
        assert!(auth.accepts_token("0123456789abcdef"));
        for text in ["", "0123456789abcde", "0123456789abcdef ", "0123456789ABCDEF"] {
            assert!(!auth.accepts_token(text), "{text:?}");
        }
        assert!(matches!(Auth::new(auth.store.clone(), Clock::system(), Some(&Secret::new("short"))), Err(AuthError::WeakToken)));
    }

    #[tokio::test]
    async fn without_a_token_none_is_accepted() {
        for nothing in [None, Some("")] {
            let (auth, ..) = auth(nothing).await;
            assert!(!auth.accepts_token(""));
        }
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        let (one, other) = (Secret::draw().expect("random"), Secret::draw().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 43);
    }
}
