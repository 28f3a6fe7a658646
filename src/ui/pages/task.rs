//! One task: what it is about, what came of it, what can be answered, and the console of its newest run.

use crate::{
    api::pages::{PageRequest, TaskData, fetch_page},
    domain::{
        event::{StreamEvent, TaskEvent},
        run::Run,
        snapshot::TaskSnapshot,
        task::Task,
        visible_text::visible,
    },
    ui::{
        components::{
            answer_form::AnswerForm, details::TaskDetails, elapsed::Elapsed, labels::StatusBadge, loaded::Loaded, run_again::RunAgain,
            time::Time,
        },
        console::Console,
        hooks::live::{SinkOptions, use_live},
        markup::{Markup, PageTitle, content},
    },
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    LazyRoute,
    hooks::{use_params_map, use_query_map},
    lazy_route,
};

/// The page's route. Its code is a chunk of its own, which the browser loads when it first shows such a page.
pub struct TaskRoute;

#[lazy_route]
impl LazyRoute for TaskRoute {
    fn data() -> Self {
        TaskRoute
    }

    fn view(_this: Self) -> AnyView {
        view! { <TaskPage/> }.into_any()
    }
}

#[component]
fn TaskPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let notice = query.with_untracked(|query| query.get("notice")).unwrap_or_default();
    let request = move || PageRequest::task(params.with(|params| params.get("id").unwrap_or_default()), notice.clone());
    view! {
        <Loaded
            request=Box::new(request)
            view=|packed, resource| packed.open().map(|data| view! { <TaskView data reload=move |()| resource.refetch()/> }.into_any())
        />
    }
}

#[component]
fn TaskView(data: TaskData, #[prop(into)] reload: Callback<()>) -> impl IntoView {
    let TaskData { snapshot, raw, notice } = data;
    let TaskSnapshot { cursor, task, output_html, runs, console } = snapshot;
    let id = task.id;
    let raw = RwSignal::new(raw);
    let (task, output, runs) = (RwSignal::new(task), RwSignal::new(output_html), RwSignal::new(runs));
    let is_deleted = RwSignal::new(false);
    let shown_run = console.as_ref().map(|console| console.run.id);
    let live = use_live();
    Effect::new(move |_| {
        let options = SinkOptions::new(cursor.clone())
            .on_event(move |event, _| match event {
                StreamEvent::Task(event) => match &**event {
                    TaskEvent::Changed(changed) if changed.id == id => {
                        task.try_set(changed.clone());
                        // The stream carries no rich output, which may have changed as well.
                        spawn_local(async move {
                            let Ok(packed) = fetch_page(PageRequest::task(id.to_string(), String::new())).await else { return };
                            if let Ok(now) = packed.open::<TaskData>() {
                                task.try_set(now.snapshot.task);
                                output.try_set(now.snapshot.output_html);
                                raw.try_set(now.raw);
                            }
                        });
                    }
                    TaskEvent::Deleted { id: gone, .. } if *gone == id => {
                        is_deleted.try_set(true);
                    }
                    _ => {}
                },
                StreamEvent::Run(run) if run.task_id == id => {
                    let is_new = runs.try_update(|runs| match runs.iter_mut().find(|known| known.id == run.id) {
                        Some(known) => {
                            *known = (**run).clone();
                            false
                        }
                        None => {
                            runs.insert(0, (**run).clone());
                            true
                        }
                    });
                    // Its console begins with a snapshot of its own.
                    if is_new == Some(true) {
                        reload.run(());
                    }
                }
                _ => {}
            })
            .on_reset(move || reload.run(()));
        live.sink(options);
    });
    let title = Memo::new(move |_| task.with(|task| visible(&task.title)));
    let kind = Memo::new(move |_| task.with(Task::is_named_by_prompt).then_some("command"));
    let asks = Memo::new(move |_| task.with(|task| task.needs_answer() || task.answer.is_some()));
    view! {
        // It may be asked for once more when the page is being left.
        <PageTitle text=move || title.try_get().unwrap_or_default()/>
        <article class="task-page">
            <header class="page-head">
                <a class="back" href="/">"Back to Kontasks"</a>
                <h1 data-kind=kind>{title}</h1>
                {move || task.with(|task| (!task.description.is_empty()).then(|| view! { <p class="lead">{visible(&task.description)}</p> }))}
                {notice.map(|notice| view! { <p class="form-error" role="alert">{visible(&notice.error.to_string())}</p> })}
                {move || is_deleted.get().then(|| view! { <p class="form-error" role="alert">"This task was deleted."</p> })}
            </header>
            <div class="task-main">
                {move || output.get().map(|html| view! {
                    <section class="panel" aria-labelledby="output-heading">
                        <h2 id="output-heading">"Output"</h2>
                        <div class="rich-output" data-rich-output="" {..content(Markup::sanitized(html))}></div>
                    </section>
                })}
                {move || asks.get().then(|| view! {
                    <section class="panel" data-kind="actions" aria-labelledby="actions-heading">
                        <h2 id="actions-heading">"Quick Actions"</h2>
                        <AnswerForm task/>
                    </section>
                })}
                {console.map(|console| view! {
                    // The region of that name is the console itself.
                    <div class="panel" data-kind="console">
                        <div class="panel-head">
                            <h2>"Console"</h2>
                            <RunAgain run=Signal::derive(move || runs.with(|runs| runs.iter().find(|run| Some(run.id) == shown_run).cloned()))/>
                        </div>
                        <Console snapshot=console/>
                    </div>
                })}
                <section class="panel" aria-labelledby="request-heading">
                    <h2 id="request-heading">"Original Request"</h2>
                    {move || task.with(original_request)}
                </section>
            </div>
            <div class="task-side">
                <section class="panel" aria-labelledby="details-heading">
                    <h2 id="details-heading">"Details"</h2>
                    {move || view! { <TaskDetails task=task.get()/> }}
                </section>
                {move || (runs.with(Vec::len) > 1).then(|| view! {
                    <section class="panel" aria-labelledby="runs-heading">
                        <h2 id="runs-heading">"Runs"</h2>
                        <ol class="run-list" reversed>
                            {runs.get().into_iter().map(|run| view! { <li><RunLine run/></li> }).collect_view()}
                        </ol>
                    </section>
                })}
            </div>
            <section class="panel" data-kind="raw" aria-labelledby="raw-heading">
                <h2 id="raw-heading">"Raw Data"</h2>
                <details>
                    <summary>"Show the task as JSON"</summary>
                    <pre class="raw" tabindex="0">{raw}</pre>
                </details>
            </section>
        </article>
    }
}

/// What was asked for, and when.
fn original_request(task: &Task) -> impl IntoView + use<> {
    let context = &task.context;
    let prompt = context.prompt.as_deref().map(|prompt| view! { <pre class="prompt" tabindex="0">{visible(prompt)}</pre> });
    let asked = context.requested_at.map(|at| view! { <div><dt>"Requested"</dt><dd><Time at/></dd></div> });
    let request = context.request_id.as_deref().map(|id| view! { <div><dt>"Request"</dt><dd><code>{visible(id)}</code></dd></div> });
    let is_unknown = prompt.is_none();
    view! {
        {prompt}
        {is_unknown.then(|| view! { <p class="quiet">"The request’s words were not recorded."</p> })}
        <dl class="details" data-kind="wide">{asked}{request}</dl>
    }
}

/// One run of several.
#[component]
fn RunLine(run: Run) -> impl IntoView {
    let address = format!("/runs/{}", run.id);
    view! {
        <a class="run-line" href=address>
            <StatusBadge status=run.status.as_str()/>
            <Time at=run.created_at/>
            <Elapsed run=Memo::new(move |_| run.clone())/>
        </a>
    }
}
