//! Secrets are answered once: what to do with them is said then.

use prost_reflect::DynamicMessage;
use proto::describe::Kind;

use crate::region::Read;

/// For standard error, beside the answer that holds the secret. None for what has no secret.
pub(super) fn hint(kind: &Kind, item: &DynamicMessage, server: &str) -> Option<String> {
    let field = kind.fields.iter().find(|field| field.secret)?;
    let secret = item.text_of(&field.name);
    if secret.is_empty() {
        return Some(format!(
            "its {} was answered the first time and is not kept; make another if it is lost",
            field.name
        ));
    }
    let how = match kind.noun.as_str() {
        "rack-token" => format!("On the rack, as root:\n\n  hostler-rack join {secret}\n"),
        "token" => format!(
            "To use it, either of:\n\n  hostler login {server} --token -\n  export HOSTLER_SERVER={server} HOSTLER_TOKEN={secret}\n\nAutomation also wants HOSTLER_FINGERPRINT or HOSTLER_CA: hostler profile list shows the fingerprint."
        ),
        _ => String::new(),
    };
    Some(format!("\nThe {} is shown this once; region keeps only its hash.\n{how}", field.name))
}
