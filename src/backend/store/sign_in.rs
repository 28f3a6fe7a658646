//! The tables of sign-in: one-time links, sessions and the password. Only hashes of secrets come here; what a secret is and how long it
//! lives is decided by the caller. None of it is in the log.

use super::{
    Store,
    error::{Missing, StoreError},
    rows,
};
use crate::domain::timestamp::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

/// Identifies a session; not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifies it.
    pub id: SessionId,
    /// What the browser calls itself.
    pub user_agent: String,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// From when on it is no longer good.
    pub expires_at: Timestamp,
}

/// What a one-time link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkUse {
    /// It is used now, for the first and last time.
    Accepted,
    /// It was used before.
    Used,
    /// It is too old.
    Expired,
    /// There is no such link.
    Unknown,
}

impl Store {
    /// Remembers a one-time link by the SHA-256 of its secret.
    ///
    /// # Errors
    /// The database failed.
    pub async fn create_link(&self, hash: [u8; 32], expires_at: Timestamp) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    // Links that are long gone are no longer told apart from such as never were.
                    const DAY: i64 = 24 * 60 * 60 * 1000;
                    sqlx::query("delete from sign_in_links where expires_at < ?1").bind(now.0 - DAY).execute(&mut group.connection).await?;
                    sqlx::query("insert into sign_in_links (hash, created_at, expires_at) values (?1, ?2, ?3)")
                        .bind(&hash[..])
                        .bind(now.0)
                        .bind(expires_at.0)
                        .execute(&mut group.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// What a link would be good for now; it stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub async fn link(&self, hash: [u8; 32]) -> Result<LinkUse, StoreError> {
        let query = sqlx::query("select expires_at, used_at from sign_in_links where hash = ?1").bind(&hash[..]);
        link_use(query.fetch_optional(&self.0.readers).await?.as_ref(), self.0.clock.now())
    }

    /// Uses a link up. Of any number that try at once, one is accepted.
    ///
    /// # Errors
    /// The database failed; the link is as it was.
    pub async fn consume_link(&self, hash: [u8; 32]) -> Result<LinkUse, StoreError> {
        let now = self.0.clock.now();
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let row = sqlx::query("select expires_at, used_at from sign_in_links where hash = ?1")
                        .bind(&hash[..])
                        .fetch_optional(&mut group.connection)
                        .await?;
                    let good_for = link_use(row.as_ref(), now)?;
                    if good_for == LinkUse::Accepted {
                        let update = sqlx::query("update sign_in_links set used_at = ?2 where hash = ?1").bind(&hash[..]).bind(now.0);
                        update.execute(&mut group.connection).await?;
                    }
                    Ok(good_for)
                })
            })
            .await
    }

    /// Makes a session, known by the SHA-256 of its token; those that are over are cleared away.
    ///
    /// # Errors
    /// The database failed.
    pub async fn create_session(&self, hash: [u8; 32], user_agent: String, expires_at: Timestamp) -> Result<Session, StoreError> {
        let now = self.0.clock.now();
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    sqlx::query("delete from sessions where expires_at <= ?1").bind(now.0).execute(&mut group.connection).await?;
                    let made = sqlx::query(
                        "insert into sessions (hash, user_agent, created_at, last_seen, expires_at) values (?1, ?2, ?3, ?3, ?4)",
                    )
                    .bind(&hash[..])
                    .bind(&user_agent)
                    .bind(now.0)
                    .bind(expires_at.0)
                    .execute(&mut group.connection)
                    .await?;
                    let id = SessionId(rows::unsigned(made.last_insert_rowid()));
                    Ok(Session { id, user_agent, created_at: now, last_seen: now, expires_at })
                })
            })
            .await
    }

    /// The session with that token's hash, if it is still good.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session(&self, hash: [u8; 32]) -> Result<Option<Session>, StoreError> {
        let sql = "select id, user_agent, created_at, last_seen, expires_at from sessions where hash = ?1 and expires_at > ?2";
        let query = sqlx::query(sql).bind(&hash[..]).bind(self.0.clock.now().0);
        query.fetch_optional(&self.0.readers).await?.map(|row| session(&row)).transpose()
    }

    /// From when on a session is no longer good; none where it is gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn session_end(&self, id: SessionId) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query_scalar("select expires_at from sessions where id = ?1").bind(id.0.cast_signed());
        Ok(query.fetch_optional(&self.0.readers).await?.map(Timestamp))
    }

    /// Notes that a session was used, and moves its end. Each call is a commit: now and then is enough.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where it is gone.
    pub async fn touch_session(&self, id: SessionId, expires_at: Timestamp) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let touched = sqlx::query("update sessions set last_seen = ?2, expires_at = ?3 where id = ?1")
                        .bind(id.0.cast_signed())
                        .bind(now.0)
                        .bind(expires_at.0)
                        .execute(&mut group.connection)
                        .await?;
                    if touched.rows_affected() == 0 { Err(StoreError::NotFound(Missing::Session)) } else { Ok(()) }
                })
            })
            .await
    }

    /// The sessions that are good, last seen first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let sql =
            "select id, user_agent, created_at, last_seen, expires_at from sessions where expires_at > ?1 order by last_seen desc, id";
        let rows = sqlx::query(sql).bind(self.0.clock.now().0).fetch_all(&self.0.readers).await?;
        rows.iter().map(session).collect()
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where it is gone already.
    pub async fn delete_session(&self, id: SessionId) -> Result<(), StoreError> {
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let deleted = sqlx::query("delete from sessions where id = ?1").bind(id.0.cast_signed());
                    let deleted = deleted.execute(&mut group.connection).await?;
                    if deleted.rows_affected() == 0 { Err(StoreError::NotFound(Missing::Session)) } else { Ok(()) }
                })
            })
            .await
    }
}

/// Sessions and passwords as the command line changes them too, beside a server that runs.
impl Store {
    /// Ends all sessions but one, or all of them; says how many good ones there were.
    ///
    /// # Errors
    /// The database failed.
    pub async fn delete_sessions(&self, but: Option<SessionId>) -> Result<u64, StoreError> {
        let now = self.0.clock.now();
        // Ids begin at 1.
        let but = but.map_or(0, |id| id.0.cast_signed());
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let sql = "select count(*) from sessions where id <> ?1 and expires_at > ?2";
                    let good: i64 = sqlx::query_scalar(sql).bind(but).bind(now.0).fetch_one(&mut group.connection).await?;
                    sqlx::query("delete from sessions where id <> ?1").bind(but).execute(&mut group.connection).await?;
                    Ok(rows::unsigned(good))
                })
            })
            .await
    }

    /// A number that moves whenever a session or token goes, whichever process took it away.
    ///
    /// # Errors
    /// The database failed.
    pub async fn endings(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("select count from endings").fetch_one(&self.0.readers).await?;
        Ok(rows::unsigned(count))
    }

    /// The password's hash with all that it takes to check a password against it; none where no password is set.
    ///
    /// # Errors
    /// The database failed.
    pub async fn password(&self) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("select value from meta where name = 'password'");
        Ok(query.fetch_optional(&self.0.readers).await?)
    }

    /// Sets the password's hash, or takes the password away; says whether there was one.
    ///
    /// # Errors
    /// The database failed; the password is as it was.
    pub async fn set_password(&self, hash: Option<String>) -> Result<bool, StoreError> {
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let deleted = sqlx::query("delete from meta where name = 'password'").execute(&mut group.connection).await?;
                    if let Some(hash) = hash {
                        let insert = sqlx::query("insert into meta (name, value) values ('password', ?1)").bind(hash);
                        insert.execute(&mut group.connection).await?;
                    }
                    Ok(deleted.rows_affected() > 0)
                })
            })
            .await
    }
}

fn link_use(row: Option<&SqliteRow>, now: Timestamp) -> Result<LinkUse, StoreError> {
    let Some(row) = row else { return Ok(LinkUse::Unknown) };
    Ok(match row.try_get::<Option<i64>, _>(1)? {
        Some(_) => LinkUse::Used,
        None if row.try_get::<i64, _>(0)? <= now.0 => LinkUse::Expired,
        None => LinkUse::Accepted,
    })
}

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId(rows::unsigned(row.try_get(0)?)),
        user_agent: row.try_get(1)?,
        created_at: Timestamp(row.try_get(2)?),
        last_seen: Timestamp(row.try_get(3)?),
        expires_at: Timestamp(row.try_get(4)?),
    })
}
