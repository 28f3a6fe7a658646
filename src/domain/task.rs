//! A task: one card on the board. Types and statuses are open sets, and members that are not known here are kept, so that what one
//! program writes another still finds.

use super::{
    id::TaskId,
    members::{Members, Read, Unreadable, deserialize_by_reading},
    sort_key::SortKey,
    timestamp::Timestamp,
    visible_text::is_blank,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One card on the board. JSON is camelCase; members that are not named here survive in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Identifies the task.
    pub id: TaskId,
    /// `general`, `progress`, `approval`, `question`, or any other word.
    #[serde(rename = "type")]
    pub kind: String,
    /// `pending`, `in_progress`, `completed`, `failed`, `cancelled`, `approved`, `rejected`, `recommended`, or any other word.
    pub status: String,
    /// One line.
    pub title: String,
    /// What it is about, in plain text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Output, choices and where it came from.
    pub context: TaskContext,
    /// Which project or place it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Whom it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_user: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The answer that a person gave; at most one for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Members that are not known here, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a task came from and came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskContext {
    /// Rich output: HTML as it was given. It is never shown before it has been sanitised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// When the request was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// The request that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The prompt that opened the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Quick actions to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Members that are not known here, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One quick action of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// What the button says.
    pub label: String,
    /// What is answered when it is pressed.
    pub value: String,
    /// Whether it is the one that is suggested.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
    /// Members that are not known here, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a person answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The value of a choice, or free text.
    pub value: String,
    /// What the person added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When it was given.
    pub answered_at: Timestamp,
}

impl Choice {
    /// What its button says: its label, or its value where that would show nothing.
    #[must_use]
    pub fn name(&self) -> &str {
        if is_blank(&self.label) { &self.value } else { &self.label }
    }
}

impl Read for Task {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Task {
            id: members.take("id")?,
            kind: members.take("type")?,
            status: members.take("status")?,
            title: members.take("title")?,
            description: members.take_or_default("description")?,
            context: members.take_or_default("context")?,
            scope: members.take("scope")?,
            tags: members.take_or_default("tags")?,
            created_by: members.take("createdBy")?,
            target_user: members.take("targetUser")?,
            created_at: members.take("createdAt")?,
            updated_at: members.take("updatedAt")?,
            answer: members.take("answer")?,
            extra: members.rest(),
        })
    }
}

impl Read for TaskContext {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(TaskContext {
            output: members.take("output")?,
            requested_at: members.take("requestedAt")?,
            request_id: members.take("requestId")?,
            prompt: members.take("prompt")?,
            choices: members.take_or_default("choices")?,
            extra: members.rest(),
        })
    }
}

impl Read for Choice {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Choice {
            label: members.take("label")?,
            value: members.take("value")?,
            primary: members.take_or_default("primary")?,
            extra: members.rest(),
        })
    }
}

impl Read for Answer {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Answer { value: members.take("value")?, comment: members.take("comment")?, answered_at: members.take("answeredAt")? })
    }
}

// Tasks are read from the database, and parts of them inside of what is posted.
deserialize_by_reading!(Task, TaskContext, Answer);

impl Task {
    /// The task without its output, as the stream carries it.
    #[must_use]
    pub fn without_output(mut self) -> Self {
        self.context.output = None;
        self
    }

    /// Where it stands among others, of which the newest change comes first.
    #[must_use]
    pub fn sort_key(&self) -> SortKey {
        (self.updated_at, self.id.0.as_u128())
    }

    /// Whether it has never been changed, as far as its times tell.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.updated_at == self.created_at
    }

    /// Whether the title is nothing but the beginning of the prompt: a command rather than words.
    #[must_use]
    pub fn is_named_by_prompt(&self) -> bool {
        let named = self.title.trim_end_matches('…').trim_end();
        self.context.prompt.as_ref().is_some_and(|prompt| !named.is_empty() && prompt.trim_start().starts_with(named))
    }

    /// Whether a person is asked for something and has not answered: it offers choices or is a question or an approval, and is still
    /// open.
    #[must_use]
    pub fn needs_answer(&self) -> bool {
        let asks = !self.context.choices.is_empty() || self.kind == "question" || self.kind == "approval";
        let open = !matches!(self.status.as_str(), "failed" | "cancelled" | "approved" | "rejected");
        // A finished approval is decided; a finished report (as an agent posts it) may still offer what to do next.
        let waiting = self.status != "completed" || !self.context.choices.is_empty();
        asks && open && waiting && self.answer.is_none()
    }
}

/// A task as a program posts it: only the title is needed. What the server decides where it is missing: id, status `pending`, type
/// `general`, and the times.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTask {
    /// An id that the sender chose; any UUID.
    pub id: Option<TaskId>,
    /// See [`Task::kind`].
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// See [`Task::status`].
    pub status: Option<String>,
    /// See [`Task::title`]. It must not be blank.
    pub title: String,
    /// See [`Task::description`].
    #[serde(default)]
    pub description: String,
    /// See [`Task::context`].
    #[serde(default)]
    pub context: TaskContext,
    /// See [`Task::scope`].
    pub scope: Option<String>,
    /// See [`Task::tags`].
    #[serde(default)]
    pub tags: Vec<String>,
    /// See [`Task::created_by`].
    pub created_by: Option<String>,
    /// See [`Task::target_user`].
    pub target_user: Option<String>,
    /// See [`Task::created_at`].
    pub created_at: Option<Timestamp>,
    /// See [`Task::updated_at`].
    pub updated_at: Option<Timestamp>,
    /// An answer that was given elsewhere.
    pub answer: Option<Answer>,
    /// Members that are not known here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A change to a task: members that are absent stay as they are. `context` is merged member by member, and a member that is null in
/// it is removed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskPatch {
    /// See [`Task::kind`].
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// See [`Task::status`].
    pub status: Option<String>,
    /// See [`Task::title`].
    pub title: Option<String>,
    /// See [`Task::description`].
    pub description: Option<String>,
    /// Members of the context to set or, where null, to remove.
    pub context: Option<Map<String, Value>>,
    /// See [`Task::scope`].
    pub scope: Option<String>,
    /// See [`Task::tags`].
    pub tags: Option<Vec<String>>,
    /// See [`Task::target_user`].
    pub target_user: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// A task as an agent posts it, with members that nothing here knows at each level.
    const POSTED: &str = include_str!("../../tests/fixtures/task.json");

    #[test]
    fn a_posted_task_round_trips_with_all_that_is_not_known() {
        let posted: Value = serde_json::from_str(POSTED).expect("JSON");
        let task: Task = serde_json::from_str(POSTED).expect("a task");
        let mut written = serde_json::to_value(&task).expect("JSON");
        // The one thing that may look otherwise: a time is written with its milliseconds.
        assert_eq!(written["context"]["requestedAt"], json!("2026-01-02T09:40:00.000Z"));
        written["context"]["requestedAt"] = posted["context"]["requestedAt"].clone();
        assert_eq!(written, posted);
        assert_eq!(task.extra.keys().collect::<Vec<_>>(), ["pinned", "requestId"]);
        assert!(task.needs_answer(), "it offers choices");
        let bare = task.clone().without_output();
        assert_eq!((bare.context.output, &bare.context.choices), (None, &task.context.choices));
        let new: NewTask = serde_json::from_str(POSTED).expect("can be posted as it stands");
        assert_eq!((new.id, new.context, new.extra), (Some(task.id), task.context, task.extra));
    }

    #[test]
    fn little_is_needed_and_nothing_is_guessed() {
        let new: NewTask = serde_json::from_value(json!({"title": "T"})).expect("a task");
        assert_eq!(new, NewTask { title: "T".into(), ..NewTask::default() });
        for broken in [json!({}), json!({"title": 3}), json!({"title": "T", "id": "x"}), json!({"title": "T", "createdAt": "today"})] {
            assert!(serde_json::from_value::<NewTask>(broken.clone()).is_err(), "{broken}");
        }
        assert!(serde_json::from_value::<TaskPatch>(json!({"answer": {}})).is_err(), "a patch is no way around the answer");
    }

    #[test]
    fn who_is_asked_and_when() {
        let needs = |value: Value| {
            let mut task = json!({
                "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": "general", "status": "pending", "title": "T",
                "createdAt": "2026-01-02T09:13:58.259Z", "updatedAt": "2026-01-02T09:13:58.259Z",
            });
            task.as_object_mut().expect("an object").extend(value.as_object().expect("an object").clone());
            serde_json::from_value::<Task>(task).expect("a task").needs_answer()
        };
        let choices = json!({"choices": [{"label": "Yes", "value": "yes"}]});
        assert!(!needs(json!({})));
        assert!(needs(json!({"type": "question"})) && needs(json!({"type": "approval", "status": "in_progress"})));
        assert!(needs(json!({"context": choices, "status": "completed"})) && needs(json!({"context": choices, "status": "odd"})));
        assert!(!needs(json!({"type": "approval", "status": "approved"})) && !needs(json!({"type": "question", "status": "completed"})));
        let answer = json!({"value": "yes", "answeredAt": "2026-01-02T09:13:58.259Z"});
        assert!(!needs(json!({"context": choices, "answer": answer})));
    }

    proptest! {
        #[test]
        fn any_words_survive(kind in ".{1,20}", status in ".{1,20}", name in "x[a-z]{1,8}", value in any::<i64>(), text in ".*") {
            let task = json!({
                "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": kind, "status": status, "title": text, "tags": [text],
                "context": {"output": text, &name: value, "choices": [{"label": text, "value": text, &name: [value]}]}, &name: {"deep": value},
                "createdAt": "2026-01-02T09:13:58.259Z", "updatedAt": "2026-01-02T09:13:58.259Z",
            });
            let read: Task = serde_json::from_value(task.clone()).expect("a task");
            prop_assert_eq!(serde_json::to_value(read).expect("JSON"), task);
        }
    }
}
