//! The pages: rendered by leptos for each request, under a policy that knows this one response's scripts, and the server functions that they
//! call.

use super::{assets, problem::Problem, security, state::AppState, theme};
use crate::{
    api::form_token::PageFormToken,
    app::{App, shell},
    backend::auth::FormToken,
};
use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use leptos::{WasmSplitManifest, prelude::*};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};

/// The pages of the application and the server functions, with what they work on as their context.
pub fn routes(state: &AppState) -> Router<AppState> {
    let options = state.leptos.clone();
    let (backend, auth) = (state.backend.clone(), state.auth.clone());
    // So that a page names the chunks that it needs in its head, instead of the browser finding out one after another.
    let chunks = (format!("/{}", options.site_pkg_dir), assets::chunks(), assets::CHUNK_LOADER.to_owned());
    let context = move || {
        provide_context(backend.clone());
        provide_context(auth.clone());
        provide_context(WasmSplitManifest(ArcStoredValue::new(chunks.clone())));
        provide_form_token();
        provide_policy();
    };
    Router::new().leptos_routes_with_context(state, generate_route_list(App), context, move || shell(options.clone(), theme::of_context()))
}

/// Everything else: a page that says so, and for programs a problem.
pub async fn not_found(State(state): State<AppState>, request: Request) -> Response {
    let path = request.uri().path();
    let for_people =
        matches!(*request.method(), Method::GET | Method::HEAD) && !path.starts_with("/api/") && !path.starts_with("/actions/");
    if !for_people {
        return Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}")).into_response();
    }
    let (options, backend) = (state.leptos.clone(), state.backend.clone());
    let document = move || {
        provide_context(backend.clone());
        shell(options.clone(), theme::of_context())
    };
    let mut response = render(request, document).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Renders one document on its own.
pub async fn render<V: IntoView + 'static>(request: Request, document: impl Fn() -> V + Clone + Send + Sync + 'static) -> Response {
    let context = || {
        provide_form_token();
        provide_policy();
    };
    leptos_axum::render_app_async_with_context(context, document)(request).await
}

/// The page's forms carry the token of the session that it is rendered for.
fn provide_form_token() {
    let token = use_context::<Parts>().and_then(|parts| parts.extensions.get::<FormToken>().map(FormToken::reveal));
    provide_context(PageFormToken(token.unwrap_or_default()));
}

/// The response carries the policy for the nonce that its scripts have.
fn provide_policy() {
    let policy = security::page_policy(leptos::nonce::use_nonce().as_deref());
    if let (Some(response), Ok(policy)) = (use_context::<ResponseOptions>(), HeaderValue::try_from(policy)) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        // What a page shows is for who is signed in, and old a moment later.
        response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// `GET /pkg/{build}/{name}`: a file of this build.
pub async fn asset(State(state): State<AppState>, Path((build, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    if build != *state.build {
        return (StatusCode::NOT_FOUND, "this server has another build\n").into_response();
    }
    assets::of_build(&name, &headers)
}

/// Files of `public/` are there for everybody, at the root.
pub async fn root_files(request: Request, next: axum::middleware::Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD)
        && let Some(mut response) = assets::of_root(request.uri().path().trim_start_matches('/'), request.headers())
    {
        if request.method() == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        return response;
    }
    next.run(request).await
}
