//! Scopes out of their parts.

use common::rack_config::ScopeName;
use proto::{
    convert::{Refused, rack_config, rack_link::digest_from_wire},
    v1,
};

use crate::{apply::Told, store::scopes::Record};

/// Pages of a scope as they come in order; nothing of another scope is between them.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    content: Vec<u8>,
    scope: String,
}

/// A rack has some thousand subnets at most; more than this is no configuration.
const LARGEST: usize = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum AssemblyError {
    #[error("a part of {found} came between those of {begun}")]
    Mixed { begun: String, found: String },
    #[error("{0} is larger than {LARGEST} bytes")]
    Large(String),
    #[error("{0}: its content does not have the digest that was sent with it")]
    Digest(String),
    #[error("{0} cannot be read")]
    Refused(String, #[source] Refused),
}

impl Assembly {
    /// What is to be told once the last part is there.
    pub(super) fn add(&mut self, part: v1::ScopePart) -> Result<Option<Told>, AssemblyError> {
        if !self.content.is_empty() && self.scope != part.scope {
            let begun = std::mem::take(&mut self.scope);
            return Err(AssemblyError::Mixed { begun, found: part.scope });
        }
        if self.content.len() + part.content.len() > LARGEST {
            return Err(AssemblyError::Large(part.scope));
        }
        self.content.extend_from_slice(&part.content);
        self.scope.clone_from(&part.scope);
        if !part.last && !part.withdrawn {
            return Ok(None);
        }
        let content = std::mem::take(&mut self.content);
        let scope = part.scope.parse::<ScopeName>();
        if part.withdrawn {
            return Ok(Some(scope.map_or(Told::UnknownWithdrawn(part.scope), Told::Withdrawn)));
        }
        let generation = part.generation.unwrap_or_default().into();
        let digest = digest_from_wire(&part.digest)
            .map_err(|refused| AssemblyError::Refused(part.scope.clone(), refused))?;
        if rack_config::digest(&content) != digest {
            return Err(AssemblyError::Digest(part.scope));
        }
        Ok(Some(match scope {
            Ok(scope) => Told::Offered(Record { scope, generation, digest, content }),
            Err(_) => Told::Unknown { scope: part.scope, generation, digest },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::samples::{record, vlan};

    fn parts(record: &Record, size: usize) -> Vec<v1::ScopePart> {
        let count = record.content.chunks(size).count();
        let parts = record.content.chunks(size).enumerate().map(|(at, content)| v1::ScopePart {
            scope: record.scope.to_string(),
            generation: Some(record.generation.into()),
            digest: record.digest.to_vec(),
            content: content.to_vec(),
            last: at + 1 == count,
            withdrawn: false,
        });
        parts.collect()
    }

    #[test]
    fn a_scope_comes_whole_or_in_parts() {
        let sent = record(&vlan("dc1/10", &["10.0.0.0/24"]), 4);
        for size in [1, 7, 1000] {
            let mut assembly = Assembly::default();
            let mut told = Vec::new();
            for part in parts(&sent, size) {
                told.extend(assembly.add(part).unwrap());
            }
            let [Told::Offered(found)] = told.as_slice() else { panic!("{told:?}") };
            assert_eq!(*found, sent);
        }
    }

    #[test]
    fn parts_that_do_not_belong_together_end_the_stream() {
        let one = parts(&record(&vlan("dc1/10", &["10.0.0.0/24"]), 4), 9);
        let other = parts(&record(&vlan("dc1/20", &["10.0.2.0/24"]), 4), 9);
        let mut assembly = Assembly::default();
        assembly.add(one[0].clone()).unwrap();
        assert!(matches!(assembly.add(other[0].clone()), Err(AssemblyError::Mixed { .. })));
        let mut changed = parts(&record(&vlan("dc1/10", &["10.0.0.0/24"]), 4), 1000).remove(0);
        changed.content[5] ^= 1;
        assert!(matches!(Assembly::default().add(changed), Err(AssemblyError::Digest(_))));
    }

    #[test]
    fn a_withdrawal_has_no_content_and_an_unknown_kind_is_told_as_such() {
        let mut part = parts(&record(&vlan("dc1/10", &["10.0.0.0/24"]), 4), 1000).remove(0);
        let teapots = v1::ScopePart { scope: "teapots".into(), ..part.clone() };
        assert!(matches!(Assembly::default().add(teapots), Ok(Some(Told::Unknown { .. }))));
        (part.content, part.digest, part.withdrawn) = (Vec::new(), Vec::new(), true);
        assert!(matches!(Assembly::default().add(part.clone()), Ok(Some(Told::Withdrawn(_)))));
        part.scope = "teapots".into();
        assert!(matches!(Assembly::default().add(part), Ok(Some(Told::UnknownWithdrawn(_)))));
    }
}
