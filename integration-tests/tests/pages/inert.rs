//! What a client says of itself is text on every page, whatever it is.

use hostler_integration_tests::{
    browser::SOON,
    lab::{
        centre::{SEGMENT_A, Wishes},
        machine::Client,
        until,
    },
};

use crate::desk::Desk;

const MARKUP: &str = "</td></title><img src=x onerror=hacked=1><script>hacked=1</script>";

#[test]
fn markup_from_a_client_does_nothing() -> anyhow::Result<()> {
    let Some(desk) = Desk::open("xss", Wishes::default())? else { return Ok(()) };
    let page = &desk.browser;
    desk.sign_in()?;
    desk.go("/leases")?;
    desk.remember_the_page()?;
    let machine = desk.centre.machine("a1", SEGMENT_A)?;
    let option = |code: &str| format!("{code}:{}", hex(MARKUP));
    let (name, client) = (option("0x0c"), option("0x3d"));
    let says = ["-C", "-x", &name, "-x", &client, "-V", MARKUP];
    let (_running, told) = machine.lease(Client::Udhcpc, &says)?;
    // First as it comes over the live stream, then on pages that are loaded.
    page.sees("tbody tr", MARKUP)?;
    assert!(desk.is_the_same_page()?, "the page was loaded again");
    desk.is_untouched("/leases, live")?;
    let found = until(SOON, "region knows the lease", || {
        Ok(desk.centre.region.list("lease", "state=bound")?.pop())
    })?;
    assert_eq!(found["host_name"], MARKUP);
    let key = found["meta"]["key"].as_str().unwrap_or_default();
    assert_eq!(key, told.address()?.to_string());
    for path in [
        "/",
        "/events",
        "/leases?columns=host_name&columns=client_id&columns=mac",
        &format!("/leases/{key}"),
        &format!("/leases/{key}?do=release"),
        "/subnets/10.77.0.0/16",
        "/find?q=%3Cimg",
        "/audit",
    ] {
        desk.go(path)?;
        page.sees("h1", "")?;
        desk.is_untouched(path)?;
    }
    // The palette writes its list by script.
    page.with_control("k")?;
    page.types("<img src")?;
    page.sees("#pal-list [role=option]", key)?;
    desk.is_untouched("palette")
}

impl Desk {
    fn is_untouched(&self, place: &str) -> anyhow::Result<()> {
        let source =
            "return typeof hacked === 'undefined' && !document.querySelector('img, main script')";
        assert_eq!(self.browser.script(source, &[])?, true, "{place} has what a client wrote");
        let complaints = self.browser.complaints()?;
        assert!(complaints.is_empty(), "{place}: {complaints:?}");
        Ok(())
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
