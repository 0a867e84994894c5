#![doc = include_str!("../README.md")]

mod folder;
mod ses;

pub use folder::FolderMailer;
pub use ses::SesMailer;

use async_trait::async_trait;
use std::sync::Arc;

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    /// Plain text.
    pub text: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The deployment has no address to send from.
    #[error("this deployment sends no mail")]
    NotConfigured,
    /// It may go later.
    #[error("the mail could not be handed over: {0}")]
    Unavailable(String),
    /// It will not go: an address that is not verified, for example.
    #[error("the mail was refused: {0}")]
    Refused(String),
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// For deployments without an address to send from.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::NotConfigured)
    }
}

/// What sends mail from this address, or says that there is none.
pub fn sender(from: Option<String>, http: runtime::SignedHttp) -> Arc<dyn Mailer> {
    match from {
        Some(from) => Arc::new(SesMailer { http, from }),
        None => Arc::new(NoMailer),
    }
}

/// A text as one line: what could begin another header becomes a space.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
