//! Whether what the page holds of a run's output is what the log has: its digest is carried on from the page's snapshot with each event,
//! and compared with the one that the run's end brings. Whether the log has what the program wrote is the server's to say
//! (`Run::verified`).

use crate::domain::{digest::OutputDigest, event::Output, snapshot::ConsoleSnapshot};

/// What the page's copy comes to.
#[derive(Debug)]
pub struct OwnCopy {
    bytes: u64,
    digest: Option<OutputDigest>,
    /// Whether the digest began with exact bytes. A text that stands for bytes that are none can still confirm, but not refute.
    exact: bool,
}

/// What is known of a copy of a run that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Nothing: the page has the end of a long output only, and got it when all was over.
    #[default]
    Unknown,
    /// It is what the log has.
    Verified,
    /// It was not, and was loaded anew.
    Mended,
    /// It is not, even loaded anew.
    Differs,
}

impl OwnCopy {
    /// What a page begins with.
    #[must_use]
    pub fn new(snapshot: &ConsoleSnapshot) -> Self {
        let bytes = snapshot.run.bytes;
        if let Some(so_far) = &snapshot.digest_so_far {
            return OwnCopy { bytes, digest: OutputDigest::take_up(so_far), exact: true };
        }
        let digest = (snapshot.text_start == 0).then(|| {
            let mut digest = OutputDigest::default();
            digest.update(snapshot.text.as_bytes());
            digest
        });
        OwnCopy { bytes, digest, exact: false }
    }

    /// The next output.
    pub fn push(&mut self, output: &Output) {
        let bytes = output.bytes();
        self.bytes += bytes.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(&bytes);
        }
    }

    /// Whether it is all of an output with that length and digest; none where that is not known.
    #[must_use]
    pub fn is(&self, bytes: u64, digest: &str) -> Option<bool> {
        let fits = self.bytes == bytes;
        match &self.digest {
            Some(own) if fits && own.finish() == digest => Some(true),
            Some(_) if self.exact => Some(false),
            _ => (!fits).then_some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{members::Read, run::Run, timestamp::Timestamp};
    use serde_json::json;

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn snapshot(text: &str, bytes: u64, text_start: u64, digest_so_far: Option<String>) -> ConsoleSnapshot {
        let run = Run::read(json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "taskId": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d", "requestId": "r",
            "runner": "shell", "prompt": "true", "status": "running", "exitCode": null, "createdAt": "2026-01-02T09:13:58.259Z",
            "startedAt": null, "endedAt": null, "events": 0, "bytes": bytes, "digest": null,
        }))
        .expect("a run");
        ConsoleSnapshot {
            cursor: "k-1".parse().expect("a cursor"),
            run,
            text: text.into(),
            text_start,
            sizes: Vec::new(),
            digest_so_far,
            input: None,
        }
    }

    fn begun(bytes: &[u8]) -> Option<String> {
        let mut digest = OutputDigest::default();
        digest.update(bytes);
        Some(digest.put_down())
    }

    fn output(text: &str, base64: Option<&str>) -> Output {
        Output { run: crate::domain::id::RunId(uuid::Uuid::nil()), text: text.into(), at: Timestamp(0), base64: base64.map(Into::into) }
    }

    #[test]
    fn what_arrived_whole_is_known_to_be() {
        let mut copy = OwnCopy::new(&snapshot("a", 1, 0, begun(b"a")));
        assert_eq!(copy.is(3, ABC), Some(false));
        copy.push(&output("b", None));
        copy.push(&output("\u{fffd}", Some("Yw==")));
        assert_eq!(copy.is(3, ABC), Some(true), "the exact bytes count, not the text");
    }

    #[test]
    fn another_text_of_the_same_length_is_not_it() {
        let mut copy = OwnCopy::new(&snapshot("", 0, 0, begun(b"")));
        copy.push(&output("abd", None));
        assert_eq!(copy.is(3, ABC), Some(false));
    }

    #[test]
    fn a_page_that_came_when_all_was_over_can_confirm_and_not_refute() {
        assert_eq!(OwnCopy::new(&snapshot("abc", 3, 0, None)).is(3, ABC), Some(true));
        assert_eq!(OwnCopy::new(&snapshot("\u{fffd}", 3, 0, None)).is(3, ABC), None, "a text for other bytes");
        assert_eq!(OwnCopy::new(&snapshot("c", 3, 2, None)).is(3, ABC), None, "the end alone");
    }

    #[test]
    fn without_a_digest_the_length_decides() {
        let copy = OwnCopy::new(&snapshot("", 2, 0, Some("nonsense".into())));
        assert_eq!((copy.is(3, ABC), copy.is(2, ABC)), (Some(false), None));
        let tail = OwnCopy::new(&snapshot("c", 3, 2, None));
        assert_eq!((tail.is(3, ABC), tail.is(4, ABC)), (None, Some(false)));
    }
}
