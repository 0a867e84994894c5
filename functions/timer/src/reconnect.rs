//! Telling somebody that a connection must be made anew.

use crate::{App, TickError};
use domain::connection::ConnectionStatus;
use domain::{ConnectionId, Millis};
use futures::future::{Either, select};
use mailer::{Mail, MailError};
use std::time::Duration;
use store::DueEntry;
use tracing::{error, info};

/// For so long it is tried to hand a mail over.
const PATIENCE: Duration = Duration::from_hours(24);
/// For so long one attempt at it may take: everything else that is due waits meanwhile.
const HANDED_OVER: Duration = Duration::from_secs(5);

/// Tells whoever agreed last, if it still is so; whether that is over, and the entry with it.
pub(crate) async fn tell(app: &App, entry: &DueEntry, now: Millis) -> Result<bool, TickError> {
    let Ok(id) = ConnectionId::parse(&entry.strand) else { return Ok(true) };
    let Some(kept) = app.connections.connection(&entry.org, &id).await? else { return Ok(true) };
    let connection = kept.connection;
    if connection.status != ConnectionStatus::NeedsReconnect {
        return Ok(true);
    }
    let Some(to) = connection.authorized_by else { return Ok(true) };
    let reason = connection.reason.unwrap_or_default();
    let mail = Mail {
        to,
        subject: format!("The connection {} must be made anew", connection.name),
        text: format!(
            "The app {} no longer accepts what you agreed to for the connection {} ({id}):\n\n  {reason}\n\n\
             Steps that use it fail until somebody authorizes it again.\n",
            connection.connector, connection.name
        ),
    };
    let sent = match select(app.mailer.send(&mail), app.clock.sleep(HANDED_OVER)).await {
        Either::Left((sent, _)) => sent,
        // It may have gone all the same: to be told twice is better than not at all.
        Either::Right(_) => {
            Err(MailError::Unavailable(format!("no answer within {} s", HANDED_OVER.as_secs())))
        }
    };
    match sent {
        Ok(()) => {
            info!(connection.id = %id, "somebody was told that a connection must be made anew");
            Ok(true)
        }
        // Its status says it, to whoever looks.
        Err(MailError::NotConfigured) => Ok(true),
        Err(MailError::Unavailable(_)) if entry.time().until(now) < PATIENCE => Ok(false),
        Err(error) => {
            error!(connection.id = %id, %error, "nobody could be told that a connection must be made anew");
            Ok(true)
        }
    }
}
