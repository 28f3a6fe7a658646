//! What may be stored: how long a text, how many tags. One place for the numbers, so that pages, API and store say the same; each
//! refusal names the field, its limit and what to do.

use super::{
    members::Read,
    task::{Choice, NewTask, Task, TaskContext, TaskPatch},
    visible_text::is_blank,
};
use serde_json::Value;

/// The longest title, in characters, once blanks around it are gone.
pub const TITLE_CHARS: usize = 200;
/// The longest prompt, in bytes.
pub const PROMPT_BYTES: usize = 256 * 1024;
/// The most tags that a task has.
pub const TAGS: usize = 32;
/// The longest tag, in characters.
pub const TAG_CHARS: usize = 64;
/// The longest request id, in characters.
pub const REQUEST_ID_CHARS: usize = 200;
/// The longest scope, in characters.
pub const SCOPE_CHARS: usize = 128;
/// The longest type, status or name of a person, in characters.
pub const WORD_CHARS: usize = 64;
/// The longest answer and the longest comment on it, in bytes.
pub const ANSWER_BYTES: usize = 16 * 1024;
/// The longest line that can be typed into a terminal, in bytes: a system's own limit is 4,096, and what is beyond it would be gone.
pub const TYPED_LINE_BYTES: usize = 4_000;
/// The most that can be typed at once, in bytes.
pub const TYPED_BYTES: usize = 64 * 1024;

/// A value that is not accepted: which one, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}: {advice}")]
pub struct Invalid {
    /// The member, as JSON names it.
    pub field: &'static str,
    /// What is wrong with it, with the limit.
    pub problem: String,
    /// What to do.
    pub advice: &'static str,
}

impl Invalid {
    /// Puts a refusal into words.
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>, advice: &'static str) -> Self {
        Invalid { field, problem: problem.into(), advice }
    }
}

fn chars(field: &'static str, text: &str, most: usize) -> Result<(), Invalid> {
    // A character has at most four bytes: a text of a megabyte is refused without being counted.
    let fits = text.len() <= most || (text.len() <= most * 4 && text.chars().count() <= most);
    if fits { Ok(()) } else { Err(Invalid::new(field, format!("is longer than {most} characters"), "shorten it")) }
}

fn bytes(field: &'static str, text: &str, most: usize, advice: &'static str) -> Result<(), Invalid> {
    if text.len() <= most { Ok(()) } else { Err(Invalid::new(field, format!("is longer than {} KiB", most / 1024), advice)) }
}

/// A title: one line that says something.
///
/// # Errors
/// It is blank or longer than [`TITLE_CHARS`].
pub fn title(text: &str) -> Result<(), Invalid> {
    let text = text.trim();
    if is_blank(text) {
        return Err(Invalid::new("title", "is blank", "say in a few words what the task is about"));
    }
    chars("title", text, TITLE_CHARS)
}

/// A prompt.
///
/// # Errors
/// It is blank or longer than [`PROMPT_BYTES`].
pub fn prompt(text: &str) -> Result<(), Invalid> {
    if is_blank(text) {
        return Err(Invalid::new("prompt", "is blank", "write what is to be done"));
    }
    bytes("prompt", text, PROMPT_BYTES, "put the long part into a file and name the file in the prompt")
}

/// The tags of a task.
///
/// # Errors
/// There are more than [`TAGS`], or one is blank or longer than [`TAG_CHARS`].
pub fn tags(tags: &[String]) -> Result<(), Invalid> {
    if tags.len() > TAGS {
        return Err(Invalid::new("tags", format!("are more than {TAGS}"), "keep those that the task is to be found by"));
    }
    for tag in tags {
        if is_blank(tag) {
            return Err(Invalid::new("tags", "hold a blank one", "leave it out"));
        }
        chars("tags", tag, TAG_CHARS)?;
    }
    Ok(())
}

/// A request id that the sender chose.
///
/// # Errors
/// It is blank or longer than [`REQUEST_ID_CHARS`].
pub fn request_id(text: &str) -> Result<(), Invalid> {
    if is_blank(text) {
        return Err(Invalid::new("requestId", "is blank", "leave it out or send a UUID"));
    }
    chars("requestId", text, REQUEST_ID_CHARS)
}

/// A scope; empty where there is none.
///
/// # Errors
/// It looks empty and is not, or is longer than [`SCOPE_CHARS`].
pub fn scope(text: &str) -> Result<(), Invalid> {
    if !text.is_empty() && is_blank(text) {
        return Err(Invalid::new("scope", "is blank", "leave it out or give it a word"));
    }
    chars("scope", text, SCOPE_CHARS)
}

/// A type, a status, or the name of whoever made a task or is asked.
///
/// # Errors
/// It is blank or longer than [`WORD_CHARS`].
pub fn word(field: &'static str, text: &str) -> Result<(), Invalid> {
    if is_blank(text) {
        return Err(Invalid::new(field, "is blank", "leave it out or give it a word"));
    }
    chars(field, text, WORD_CHARS)
}

/// An answer.
///
/// # Errors
/// It is blank, or it or its comment is longer than [`ANSWER_BYTES`].
pub fn answer(value: &str, comment: Option<&str>) -> Result<(), Invalid> {
    if is_blank(value) {
        return Err(Invalid::new("value", "is blank", "send the value of a choice, or a text"));
    }
    bytes("value", value, ANSWER_BYTES, "shorten it")?;
    bytes("comment", comment.unwrap_or_default(), ANSWER_BYTES, "shorten it")
}

/// The choices of a task: each has a value that can be answered.
///
/// # Errors
/// A value is blank or longer than [`ANSWER_BYTES`], which no answer may be.
pub fn choices(choices: &[Choice]) -> Result<(), Invalid> {
    const FIELD: &str = "context.choices";
    for choice in choices {
        if is_blank(&choice.value) {
            return Err(Invalid::new(FIELD, "hold one whose value is blank", "give each a value that can be answered"));
        }
        bytes(FIELD, &choice.value, ANSWER_BYTES, "shorten the value")?;
    }
    Ok(())
}

/// What is typed into a terminal.
///
/// # Errors
/// It is empty or longer than [`TYPED_BYTES`], or a line of it than [`TYPED_LINE_BYTES`].
pub fn typed(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("text", "is empty", "send what is to be typed; \\r is the Enter key"));
    }
    bytes("text", text, TYPED_BYTES, "put it into a file and name that")?;
    if text.split(['\r', '\n']).any(|line| line.len() > TYPED_LINE_BYTES) {
        let problem = format!("has a line of more than {TYPED_LINE_BYTES} bytes, which a terminal would cut");
        return Err(Invalid::new("text", problem, "break it, or put it into a file and name that"));
    }
    Ok(())
}

/// The size of a terminal, in cells.
///
/// # Errors
/// It is none that a console has.
pub fn terminal_size(columns: u16, rows: u16) -> Result<(), Invalid> {
    let fits = (2..=1_000).contains(&columns) && (1..=1_000).contains(&rows);
    if fits { Ok(()) } else { Err(Invalid::new("columns", "and rows are no terminal's size", "send 2 to 1000 columns and 1 to 1000 rows")) }
}

/// All of a task as it is posted.
///
/// # Errors
/// The first member that is not accepted.
pub fn new_task(task: &NewTask) -> Result<(), Invalid> {
    title(&task.title)?;
    tags(&task.tags)?;
    context(&task.context, |_| true)?;
    let words = [("type", &task.kind), ("status", &task.status), ("createdBy", &task.created_by), ("targetUser", &task.target_user)];
    words.into_iter().filter_map(|(field, text)| Some((field, text.as_deref()?))).try_for_each(|(field, text)| word(field, text))?;
    scope(task.scope.as_deref().unwrap_or_default())?;
    task.answer.as_ref().map_or(Ok(()), |given| answer(&given.value, given.comment.as_deref()))
}

/// Those members of a task's context that are new. What is stored already stays as it is: it may be older than a rule.
///
/// # Errors
/// The prompt or the request id is too long, the prompt is blank, or a choice cannot be answered.
fn context(context: &TaskContext, is_new: impl Fn(&str) -> bool) -> Result<(), Invalid> {
    if is_new("prompt") {
        context.prompt.as_deref().map_or(Ok(()), prompt)?;
    }
    if is_new("choices") {
        choices(&context.choices)?;
    }
    match is_new("requestId") {
        true => chars("context.requestId", context.request_id.as_deref().unwrap_or_default(), REQUEST_ID_CHARS),
        false => Ok(()),
    }
}

impl Task {
    /// The task with a change applied; its times stay as they are.
    ///
    /// # Errors
    /// A member is not accepted, or the context would no longer be one.
    pub fn patched(mut self, patch: TaskPatch) -> Result<Self, Invalid> {
        if let Some(text) = patch.title {
            title(&text)?;
            self.title = text.trim().to_owned();
        }
        if let Some(text) = patch.kind {
            word("type", &text)?;
            self.kind = text;
        }
        if let Some(text) = patch.status {
            word("status", &text)?;
            self.status = text;
        }
        if let Some(text) = patch.target_user {
            word("targetUser", &text)?;
            self.target_user = Some(text);
        }
        if let Some(list) = patch.tags {
            tags(&list)?;
            self.tags = list;
        }
        if let Some(text) = patch.scope {
            scope(&text)?;
            self.scope = Some(text).filter(|text| !text.is_empty());
        }
        if let Some(text) = patch.description {
            self.description = text;
        }
        if let Some(members) = patch.context {
            let refuse = |error: String| Invalid::new("context", format!("does not fit: {error}"), "send members of its kind");
            let mut whole = match serde_json::to_value(&self.context).map_err(|error| refuse(error.to_string()))? {
                Value::Object(whole) => whole,
                _ => serde_json::Map::new(),
            };
            let new: Vec<String> = members.keys().cloned().collect();
            for (name, value) in members {
                match value {
                    Value::Null => whole.remove(&name),
                    value => whole.insert(name, value),
                };
            }
            self.context = TaskContext::read(Value::Object(whole)).map_err(|error| refuse(error.to_string()))?;
            context(&self.context, |name| new.iter().any(|new| new == name))?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_count_characters_and_say_what_to_do() {
        assert_eq!(title(&"ä".repeat(TITLE_CHARS)), Ok(()));
        assert_eq!(title(&format!("  {}  ", "x".repeat(TITLE_CHARS))), Ok(()));
        let refused = title(&"ä".repeat(TITLE_CHARS + 1)).expect_err("too long");
        assert_eq!(refused.to_string(), "title is longer than 200 characters: shorten it");
        assert_eq!(title(" \t\n").expect_err("blank").field, "title");
        assert_eq!(prompt(&"x".repeat(PROMPT_BYTES)), Ok(()));
        assert!(prompt(&"x".repeat(PROMPT_BYTES + 1)).is_err() && prompt("\n ").is_err());
        assert_eq!(tags(&vec!["t".repeat(TAG_CHARS); TAGS]), Ok(()));
        assert!(tags(&vec!["t".into(); TAGS + 1]).is_err() && tags(&["t".repeat(TAG_CHARS + 1)]).is_err() && tags(&[" ".into()]).is_err());
        assert!(request_id("").is_err() && request_id(&"r".repeat(REQUEST_ID_CHARS + 1)).is_err());
        assert!(scope("").is_ok() && scope("\u{3164}").is_err() && scope(&"s".repeat(SCOPE_CHARS + 1)).is_err());
        assert!(answer("", None).is_err() && answer("yes", Some(&"c".repeat(ANSWER_BYTES + 1))).is_err());
    }

    #[test]
    fn blank_is_what_looks_blank_wherever_something_must_stand() {
        for blank in ["", " ", "\u{200b}", "\u{3164}", "\u{2800}", "\u{2066}\u{2069}", "\u{a0}\u{ad}"] {
            let choice = Choice { label: "L".into(), value: blank.into(), primary: false, extra: Default::default() };
            for (field, refused) in [
                ("title", title(blank)),
                ("prompt", prompt(blank)),
                ("tags", tags(&[blank.to_owned()])),
                ("requestId", request_id(blank)),
                ("createdBy", word("createdBy", blank)),
                ("value", answer(blank, None)),
                ("context.choices", choices(&[choice])),
            ] {
                assert_eq!(refused.expect_err("blank").field, field, "{blank:?}");
            }
            assert_eq!(scope(blank).is_err(), !blank.is_empty());
        }
    }

    #[test]
    fn what_was_stored_before_a_rule_can_still_be_changed() {
        let task: Task = serde_json::from_value(json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": "general", "status": "pending", "title": "T",
            "context": { "choices": [{"label": "Never", "value": ""}], "prompt": "\u{200b}" },
            "createdAt": "2026-01-02T09:13:58.259Z", "updatedAt": "2026-01-02T09:13:58.259Z",
        }))
        .expect("a task");
        let patch = |value| task.clone().patched(serde_json::from_value::<TaskPatch>(value).expect("a patch"));
        assert!(patch(json!({"status": "completed", "context": {"mood": "calm"}})).is_ok());
        for again in [json!({"context": {"choices": [{"label": "Never", "value": ""}]}}), json!({"context": {"prompt": "\u{200b}"}})] {
            assert!(patch(again.clone()).is_err(), "{again}");
        }
    }

    #[test]
    fn a_patch_merges_the_context_and_leaves_the_rest() {
        let task: Task = serde_json::from_value(json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": "general", "status": "pending", "title": "T", "tags": ["a"],
            "context": { "output": "<p>x</p>", "mood": "calm", "prompt": "do" },
            "createdAt": "2026-01-02T09:13:58.259Z", "updatedAt": "2026-01-02T09:13:58.259Z",
        }))
        .expect("a task");
        let patch = |value| serde_json::from_value::<TaskPatch>(value).expect("a patch");
        let done = task.clone().patched(patch(json!({"status": "odd", "context": {"mood": null, "output": "<p>y</p>", "n": 1}})));
        let done = done.expect("fits");
        assert_eq!((done.status.as_str(), done.title.as_str(), done.tags.len()), ("odd", "T", 1));
        assert_eq!(done.context.output.as_deref(), Some("<p>y</p>"));
        assert_eq!(done.context.prompt.as_deref(), Some("do"));
        assert_eq!(serde_json::to_value(&done.context.extra).expect("JSON"), json!({"n": 1}));
        for wrong in [json!({"context": {"choices": 3}}), json!({"title": " "}), json!({"status": ""}), json!({"tags": [""]})] {
            assert!(task.clone().patched(patch(wrong.clone())).is_err(), "{wrong}");
        }
    }
}
