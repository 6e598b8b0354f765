use common::{Name, Timestamp};

use crate::Role;

/// A person who signs in to the console.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: Name,
    pub role: Role,
    pub disabled: bool,
    pub note: String,
    /// None: nobody signs in by this name yet.
    pub password_set_at: Option<Timestamp>,
}
