//! Who gets in: one-time links and a password, the sessions that they open, and tokens for programs. Secrets that the server makes are 256
//! random bits; the database has only their SHA-256, and of a password an argon2 hash. It knows nothing of cookies and headers.

mod endings;
mod form_token;
mod guesses;
mod password;
mod secret;
mod tokens;

pub use form_token::FormToken;
pub use password::{PASSWORD_BYTES, PASSWORD_CHARS, PasswordRefusal};
pub use secret::Secret;

use super::{
    clock::Clock,
    store::{LinkUse, Session, SessionId, Store, StoreError, TokenId},
};
use crate::domain::{timestamp::Timestamp, user_agent};
use endings::Endings;
use password::Passwords;
use std::{fmt, sync::Arc};
use tokens::Unshown;

/// How long a one-time link is good.
pub const LINK_MINUTES: i64 = 15;
/// How long a session is good after it was last used.
pub const SESSION_DAYS: i64 = 30;

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;
/// How old the note of a session's or token's last use may be, in milliseconds: each note is a commit.
pub const SEEN_AFTER: i64 = 5 * MINUTE;
/// How much of a session's time is used up before it is renewed: each renewal sets the browser's cookie anew.
const RENEW_AFTER: i64 = DAY / 2;

/// Somebody who may do everything here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A signed-in browser.
    Session(SessionId),
    /// A program with a token that was made for it.
    Token(TokenId),
    /// A program with the token from the environment.
    ConfiguredToken,
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
    /// The hash of the token from the environment.
    token: Option<Arc<[u8; 32]>>,
    unshown: Unshown,
    passwords: Passwords,
    endings: Endings,
}

/// Why sign-in cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The configured token could be guessed.
    #[error("KONTASKS_TOKEN is too short: at least {} characters are wanted, such as `openssl rand -hex 32` prints", Auth::TOKEN_CHARS)]
    WeakToken,
    /// The password could be guessed.
    #[error("the password is too short: at least {PASSWORD_CHARS} characters are wanted")]
    WeakPassword,
    /// The password is no password.
    #[error("the password is too long: at most {PASSWORD_BYTES} bytes are taken")]
    LongPassword,
    /// A password cannot be hashed, or not be checked against what is stored.
    #[error("the password cannot be checked: {0}; set it anew with `kontasks password`")]
    Hashing(String),
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
        let endings = Endings::new(store.clone());
        Ok(Auth { store, clock, token, unshown: Unshown::default(), passwords: Passwords::new(), endings })
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

    /// What a one-time link would be good for now; looking uses nothing up.
    ///
    /// # Errors
    /// The database failed.
    pub async fn link(&self, link: &str) -> Result<LinkUse, AuthError> {
        Ok(self.store.link(Secret::hash(link)).await?)
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
        Ok(Ok(self.open_session(user_agent).await?))
    }

    async fn open_session(&self, user_agent: &str) -> Result<Secret, AuthError> {
        let token = Secret::draw()?;
        let user_agent = user_agent.chars().take(300).collect();
        self.store.create_session(Secret::hash(token.reveal()), user_agent, self.in_future(SESSION_DAYS * DAY)).await?;
        Ok(token)
    }

    /// The session that a token belongs to, if it is still good. Its end moves as it is used.
    ///
    /// # Errors
    /// The database failed.
    pub async fn admit(&self, token: &str) -> Result<Option<Admitted>, AuthError> {
        let Some(Session { id, last_seen, expires_at, .. }) = self.store.session(Secret::hash(token)).await? else { return Ok(None) };
        let now = self.clock.now();
        let is_due = now.since(last_seen) >= SEEN_AFTER;
        let renewed = is_due && expires_at.since(now) <= SESSION_DAYS * DAY - RENEW_AFTER;
        if is_due {
            let end = if renewed { self.in_future(SESSION_DAYS * DAY) } else { expires_at };
            match self.store.touch_session(id, end).await {
                Ok(()) => {}
                // It was ended at this very moment.
                Err(StoreError::NotFound(_)) => return Ok(None),
                // A full disk must not lock anybody out.
                Err(error) => tracing::warn!(%error, "the use of a session could not be noted"),
            }
        }
        Ok(Some(Admitted { id, renewed }))
    }

    /// The sessions that are good, last seen first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sessions(&self) -> Result<Vec<Session>, AuthError> {
        Ok(self.store.sessions().await?)
    }

    /// Whether the text is the token from the environment. Hashes are compared, whose order tells nothing about the texts.
    fn accepts_token(&self, text: &str) -> bool {
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
                self.endings.ring();
                Ok(())
            }
        }
    }

    /// Ends all sessions but one, or all of them; says how many there were.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sign_out_all(&self, but: Option<SessionId>) -> Result<u64, AuthError> {
        let count = self.store.delete_sessions(but).await?;
        self.endings.ring();
        Ok(count)
    }

    /// Who a caller is, in words for people: `Firefox on Linux`, `the token "ci"`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn name_of(&self, caller: &Caller) -> Result<String, AuthError> {
        let name = match caller {
            Caller::Session(id) => {
                self.sessions().await?.into_iter().find(|session| session.id == *id).map(|s| user_agent::in_words(&s.user_agent))
            }
            Caller::Token(id) => {
                self.tokens().await?.into_iter().find(|token| token.id == *id).map(|token| format!("the token {:?}", token.name))
            }
            Caller::ConfiguredToken => Some("the token from the environment".to_owned()),
        };
        Ok(name.unwrap_or_else(|| "somebody who has signed out".to_owned()))
    }

    /// Waits until a caller may no longer be here, and says why in words. The token from the environment is good for ever.
    pub async fn over(&self, caller: &Caller) -> String {
        match caller {
            Caller::Session(id) => self.session_over(*id).await.to_string(),
            Caller::Token(id) => {
                self.token_revoked(*id).await;
                "this token was revoked".to_owned()
            }
            Caller::ConfiguredToken => std::future::pending().await,
        }
    }

    /// Waits until a session is over, and says why. What is asked while it waits is little: the database is read when a session was
    /// ended or this one's time has come, and the clock once a second, since a clock can be set.
    pub async fn session_over(&self, id: SessionId) -> SessionOver {
        let mut endings = self.endings.listen();
        let mut end = None;
        loop {
            endings.begin();
            match self.store.session_end(id).await {
                Ok(Some(at)) if at > self.clock.now() => end = Some(at),
                Ok(Some(_)) => return SessionOver::Expired,
                // Whoever signs in clears away what has expired.
                Ok(None) if end.is_some_and(|at| at <= self.clock.now()) => return SessionOver::Expired,
                Ok(None) => return SessionOver::Ended,
                Err(error) => tracing::warn!(%error, "whether a session is still good cannot be told now"),
            }
            endings.heard(|| end.is_none_or(|at| at <= self.clock.now())).await;
        }
    }

    fn in_future(&self, millis: i64) -> Timestamp {
        Timestamp(self.clock.now().0 + millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const START: Timestamp = Timestamp(1_700_000_000_000);

    /// A sign-in of its own, whose clock stands still.
    pub async fn auth(token: Option<&str>) -> (Auth, Clock, tempfile::TempDir) {
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
        for _ in 0..3 {
            assert_eq!(auth.link(link.reveal()).await.expect("works"), LinkUse::Accepted, "looking uses nothing up");
        }
        let token = auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted");
        assert_ne!(token, link);
        assert_eq!(auth.link(link.reveal()).await.expect("works"), LinkUse::Used);
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
    async fn when_a_session_was_seen_is_known_to_within_minutes_and_its_cookie_is_renewed_in_time() {
        let (auth, clock, _place) = auth(None).await;
        let link = auth.issue_link().await.expect("a link");
        let token = auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted");
        let seen = async || auth.sessions().await.expect("reads")[0].last_seen;
        let mut renewals = 0;
        for minute in 1..=24 * 60 {
            clock.set(Timestamp(START.0 + minute * MINUTE));
            renewals += i32::from(auth.admit(token.reveal()).await.expect("works").expect("good").renewed);
            let known = seen().await;
            assert_eq!(known.0, START.0 + minute / 5 * 5 * MINUTE, "every five minutes, and not more often");
        }
        assert_eq!(renewals, 2, "each half day, though it was seen all the time");
    }

    #[tokio::test]
    async fn all_sessions_but_one_can_be_ended() {
        let (auth, clock, _place) = auth(None).await;
        let mut tokens = Vec::new();
        for number in 0..4 {
            clock.set(Timestamp(START.0 + number * DAY));
            let link = auth.issue_link().await.expect("a link");
            tokens.push(auth.sign_in(link.reveal(), "browser").await.expect("works").expect("accepted"));
        }
        clock.set(Timestamp(START.0 + SESSION_DAYS * DAY));
        let own = auth.admit(tokens[2].reveal()).await.expect("works").expect("good").id;
        assert_eq!(auth.sign_out_all(Some(own)).await.expect("works"), 2, "what has expired is not counted");
        let left = auth.sessions().await.expect("reads");
        assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [own]);
        assert_eq!(auth.sign_out_all(None).await.expect("works"), 1);
        assert!(auth.sessions().await.expect("reads").is_empty());
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
}
