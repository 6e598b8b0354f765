//! What can be done to the resource of a page, as links for whoever may.

use askama::{Template, filters::HtmlSafe};
use proto::describe::Kind;

use super::{frame, own, query::Query, visitor::Visitor};
use crate::auth::Verb;

/// The one that is meant most often comes last.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"<div class="actions">{% for action in items %}<a class="btn{{ action.class }}" href="{{ action.link }}">{{ action.label }}</a>{% endfor %}</div>"#,
    ext = "html"
)]
pub(super) struct Actions {
    items: Vec<Action>,
}

impl HtmlSafe for Actions {}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Action {
    label: &'static str,
    link: String,
    class: &'static str,
}

impl Actions {
    /// `pointless` are the names of those that would change nothing, as things are.
    pub(super) fn of(visitor: &Visitor, kind: &Kind, query: &Query, pointless: &[&str]) -> Self {
        let may = |verb| kind.has(&format!("{verb:?}")) && frame::may(visitor, verb, &kind.noun);
        let action = |label, name: &str, class| {
            // The page may have been asked for as it is seen; what is done is to the resource.
            Action { label, link: format!("{}?do={name}", query.path), class }
        };
        let own = own::OWN.iter().filter(|own| own.noun == kind.noun);
        let own = own.filter(|own| {
            frame::may(visitor, own.verb, own.noun) && !pointless.contains(&own.name)
        });
        let mut items: Vec<Action> = own
            .map(|own| action(own.label, own.name, if own.is_final() { " danger" } else { "" }))
            .collect();
        if may(Verb::Delete) {
            items.push(action("Delete", "delete", " danger"));
        }
        if may(Verb::Update) {
            items.push(action("Edit", "update", " primary"));
        }
        Self { items }
    }
}
