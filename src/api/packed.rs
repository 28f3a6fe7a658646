//! A page's data on its way into the browser: JSON that is taken apart in one place. Every page is loaded as this one type, so that
//! what loads, carries and reads it is there once in the page's wasm and not once for each kind of data.

use super::error::ApiError;
use crate::domain::members::{Read, Unreadable};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Its name among the data's members, of which none has it.
const NOTICE: &str = "server_notice";

/// Some page's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Packed(Value);

impl Read for Packed {
    fn read(value: Value) -> Result<Self, Unreadable> {
        Ok(Packed(value))
    }
}

impl Packed {
    /// Packs data. It is what the server does.
    ///
    /// # Errors
    /// The data cannot be written as JSON.
    pub fn of(data: &impl Serialize) -> Result<Self, ApiError> {
        serde_json::to_value(data).map(Packed).map_err(|_| ApiError::Failed)
    }

    /// Says beside the data what everybody should know of the server's state.
    #[must_use]
    pub fn with_notice(mut self, notice: Option<String>) -> Self {
        if let (Value::Object(members), Some(notice)) = (&mut self.0, notice) {
            members.insert(NOTICE.to_owned(), notice.into());
        }
        self
    }

    /// What everybody should know of the server's state; empty where all is well.
    #[must_use]
    pub fn notice(&self) -> String {
        self.0.get(NOTICE).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What was packed.
    ///
    /// # Errors
    /// It is something else: the page and the server are of different builds.
    pub fn open<T: Read>(self) -> Result<T, ApiError> {
        T::read(self.0).map_err(|_| ApiError::OtherBuild)
    }
}
