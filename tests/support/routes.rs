//! Every route, as a request for it: what is true of all of them is tried on each one. A route that the sources have and this list
//! has not fails [`are_all`].
#![allow(dead_code)]

use super::server::Server;
use axum::http::Method;
use std::{fs, path::Path};

pub const SOME_ID: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";

/// The routes, each with the pattern that the sources have.
pub fn all(server: &Server) -> Vec<(Method, String, &'static str)> {
    let id = SOME_ID;
    let build = &server.state.build;
    let mut routes = vec![
        (Method::GET, "/healthz".into(), "/healthz"),
        (Method::GET, "/readyz".into(), "/readyz"),
        (Method::GET, "/sign-in".into(), "/sign-in"),
        (Method::GET, "/sign-in?token=nonsense".into(), "/sign-in"),
        (Method::POST, "/sign-in".into(), "/sign-in"),
        (Method::POST, "/sign-out".into(), "/sign-out"),
        (Method::GET, format!("/pkg/{build}/kontasks.js"), "/pkg/{build}/{*name}"),
        (Method::GET, "/pkg/another/kontasks.js".into(), "/pkg/{build}/{*name}"),
        (Method::GET, "/favicon.svg".into(), "/"),
        (Method::GET, "/settings".into(), "/settings"),
        (Method::POST, "/settings/sessions/7/sign-out".into(), "/settings/sessions/{id}/sign-out"),
        (Method::POST, "/settings/other-sessions/sign-out".into(), "/settings/other-sessions/sign-out"),
        (Method::POST, "/settings/tokens".into(), "/settings/tokens"),
        (Method::POST, "/settings/tokens/7/revocation".into(), "/settings/tokens/{id}/revocation"),
        (Method::POST, "/settings/theme".into(), "/settings/theme"),
        (Method::GET, "/".into(), "/"),
        (Method::GET, "/tasks".into(), "/tasks"),
        (Method::GET, format!("/tasks/{id}"), "/tasks/:id"),
        (Method::GET, format!("/runs/{id}"), "/runs/:id"),
        (Method::GET, "/nonsense".into(), "/"),
        (Method::POST, "/nonsense".into(), "/"),
        (Method::DELETE, "/healthz".into(), "/healthz"),
        (Method::PUT, "/api/v1/tasks".into(), "/tasks"),
        (Method::OPTIONS, "/api/v1/tasks".into(), "/tasks"),
        (Method::GET, "/api/v1/nonsense".into(), "/"),
        (Method::GET, "/actions/page?request=x".into(), "page"),
        (Method::POST, "/api/v1/runs".into(), "/runs"),
        (Method::GET, format!("/api/v1/runs/{id}"), "/runs/{id}"),
        (Method::GET, format!("/api/v1/runs/{id}/output"), "/runs/{id}/output"),
        (Method::POST, format!("/api/v1/runs/{id}/cancellation"), "/runs/{id}/cancellation"),
        (Method::POST, format!("/api/v1/runs/{id}/input"), "/runs/{id}/input"),
        (Method::POST, format!("/api/v1/runs/{id}/size"), "/runs/{id}/size"),
        (Method::GET, format!("/api/v1/runs/{id}/events"), "/runs/{id}/events"),
        (Method::HEAD, "/api/v1/events".into(), "/events"),
        (Method::GET, "/api/v1/tasks".into(), "/tasks"),
        (Method::POST, "/api/v1/tasks".into(), "/tasks"),
        (Method::GET, format!("/api/v1/tasks/{id}"), "/tasks/{id}"),
        (Method::PATCH, format!("/api/v1/tasks/{id}"), "/tasks/{id}"),
        (Method::DELETE, format!("/api/v1/tasks/{id}"), "/tasks/{id}"),
        (Method::GET, format!("/api/v1/tasks/{id}/answer"), "/tasks/{id}/answer"),
        (Method::POST, format!("/api/v1/tasks/{id}/answer"), "/tasks/{id}/answer"),
        (Method::GET, "/api/v1/held-runs".into(), "/held-runs"),
        (Method::POST, "/api/v1/held-runs/release".into(), "/held-runs/release"),
        (Method::POST, "/api/v1/held-runs/drop".into(), "/held-runs/drop"),
        (Method::GET, "/api/v1/openapi.json".into(), "/openapi.json"),
    ];
    for action in ["submit-prompt", "run-again", "cancel-run", "type-in", "answer-task", "decide-held-runs"] {
        routes.push((Method::POST, format!("/actions/{action}"), action));
    }
    are_all(&routes.iter().map(|(.., pattern)| *pattern).collect::<Vec<_>>());
    routes
}

/// Fails where the sources lay a route that is not named.
fn are_all(patterns: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for folder in [root.clone(), root.join("http"), root.join("http/rest"), root.join("api")] {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(path).expect("a source");
                let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let text = code.join("\n");
                for mark in [".route(\"", "endpoint = \"", "path!(\""] {
                    found.extend(text.split(mark).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
                }
            }
        }
    }
    assert!(found.len() > 25, "{found:?}");
    for pattern in found {
        assert!(patterns.contains(&pattern.as_str()), "tests/support/routes.rs does not know {pattern}");
    }
}
