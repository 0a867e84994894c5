//! What an earlier version wrote must be readable for ever: messages are in flight and journals are half done while a deployment
//! goes on (protocol rule 2). A file here is never changed; a new format adds its own.

use dispatch::StepMessage;
use domain::Millis;
use domain::run::{Entry, Mark, RunStatus};

#[test]
fn a_step_message_of_version_1_is_read() {
    let message = StepMessage::decode(include_str!("golden/step-message.v1.json")).unwrap();
    let at = message.at.clone().unwrap();
    assert_eq!((at.path.as_str(), at.attempt, message.again), ("hot.tell", 2, false));
    assert_eq!(message.context.as_ref().unwrap().clock, Millis(1_795_296_768_866));
    assert_eq!(message.context.as_ref().unwrap().scope()["steps"]["person"]["name"], "Ada");
    assert_eq!(message.pending[1].mark, Mark::Took(Some(0)));
    assert_eq!(
        message.encode(),
        include_str!("golden/step-message.v1.json").trim_end(),
        "and is still written like this"
    );
}

#[test]
fn a_journal_of_version_1_is_read() {
    let text = include_str!("golden/journal.v1.json");
    let entries: Vec<Entry> = serde_json::from_str(text).unwrap();
    let marks: Vec<&Mark> = entries.iter().map(|e| &e.mark).collect();
    assert!(matches!(marks[0], Mark::Succeeded(_)));
    assert!(matches!(marks[1], Mark::Took(None)));
    assert!(
        matches!(marks[2], Mark::Retrying { error, next_at: Millis(1003) } if error.retry_after_ms == Some(1000))
    );
    assert!(matches!(marks[3], Mark::Failed(_)));
    assert!(matches!(marks[4], Mark::Waiting { until: Millis(5000) }));
    assert!(matches!(marks[5], Mark::Stopped { status: RunStatus::Failed, .. }));
}
