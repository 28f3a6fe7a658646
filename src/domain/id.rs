//! Identifiers: UUIDs that say what they identify. New ones are version 7 (RFC 9562), made by the backend; a task that is posted
//! with an id of its own keeps it, whatever its version.

use super::members::{Read, Unreadable, deserialize_by_reading};
use serde::Serialize;
use serde_json::Value;
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map($name).map_err(|_| InvalidId)
            }
        }

        impl Read for $name {
            fn read(value: Value) -> Result<Self, Unreadable> {
                let id = value.as_str().and_then(|text| text.parse().ok());
                id.ok_or(Unreadable::value("must be a UUID such as 019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c"))
            }
        }

        deserialize_by_reading!($name);
    };
}

id!(
    /// Identifies a task.
    TaskId
);
id!(
    /// Identifies a run.
    RunId
);

/// The text is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: a UUID such as 019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c is expected")]
pub struct InvalidId;
