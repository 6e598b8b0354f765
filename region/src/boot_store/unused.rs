//! What nothing names goes, but not at once: racks may still fetch what they were told of before, and a push may be about to name it.

use common::Timestamp;
use plan::boot_file::Sha256;
use std::{collections::HashSet, path::Path, time::Duration};
use tokio::fs;

use super::{Claim, INCOMING, Received, Store, StoreError, UNUSED, failed, remove};

/// How long content stays that nothing names.
const UNUSED_FOR_MICROS: i64 = 3600 * 1_000_000;
/// How long a part waits for the push that goes on with it.
const BROKEN_FOR: Duration = Duration::from_secs(86_400);

impl Store {
    /// What nothing named an hour ago and now. To be looked at once more, under a claim, before it is forgotten.
    pub async fn long_unused(
        &self,
        named: &HashSet<Sha256>,
        now: Timestamp,
    ) -> Result<Vec<Sha256>, StoreError> {
        for content in contents(&self.folder.join(UNUSED)).await? {
            if named.contains(&content) {
                remove(&self.unused(content)).await?;
            }
        }
        let mut found = Vec::new();
        for content in contents(&self.folder).await? {
            if named.contains(&content) {
                continue;
            }
            match self.unused_since(content).await {
                Some(since) if since.shifted(UNUSED_FOR_MICROS) <= now => found.push(content),
                Some(since) if since <= now => {}
                // No mark, or one that a clock made which has gone back since.
                Some(_) | None => self.mark_unused(content, now).await?,
            }
        }
        Ok(found)
    }

    /// Forgets it, unless somebody has a claim on it or is about to name it.
    pub async fn claim_unused(&self, content: Sha256) -> Result<Option<Claim>, StoreError> {
        let Some(claim) = self.try_claim(content).await? else { return Ok(None) };
        if self.unused_since(content).await.is_some() {
            return Ok(Some(claim));
        }
        claim.release().await?;
        Ok(None)
    }

    /// Forgets parts that no push went on with; how many.
    pub async fn forget_broken(&self) -> Result<usize, StoreError> {
        let mut gone = 0;
        for content in contents(&self.folder.join(INCOMING)).await? {
            let Some(claim) = self.try_claim(content).await? else { continue };
            let age = claim.last_written().await.and_then(|at| at.elapsed().ok());
            match claim.received() {
                Received::Part(some) if some > 0 && age.is_none_or(|age| age < BROKEN_FOR) => {}
                Received::Part(_) => {
                    claim.forget().await?;
                    gone += 1;
                }
                // Of a push that came too late.
                Received::Whole(_) => claim.release().await?,
            }
        }
        Ok(gone)
    }

    async fn unused_since(&self, content: Sha256) -> Option<Timestamp> {
        let text = fs::read_to_string(self.unused(content)).await.ok()?;
        text.parse().ok().map(Timestamp::from_micros)
    }

    async fn mark_unused(&self, content: Sha256, now: Timestamp) -> Result<(), StoreError> {
        let path = self.unused(content);
        let written = fs::write(&path, now.micros().to_string()).await;
        written.map_err(|source| failed("written", &path, source))
    }
}

/// What lies in a folder under the name of content.
async fn contents(folder: &Path) -> Result<Vec<Sha256>, StoreError> {
    let read = |source| failed("read", folder, source);
    let (mut entries, mut found) = (fs::read_dir(folder).await.map_err(read)?, Vec::new());
    while let Some(entry) = entries.next_entry().await.map_err(read)? {
        found.extend(entry.file_name().to_str().and_then(|name| name.parse::<Sha256>().ok()));
    }
    Ok(found)
}
