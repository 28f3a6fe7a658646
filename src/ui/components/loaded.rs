//! A page's first content: what its resource brings, or why it could not be had.

use super::{failure::Failure, server_notice::ServerNotice};
use crate::api::{
    error::ApiError,
    packed::Packed,
    pages::{PageRequest, fetch_page},
};
use leptos::prelude::*;

/// What brings a page's data; where what it shows is gone, the page puts that in its place.
pub type PageResource = Resource<Result<Packed, ApiError>>;

/// How a page's data becomes the page.
pub type ShowPage = fn(Packed, PageResource) -> Result<AnyView, ApiError>;

/// Shows what was requested. The server waits for it; in the browser a quiet placeholder stands until it is there, and what could not
/// be had is asked for again.
#[component]
pub fn Loaded(
    /// What is loaded.
    request: Box<dyn Fn() -> PageRequest + Send + Sync>,
    /// How it is shown.
    view: ShowPage,
) -> impl IntoView {
    let resource: PageResource = Resource::new(request, fetch_page);
    let failures = StoredValue::new(0);
    let content = move || {
        Suspend::new(async move {
            let loaded = resource.await.and_then(|packed| {
                let notice = packed.notice();
                view(packed, resource).map(|page| view! { <ServerNotice notice/> {page} }.into_any())
            });
            loaded.unwrap_or_else(|error| {
                let times = failures.try_update_value(|times| std::mem::replace(times, *times + 1)).unwrap_or_default();
                view! { <Failure error times retry=move |()| resource.refetch()/> }.into_any()
            })
        })
    };
    view! {
        <Transition fallback=|| {
            view! {
                <div class="loading" aria-busy="true">
                    <span>"Loading…"</span>
                </div>
            }
        }>{content}</Transition>
    }
}

/// What a page does when it hears that what it shows is gone: a page that is loaded now says the same.
pub fn say_missing(resource: PageResource) -> Box<dyn Fn(ApiError)> {
    Box::new(move |error| drop(resource.try_set(Some(Err(error)))))
}
