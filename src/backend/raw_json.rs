//! A task as the JSON that a person reads on its page: indented, with what is hidden made visible, and bounded.

use crate::domain::{task::Task, visible_text::visible_json};
use std::io;

/// How many bytes of it a page carries. Indentation makes deeply nested JSON some hundred times as large as it was sent.
const MOST: usize = 256 << 10;

/// The JSON; where it is longer than a page carries, its beginning and where the rest is.
///
/// # Errors
/// Where the task cannot be written as JSON.
pub fn raw_json(task: &Task) -> serde_json::Result<String> {
    let mut written = Bounded::default();
    match serde_json::to_writer_pretty(&mut written, task) {
        Ok(()) => Ok(visible_json(&String::from_utf8_lossy(&written.text))),
        Err(_) if written.is_full => {
            let end = String::from_utf8_lossy(&written.text).trim_end_matches('\u{fffd}').len();
            let beginning = String::from_utf8_lossy(&written.text[..end]);
            Ok(format!("{}\n… and more than a page can show: GET /api/v1/tasks/{} gives all of it", visible_json(&beginning), task.id))
        }
        Err(error) => Err(error),
    }
}

#[derive(Default)]
struct Bounded {
    text: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let fits = more.len().min(MOST - self.text.len());
        self.text.extend_from_slice(&more[..fits]);
        if fits < more.len() {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(more: &serde_json::Value) -> Task {
        let at = "2026-01-02T09:13:58.259Z";
        let task = json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "type": "odd", "status": "new", "title": "T", "context": {"more": more}, "tags": [],
            "createdAt": at, "updatedAt": at,
        });
        serde_json::from_value(task).expect("a task")
    }

    #[test]
    fn it_is_bounded_however_deep_the_task_is() {
        let short = raw_json(&task(&json!(["a\u{202e}"]))).expect("writes");
        assert!(short.ends_with("\n}") && short.contains("\\u202e"), "{short}");
        let nested = (0..100).fold(json!(vec![1; 100_000]), |inner, _| json!([inner]));
        for long in [nested, json!("日".repeat(400_000)), json!(format!("x{}", "日".repeat(400_000)))] {
            let long = raw_json(&task(&long)).expect("writes");
            assert!(long.len() < MOST + 200 && long.contains("GET /api/v1/tasks/019d0c5e"), "{}", long.len());
            assert!(!long.contains('\u{fffd}'));
        }
    }
}
