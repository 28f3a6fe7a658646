//! Sign-in by password: set on the command line, kept as an argon2 hash, checked at each sign-in against what the database says then, so
//! that a server that runs need not be told. Checking costs memory and time on purpose; so few are checked at once, and few are taken.

use super::{
    Auth, AuthError,
    guesses::Guesses,
    secret::{Secret, random},
};
use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// The shortest password that is accepted, in characters.
pub const PASSWORD_CHARS: usize = 12;
/// The longest, in bytes.
pub const PASSWORD_BYTES: usize = 1024;
/// How many are hashed at once: each takes 19 MiB and a core for some 20 ms.
const AT_ONCE: usize = 2;

/// Why a password does not open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// It is another one.
    Wrong,
    /// None is set.
    NotSet,
    /// There were too many wrong ones; it was not looked at. In this time one will be.
    Later(Duration),
}

/// What checking passwords needs; a cheap clone.
#[derive(Clone)]
pub(super) struct Passwords {
    // Held for a look-up, never across an await.
    guesses: Arc<Mutex<Guesses>>,
    places: Arc<Semaphore>,
}

impl Passwords {
    pub fn new() -> Self {
        Passwords { guesses: Arc::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    fn guesses<T>(&self, act: impl FnOnce(&mut Guesses) -> T) -> T {
        act(&mut self.guesses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hashes beside the server's own work, as soon as there is a place. Nobody else gets the place before the work is done, also where
    /// whoever asked for it has gone.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, AuthError> + Send + 'static) -> Result<T, AuthError> {
        let place = self.places.clone().acquire_owned().await.map_err(|error| AuthError::Hashing(error.to_string()))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        done.await.unwrap_or_else(|error| Err(AuthError::Hashing(error.to_string())))
    }
}

impl Auth {
    /// Whether a password is set.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_password(&self) -> Result<bool, AuthError> {
        Ok(self.store.password().await?.is_some())
    }

    /// Sets the password, for every server of this database.
    ///
    /// # Errors
    /// [`AuthError::WeakPassword`], [`AuthError::LongPassword`]; the database failed.
    pub async fn set_password(&self, password: Secret) -> Result<(), AuthError> {
        if password.reveal().chars().count() < PASSWORD_CHARS {
            return Err(AuthError::WeakPassword);
        }
        if password.reveal().len() > PASSWORD_BYTES {
            return Err(AuthError::LongPassword);
        }
        let hash = self.passwords.work(move || hash(&password)).await?;
        self.store.set_password(Some(hash)).await?;
        Ok(())
    }

    /// Takes the password away; says whether there was one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_password(&self) -> Result<bool, AuthError> {
        Ok(self.store.set_password(None).await?)
    }

    /// Opens a session, whose token is given only here, where the password is right; or says why not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sign_in_by_password(&self, password: Secret, user_agent: &str) -> Result<Result<Secret, PasswordRefusal>, AuthError> {
        let Some(hash) = self.store.password().await? else { return Ok(Err(PasswordRefusal::NotSet)) };
        // What cannot have been set is no guess, and costs nothing.
        if password.reveal().is_empty() || password.reveal().len() > PASSWORD_BYTES {
            return Ok(Err(PasswordRefusal::Wrong));
        }
        // Taken before it is known to be wrong: of many that come at once, no more than that are checked.
        if let Err(wait) = self.passwords.guesses(|guesses| guesses.take(self.clock.now())) {
            return Ok(Err(PasswordRefusal::Later(Duration::from_millis(wait.unsigned_abs()))));
        }
        if !self.passwords.work(move || is_right(&password, &hash)).await? {
            return Ok(Err(PasswordRefusal::Wrong));
        }
        self.passwords.guesses(Guesses::give_back);
        Ok(Ok(self.open_session(user_agent).await?))
    }
}

fn hash(password: &Secret) -> Result<String, AuthError> {
    let failed = |error: argon2::password_hash::Error| AuthError::Hashing(error.to_string());
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(failed)?;
    Ok(Argon2::default().hash_password(password.reveal().as_bytes(), &salt).map_err(failed)?.to_string())
}

/// Takes as long for a wrong one as for a right one.
fn is_right(password: &Secret, hash: &str) -> Result<bool, AuthError> {
    let hash = PasswordHash::new(hash).map_err(|error| AuthError::Hashing(error.to_string()))?;
    match Argon2::default().verify_password(password.reveal().as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::Password) => Ok(false),
        Err(error) => Err(AuthError::Hashing(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            guesses::{EVERY, MOST},
            tests::{START, auth},
        },
        *,
    };
    use crate::domain::timestamp::Timestamp;

    const PASSWORD: &str = "correct horse battery";

    async fn enter(auth: &Auth, password: &str) -> Result<Secret, PasswordRefusal> {
        auth.sign_in_by_password(Secret::new(password), "browser").await.expect("works")
    }

    #[tokio::test]
    async fn the_password_opens_sessions_until_it_is_removed() {
        let (auth, _clock, _place) = auth(None).await;
        assert_eq!(enter(&auth, PASSWORD).await, Err(PasswordRefusal::NotSet));
        auth.set_password(Secret::new(PASSWORD)).await.expect("long enough");
        let stored = auth.store.password().await.expect("reads").expect("set");
        assert!(stored.starts_with("$argon2id$") && !stored.contains("horse"), "{stored}");
        let token = enter(&auth, PASSWORD).await.expect("right");
        assert!(auth.admit(token.reveal()).await.expect("works").is_some());
        auth.set_password(Secret::new("another one, as long")).await.expect("long enough");
        assert_eq!(enter(&auth, PASSWORD).await, Err(PasswordRefusal::Wrong));
        assert!(auth.admit(token.reveal()).await.expect("works").is_some(), "who is signed in stays");
        assert!(auth.remove_password().await.expect("works"));
        assert!(!auth.remove_password().await.expect("works"));
        assert_eq!(enter(&auth, "another one, as long").await, Err(PasswordRefusal::NotSet));
    }

    #[tokio::test]
    async fn what_is_too_short_or_too_long_is_not_set() {
        let (auth, _clock, _place) = auth(None).await;
        // Characters count, not bytes.
        for short in ["", "hunter2", "äöüäöüäöüäö"] {
            assert!(matches!(auth.set_password(Secret::new(short)).await, Err(AuthError::WeakPassword)), "{short}");
        }
        assert!(matches!(auth.set_password(Secret::new("x".repeat(PASSWORD_BYTES + 1))).await, Err(AuthError::LongPassword)));
        assert!(!auth.has_password().await.expect("reads"));
        auth.set_password(Secret::new("äöüäöüäöüäöü")).await.expect("long enough");
    }

    #[tokio::test]
    async fn after_some_wrong_ones_each_further_one_waits_and_the_link_does_not() {
        let (auth, clock, _place) = auth(None).await;
        auth.set_password(Secret::new(PASSWORD)).await.expect("long enough");
        for _ in 0..3 {
            for huge in [String::new(), "x".repeat(1_000_000)] {
                assert_eq!(enter(&auth, &huge).await, Err(PasswordRefusal::Wrong), "is no guess");
            }
        }
        let guesses = (0..MOST + 3).map(|number| {
            let auth = auth.clone();
            tokio::spawn(async move { enter(&auth, &format!("wrong number {number}")).await })
        });
        let mut counts = (0, 0);
        for guess in guesses.collect::<Vec<_>>() {
            match guess.await.expect("ends") {
                Err(PasswordRefusal::Wrong) => counts.0 += 1,
                Err(PasswordRefusal::Later(wait)) if wait.as_secs() == 60 => counts.1 += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(counts, (MOST, 3), "also where they come at once");
        assert!(matches!(enter(&auth, PASSWORD).await, Err(PasswordRefusal::Later(_))), "a right one tells nothing meanwhile");
        let link = auth.issue_link().await.expect("a link");
        auth.sign_in(link.reveal(), "").await.expect("works").expect("the link is no guess");
        clock.set(Timestamp(START.0 + EVERY));
        enter(&auth, PASSWORD).await.expect("its turn has come");
        enter(&auth, PASSWORD).await.expect("a right one costs nothing");
    }
}
