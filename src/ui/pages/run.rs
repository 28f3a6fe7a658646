//! One run on a page of its own: nothing but its console.

use crate::{
    api::pages::PageRequest,
    domain::{
        snapshot::ConsoleSnapshot,
        visible_text::{first_line, visible},
    },
    ui::{
        components::{
            loaded::{Loaded, PageResource, say_missing},
            run_again::RepeatedRun,
            time::Time,
        },
        console::Console,
        markup::PageTitle,
    },
};
use leptos::prelude::*;
use leptos_router::{LazyRoute, hooks::use_params_map, lazy_route};

/// The page's route. Its code is a chunk of its own, which the browser loads when it first shows such a page.
pub struct RunRoute;

#[lazy_route]
impl LazyRoute for RunRoute {
    fn data() -> Self {
        RunRoute
    }

    fn view(_this: Self) -> AnyView {
        view! { <RunPage/> }.into_any()
    }
}

#[component]
fn RunPage() -> impl IntoView {
    let params = use_params_map();
    let request = move || PageRequest::console(params.with(|params| params.get("id").unwrap_or_default()));
    view! {
        <Loaded
            request=Box::new(request)
            view=|packed, resource| packed.open().map(|snapshot| view! { <RunConsole snapshot resource/> }.into_any())
        />
    }
}

#[component]
fn RunConsole(snapshot: ConsoleSnapshot, resource: PageResource) -> impl IntoView {
    let on_missing = Callback::new(move |error| say_missing(resource)(error));
    let run = snapshot.run.clone();
    let title = visible(first_line(&run.prompt));
    view! {
        <PageTitle text=title.clone()/>
        <div class="run-page">
            <header class="page-head">
                <a class="back" href=format!("/tasks/{}", run.task_id)>"Back to the task"</a>
                <h1 data-kind="command">{title}</h1>
                <p class="page-meta">
                    <span>{visible(&run.runner)}</span>
                    <Time at=run.created_at/>
                    <RepeatedRun run=run.clone()/>
                </p>
            </header>
            <Console snapshot fill=true on_missing/>
        </div>
    }
}
