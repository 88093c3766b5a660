//! Whose database it is: the master's that has loaded it last. Another one's commits fail from then on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mongodb::ClientSession;
use mongodb::bson::{Document, doc};

use super::{ANSWER, COLLECTIONS, MongoStore, Refusal, SETTINGS, refused, within};
use crate::store::StoreError;

/// The setting that says whose database it is.
pub(super) const CLAIM: &str = "master";

/// How long a master that starts waits for the last one's commit to end: servers end a transaction after a minute.
const TAKE_OVER: Duration = Duration::from_secs(75);

impl MongoStore {
    /// Makes this the master whose database it is, before anything is read: another one's commits fail from here on.
    pub(super) async fn take_over(&self) -> Result<(), StoreError> {
        let settings = self.database.collection::<Document>(COLLECTIONS[SETTINGS].0);
        let find = settings.find_one(doc! { "_id": CLAIM });
        let before = within(ANSWER, find).await?.map_err(|error| refused(&error))?;
        if let Some(session) = before.as_ref().and_then(|claim| claim.get_document("session").ok()) {
            // A master that was killed in a commit has left a transaction open, which would hold this one up for a minute. Who may not
            // end it has to wait for that long.
            let end = doc! { "killSessions": [{ "id": session.get("id").cloned() }] };
            let ended = within(ANSWER, self.database.run_command(end)).await?;
            if let Err(error) = ended {
                tracing::debug!(%error, "the last master's session cannot be ended");
            }
        }
        let mut claim = doc! { "value": &self.claim, "commits": 0_i64 };
        if let Some(session) = &self.session {
            claim.insert("session", session.lock().await.id().clone());
        }
        // One that is not answered must not come into force later.
        let command = doc! {
            "update": COLLECTIONS[SETTINGS].0,
            "updates": [{ "q": { "_id": CLAIM }, "u": { "$set": claim }, "upsert": true }],
            "writeConcern": { "w": "majority", "j": true },
            "maxTimeMS": 8000,
        };
        let until = tokio::time::Instant::now() + TAKE_OVER;
        loop {
            match within(ANSWER, self.database.run_command(command.clone())).await? {
                Ok(_) => break,
                Err(error) if tokio::time::Instant::now() < until => {
                    tracing::warn!(%error, "the database is another master's still; waiting");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(refused(&error)),
            }
        }
        self.claimed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Fails if another master has taken this database over. In a transaction it writes, too, so that of two at a time one fails.
    pub(super) async fn check_claim(&self, session: Option<&mut ClientSession>) -> Result<(), Refusal> {
        if !self.claimed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let settings = self.database.collection::<Document>(COLLECTIONS[SETTINGS].0);
        let mine = doc! { "_id": CLAIM, "value": &self.claim };
        let update = settings.update_one(mine, doc! { "$inc": { "commits": 1_i64 } });
        let updated = match session {
            Some(session) => update.session(session).await?,
            None => update.await?,
        };
        if updated.matched_count == 1 { Ok(()) } else { Err(Refusal::TakenOver) }
    }
}
