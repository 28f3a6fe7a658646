//! The board's filter: a form whose values are the page's address. Without scripts it is sent by its button; with them every change
//! is an address of its own.

use super::{
    labels::{percent_encoded, spaced},
    list::List,
};
use crate::{
    domain::{filter::TaskFilter, filtered_tasks::FilterWords},
    ui::markup::{Markup, content},
};
use leptos::{
    ev::SubmitEvent,
    html::{Input, Select},
    leptos_dom::helpers::debounce,
    prelude::*,
};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use std::time::Duration;

/// One of the filter's words: what there is to choose from, and where the choice stands.
#[derive(Clone, Copy)]
struct Member {
    label: &'static str,
    name: &'static str,
    known: fn(&FilterWords) -> &Vec<String>,
    chosen: fn(&mut TaskFilter) -> &mut String,
}

const MEMBERS: [Member; 4] = [
    Member { label: "Status", name: "status", known: |words| &words.statuses, chosen: |filter| &mut filter.status },
    Member { label: "Scope", name: "scope", known: |words| &words.scopes, chosen: |filter| &mut filter.scope },
    Member { label: "Tag", name: "tag", known: |words| &words.tags, chosen: |filter| &mut filter.tag },
    Member { label: "Type", name: "type", known: |words| &words.kinds, chosen: |filter| &mut filter.kind },
];

/// The form.
#[component]
pub fn BoardFilter(
    /// The filter as the address has it.
    filter: Memo<TaskFilter>,
    /// What there is to choose from.
    #[prop(into)]
    words: Signal<FilterWords>,
) -> impl IntoView {
    let navigate = use_navigate();
    let text = NodeRef::<Input>::new();
    let lists = MEMBERS.map(|member| (member, NodeRef::<Select>::new()));
    // The form says what is wanted, the address what is shown: it follows.
    let follow = move || {
        let Some(shown) = filter.try_get_untracked() else { return };
        let mut wanted = shown.clone();
        if let Some(input) = text.try_get_untracked().flatten() {
            wanted.text = input.value();
        }
        for (member, list) in lists {
            if let Some(list) = list.try_get_untracked().flatten() {
                *(member.chosen)(&mut wanted) = list.value();
            }
        }
        if wanted != shown {
            navigate(&address(&wanted), NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() });
        }
    };
    let (on_start, on_submit, on_input) = (follow.clone(), follow.clone(), follow.clone());
    let mut on_input = debounce(Duration::from_millis(200), move |()| on_input());
    Effect::new(move |before: Option<()>| {
        words.track();
        let mut shown = filter.get();
        // What was chosen and typed before the page was live counts.
        if before.is_none() {
            return on_start();
        }
        // The address may change by other ways: the form follows, but not what is being typed.
        if let Some(input) = text.get_untracked()
            && document().active_element().as_ref() != Some(input.as_ref())
        {
            input.set_value(&shown.text);
        }
        for (member, list) in lists {
            if let Some(list) = list.get_untracked() {
                list.set_value((member.chosen)(&mut shown));
            }
        }
    });
    let select = move |(member, list): (Member, NodeRef<Select>)| {
        let chosen = Memo::new(move |_| (member.chosen)(&mut filter.get()).clone());
        let options = move || {
            let chosen = chosen.get();
            let mut options = words.with(|words| (member.known)(words).clone());
            if !chosen.is_empty() && !options.contains(&chosen) {
                options.push(chosen);
            }
            options
        };
        let on_change = follow.clone();
        view! {
            <label class="field">
                <span>{member.label}</span>
                <select name=member.name node_ref=list on:change=move |_| on_change()>
                    <option value="">"Any"</option>
                    <List
                        keys=Box::new(options)
                        item=Box::new(move |word| {
                            view! { <option value=word.clone() selected=chosen.get_untracked() == word>{spaced(&word)}</option> }.into_any()
                        })
                    />
                </select>
            </label>
        }
    };
    view! {
        <form
            class="board-filter"
            method="get"
            action="/tasks"
            role="search"
            on:submit=move |event: SubmitEvent| {
                event.prevent_default();
                on_submit();
            }
        >
            <label class="field" data-wide="">
                <span>"Search"</span>
                <input
                    type="search"
                    name="text"
                    value=filter.with_untracked(|filter| filter.text.clone())
                    autocomplete="off"
                    node_ref=text
                    on:input=move |_| on_input(())
                />
            </label>
            {lists.map(select).into_iter().collect_view()}
            <noscript {..content(filter_button())}></noscript>
        </form>
    }
}

/// What a browser without scripts is asked to press.
fn filter_button() -> Markup {
    let mut markup = Markup::default();
    markup.open("button", &[("class", "button")]);
    markup.push_text("Filter");
    markup.close("button");
    markup
}

/// The board's address for a filter; what does not restrict is left out.
fn address(filter: &TaskFilter) -> String {
    let members =
        [("status", &filter.status), ("scope", &filter.scope), ("tag", &filter.tag), ("type", &filter.kind), ("text", &filter.text)];
    let query: Vec<String> =
        members.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    if query.is_empty() { "/tasks".to_owned() } else { format!("/tasks?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_only_what_restricts() {
        let filter = TaskFilter { scope: "a b".into(), kind: "question".into(), ..TaskFilter::default() };
        assert_eq!(address(&filter), "/tasks?scope=a%20b&type=question");
        assert_eq!(address(&TaskFilter::default()), "/tasks");
    }
}
