//! What boots and their files are made of.

use common::Refusal;
use plan::{boot_attempt::Stage, boot_file::ByteCount};
use proto::v1;

use super::{Compares, Field, Lookup, vocabulary::wire_time};
use crate::db::{condition::Value, names::Names};

impl Field for ByteCount {
    type Wire = u64;
    type Column = i64;
    fn parse(wire: u64, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        wire.try_into()
    }
    fn show(&self, _: &Names) -> u64 {
        self.bytes()
    }
    fn store(&self) -> i64 {
        self.bytes().cast_signed()
    }
    fn load(column: i64) -> Result<Self, String> {
        Self::try_from(column.cast_unsigned()).map_err(|refusal| refusal.0)
    }
}

/// As racks told them: a line each. Searched as they are kept.
impl Field for Vec<Stage> {
    type Wire = Vec<v1::BootAttemptStage>;
    type Column = String;
    const COMPARES: Compares = Compares::AsText;
    fn parse(_: Self::Wire, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        Err(Refusal::new("is what racks tell"))
    }
    fn show(&self, _: &Names) -> Self::Wire {
        let stage = |own: &Stage| v1::BootAttemptStage {
            step: own.step().into(),
            at: Some(wire_time(own.0.at)),
            detail: own.0.detail.clone(),
            bytes: own.0.bytes,
        };
        self.iter().map(stage).collect()
    }
    fn store(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
    fn load(column: String) -> Result<Self, String> {
        let lines = column.lines().map(str::parse);
        lines.collect::<Result<_, Refusal>>().map_err(|refusal| refusal.0)
    }
    fn weigh(_: Self::Wire) -> Option<Value> {
        None
    }
}
