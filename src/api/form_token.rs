//! The form token on a page: each form of ours carries it in a hidden field, and what the page
//! sends by itself in a header. Whether it is the right one is checked before any server function
//! runs (`http/form_token.rs`).

use futures::{Sink, Stream};
use leptos::prelude::{document, is_server, use_context};
use server_fn::{
    Bytes,
    client::{Client, browser::BrowserClient},
    error::FromServerFnError,
    request::browser::BrowserRequest,
    response::browser::BrowserResponse,
};
use std::future::Future;

/// The hidden field of a form.
pub const FIELD: &str = "form_token";
/// The header of a request that a page's script makes.
pub const HEADER: &str = "x-form-token";
/// The name of the `meta` element that holds it for the page's script.
pub const META: &str = "form-token";

/// The token of the session that a page is rendered for, as a context on the server; empty where
/// there is no session.
#[derive(Clone)]
pub struct PageFormToken(pub String);

/// The token of this page's session; empty where there is none.
#[must_use]
pub fn of_page() -> String {
    match use_context::<PageFormToken>() {
        Some(PageFormToken(token)) => token,
        None if is_server() => String::new(),
        None => of_document(),
    }
}

/// As the page's head says it. Browser only.
fn of_document() -> String {
    let meta = document().query_selector("meta[name=form-token]").ok().flatten();
    meta.and_then(|meta| meta.get_attribute("content")).unwrap_or_default()
}

/// Sends a server function's request with the form token: the client of each one that changes
/// something.
pub struct FormClient;

impl<E: FromServerFnError, I: FromServerFnError, O: FromServerFnError> Client<E, I, O> for FormClient {
    type Request = BrowserRequest;
    type Response = BrowserResponse;

    fn send(request: BrowserRequest) -> impl Future<Output = Result<BrowserResponse, E>> + Send {
        request.headers().set(HEADER, &of_document());
        <BrowserClient as Client<E, I, O>>::send(request)
    }

    fn open_websocket(
        path: &str,
    ) -> impl Future<Output = Result<(impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static, impl Sink<Bytes> + Send + 'static), E>> + Send
    {
        <BrowserClient as Client<E, I, O>>::open_websocket(path)
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        <BrowserClient as Client<E, I, O>>::spawn(future);
    }
}
