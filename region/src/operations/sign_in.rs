//! Signing in to the console, and who is behind a cookie. A session points at its user or token, and what those may do is looked up each time:
//! disabling, deleting and expiring end it at once.

use common::{Secret, Timestamp};
use std::net::IpAddr;
use uuid::Uuid;

use super::OperationError;
use crate::{
    Region,
    auth::{
        Actor,
        password::Passwords,
        secret,
        throttle::{Subject, Throttle},
    },
    db::{
        Conn, DbError,
        console_sessions::{self as rows, HolderRow, SessionRow},
    },
};

/// Unused for this long, a session ends.
const IDLE: i64 = 12 * 3600 * 1_000_000;
/// It ends after this long in any case.
const LONGEST: i64 = 7 * 86_400 * 1_000_000;
/// How exactly the last use is known; so pages seldom write.
const GRAIN: i64 = 60 * 1_000_000;

/// What guards the way in, for the whole process.
#[derive(Clone, Default)]
pub struct Gate {
    pub passwords: Passwords,
    pub throttle: Throttle,
}

pub enum Claim {
    Password { name: String, password: Secret<String> },
    Token(Secret<String>),
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("this name and this password do not belong together")]
    WrongPassword,
    #[error("this token is unknown, expired or deleted")]
    WrongToken,
    #[error("too many wrong tries; wait {seconds} s")]
    Paused { seconds: i64 },
    #[error(transparent)]
    Operation(#[from] OperationError),
}

#[derive(Clone, Debug)]
pub struct Session {
    /// The hash that the row goes by.
    pub id: Vec<u8>,
    pub holder_kind: String,
    pub holder: Uuid,
    pub actor: Actor,
}

/// What the browser keeps; a fresh one at each sign-in, so that nobody can have planted it.
pub async fn sign_in(
    region: &Region,
    gate: &Gate,
    claim: Claim,
    from: Option<IpAddr>,
) -> Result<Secret<String>, SignInError> {
    let now = region.clock.now();
    let mut subjects: Vec<Subject> = from.into_iter().map(Subject::Address).collect();
    if let Claim::Password { name, .. } = &claim {
        subjects.push(Subject::Name(name.clone()));
    }
    if let Some(seconds) = gate.throttle.paused(&subjects, now) {
        return Err(SignInError::Paused { seconds });
    }
    let held = match claim {
        Claim::Password { name, password } => {
            let held = with_password(region, gate, (name, password)).await?;
            held.ok_or(SignInError::WrongPassword)
        }
        Claim::Token(secret) => {
            with_token(region, secret, now).await?.ok_or(SignInError::WrongToken)
        }
    };
    let (kind, holder) = match held {
        Ok(held) => held,
        Err(wrong) => {
            gate.throttle.wrong(&subjects, now);
            tracing::warn!(?from, %wrong, "a sign-in was refused");
            return Err(wrong);
        }
    };
    subjects.iter().for_each(|subject| {
        if matches!(subject, Subject::Name(_)) {
            gate.throttle.right(subject);
        }
    });
    let made = secret::make("");
    let cookie = made.secret().expect("just made").clone();
    let row = SessionRow {
        id: hash(cookie.expose()),
        holder_kind: kind.into(),
        holder: holder.id,
        address: from.map(|address| address.to_string()).unwrap_or_default(),
        created_at: now.micros(),
        seen_at: now.micros(),
    };
    let begin = move |conn: &mut Conn| {
        rows::delete_ended(conn, now.micros() - LONGEST, now.micros() - IDLE)?;
        rows::insert(conn, &row)
    };
    region.db.transaction(begin).await.map_err(OperationError::from)?;
    tracing::info!(actor = %holder.name, ?from, "signed in to the console");
    Ok(cookie)
}

async fn with_password(
    region: &Region,
    gate: &Gate,
    (name, password): (String, Secret<String>),
) -> Result<Option<(&'static str, HolderRow)>, OperationError> {
    let user = region.db.read(move |conn| rows::user_by_name(conn, &name)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone()).unwrap_or_default();
    let right = gate.passwords.matches(password, hash).await;
    Ok(user.filter(|user| right && !user.disabled).map(|user| ("user", user)))
}

/// Whose cookie this is, and until when it was good: None once that is over.
pub async fn find(region: &Region, cookie: &str) -> Result<Option<Session>, OperationError> {
    let (id, now) = (hash(cookie), region.clock.now());
    let wanted = id.clone();
    let found = region.db.read(move |conn| {
        let Some(row) = rows::find(conn, &wanted)? else { return Ok(None) };
        let holder = rows::holder(conn, &row.holder_kind, &row.holder)?;
        Ok::<_, DbError>(holder.map(|holder| (row, holder)))
    });
    let Some((row, holder)) = found.await? else { return Ok(None) };
    let over = row.created_at + LONGEST <= now.micros() || row.seen_at + IDLE <= now.micros();
    if over || holder.disabled || expired(&holder, now) {
        return Ok(None);
    }
    if row.seen_at + GRAIN <= now.micros() {
        let id = id.clone();
        region.db.transaction(move |conn| rows::touch(conn, &id, now.micros())).await?;
    }
    Ok(holder.role.parse().ok().map(|role| Session {
        id,
        holder_kind: row.holder_kind,
        holder: Uuid::from_slice(&row.holder).unwrap_or_default(),
        actor: Actor { name: holder.name, role },
    }))
}

pub async fn sign_out(region: &Region, session: &Session) -> Result<(), OperationError> {
    let id = session.id.clone();
    Ok(region.db.transaction(move |conn| rows::delete(conn, &id)).await?)
}

/// Of the same user or token, in every browser.
pub async fn sign_out_everywhere(region: &Region, session: &Session) -> Result<(), OperationError> {
    let holder = session.holder;
    Ok(region.db.transaction(move |conn| rows::delete_of_holder(conn, holder)).await?)
}

/// Where the same user or token is signed in.
pub async fn all(region: &Region, session: &Session) -> Result<Vec<SessionRow>, OperationError> {
    let holder = session.holder;
    Ok(region.db.read(move |conn| rows::of_holder(conn, holder)).await?)
}

fn expired(holder: &HolderRow, now: Timestamp) -> bool {
    holder.expires_at != 0 && holder.expires_at <= now.micros()
}

fn hash(cookie: &str) -> Vec<u8> {
    secret::hash(cookie).to_vec()
}

async fn with_token(
    region: &Region,
    token: Secret<String>,
    now: Timestamp,
) -> Result<Option<(&'static str, HolderRow)>, OperationError> {
    let hash = secret::hash(token.expose());
    let token = region.db.read(move |conn| rows::token_by_hash(conn, &hash)).await?;
    Ok(token.filter(|token| !expired(token, now)).map(|token| ("token", token)))
}
