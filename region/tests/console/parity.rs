//! What the command line can write, a page can write, or says why not.

use http::StatusCode;
use proto::describe::{self, KINDS, POOL};
use region::{auth::Verb, ui::ELSEWHERE};

use crate::{browser::Browser, support::on_both};

/// Those that write nothing.
const READING: &[&str] = &["Get", "List", "Watch", "Wait", "Overview", "PushStatus"];
/// Those whose callers prove themselves by a certificate.
const OF_RACKS: &[&str] = &["RackLink", "Enrol"];

/// Where a form that does this is sent to; none of these resources is there, which every page says before anything else.
fn page(noun: &str, method: &str) -> Option<String> {
    if noun == "apply" {
        return Some("/apply?do=apply".into());
    }
    let plural = &describe::kind(noun)?.plural;
    Some(match method {
        "Create" => format!("/{plural}?do=create"),
        other => format!("/{plural}/nothing?do={}", Verb::of_method(other)?),
    })
}

impl Browser {
    async fn does(&mut self, noun: &str, method: &str) -> bool {
        let Some(page) = page(noun, method) else { return false };
        let answer = self.post(&page, "").await;
        // Of a page that is there, the resource is not, is not yet all that it must be, or needs nothing.
        match answer.status {
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::SEE_OTHER | StatusCode::OK => true,
            StatusCode::NOT_FOUND => answer.body.contains("There is no such thing"),
            _ => false,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_has_a_page_or_a_reason() {
    on_both(async |world| {
        let mut browser = world.signed_in("admin").await;
        let services = POOL.services().filter(|service| service.package_name() == "hostler.v1");
        let services = services.filter(|service| !OF_RACKS.contains(&service.name()));
        let (mut pages, mut reasons) = (0, 0);
        for service in services {
            let kind = KINDS.iter().find(|kind| kind.service == service);
            let noun = kind.map_or(service.name().to_lowercase(), |kind| kind.noun.clone());
            for method in service.methods().filter(|method| !READING.contains(&method.name())) {
                let name = method.full_name().to_owned();
                let reason = ELSEWHERE.iter().find(|row| {
                    row.method == method.name() && noun.starts_with(&row.noun.replace('-', ""))
                });
                let Some(reason) = reason else {
                    assert!(browser.does(&noun, method.name()).await, "{name} has no page");
                    pages += 1;
                    continue;
                };
                assert!(!browser.does(&noun, method.name()).await, "{name} has a page");
                let plural = &describe::kind(reason.noun).unwrap().plural;
                let list = browser.get(&format!("/{plural}")).await.body;
                assert!(
                    list.contains(reason.why),
                    "{name}: the list says nothing of {}",
                    reason.why
                );
                reasons += 1;
            }
        }
        assert!(pages > 30 && reasons == 1, "{pages} methods with pages, {reasons} with reasons");
    })
    .await;
}
