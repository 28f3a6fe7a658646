//! A page without scripts: a document of its own, written as a whole, which costs the application's bundle nothing.

use super::{pages, state::AppState, theme};
use crate::{
    app::DocumentHead,
    ui::markup::{PlainTitle, provide_meta_context},
};
use axum::{extract::Request, response::Response};
use leptos::prelude::*;

/// Renders a document with that title and body, under the policy of pages.
pub async fn render<V: IntoView + 'static>(
    state: &AppState,
    request: Request,
    title: &'static str,
    body: impl Fn() -> V + Clone + Send + Sync + 'static,
) -> Response {
    let options = state.leptos.clone();
    let theme = theme::of(request.headers());
    let document = move || {
        provide_meta_context();
        view! {
            <!DOCTYPE html>
            <html lang="en" data-theme=theme.attribute()>
                <head>
                    <DocumentHead options=options.clone() theme/>
                    <PlainTitle text=title/>
                </head>
                <body>{body()}</body>
            </html>
        }
    };
    pages::render(request, document).await
}
