//! What a loader is told: the profile of its machine as an iPXE script, or as GRUB's configuration.
//!
//! Whatever a machine says of itself is a stranger's. It stands in a script only as characters that mean nothing to any loader, to a kernel's command line or
//! to a URL.

use std::net::IpAddr;

use common::{
    MacAddr,
    rack_config::{
        BootConfig,
        boot::{Architecture, BootMachine, BootTarget, Field, Template},
    },
};
use uuid::Uuid;

/// A machine whose loader asks what to do, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    pub mac: Option<MacAddr>,
    pub uuid: Option<Uuid>,
    /// As it told it.
    pub serial: &'a str,
    pub architecture: Option<Architecture>,
    pub address: IpAddr,
    /// The rack, as this machine reaches it.
    pub server: IpAddr,
    /// Where the rack serves files: `http://10.0.0.2:7280/boot`
    pub url: &'a str,
}

/// The machine's record: by one of its MAC addresses, else by SMBIOS's UUID.
pub fn machine(
    config: &BootConfig,
    mac: Option<MacAddr>,
    uuid: Option<Uuid>,
) -> Option<&BootMachine> {
    let machines = config.machines();
    let by_mac = mac.and_then(|mac| machines.iter().find(|machine| machine.macs.contains(&mac)));
    let by_uuid = || machines.iter().find(|machine| uuid.is_some() && machine.uuid == uuid);
    by_mac.or_else(by_uuid)
}

/// For iPXE.
pub fn ipxe(config: &BootConfig, asker: &Asker<'_>) -> String {
    let mut script = Script { config, asker, text: String::from("#!ipxe\n") };
    match script.target() {
        None => script.ipxe_unknown(),
        Some(BootTarget::LocalDisk) => script.ipxe_local_disk(),
        Some(BootTarget::Script(template)) => {
            let own = script.render(template);
            // iPXE tells a script by its first line.
            let head = if own.starts_with("#!ipxe") { "" } else { "#!ipxe\n" };
            script.text = format!("{head}{own}");
            if !script.text.ends_with('\n') {
                script.text.push('\n');
            }
        }
        Some(BootTarget::Kernel { kernel, initrds, command_line }) => {
            script.ipxe_kernel(kernel, initrds, command_line);
        }
    }
    script.text
}

/// For GRUB, whose files come from where it came from itself: signed ones know TFTP only.
pub fn grub(config: &BootConfig, asker: &Asker<'_>) -> String {
    let mut script = Script { config, asker, text: String::new() };
    match script.target() {
        None => script.grub_waits(&UNKNOWN),
        Some(BootTarget::LocalDisk) => {
            script.line("echo 'Hostler: this machine boots from its own disk.'");
            script.line("exit");
        }
        Some(BootTarget::Script(_)) => script.grub_waits(&[
            "This machine is to run an iPXE script, and its loader is GRUB.",
            "Give its boot profile a loader that is iPXE, or a kernel to boot.",
        ]),
        Some(BootTarget::Kernel { kernel, initrds, command_line }) => {
            script.grub_kernel(kernel, initrds, command_line);
        }
    }
    script.text
}

/// Which boot files the script of a machine fetches, by their paths: its kernel and its initrds.
pub(super) fn files(config: &BootConfig, asker: &Asker<'_>) -> (Option<String>, Vec<String>) {
    let asker = Asker { url: "", ..*asker };
    let script = Script { config, asker: &asker, text: String::new() };
    let path = |template| script.url(template).trim_start_matches('/').to_owned();
    match script.target() {
        Some(BootTarget::Kernel { kernel, initrds, .. }) => {
            (Some(path(kernel)), initrds.iter().map(path).collect())
        }
        Some(BootTarget::Script(_) | BootTarget::LocalDisk) | None => (None, Vec::new()),
    }
}

const UNKNOWN: [&str; 2] = [
    "This machine has no boot profile.",
    "To give it one: hostler machine create NAME, then hostler machine boot-as NAME PROFILE.",
];
/// Seconds until a machine that is told nothing asks again: an operator who has just entered it does not want to wait, and a thousand of them ask no
/// more than fifty times a second.
const AGAIN: u32 = 20;

struct Script<'a> {
    config: &'a BootConfig,
    asker: &'a Asker<'a>,
    text: String,
}

impl<'a> Script<'a> {
    fn machine(&self) -> Option<&'a BootMachine> {
        machine(self.config, self.asker.mac, self.asker.uuid)
    }

    fn target(&self) -> Option<&'a BootTarget> {
        self.config.profile(self.machine()).map(|profile| &profile.target)
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn render(&self, template: &Template) -> String {
        template.render(|field| self.value(field))
    }

    fn value(&self, field: Field) -> String {
        let asker = self.asker;
        let mac = || asker.mac.map(|mac| mac.to_string()).unwrap_or_default();
        match field {
            Field::Name => match self.machine() {
                Some(machine) => machine.name.to_string(),
                None => mac().replace(':', "-"),
            },
            Field::Mac => mac(),
            Field::MacHyphens => mac().replace(':', "-"),
            Field::Uuid => asker.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            Field::Serial => harmless(asker.serial),
            Field::Arch => asker.architecture.map(|own| own.to_string()).unwrap_or_default(),
            Field::Address => asker.address.to_string(),
            Field::Server => asker.server.to_string(),
            Field::Url => asker.url.into(),
        }
    }

    /// On one line, whatever the template is.
    fn one_line(&self, template: &Template) -> String {
        let rendered = self.render(template);
        rendered.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What a template names, as a URL.
    fn url(&self, template: &Template) -> String {
        let named = self.one_line(template);
        if named.contains("://") {
            return named;
        }
        format!("{}/{}", self.asker.url, named.trim_start_matches('/'))
    }

    /// Where the same script comes from.
    fn own_url(&self) -> String {
        let mut url = format!("{}/script?serial=${{serial:uristring}}", self.asker.url);
        let uuid = self.asker.uuid.map(|uuid| uuid.to_string());
        let mac = self.asker.mac.map(|mac| mac.to_string());
        let arch = self.asker.architecture.map(|own| own.to_string());
        for (key, value) in [("mac", mac), ("uuid", uuid), ("arch", arch)] {
            if let Some(value) = value {
                url.push_str(&format!("&{key}={value}"));
            }
        }
        url
    }

    fn facts(&self) -> [String; 4] {
        let or_none = |text: String| if text.is_empty() { "not told".into() } else { text };
        let fact = |what, field| format!("{what:14}{}", or_none(self.value(field)));
        [
            fact("MAC address", Field::Mac),
            fact("serial number", Field::Serial),
            fact("UUID", Field::Uuid),
            fact("architecture", Field::Arch),
        ]
    }

    fn ipxe_unknown(&mut self) {
        self.line("echo");
        for line in UNKNOWN {
            self.line(&format!("echo Hostler: {line}"));
        }
        for fact in self.facts() {
            self.line(&format!("echo   {fact}"));
        }
        self.line(":again");
        self.line(&format!("echo It asks again in {AGAIN} seconds."));
        self.line(&format!("sleep {AGAIN}"));
        // iPXE does not renew its lease by itself.
        self.line("dhcp netX || goto again");
        let url = self.own_url();
        self.line(&format!("chain --replace --autofree {url} || goto again"));
    }

    /// UEFI goes on with its next boot entry after a failure; a BIOS has often none, so its first disk is started.
    fn ipxe_local_disk(&mut self) {
        self.line("echo Hostler: this machine boots from its own disk.");
        self.line("iseq ${platform} efi && exit 1 ||");
        self.line("sanboot --no-describe --drive 0x80 || exit 1");
    }

    /// A kernel under UEFI finds its initrds by the names in its command line; under BIOS it passes over them.
    fn ipxe_kernel(&mut self, kernel: &Template, initrds: &[Template], command_line: &Template) {
        let name = self.value(Field::Name);
        self.line(&format!("echo Hostler: booting {name}"));
        let names = (0..initrds.len()).map(|number| format!(" initrd=initrd{number}"));
        let (names, kernel) = (names.collect::<String>(), self.url(kernel));
        let arguments = self.one_line(command_line);
        self.line(&format!("kernel {kernel}{names} {arguments} || goto failed"));
        for (number, initrd) in initrds.iter().enumerate() {
            let initrd = self.url(initrd);
            self.line(&format!("initrd --name initrd{number} {initrd} || goto failed"));
        }
        self.line("boot || goto failed");
        self.line(":failed");
        self.line(&format!("echo Hostler: that failed; it tries again in {AGAIN} seconds."));
        self.line(&format!("sleep {AGAIN}"));
        self.line("imgfree");
        self.line("dhcp netX || goto failed");
        let url = self.own_url();
        self.line(&format!("chain --replace --autofree {url} || goto failed"));
    }

    fn grub_waits(&mut self, why: &[&str]) {
        for line in why {
            self.line(&format!("echo {}", quoted(&format!("Hostler: {line}"))));
        }
        for fact in self.facts() {
            self.line(&format!("echo {}", quoted(&format!("  {fact}"))));
        }
        self.line(&format!("echo 'It asks again in {AGAIN} seconds.'"));
        self.line(&format!("sleep {AGAIN}"));
        self.line("configfile /grub/grub.cfg");
    }

    fn grub_kernel(&mut self, kernel: &Template, initrds: &[Template], command_line: &Template) {
        let arguments = self.one_line(command_line);
        let arguments = arguments.split(' ').filter(|word| !word.is_empty()).map(quoted);
        let words: Vec<_> = std::iter::once(self.grub_path(kernel)).chain(arguments).collect();
        self.line(&format!("linux {}", words.join(" ")));
        if !initrds.is_empty() {
            let paths: Vec<_> = initrds.iter().map(|initrd| self.grub_path(initrd)).collect();
            self.line(&format!("initrd {}", paths.join(" ")));
        }
        self.line("boot");
    }

    /// A file of the rack's by its path; another server's as GRUB writes it: `(http,192.0.2.1:80)/path`.
    fn grub_path(&self, template: &Template) -> String {
        let named = self.one_line(template);
        let own = named.strip_prefix(self.asker.url).unwrap_or(&named);
        let path = match own.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                format!("({scheme},{host})/{path}")
            }
            None => format!("/{}", own.trim_start_matches('/')),
        };
        quoted(&path)
    }
}

/// Of a stranger's text what is a letter, a digit or one of `-._:+`, at most 128 of them; the rest as underscores.
fn harmless(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:+".contains(c);
    text.chars().take(128).map(|c| if plain(c) { c } else { '_' }).collect()
}

/// As one word of GRUB's language, which is a shell's.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:+/=,@%".contains(c);
    if word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests;
