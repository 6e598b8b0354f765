//! A tab offers verbs and flags from the grammar, and keys from region.

use serde_json::json;
use tokio::process::Command;

use crate::{
    command::Hostler,
    fake_region::{FakeRegion, Reply},
};

#[tokio::test]
async fn bash_offers_what_can_come_next() {
    let region = FakeRegion::start(|_| {
        Reply::one(json!({"items": [{"meta": {"key": "dc1"}}, {"meta": {"key": "office"}}]}))
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let script = hostler.run(&["completions", "bash"]).await;
    assert_eq!(script.code, 0, "{script:?}");
    for (typed, offered) in [
        ("hostler fab", "fabric"),
        ("hostler fabric upd", "update"),
        ("hostler fabric get d", "dc1"),
        ("hostler fabric get ", "dc1 office"),
        ("hostler fabric update --no", "--note"),
    ] {
        let words: Vec<String> = typed.split(' ').map(|word| format!("'{word}'")).collect();
        let ask = format!(
            "{}\nhostler() {{ '{}' \"$@\"; }}\nCOMP_WORDS=({}); COMP_CWORD={}\n\
             _hostler_or_key hostler \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.out,
            env!("CARGO_BIN_EXE_hostler"),
            words.join(" "),
            words.len() - 1
        );
        let file = hostler.folder().join("ask.bash");
        std::fs::write(&file, ask).unwrap();
        let mut shell = Command::new("bash");
        let output = shell.arg(file).env("HOSTLER_SERVER", &region.url).output().await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            offered,
            "{typed:?}: {output:?}"
        );
    }
}
