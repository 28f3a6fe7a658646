//! One task: what it is about, what came of it, what can be answered, and the console of its newest run.

use crate::{
    api::{
        error::ApiError,
        pages::{PageRequest, TaskData},
    },
    domain::{
        board::put_run,
        event::{StreamEvent, TaskEvent},
        id::RunId,
        run::Run,
        snapshot::TaskSnapshot,
        task::Task,
        visible_text::visible,
    },
    ui::{
        components::{
            answer_form::AnswerForm,
            details::TaskDetails,
            elapsed::Elapsed,
            labels::StatusBadge,
            list::List,
            loaded::{Loaded, PageResource, say_missing},
            run_again::RunAgain,
            time::Time,
        },
        console::Console,
        hooks::use_snapshot::{Fetched, SnapshotOptions, use_snapshot},
        markup::{Markup, PageTitle, content},
    },
};
use leptos::prelude::*;
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
            view=|packed, resource| packed.open().map(|data| view! { <TaskView data resource/> }.into_any())
        />
    }
}

#[component]
fn TaskView(data: TaskData, resource: PageResource) -> impl IntoView {
    let TaskData { snapshot, raw, notice } = data;
    let TaskSnapshot { cursor, task, output_html, runs, console } = snapshot;
    let id = task.id;
    let raw = RwSignal::new(raw);
    let (task, output, runs) = (RwSignal::new(task), RwSignal::new(output_html), RwSignal::new(runs));
    // The newest run as its console begins: from there the console goes on by itself.
    let console = RwSignal::new(console);
    let shown_run = Memo::new(move |_| console.with(|console| console.as_ref().map(|console| console.run.id)));
    let say_gone = say_missing(resource);
    use_snapshot(SnapshotOptions {
        cursor,
        runs: Vec::new(),
        request: Box::new(move || PageRequest::task(id.to_string(), String::new())),
        open: Box::new(move |packed| {
            let TaskData { snapshot, raw: now_raw, .. } = packed.open()?;
            let TaskSnapshot { cursor, task: now, output_html, runs: now_runs, console: newest } = snapshot;
            let show = move || {
                task.try_set(now);
                output.try_set(output_html);
                raw.try_set(now_raw);
                runs.try_set(now_runs);
                if newest.as_ref().map(|newest| newest.run.id) != shown_run.try_get_untracked().flatten() {
                    console.try_set(newest);
                }
            };
            Ok(Fetched { cursor, show: Box::new(show) })
        }),
        on_event: Box::new(move |event, _| match event {
            StreamEvent::Task(event) => match &**event {
                // The stream carries no rich output, which may have changed as well.
                TaskEvent::Changed(changed) if changed.id == id => task.try_set(changed.clone()).is_none(),
                TaskEvent::Deleted { id: gone, .. } if *gone == id => {
                    say_gone(ApiError::NoSuchTask);
                    false
                }
                _ => false,
            },
            // The console of a new run begins with a snapshot of its own.
            StreamEvent::Run(run) if run.task_id == id => runs.try_update(|runs| put_run(runs, (**run).clone())) == Some(true),
            _ => false,
        }),
        on_missing: say_missing(resource),
    });
    let title = Memo::new(move |_| task.with(|task| visible(&task.title)));
    let kind = Memo::new(move |_| task.with(Task::is_named_by_prompt).then_some("command"));
    let asks = Memo::new(move |_| task.with(|task| task.needs_answer() || task.answer.is_some()));
    let has_several_runs = Memo::new(move |_| runs.with(Vec::len) > 1);
    let run_keys = move || runs.with(|runs| runs.iter().map(|run| run.id.to_string()).collect());
    view! {
        // It may be asked for once more when the page is being left.
        <PageTitle text=move || title.try_get().unwrap_or_default()/>
        <article class="task-page">
            <header class="page-head">
                <a class="back" href="/">"Back to Kontasks"</a>
                <h1 data-kind=kind>{title}</h1>
                {move || task.with(|task| (!task.description.is_empty()).then(|| view! { <p class="lead">{visible(&task.description)}</p> }))}
                {notice.map(|notice| view! { <p class="form-error" role="alert">{visible(&notice.error.to_string())}</p> })}
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
                {move || console.get().map(|console| {
                    let id = console.run.id;
                    let run = Signal::derive(move || runs.with(|runs| runs.iter().find(|run| run.id == id).cloned()));
                    view! {
                        // The region of that name is the console itself.
                        <div class="panel" data-kind="console">
                            <div class="panel-head">
                                <h2>"Console"</h2>
                                <RunAgain run/>
                            </div>
                            <Console snapshot=console/>
                        </div>
                    }
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
                {move || has_several_runs.get().then(|| view! {
                    <section class="panel" aria-labelledby="runs-heading">
                        <h2 id="runs-heading">"Runs"</h2>
                        <ol class="run-list" reversed>
                            <List keys=Box::new(run_keys) item=Box::new(move |id| run_line(runs, &id).into_any())/>
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
fn run_line(runs: RwSignal<Vec<Run>>, id: &str) -> Option<AnyView> {
    let id: RunId = id.parse().ok()?;
    let of_list = move |runs: &Vec<Run>| runs.iter().find(|run| run.id == id).cloned();
    let first = runs.with_untracked(of_list)?;
    let created_at = first.created_at;
    let run = Memo::new(move |last: Option<&Run>| runs.with(of_list).or_else(|| last.cloned()).unwrap_or_else(|| first.clone()));
    let line = view! {
        <li>
            <a class="run-line" href=format!("/runs/{id}")>
                {move || run.with(|run| view! { <StatusBadge status=run.status.as_str()/> })}
                <Time at=created_at/>
                <Elapsed run/>
            </a>
        </li>
    };
    Some(line.into_any())
}
