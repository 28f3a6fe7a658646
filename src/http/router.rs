//! Every route, and what stands in front of them, from the outside in: hardened responses, the host's name, where a request comes from,
//! what is open to everybody, the sign-in, the size of bodies and the time that they take, the form token.

use super::{
    cross_origin, form_token, guard, health,
    limits::{BodyLimit, limit_body},
    nonce, pages,
    problem::Problem,
    rest, security, settings, sign_in,
    state::AppState,
};
use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower::util::option_layer;
use tower_http::compression::{
    CompressionLayer, Predicate,
    predicate::{DefaultPredicate, NotForContentType},
};

/// The whole server as a function of its state.
pub fn router(state: AppState) -> Router {
    let inside = Router::new()
        .nest(rest::PREFIX, rest::routes())
        .route("/sign-out", post(sign_in::leave))
        .merge(settings::routes())
        .merge(pages::routes(&state))
        .fallback(pages::not_found)
        // Before the layers, which else would not stand in front of it.
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(nonce::hide))
        .layer(compression())
        .layer(from_fn_with_state(state.clone(), form_token::require))
        .layer(from_fn_with_state(BodyLimit::for_callers(state.connections.limits()), limit_body))
        .layer(from_fn_with_state(state.clone(), guard::require_sign_in));
    let open = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/sign-in", get(sign_in::open).post(sign_in::submit))
        .route("/pkg/{build}/{*name}", get(pages::asset))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(BodyLimit::for_strangers(state.connections.limits()), limit_body));
    Router::new()
        .merge(open)
        .merge(inside)
        .layer(from_fn(pages::root_files))
        .layer(security::refuse_foreign_changes())
        .layer(from_fn(security::refuse_foreign_readers))
        .layer(from_fn_with_state(state.origins.clone(), cross_origin::trust))
        .layer(from_fn_with_state(state.hosts.clone(), security::check_host))
        .layer(option_layer(state.origins.cors()))
        .layer(from_fn(security::harden))
        .with_state(state)
}

/// The `Allow` header is added by the router.
async fn wrong_method(request: Request) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not possible here; Allow says what is", request.method()))
}

/// Pages and JSON are compressed on the way. A stream is not, since it must arrive at once; output is not, since it is long and its
/// bytes are counted.
fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(NotForContentType::const_new("text/plain")))
}
