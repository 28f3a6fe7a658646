//! What the board shows: a filter that lives in the page's address, so that a view can be linked and reloaded.

use super::task::Task;
use serde::{Deserialize, Serialize};

/// Which tasks to show. An empty member does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskFilter {
    /// The status word.
    pub status: String,
    /// The scope.
    pub scope: String,
    /// A tag that the task has.
    pub tag: String,
    /// The type word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Words that each stand in title, description, scope, prompt or a tag, in whatever case.
    pub text: String,
}

impl TaskFilter {
    /// Whether nothing is restricted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the task is to be shown.
    #[must_use]
    pub fn matches(&self, task: &Task) -> bool {
        self.matches_by(task, str::to_lowercase)
    }

    /// The same with the caller's own way to write a text in lower case. A browser has one, and the tables for another would be a
    /// good part of the page's weight.
    #[must_use]
    pub fn matches_by(&self, task: &Task, lower: fn(&str) -> String) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        is(&self.status, &task.status)
            && is(&self.kind, &task.kind)
            && is(&self.scope, task.scope.as_deref().unwrap_or_default())
            && (self.tag.is_empty() || task.tags.contains(&self.tag))
            && self.text.split_whitespace().all(|word| mentions(task, &lower(word), lower))
    }
}

fn mentions(task: &Task, word: &str, lower: fn(&str) -> String) -> bool {
    [Some(&task.title), Some(&task.description), task.scope.as_ref(), task.context.prompt.as_ref()]
        .into_iter()
        .flatten()
        .chain(&task.tags)
        .any(|text| lower(text).contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_filter_restricts_by_what_it_names() {
        let task: Task = serde_json::from_value(json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": "progress", "status": "odd", "title": "Build the ARK", "scope": "noah",
            "description": "of wood", "tags": ["flood", "Boats"], "context": {"prompt": "zwei von jeder ÄHRE", "output": "secret"},
            "createdAt": "2026-01-02T09:13:58.259Z", "updatedAt": "2026-01-02T09:13:58.259Z",
        }))
        .expect("a task");
        let matches = |value| serde_json::from_value::<TaskFilter>(value).expect("a filter").matches(&task);
        for yes in [
            json!({}),
            json!({"status": "odd", "type": "progress", "scope": "noah", "tag": "flood"}),
            json!({"text": "  ark  WOOD "}),
            json!({"text": "boat"}),
            json!({"text": "ähre noah"}),
        ] {
            assert!(matches(yes.clone()), "{yes}");
        }
        for no in [
            json!({"status": "od"}),
            json!({"type": "general"}),
            json!({"scope": "Noah"}),
            json!({"tag": "boats"}),
            json!({"text": "ark stone"}),
            json!({"text": "secret"}),
        ] {
            assert!(!matches(no.clone()), "{no}");
        }
        assert!(TaskFilter::default().is_empty());
        assert!(!TaskFilter { tag: "x".into(), ..TaskFilter::default() }.is_empty());
    }
}
