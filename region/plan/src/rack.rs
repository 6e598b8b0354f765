use common::{Name, Timestamp};

/// A machine that serves; all but its name and note is what region learnt of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rack {
    pub name: Name,
    pub note: String,
    pub connected: bool,
    pub version: String,
    pub address: String,
    pub last_seen: Option<Timestamp>,
    pub certificate_expires: Option<Timestamp>,
    pub revoked: bool,
}

impl Rack {
    /// As one is born.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            note: String::new(),
            connected: false,
            version: String::new(),
            address: String::new(),
            last_seen: None,
            certificate_expires: None,
            revoked: false,
        }
    }
}
