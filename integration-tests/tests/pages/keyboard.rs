//! Without a mouse.

use anyhow::ensure;
use hostler_integration_tests::{browser::key, lab::centre::Wishes};

use crate::desk::{Desk, NAME, PASSWORD};

/// More than any page has to step over.
const MOST_STEPS: usize = 80;

#[test]
fn a_subnet_is_changed_by_keys_alone() -> anyhow::Result<()> {
    let Some(desk) = Desk::open("key", Wishes::default())? else { return Ok(()) };
    let page = &desk.browser;
    desk.go("/")?;
    // The first field has the focus.
    page.types(NAME)?;
    page.types(key::TAB)?;
    page.types(PASSWORD)?;
    page.types(key::ENTER)?;
    page.sees("h1", "needs a person")?;
    page.types("gs")?;
    page.sees("h1", "Subnets")?;
    page.types("j")?;
    page.types(key::ENTER)?;
    page.sees("h1", "10.77.0.0/16")?;
    page.types("e")?;
    page.sees("h1", "Edit 10.77.0.0/16")?;
    desk.tab_to("f-domain")?;
    page.types("dc1.example.com")?;
    page.types(key::ENTER)?;
    page.sees(".diff .add", "dc1.example.com")?;
    desk.tab_to("apply")?;
    page.types(key::ENTER)?;
    page.sees(".kv", "dc1.example.com")?;

    page.with_control("k")?;
    page.types("10.78.0.0/16")?;
    page.sees("#pal-list [role=option]", "10.78.0.0/16")?;
    page.types(key::ENTER)?;
    page.sees("h1", "10.78.0.0/16")?;
    let domain = desk.centre.region.json(&["subnet", "get", "10.77.0.0/16"])?;
    assert_eq!(domain["domain"], "dc1.example.com");
    Ok(())
}

impl Desk {
    fn tab_to(&self, id: &str) -> anyhow::Result<()> {
        let source = "return document.activeElement.id";
        for _ in 0..MOST_STEPS {
            if self.browser.script(source, &[])? == id {
                return Ok(());
            }
            self.browser.types(key::TAB)?;
        }
        self.browser.picture("last-look")?;
        ensure!(false, "{id} does not get the focus by Tab");
        Ok(())
    }
}
