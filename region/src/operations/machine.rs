//! What only machines do: they are made with their first interface, and tell of themselves as they boot.

use common::{Id, MacAddr, Objection, report::BootAttempt};
use plan::{Interface, Machine, interface};
use prost::Message;
use proto::v1;

use super::{OperationError, Tx, audit, create as create_one, observe, write::make};
use crate::{
    auth::{Verb, authorise},
    db::{Conn, DbError, stored::Stored},
    resources::{self, Resource},
};

/// With an interface of that MAC address, if one is given. To judge only, roll it back: `validate_only` is not looked at.
pub fn create(
    tx: &mut Tx<'_>,
    request: &v1::CreateMachineRequest,
) -> Result<v1::Machine, OperationError> {
    let item = request.item.clone().unwrap_or_default();
    let write = v1::Write { validate_only: false, ..request.write.clone().unwrap_or_default() };
    if request.mac.is_empty() {
        return create_one::<Machine>(tx, item, &write);
    }
    authorise(tx.actor, Machine::NOUN, Verb::Create)?;
    let asked = [&item.encode_to_vec(), request.mac.as_bytes()];
    let asked = audit::Request::new(Machine::NOUN, Verb::Create, &asked, &write);
    if let Some(answer) = asked.earlier_answer(tx)? {
        return Ok(answer);
    }
    let taken = judge_mac(tx.conn, &request.mac)?;
    let made = match (make::<Machine>(tx, item, &asked), taken) {
        (Err(OperationError::Refused(mut objections)), taken) => {
            objections.extend(taken);
            return Err(OperationError::Refused(objections));
        }
        (Ok(_), Some(taken)) => return Err(OperationError::Refused(vec![taken])),
        (made, _) => made?,
    };
    let interface = v1::Interface {
        machine: made.name.clone(),
        name: interface::FIRST.into(),
        mac: request.mac.clone(),
        ..v1::Interface::default()
    };
    // The request's id is the machine's.
    let write = v1::Write { request_id: String::new(), ..write };
    create_one::<Interface>(tx, interface, &write)?;
    Ok(made)
}

fn judge_mac(conn: &mut Conn, typed: &str) -> Result<Option<Objection>, DbError> {
    match typed.parse::<MacAddr>() {
        Err(refusal) => Ok(Some(Objection::new("mac", typed, refusal.0))),
        Ok(mac) => {
            let taken = resources::interface::with_mac(conn, mac)?;
            Ok(interface::judge_mac(mac, taken.as_ref().map(|other| other.key.as_str())))
        }
    }
}

/// What a machine's firmware told as it booted. A machine that is not known learns nothing.
pub fn seen(tx: &mut Tx<'_>, attempt: &BootAttempt) -> Result<(), OperationError> {
    let Some(machine) = whose(tx.conn, attempt)? else { return Ok(()) };
    let detail = format!("told as it booted by {}", attempt.mac);
    observe(tx, machine, "machine.seen", &detail, |own: &mut Machine| own.learn(attempt)).map(drop)
}

/// By its MAC address as region knows it now, else as the rack knew it.
pub(super) fn whose(
    conn: &mut Conn,
    attempt: &BootAttempt,
) -> Result<Option<Id<Machine>>, DbError> {
    if let Some(interface) = resources::interface::with_mac(conn, attempt.mac)? {
        return Ok(Some(interface.value.machine));
    }
    let Some(told) = attempt.machine else { return Ok(None) };
    Ok(Machine::find(conn, told.cast())?.map(|saved| saved.id))
}
