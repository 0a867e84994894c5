//! Mail as files, one each.

use crate::{Mail, MailError, Mailer, line};
use async_trait::async_trait;
use runtime::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder that mail goes to.
#[derive(Clone)]
pub struct FolderMailer {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    sent: Arc<AtomicU64>,
}

impl std::fmt::Debug for FolderMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FolderMailer").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl FolderMailer {
    /// The folder is made with the first mail.
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock, sent: Arc::default() }
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let unavailable = |error: std::io::Error| MailError::Unavailable(error.to_string());
        std::fs::create_dir_all(&self.folder).map_err(unavailable)?;
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        // By time, so that a listing shows them in order.
        let path = self.folder.join(format!("{:013}-{number:04}.eml", self.clock.now().0));
        let text = format!("To: {}\nSubject: {}\n\n{}\n", line(&mail.to), line(&mail.subject), mail.text);
        std::fs::write(&path, text).map_err(unavailable)?;
        tracing::info!(mail.file = %path.display(), mail.subject = %mail.subject, "a mail was written");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_mail_is_a_file_whose_headers_cannot_be_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = FolderMailer::new(folder.path().join("mail"), Arc::new(runtime::SystemClock));
        let mail = Mail {
            to: "ada@example.com\nBcc: eve@example.com".into(),
            subject: "Hello\r\nX: y".into(),
            text: "first\nsecond".into(),
        };
        mailer.send(&mail).await.unwrap();
        mailer.send(&mail).await.unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(folder.path().join("mail")).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 2);
        let text = std::fs::read_to_string(&files[0]).unwrap();
        let expected = "To: ada@example.com Bcc: eve@example.com\nSubject: Hello  X: y\n\nfirst\nsecond\n";
        assert_eq!(text, expected);
    }
}
