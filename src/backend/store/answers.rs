//! Answers: a task has at most one, for ever. Programs wait for it.

use super::{
    Store,
    error::{Conflict, Missing, StoreError},
    rows::find_task,
    tasks::put_and_log,
    writer::Group,
};
use crate::domain::{
    id::TaskId,
    limits,
    task::{Answer, Task},
    timestamp::Timestamp,
    visible_text::is_blank,
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What became of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer that stands.
    pub answer: Answer,
    /// The task with it.
    pub task: Task,
    /// Whether this was the first time that it was given.
    pub first: bool,
}

impl Store {
    /// Answers a task. The first answer stands; the same value again changes nothing.
    ///
    /// # Errors
    /// [`Conflict::Answered`] with the answer that stands, where it is another; [`StoreError::NotFound`]; [`StoreError::Invalid`].
    pub async fn answer_task(&self, id: TaskId, value: String, comment: Option<String>) -> Result<Answered, StoreError> {
        let comment = comment.filter(|comment| !is_blank(comment));
        limits::answer(&value, comment.as_deref())?;
        let answer = Answer { value, comment, answered_at: self.0.clock.now() };
        self.0.writer.write(move |group| Box::pin(give(group, id, answer))).await
    }

    /// Waits until the task is answered, at most `wait`; at once where it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also where the task is deleted meanwhile.
    pub async fn wait_for_answer(&self, id: TaskId, wait: Duration) -> Result<Option<Answer>, StoreError> {
        let until = Instant::now() + wait;
        // Watched before the task is read, so that an answer in between is not missed.
        let mut answers = self.0.hub.answers();
        loop {
            answers.borrow_and_update();
            let task = self.task(id).await?.ok_or(StoreError::NotFound(Missing::Task))?;
            if task.answer.is_some() {
                return Ok(task.answer);
            }
            match timeout_at(until, answers.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(StoreError::Closed),
                Err(_) => return Ok(None),
            }
        }
    }
}

async fn give(group: &mut Group, id: TaskId, answer: Answer) -> Result<Answered, StoreError> {
    let mut task = find_task(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Task))?;
    if let Some(standing) = task.answer.clone() {
        // A comment that is left out or is the same makes no other answer; another one would be lost silently.
        let same = standing.value == answer.value && (answer.comment.is_none() || standing.comment == answer.comment);
        return if same { Ok(Answered { answer: standing, task, first: false }) } else { Err(Conflict::Answered(standing).into()) };
    }
    // A form posts line breaks as CR LF, whatever the choice has.
    let posted = answer.value.replace("\r\n", "\n");
    let chosen = task.context.choices.iter().find(|choice| choice.value.replace("\r\n", "\n") == posted);
    let answer = Answer { value: chosen.map_or_else(|| answer.value.clone(), |choice| choice.value.clone()), ..answer };
    let at: Timestamp = answer.answered_at;
    task.answer = Some(answer.clone());
    task.updated_at = at;
    put_and_log(group, &task, at).await?;
    group.answered = true;
    Ok(Answered { answer, task, first: true })
}
