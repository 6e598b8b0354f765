//! What only racks do: join, renew, be revoked.

use common::{RackId, Refusal, Secret, Timestamp};
use plan::{Rack, RackToken};
use proto::v1;
use std::{sync::Arc, time::Duration};

use super::{Changed, OperationError, Tx, audit};
use crate::{
    Region,
    auth::{
        Actor, Role, Verb, authorise,
        authority::{Authority, AuthorityError, Issued},
        identity::RackIdentity,
        secret,
    },
    db::{
        Clash, Conn, DbError,
        certificates::{self, Standing},
        condition::Condition,
        names,
        stored::{Query, Saved, Stored},
    },
    events::{self, NewEvent},
    resources::Resource,
};

/// A rack's request to be let in.
#[derive(Clone, Debug)]
pub struct Joining {
    pub secret: Secret<String>,
    pub signing_request: Vec<u8>,
    /// What it would like to be called, where the token does not say.
    pub name: String,
    pub version: String,
    /// Where it comes from.
    pub address: String,
}

/// Who signs, and for how long.
#[derive(Clone)]
pub struct Signing {
    pub authority: Arc<Authority>,
    pub lifetime: Duration,
}

impl Signing {
    /// Of a certificate that is signed now: they end on whole seconds.
    fn end(&self, now: Timestamp) -> Timestamp {
        let seconds = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_seconds(now.seconds().saturating_add(seconds))
    }
}

pub struct Joined {
    pub rack: RackId,
    pub name: String,
    pub issued: Issued,
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("this is no join token of this region, or it was deleted")]
    UnknownToken,
    #[error("this join token {0}; ask for a new one: hostler rack token create")]
    Unusable(&'static str),
    #[error("a rack called {0} has joined before; delete it, or give the token another name")]
    Taken(String),
    #[error("name: {value:?} {rule}; give the token a name: hostler rack token create --name NAME")]
    Name { value: String, rule: String },
    #[error("this certificate was revoked or replaced meanwhile")]
    NotGood,
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl From<DbError> for JoinError {
    fn from(error: DbError) -> Self {
        Self::Operation(error.into())
    }
}

impl Clash for JoinError {
    fn is_clash(&self) -> bool {
        matches!(self, Self::Operation(error) if error.is_clash())
    }
}

/// Who acts when nobody asked: region itself.
pub(crate) fn system() -> Actor {
    Actor { name: "region".into(), role: Role::Admin }
}

/// A rack as the one who did something; it may do nothing of an operator's.
pub(crate) fn actor(rack: RackId) -> Actor {
    Actor { name: format!("rack {rack}"), role: Role::Viewer }
}

/// One transaction: the token is used, the rack is there, its certificate is known; or nothing.
pub async fn join(
    region: &Region,
    joining: Joining,
    signing: Signing,
) -> Result<Joined, JoinError> {
    write(region, system(), move |tx| join_in(tx, &joining, &signing)).await
}

fn join_in(tx: &mut Tx<'_>, joining: &Joining, signing: &Signing) -> Result<Joined, JoinError> {
    let token = token(tx, joining)?;
    let name = match &token.value.name {
        Some(name) => name.clone(),
        None => joining.name.parse().map_err(|refusal: Refusal| JoinError::Name {
            value: joining.name.clone(),
            rule: refusal.0,
        })?,
    };
    if names::find(tx.conn, Rack::TABLE, &name.to_string())?.is_some() {
        return Err(JoinError::Taken(name.to_string()));
    }
    let rack = Rack {
        version: joining.version.clone(),
        address: joining.address.clone(),
        certificate_expires: Some(signing.end(tx.now)),
        ..Rack::new(name.clone())
    };
    let detail = format!("from {} with {}", joining.address, token.key);
    let rack = super::adopt(tx, rack, "rack.joined", &detail)?;
    let id: RackId = rack.id.cast();
    let request = &joining.signing_request;
    let issued = signing.authority.sign_rack(id, request, signing.lifetime, tx.now)?;
    certificates::record(tx.conn, id, &issued, tx.now)?;
    let now = tx.now;
    super::observe::<RackToken>(tx, token.id, "rack-token.updated", "used", |token| {
        token.used_at = Some(now);
        token.used_by = name.to_string();
    })?;
    Ok(Joined { rack: id, name: name.to_string(), issued })
}

/// The token of this secret, locked, so that two machines cannot use it at once.
fn token(tx: &mut Tx<'_>, joining: &Joining) -> Result<Saved<RackToken>, JoinError> {
    let hash = secret::hash(joining.secret.expose());
    let by_secret = || Query::all(vec![Condition::equal("secret", hash.to_vec())]);
    let found = RackToken::load(tx.conn, by_secret())?.pop().ok_or(JoinError::UnknownToken)?;
    names::lock(tx.conn, vec![(RackToken::TABLE, found.id.uuid())])?;
    let token = RackToken::load(tx.conn, by_secret())?.pop().ok_or(JoinError::UnknownToken)?;
    match token.value.unusable(tx.now) {
        Some(why) => Err(JoinError::Unusable(why)),
        None => Ok(token),
    }
}

pub async fn renew(
    region: &Region,
    identity: RackIdentity,
    request: Vec<u8>,
    signing: Signing,
) -> Result<Issued, JoinError> {
    let RackIdentity { rack, serial, .. } = identity;
    write(region, actor(rack), move |tx| {
        // Locked before it is looked at: whoever revokes at this moment goes first and is seen, or waits and revokes the new certificate too.
        names::lock(tx.conn, vec![(Rack::TABLE, rack.uuid())])?;
        match certificates::standing(tx.conn, rack, &serial)? {
            Standing::Good | Standing::Unused => {}
            Standing::Replaced | Standing::Unknown | Standing::Revoked => {
                return Err(JoinError::NotGood);
            }
        }
        let issued = signing.authority.sign_rack(rack, &request, signing.lifetime, tx.now)?;
        certificates::record(tx.conn, rack, &issued, tx.now)?;
        super::observe::<Rack>(tx, rack.cast(), "rack.renewed", "", |rack| {
            rack.certificate_expires = Some(issued.not_after);
        })?;
        Ok(issued)
    })
    .await
}

/// As `Region::write`, with an error that says more.
async fn write<T: Send + 'static>(
    region: &Region,
    actor: Actor,
    mut work: impl FnMut(&mut Tx<'_>) -> Result<T, JoinError> + Send + 'static,
) -> Result<T, JoinError> {
    let now = region.clock.now();
    let work = move |conn: &mut Conn| work(&mut Tx { conn, actor: &actor, now, cursor: None });
    let done = region.db.transaction(work).await?;
    region.log.ring();
    Ok(done)
}

/// No certificate of the rack is good any more, in any region: those that hold its stream hear it from the log and cut it.
pub fn revoke(tx: &mut Tx<'_>, id: &str, write: &v1::Write) -> Result<v1::Rack, OperationError> {
    authorise(tx.actor, Rack::NOUN, Verb::Revoke)?;
    let request = audit::Request::new(Rack::NOUN, Verb::Revoke, &[id.as_bytes()], write);
    if let Some(answer) = request.earlier_answer(tx)? {
        return Ok(answer);
    }
    // Locked: a renewal of the same moment is over, or sees this.
    let Changed { saved, before, after } =
        super::changed::<Rack>(tx, id, write, |rack| rack.revoked = true)?;
    if before.revoked {
        return Ok(before);
    }
    if !write.validate_only {
        certificates::revoke(tx.conn, saved.id.cast(), tx.now)?;
        Rack::update(tx.conn, &saved)?;
        request.record(tx, &saved, Some(&before), Some(&after))?;
    }
    Ok(after)
}

/// The rack shows this certificate for the first time, so it has it on its disk, and whoever shows an older one is a copy of the rack or a thief. Until then
/// the older one is good: a rack that stops between its renewal and this comes back with that.
pub async fn begin_use(
    region: &Region,
    identity: &RackIdentity,
) -> Result<Standing, OperationError> {
    let RackIdentity { rack, serial, .. } = identity.clone();
    let actor = actor(rack);
    region
        .write(&actor, move |tx| {
            names::lock(tx.conn, vec![(Rack::TABLE, rack.uuid())])?;
            let standing = certificates::standing(tx.conn, rack, &serial)?;
            if standing != Standing::Unused {
                return Ok(standing);
            }
            if certificates::begin_use(tx.conn, rack, &serial, tx.now)? > 0 {
                let known_as = key(tx, rack)?;
                let detail = format!("certificate {serial} is in use; older ones are refused");
                tell(tx, "rack.certificate-replaced", Some((rack, &known_as)), &detail)?;
            }
            Ok(Standing::Good)
        })
        .await
}

/// Whether a rack with this certificate is let in.
pub async fn standing(
    region: &Region,
    identity: &RackIdentity,
) -> Result<Standing, OperationError> {
    let identity = identity.clone();
    region
        .read(&system(), move |tx| {
            let known = Rack::find(tx.conn, identity.rack.cast())?;
            match known {
                None => Ok(Standing::Unknown),
                Some(_) => Ok(certificates::standing(tx.conn, identity.rack, &identity.serial)?),
            }
        })
        .await
}

pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Saved<Rack>>, OperationError> {
    Ok(Rack::load(tx.conn, Query::all(Vec::new()))?)
}

/// What people call a rack.
pub(crate) fn key(tx: &mut Tx<'_>, rack: RackId) -> Result<String, OperationError> {
    find(tx, rack).map(|saved| saved.key)
}

/// Its stream is open; what people call it.
pub(crate) fn connected(
    tx: &mut Tx<'_>,
    rack: RackId,
    version: &str,
    address: &str,
) -> Result<String, OperationError> {
    let now = tx.now;
    let seen = super::observe::<Rack>(tx, rack.cast(), "rack.connected", address, |rack| {
        rack.connected = true;
        rack.version = version.into();
        rack.address = address.into();
        rack.last_seen = Some(now);
    })?;
    seen.map_or_else(|| key(tx, rack), |saved| Ok(saved.key))
}

pub(crate) fn disconnected(tx: &mut Tx<'_>, rack: RackId) -> Result<(), OperationError> {
    // It may have been deleted: then its stream ended for that.
    if Rack::find(tx.conn, rack.cast())?.is_some() {
        let now = tx.now;
        super::observe::<Rack>(tx, rack.cast(), "rack.disconnected", "", |rack| {
            rack.connected = false;
            rack.last_seen = Some(now);
        })?;
    }
    Ok(())
}

fn find(tx: &mut Tx<'_>, rack: RackId) -> Result<Saved<Rack>, OperationError> {
    let gone = || OperationError::NotFound { noun: Rack::NOUN, id: rack.to_string() };
    Rack::find(tx.conn, rack.cast())?.ok_or_else(gone)
}

/// An event that is no change of a resource.
pub(crate) fn tell(
    tx: &mut Tx<'_>,
    event: &str,
    about: Option<(RackId, &str)>,
    detail: &str,
) -> Result<(), OperationError> {
    let actor = tx.actor.name.clone();
    let plain = NewEvent::plain(tx.now, event, &actor, detail);
    let (object, key) = about.map_or((None, ""), |(rack, key)| (Some(rack.uuid()), key));
    // Without a kind, since the rack itself has not changed.
    events::append(tx.conn, &NewEvent { object, key, ..plain })?;
    Ok(())
}

/// Somebody was not let in.
pub async fn note_refusal(
    region: &Region,
    rack: Option<RackId>,
    detail: String,
) -> Result<(), OperationError> {
    region
        .write(&system(), move |tx| {
            let known = rack.map(|rack| (rack, key(tx, rack).unwrap_or_default()));
            let about = known.as_ref().map(|(rack, key)| (*rack, key.as_str()));
            tell(tx, "rack.join-refused", about, &detail)
        })
        .await
}
