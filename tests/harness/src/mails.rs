//! Mail that is kept, or refused.

use async_trait::async_trait;
use mailer::{Mail, MailError, Mailer};
use std::sync::{Mutex, PoisonError};

/// A mailer that keeps what it is given.
#[derive(Debug, Default)]
pub struct Mails {
    sent: Mutex<Vec<Mail>>,
    /// How many times it is out of order first.
    fails: Mutex<u32>,
}

impl Mails {
    /// What was sent since this was last asked.
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn fail(&self, times: u32) {
        *self.fails.lock().unwrap_or_else(PoisonError::into_inner) = times;
    }
}

#[async_trait]
impl Mailer for Mails {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let mut fails = self.fails.lock().unwrap_or_else(PoisonError::into_inner);
        if *fails > 0 {
            *fails -= 1;
            return Err(MailError::Unavailable("a test wants it so".to_owned()));
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
        Ok(())
    }
}
