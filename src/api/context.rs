//! What a server function needs of its request, on the server: the backend, and how to answer a form that was posted by a page
//! without scripts. `lib.rs` declares it, since it is not for the browser.

use crate::{
    api::{error::ApiError, pages::Notice, runs::PromptDraft},
    backend::{
        Backend,
        auth::{Auth, Caller},
        runner::RunnerError,
        store::{Conflict, Missing, StoreError},
    },
    domain::{
        id::RunId,
        members::{self, Read},
        run::Run,
    },
};
use axum::http::{StatusCode, header::ACCEPT, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

/// The backend, which the router put into the context.
pub fn backend() -> Result<Backend, ApiError> {
    use_context::<Backend>().ok_or_else(|| {
        tracing::error!("a server function ran without the backend in its context");
        ApiError::Failed
    })
}

/// Who asks, in words for people.
pub async fn caller() -> Result<String, ApiError> {
    let caller = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Caller>().cloned());
    let (Some(auth), Some(caller)) = (use_context::<Auth>(), caller) else {
        tracing::error!("a server function ran without the caller in its context");
        return Err(ApiError::Failed);
    };
    // A database that cannot say who it is is no reason not to hear them.
    Ok(auth.name_of(&caller).await.unwrap_or_else(|error| {
        tracing::warn!("who asks cannot be told: {error}");
        "somebody who was signed in".to_owned()
    }))
}

/// Says the error by the status of the answer as well, be it a page or JSON.
pub fn with_status(error: ApiError) -> ApiError {
    if let (Some(options), Ok(status)) = (use_context::<ResponseOptions>(), StatusCode::from_u16(error.status())) {
        options.set_status(status);
    }
    error
}

/// Answers a form that could not be taken. A page without scripts is sent `back` to, where the error and the draft are shown; they
/// are kept here meanwhile, since an address has no room for them.
pub fn refused(error: ApiError, back: &str, draft: Option<PromptDraft>) -> ApiError {
    if !is_plain_form() {
        return with_status(error);
    }
    let kept = backend().and_then(|backend| {
        let notice = serde_json::to_string(&Notice { error: error.clone(), draft }).map_err(|_| ApiError::Failed)?;
        Ok(backend.drafts.keep(notice))
    });
    match kept {
        Ok(name) => leptos_axum::redirect(&format!("{back}?notice={name}")),
        Err(_) => leptos_axum::redirect(back),
    }
    error
}

/// What makes the first line that a page types into a run one line; none where nothing can be typed.
pub fn input_id(backend: &Backend, run: &Run) -> Option<String> {
    let takes_input = !run.status.is_final() && backend.runners.takes_input(run);
    takes_input.then(|| uuid::Uuid::now_v7().to_string())
}

/// The page that says what could not be done with a run: its task's.
pub async fn task_page(backend: &Backend, run: RunId) -> String {
    let task = backend.store.run(run).await.ok().flatten().map(|run| run.task_id);
    task.map_or_else(|| "/".to_owned(), |task| format!("/tasks/{task}"))
}

/// What could not be done on the page before; none where that is unknown or long ago.
pub fn noticed(backend: &Backend, name: &str) -> Option<Notice> {
    backend.drafts.find(name).and_then(|text| Notice::read(members::parse(&text).ok()?).ok())
}

/// Whether a browser posted the form by itself, and will show what it is answered with.
fn is_plain_form() -> bool {
    let accepts = use_context::<Parts>().and_then(|parts| Some(parts.headers.get(ACCEPT)?.to_str().ok()?.contains("text/html")));
    accepts.unwrap_or(false)
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(Missing::Run) => ApiError::NoSuchRun,
            StoreError::NotFound(_) => ApiError::NoSuchTask,
            StoreError::Conflict(Conflict::Answered(standing)) => ApiError::AlreadyAnswered { standing: standing.value },
            StoreError::Conflict(Conflict::RunEnded { .. }) => ApiError::AlreadyEnded,
            StoreError::Conflict(conflict) => ApiError::Refused { status: 409, detail: capitalised(&conflict.to_string()) },
            StoreError::Invalid(invalid) => invalid.into(),
            StoreError::Gone | StoreError::Damaged => ApiError::Refused { status: 503, detail: capitalised(&error.to_string()) },
            StoreError::Full => ApiError::Refused { status: 507, detail: capitalised(&error.to_string()) },
            StoreError::Closed => {
                ApiError::Refused { status: 503, detail: "The server is shutting down. Try again in a moment.".to_owned() }
            }
            StoreError::Unusable { .. } | StoreError::Database(_) | StoreError::Broken { .. } => {
                tracing::error!("a page could not be served: {error}");
                ApiError::Failed
            }
        }
    }
}

impl From<RunnerError> for ApiError {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Invalid(invalid) => invalid.into(),
            RunnerError::NotFound => ApiError::NoSuchRun,
            RunnerError::NoRoom(shortage) if !shortage.is_of_room() => {
                ApiError::Refused { status: 503, detail: capitalised(&error.to_string()) }
            }
            RunnerError::NoRoom(_) => ApiError::Refused { status: 507, detail: capitalised(&error.to_string()) },
            RunnerError::AlreadyEnded => ApiError::AlreadyEnded,
            RunnerError::NotStarted | RunnerError::NoTerminal(_) => ApiError::Refused { status: 409, detail: error.to_string() },
            RunnerError::Unwritable(_) => ApiError::Refused { status: 507, detail: error.to_string() },
            RunnerError::Store(error) => error.into(),
        }
    }
}

/// A reason as a sentence.
fn capitalised(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
