//! Pages of other origins that the configuration names may use the API as the board's own pages do, with the browser's credentials
//! (Fetch standard, "CORS protocol"). With none named nothing of this is there. Who may enter is decided elsewhere all the same.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use std::sync::Arc;
use tower_http::cors::CorsLayer;

/// The origins that are trusted, as browsers write them.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<[HeaderValue]>);

impl Origins {
    /// Takes the origins of the configuration; what no header can hold is no origin.
    #[must_use]
    pub fn new(origins: &[String]) -> Self {
        Origins(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// Answers what browsers ask beforehand, and says on every response which origins may read it. None where none are trusted.
    #[must_use]
    pub fn cors(&self) -> Option<CorsLayer> {
        const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];
        const REQUEST_HEADERS: [HeaderName; 4] =
            [header::AUTHORIZATION, header::CONTENT_TYPE, header::RANGE, HeaderName::from_static("last-event-id")];
        let layer = || {
            CorsLayer::new()
                .allow_origin(self.0.to_vec())
                .allow_credentials(true)
                .allow_methods(METHODS)
                .allow_headers(REQUEST_HEADERS)
                .expose_headers([header::RETRY_AFTER, header::LOCATION, header::ALLOW, header::CONTENT_RANGE])
        };
        (!self.0.is_empty()).then(layer)
    }
}

/// Takes from a request for the API what would have it refused as foreign, where it comes from an origin that is trusted.
pub async fn trust(State(origins): State<Origins>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_trusted = headers.get(header::ORIGIN).is_some_and(|origin| origins.0.contains(origin));
    if is_trusted && request.uri().path().starts_with("/api/") {
        request.headers_mut().remove(header::ORIGIN);
        request.headers_mut().remove("sec-fetch-site");
    }
    next.run(request).await
}
