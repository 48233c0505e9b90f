//! Sending into a channel for no longer than so long. It is here, and not with the channel, as it needs a clock.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::sync::mpsc::Sender;
use crate::sync::mpsc::error::SendTimeoutError;

impl<T> Sender<T> {
    /// As [`send`](Self::send), for no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the value back when there was no room in time, or the channel is closed.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with time.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::sync::mpsc::{self, error::SendTimeoutError};
    /// use std::time::Duration;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, receiver) = mpsc::channel(1);
    /// sender.send_timeout(1, Duration::from_secs(1)).await.unwrap();
    /// let result = sender.send_timeout(2, Duration::from_secs(1)).await;
    /// assert_eq!(result, Err(SendTimeoutError::Timeout(2)));
    /// drop(receiver);
    /// let result = sender.send_timeout(3, Duration::from_secs(1)).await;
    /// assert_eq!(result, Err(SendTimeoutError::Closed(3)));
    /// # });
    /// ```
    pub async fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        match super::timeout(timeout, self.reserve()).await {
            Ok(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
            Ok(Err(_)) => Err(SendTimeoutError::Closed(value)),
            Err(_) => Err(SendTimeoutError::Timeout(value)),
        }
    }
}
