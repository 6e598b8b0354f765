//! Passwords: kept as argon2id, judged by length alone, checked away from the async threads.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use common::{Refusal, Secret};
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// Each check takes 19 MiB and a core for some tens of milliseconds; strangers can ask for them.
const AT_ONCE: usize = 2;
const SHORTEST: usize = 12;
/// Nobody types more, and hashing it is work that a stranger could ask for.
const LONGEST: usize = 256;

#[derive(Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    pub async fn matches(&self, password: Secret<String>, hash: String) -> bool {
        self.work(move || {
            // A name that has no password takes as long as one that has.
            let known = PasswordHash::new(&hash).is_ok();
            let hash = if known { hash.as_str() } else { NOBODYS.as_str() };
            let parsed = PasswordHash::new(hash).expect("ours, or looked at above");
            let right =
                Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok();
            known && right
        })
        .await
    }

    /// In PHC form.
    pub async fn hash(&self, password: Secret<String>) -> String {
        self.work(move || hash(password.expose())).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _turn = self.0.acquire().await.expect("nobody closes it");
        tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
    }
}

pub fn judge(password: &str) -> Result<(), Refusal> {
    if password.chars().count() < SHORTEST {
        return Err(Refusal::new(format!("must have at least {SHORTEST} characters")));
    }
    if password.len() > LONGEST {
        return Err(Refusal::new(format!("must be at most {LONGEST} bytes")));
    }
    Ok(())
}

static NOBODYS: LazyLock<String> = LazyLock::new(|| hash("of nobody"));

fn hash(password: &str) -> String {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).expect("the system has randomness");
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("the parameters are the library's own");
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_and_nothing_else() {
        let passwords = Passwords::default();
        let secret = |text: &str| Secret::new(text.to_owned());
        let hash = passwords.hash(secret("correct horse battery")).await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (password, hash, expected) in [
            ("correct horse battery", hash.as_str(), true),
            ("Correct horse battery", &hash, false),
            ("", &hash, false),
            ("of nobody", "", false),
            ("anything", "no hash", false),
        ] {
            assert_eq!(passwords.matches(secret(password), hash.into()).await, expected);
        }
    }

    #[test]
    fn only_its_length_is_judged() {
        for (password, good) in
            [("twelve chars", true), ("eleven char", false), ("äöüäöüäöüäöü", true), ("", false)]
        {
            assert_eq!(judge(password).is_ok(), good, "{password}");
        }
        assert!(judge(&"a".repeat(LONGEST + 1)).is_err());
    }
}
