use common::{
    report::LeaseState,
    request::{Answer, Request},
};
use plan::{Lease, Rack};
use proto::v1;
use std::time::Duration;

use super::super::{OperationError, Tx, audit, expect, find, request::ask, show};
use crate::{
    Region,
    auth::{Actor, Verb, authorise},
    db::stored::{Saved, Stored},
    dispatch::AskError,
    resources::Resource,
};

/// A rack answers from its memory; more than this is a rack that does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Asks the rack that gave the lease to end it. What became of it comes as a fact, like any other end; who asked, and why, is in the audit trail once the
/// rack has said that it is done.
pub async fn release(
    region: &Region,
    actor: &Actor,
    id: &str,
    write: &v1::Write,
) -> Result<(), OperationError> {
    let (of, as_asked) = (id.to_owned(), write.clone());
    let Some(lease) = region.read(actor, move |tx| wanted(tx, &of, &as_asked)).await? else {
        return Ok(());
    };
    let (Some(rack), Some(vlan)) = (lease.value.rack, lease.value.vlan) else {
        return Err(AskError::Unreachable.into());
    };
    let asked = Request::ReleaseLease { vlan: vlan.cast(), address: lease.value.address };
    match ask(region, rack.cast(), asked, ANSWER_WITHIN).await? {
        Answer::Done => {
            let (id, write) = (id.to_owned(), write.clone());
            region.write(actor, move |tx| note(tx, &id, &lease, &write)).await
        }
        Answer::Refused(why) => Err(OperationError::RackRefused { key: lease.key, why }),
    }
}

/// None: there is nothing to ask, since that was done at the first request of this id, or is not to be done.
fn wanted(
    tx: &mut Tx<'_>,
    id: &str,
    write: &v1::Write,
) -> Result<Option<Saved<Lease>>, OperationError> {
    authorise(tx.actor, Lease::NOUN, Verb::Release)?;
    if request(id, write).earlier_answer::<v1::Lease>(tx)?.is_some() {
        return Ok(None);
    }
    let lease = find::<Lease>(tx.conn, id)?;
    expect(&lease, write)?;
    if !write.validate_only {
        return Ok(Some(lease));
    }
    let rack = lease.value.rack.map(|rack| Rack::find(tx.conn, rack)).transpose()?.flatten();
    match rack.is_some_and(|rack| rack.value.connected) {
        true => Ok(None),
        false => Err(AskError::Unreachable.into()),
    }
}

/// Without an event: that is the fact's.
fn note(
    tx: &mut Tx<'_>,
    id: &str,
    before: &Saved<Lease>,
    write: &v1::Write,
) -> Result<(), OperationError> {
    let request = request(id, write);
    // Asked twice at once, it was answered twice, and is one request.
    if request.earlier_answer::<v1::Lease>(tx)?.is_none() {
        let mut after = before.clone();
        after.value.state = LeaseState::Released;
        let (was, is) = (show(tx.conn, before)?, show(tx.conn, &after)?);
        request.note(tx, before, Some(&was), Some(&is))?;
    }
    Ok(())
}

fn request<'a>(id: &str, write: &'a v1::Write) -> audit::Request<'a> {
    audit::Request::new(Lease::NOUN, Verb::Release, &[id.as_bytes()], write)
}
