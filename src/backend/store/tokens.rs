//! The table of the tokens that people make for programs. Only a token's hash comes here; what a token is and who may make one is
//! decided by the caller.

use super::{Store, error::StoreError, rows};
use crate::domain::timestamp::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

/// Identifies a token; not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub u64);

/// A program's credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Identifies it.
    pub id: TokenId,
    /// What its maker calls it; no other has that name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within some minutes.
    pub last_used: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, created_at, last_used";

impl Store {
    /// Makes a token, known by the SHA-256 of its secret; none where the name is taken.
    ///
    /// # Errors
    /// The database failed.
    pub async fn create_token(&self, hash: [u8; 32], name: String) -> Result<Option<Token>, StoreError> {
        let now = self.0.clock.now();
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let sql = "insert into tokens (hash, name, created_at) values (?1, ?2, ?3) on conflict (name) do nothing";
                    let made = sqlx::query(sql).bind(&hash[..]).bind(&name).bind(now.0).execute(&mut group.connection).await?;
                    if made.rows_affected() == 0 {
                        return Ok(None);
                    }
                    let id = TokenId(rows::unsigned(made.last_insert_rowid()));
                    Ok(Some(Token { id, name, created_at: now, last_used: None }))
                })
            })
            .await
    }

    /// The token with that hash.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token(&self, hash: [u8; 32]) -> Result<Option<Token>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("select {COLUMNS} from tokens where hash = ?1"));
        let row = sqlx::query(sql).bind(hash.to_vec()).fetch_optional(&self.0.readers).await?;
        row.map(|row| token(&row)).transpose()
    }

    /// Whether the token has not been revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_token(&self, id: TokenId) -> Result<bool, StoreError> {
        let query = sqlx::query("select 1 from tokens where id = ?1").bind(id.0.cast_signed());
        Ok(query.fetch_optional(&self.0.readers).await?.is_some())
    }

    /// Notes that a token was used. Each call is a commit: now and then is enough.
    ///
    /// # Errors
    /// The database failed.
    pub async fn touch_token(&self, id: TokenId) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let update = sqlx::query("update tokens set last_used = ?2 where id = ?1").bind(id.0.cast_signed()).bind(now.0);
                    update.execute(&mut group.connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// All tokens, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("select {COLUMNS} from tokens order by id desc"));
        sqlx::query(sql).fetch_all(&self.0.readers).await?.iter().map(token).collect()
    }

    /// Takes a token away and gives its name; none where it is gone already.
    ///
    /// # Errors
    /// The database failed.
    pub async fn delete_token(&self, id: TokenId) -> Result<Option<String>, StoreError> {
        self.0
            .writer
            .write(move |group| {
                Box::pin(async move {
                    let delete = sqlx::query_scalar("delete from tokens where id = ?1 returning name").bind(id.0.cast_signed());
                    Ok(delete.fetch_optional(&mut group.connection).await?)
                })
            })
            .await
    }
}

fn token(row: &SqliteRow) -> Result<Token, StoreError> {
    Ok(Token {
        id: TokenId(rows::unsigned(row.try_get(0)?)),
        name: row.try_get(1)?,
        created_at: Timestamp(row.try_get(2)?),
        last_used: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
    })
}
