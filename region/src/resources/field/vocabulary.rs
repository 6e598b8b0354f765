//! Names, numbers, times, lists, references, secrets.

use common::{
    DomainName, Id, Lifetime, MacAddr, Mtu, Name, Refusal, Timestamp, VlanTag,
    dhcp_options::Route,
    rack_config::boot::{Architecture, BootPath, Template},
    report::LeaseState,
};
use plan::{
    Credential, Role, Span,
    boot_attempt::Outcome,
    boot_file::Sha256,
    boot_profile::Target,
    dhcp::{BootFile, Octets, OptionSetting},
    loader::LoaderSetting,
};
use std::net::IpAddr;
use uuid::Uuid;

use super::{Compares, Field, Lookup};
use crate::{
    db::{condition::Value, names::Names},
    resources::Resource,
};

impl Field for String {
    type Wire = String;
    type Column = String;
    const COMPARES: Compares = Compares::AsText;
    fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        if wire.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Refusal::new("must not have control characters"));
        }
        if wire.len() > LONGEST_TEXT {
            return Err(Refusal::new("must be at most 4096 bytes"));
        }
        Ok(wire)
    }
    fn show(&self, _: &Names) -> String {
        self.clone()
    }
    fn store(&self) -> String {
        self.clone()
    }
    fn load(column: String) -> Result<Self, String> {
        Ok(column)
    }
}

/// A note, not a document: each change keeps it twice more.
const LONGEST_TEXT: usize = 4096;

impl Field for bool {
    type Wire = bool;
    type Column = bool;
    const COMPARES: Compares = Compares::AsSame;
    fn parse(wire: bool, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        Ok(wire)
    }
    fn show(&self, _: &Names) -> bool {
        *self
    }
    fn store(&self) -> bool {
        *self
    }
    fn load(column: bool) -> Result<Self, String> {
        Ok(column)
    }
}

/// Types that are text on the wire and in the column. The last word reads it: it turns text into a result.
macro_rules! text_fields {
    ($($type:ty),+ $(,)?) => {$(
        impl Field for $type {
            type Wire = String;
            type Column = String;
            const COMPARES: Compares = Compares::AsText;
            fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
                wire.parse()
            }
            fn show(&self, _: &Names) -> String {
                self.to_string()
            }
            fn store(&self) -> String {
                self.to_string()
            }
            fn load(column: String) -> Result<Self, String> {
                column.parse().map_err(|refusal: Refusal| refusal.0)
            }
        }
    )+};
}
text_fields!(Name, Role, Octets, BootFile, BootPath, Sha256, MacAddr, Target, Template, Outcome,);

/// The same for what may be missing, which is empty text.
macro_rules! optional_text_fields {
    ($($type:ty),+ $(,)?) => {$(
        impl Field for Option<$type> {
            type Wire = String;
            type Column = String;
            const COMPARES: Compares = Compares::AsText;
            fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
                if wire.is_empty() { Ok(None) } else { wire.parse().map(Some) }
            }
            fn show(&self, _: &Names) -> String {
                self.store()
            }
            fn store(&self) -> String {
                self.as_ref().map(ToString::to_string).unwrap_or_default()
            }
            fn load(column: String) -> Result<Self, String> {
                Self::parse(column, &mut Lookup::nowhere()).map_err(|refusal| refusal.0)
            }
        }
    )+};
}
optional_text_fields!(Name, DomainName, MacAddr, Span, Architecture);

/// Empty when it is not known.
impl Field for Option<Uuid> {
    type Wire = String;
    type Column = String;
    const COMPARES: Compares = Compares::AsText;
    fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        if wire.is_empty() {
            return Ok(None);
        }
        wire.parse().map(Some).map_err(|_| Refusal::new("must be a UUID"))
    }
    fn show(&self, _: &Names) -> String {
        self.map(|uuid| uuid.to_string()).unwrap_or_default()
    }
    fn store(&self) -> String {
        self.show(&Names::default())
    }
    fn load(column: String) -> Result<Self, String> {
        Self::parse(column, &mut Lookup::nowhere()).map_err(|refusal| refusal.0)
    }
}

/// Lists: a line of text in the column for each element, none of which has line ends in it.
macro_rules! list_fields {
    ($($type:ty => $one:expr),+ $(,)?) => {$(
        impl Field for Vec<$type> {
            type Wire = Vec<String>;
            type Column = String;
            const COMPARES: Compares = Compares::AsText;
            fn parse(wire: Vec<String>, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
                if wire.len() > LONGEST_LIST {
                    return Err(Refusal::new(format!("must be at most {LONGEST_LIST} values")));
                }
                let one: fn(&str) -> Result<$type, Refusal> = $one;
                let named = |text: &String| {
                    // Alone, it is what the objection names anyway.
                    let named = |refusal: Refusal| match wire.as_slice() {
                        [_] => refusal,
                        _ => Refusal::new(format!("{text:?} {}", refusal.0)),
                    };
                    if text.contains('\n') {
                        return Err(named(Refusal::new("must be one line")));
                    }
                    one(text).map_err(named)
                };
                wire.iter().map(named).collect()
            }
            fn show(&self, _: &Names) -> Vec<String> {
                self.iter().map(ToString::to_string).collect()
            }
            fn store(&self) -> String {
                self.show(&Names::default()).join("\n")
            }
            fn load(column: String) -> Result<Self, String> {
                let lines = column.lines().map(str::to_owned).collect();
                Self::parse(lines, &mut Lookup::nowhere()).map_err(|refusal| refusal.0)
            }
        }
    )+};
}
list_fields!(
    IpAddr => super::address::parse,
    DomainName => str::parse,
    Route => str::parse,
    OptionSetting => str::parse,
    Architecture => str::parse,
    LoaderSetting => str::parse,
    Template => str::parse,
);

/// More does not fit into a DHCP message anyway.
const LONGEST_LIST: usize = 64;

/// Types that are a number on the wire and in the column.
macro_rules! number_fields {
    ($($type:ty as $number:ident),+ $(,)?) => {$(
        impl Field for $type {
            type Wire = u32;
            type Column = i64;
            fn parse(wire: u32, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
                wire.try_into()
            }
            fn show(&self, _: &Names) -> u32 {
                self.$number().into()
            }
            fn store(&self) -> i64 {
                self.$number().into()
            }
            fn load(column: i64) -> Result<Self, String> {
                let number = u32::try_from(column).map_err(|error| error.to_string())?;
                number.try_into().map_err(|refusal: Refusal| refusal.0)
            }
        }
    )+};
}
number_fields!(VlanTag as number, Mtu as bytes, Lifetime as seconds);

/// None is 0.
impl Field for Option<Mtu> {
    type Wire = u32;
    type Column = i64;
    fn parse(wire: u32, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        if wire == 0 { Ok(None) } else { Mtu::try_from(wire).map(Some) }
    }
    fn show(&self, _: &Names) -> u32 {
        self.map_or(0, |mtu| mtu.bytes().into())
    }
    fn store(&self) -> i64 {
        self.map_or(0, |mtu| mtu.bytes().into())
    }
    fn load(column: i64) -> Result<Self, String> {
        let number = u32::try_from(column).map_err(|error| error.to_string())?;
        Self::parse(number, &mut Lookup::nowhere()).map_err(|refusal| refusal.0)
    }
}

/// Microseconds in the column; None is 0, so that it sorts alike on both databases.
impl Field for Option<Timestamp> {
    type Wire = Option<prost_types::Timestamp>;
    type Column = i64;
    fn parse(wire: Self::Wire, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        let Some(wire) = wire else { return Ok(None) };
        let micros = wire.seconds.checked_mul(1_000_000);
        let micros = micros.and_then(|micros| micros.checked_add(i64::from(wire.nanos / 1000)));
        micros
            .map(|micros| Some(Timestamp::from_micros(micros)))
            .ok_or_else(|| Refusal::new("is too far away"))
    }
    fn show(&self, _: &Names) -> Self::Wire {
        self.map(wire_time)
    }
    fn store(&self) -> i64 {
        self.map_or(0, Timestamp::micros)
    }
    fn load(column: i64) -> Result<Self, String> {
        Ok((column != 0).then(|| Timestamp::from_micros(column)))
    }
}

pub(crate) fn wire_time(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.micros().rem_euclid(1_000_000) * 1000;
    prost_types::Timestamp { seconds: time.seconds(), nanos: nanos as i32 }
}

const LEASE_STATES: [(LeaseState, &str); 4] = [
    (LeaseState::Bound, "bound"),
    (LeaseState::Released, "released"),
    (LeaseState::Declined, "declined"),
    (LeaseState::Expired, "expired"),
];

impl Field for LeaseState {
    type Wire = String;
    type Column = String;
    const COMPARES: Compares = Compares::AsText;
    fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        let found = LEASE_STATES.iter().find(|(_, name)| *name == wire);
        let unknown = || Refusal::new("must be bound, released, declined or expired");
        found.map(|(state, _)| *state).ok_or_else(unknown)
    }
    fn show(&self, _: &Names) -> String {
        self.store()
    }
    fn store(&self) -> String {
        let found = LEASE_STATES.iter().find(|(state, _)| state == self);
        found.map(|(_, name)| (*name).to_owned()).unwrap_or_default()
    }
    fn load(column: String) -> Result<Self, String> {
        Self::parse(column, &mut Lookup::nowhere()).map_err(|refusal| refusal.0)
    }
}

/// Goes out while it is fresh; only the hash is kept, and nothing comes in.
impl Field for Credential {
    type Wire = String;
    type Column = Vec<u8>;
    const COMPARES: Compares = Compares::AsSame;
    fn parse(_: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        Ok(Self::NONE)
    }
    fn show(&self, _: &Names) -> String {
        self.secret().map(|secret| secret.expose().clone()).unwrap_or_default()
    }
    fn store(&self) -> Vec<u8> {
        self.hash().to_vec()
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        let hash = column
            .try_into()
            .map_err(|column: Vec<u8>| format!("a hash of {} bytes", column.len()))?;
        Ok(Self::kept(hash))
    }
    fn weigh(_: String) -> Option<Value> {
        None
    }
}

/// A reference: people give and see the key, the column has the id.
impl<R: Resource> Field for Id<R> {
    type Wire = String;
    type Column = Vec<u8>;
    const COMPARES: Compares = Compares::ByName;
    fn parse(wire: String, lookup: &mut Lookup<'_>) -> Result<Self, Refusal> {
        lookup.find(&wire)
    }
    fn show(&self, names: &Names) -> String {
        names.key(self.uuid())
    }
    fn store(&self) -> Vec<u8> {
        self.uuid().as_bytes().to_vec()
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        Uuid::from_slice(&column).map(Self::new).map_err(|error| error.to_string())
    }
    fn reference(&self) -> Option<(&'static str, Uuid)> {
        Some((R::TABLE, self.uuid()))
    }
    fn table() -> Option<&'static str> {
        Some(R::TABLE)
    }
    fn weigh(wire: String) -> Option<Value> {
        Some(Value::Text(wire))
    }
}

/// A reference that may be missing: empty, not NULL.
impl<R: Resource> Field for Option<Id<R>> {
    type Wire = String;
    type Column = Vec<u8>;
    const COMPARES: Compares = Compares::ByName;
    fn parse(wire: String, lookup: &mut Lookup<'_>) -> Result<Self, Refusal> {
        if wire.is_empty() { Ok(None) } else { Id::parse(wire, lookup).map(Some) }
    }
    fn show(&self, names: &Names) -> String {
        self.map(|id| id.show(names)).unwrap_or_default()
    }
    fn store(&self) -> Vec<u8> {
        self.map(|id| id.store()).unwrap_or_default()
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        if column.is_empty() { Ok(None) } else { Id::load(column).map(Some) }
    }
    fn reference(&self) -> Option<(&'static str, Uuid)> {
        self.as_ref().and_then(Field::reference)
    }
    fn table() -> Option<&'static str> {
        Some(R::TABLE)
    }
    fn weigh(wire: String) -> Option<Value> {
        Some(Value::Text(wire))
    }
}
