//! What can go wrong between a page and the server, in words for the person in front of it. It crosses the wire as JSON; where
//! something before the server functions answers (sign-in, the size limit), its problem details (RFC 9457) are understood too.

use super::codec::ByValue;
use crate::domain::{
    limits::Invalid,
    members::{self, Members, Read, Unreadable, deserialize_by_reading},
};
use leptos::{prelude::FromServerFnError, server_fn::error::ServerFnErrorErr};
use serde::Serialize;
use serde_json::Value;
use server_fn::{Bytes, Decodes};

/// Why something that a person asked for was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum ApiError {
    /// A value that is not accepted.
    #[error("The {field} {problem}: {advice}.")]
    Invalid {
        /// Which one.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// A runner that is not configured.
    #[error("There is no runner named “{runner}”. Choose one of: {}.", known.join(", "))]
    UnknownRunner {
        /// What was asked for.
        runner: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No task has that id.
    #[error("There is no such task. It may have been deleted.")]
    NoSuchTask,
    /// No run has that id.
    #[error("There is no such run. It may have been deleted with its task.")]
    NoSuchRun,
    /// Cancelled or started again too late or too early.
    #[error("The run has already ended.")]
    AlreadyEnded,
    /// A run that still works cannot be started again.
    #[error("The run has not ended yet.")]
    NotEnded,
    /// Another answer stands.
    #[error("This has been answered already: “{standing}”.")]
    AlreadyAnswered {
        /// The value that stands.
        standing: String,
    },
    /// The session is over.
    #[error("You are signed out. Run “kontasks sign-in-link” and open the link that it prints.")]
    SignedOut,
    /// No answer came.
    #[error("The server cannot be reached. What you typed is still here: try again in a moment.")]
    Unreachable,
    /// The request was refused before it reached its function.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why, in words.
        detail: String,
    },
    /// What came is not what was expected: the server was renewed since the page was loaded.
    #[error("The server is of another version than this page. Reload the page.")]
    OtherBuild,
    /// The server's own fault; the log says what.
    #[error("Something went wrong on the server. Its log says what.")]
    Failed,
}

/// As serde writes it: a word, or an object whose one member is a word that has members.
impl Read for ApiError {
    fn read(value: Value) -> Result<Self, Unreadable> {
        const UNKNOWN: Unreadable = Unreadable::value("must be an error that is known here");
        let (word, value) = match value {
            Value::String(word) => (word, Value::Null),
            Value::Object(members) if members.len() == 1 => members.into_iter().next().ok_or(UNKNOWN)?,
            _ => return Err(UNKNOWN),
        };
        Ok(match (word.as_str(), value) {
            ("noSuchTask", Value::Null) => Self::NoSuchTask,
            ("noSuchRun", Value::Null) => Self::NoSuchRun,
            ("alreadyEnded", Value::Null) => Self::AlreadyEnded,
            ("notEnded", Value::Null) => Self::NotEnded,
            ("signedOut", Value::Null) => Self::SignedOut,
            ("unreachable", Value::Null) => Self::Unreachable,
            ("otherBuild", Value::Null) => Self::OtherBuild,
            ("failed", Value::Null) => Self::Failed,
            (word, value) => {
                let mut members = Members::of(value)?;
                match word {
                    "invalid" => {
                        Self::Invalid { field: members.take("field")?, problem: members.take("problem")?, advice: members.take("advice")? }
                    }
                    "unknownRunner" => Self::UnknownRunner { runner: members.take("runner")?, known: members.take("known")? },
                    "alreadyAnswered" => Self::AlreadyAnswered { standing: members.take("standing")? },
                    "refused" => Self::Refused { status: members.take("status")?, detail: members.take("detail")? },
                    _ => return Err(UNKNOWN),
                }
            }
        })
    }
}

deserialize_by_reading!(ApiError);

impl ApiError {
    /// The HTTP status that says the same.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } | Self::UnknownRunner { .. } => 422,
            Self::NoSuchTask | Self::NoSuchRun => 404,
            Self::AlreadyEnded | Self::NotEnded | Self::AlreadyAnswered { .. } => 409,
            Self::SignedOut => 401,
            Self::Unreachable => 503,
            Self::Refused { status, .. } => *status,
            Self::OtherBuild | Self::Failed => 500,
        }
    }

    /// Whether what was asked for does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NoSuchTask | Self::NoSuchRun)
    }
}

impl From<Invalid> for ApiError {
    fn from(Invalid { field, problem, advice }: Invalid) -> Self {
        let field = match field {
            "value" => "answer",
            "requestId" => "request id",
            other => other,
        };
        ApiError::Invalid { field: field.to_owned(), problem, advice: advice.to_owned() }
    }
}

impl FromServerFnError for ApiError {
    type Encoder = ByValue;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => Self::Unreachable,
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) => {
                Self::Refused { status: 400, detail: "The form was incomplete. Reload the page and try again.".to_owned() }
            }
            _ => Self::Failed,
        }
    }

    fn de(data: Bytes) -> Self {
        ByValue::decode(data.clone()).unwrap_or_else(|_| from_problem(&data))
    }
}

/// An answer that no server function gave: a problem of ours (RFC 9457), or whatever a proxy says while the server is away.
fn from_problem(data: &[u8]) -> ApiError {
    let Ok(problem) = members::parse_bytes(data) else { return ApiError::Unreachable };
    let words = |member: &str| problem.get(member).and_then(Value::as_str);
    match problem.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()) {
        Some(401) => ApiError::SignedOut,
        Some(status) => match words("detail").or(words("title")) {
            Some(detail) => ApiError::Refused { status, detail: detail.to_owned() },
            None => ApiError::Failed,
        },
        None => ApiError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_sent_is_read_again() {
        let error = ApiError::UnknownRunner { runner: "x".into(), known: vec!["shell".into()] };
        assert_eq!(ApiError::de(error.ser()), error);
        assert_eq!(error.to_string(), "There is no runner named “x”. Choose one of: shell.");
    }

    #[test]
    fn every_error_is_read_as_it_was_written() {
        let (field, problem, advice) = ("f".to_owned(), "p".to_owned(), "a".to_owned());
        for error in [
            ApiError::Invalid { field, problem, advice },
            ApiError::UnknownRunner { runner: "x".into(), known: vec!["shell".into()] },
            ApiError::NoSuchTask,
            ApiError::NoSuchRun,
            ApiError::AlreadyEnded,
            ApiError::NotEnded,
            ApiError::AlreadyAnswered { standing: "yes".into() },
            ApiError::SignedOut,
            ApiError::Unreachable,
            ApiError::Refused { status: 413, detail: "too large".into() },
            ApiError::OtherBuild,
            ApiError::Failed,
        ] {
            assert_eq!(ApiError::read(serde_json::to_value(&error).expect("JSON")), Ok(error));
        }
        for wrong in [
            json!("refused"),
            json!({"refused": {"status": 70000, "detail": ""}}),
            json!("other"),
            json!({}),
            json!([]),
            json!({"failed": 1}),
        ] {
            assert!(ApiError::read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_answers_are_told_apart() {
        let read = |text: &'static str| ApiError::de(Bytes::from_static(text.as_bytes()));
        assert_eq!(read(r#"{"status":401,"title":"Unauthorized"}"#), ApiError::SignedOut);
        let large = ApiError::Refused { status: 413, detail: "too large".into() };
        assert_eq!(read(r#"{"status":413,"title":"t","detail":"too large"}"#), large);
        assert_eq!(read("<html>502 Bad Gateway</html>"), ApiError::Unreachable);
        assert_eq!(read(""), ApiError::Unreachable);
    }
}
