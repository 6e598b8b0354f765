//! What machines boot: files by path, loaders by architecture, profiles, and which machine has which.

mod template;

pub use template::{Field, Piece, Template};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};
use uuid::Uuid;

use crate::{MacAddr, MachineId, Name, Objection, Refusal, generation::Digest};

/// The boot scope of one rack: the same for all of its VLANs.
#[derive(Clone, Debug, PartialEq)]
pub struct BootConfig {
    files: BTreeMap<BootPath, BootFile>,
    loaders: Loaders,
    profiles: BTreeMap<Name, BootProfile>,
    default_profile: Option<Name>,
    machines: Vec<BootMachine>,
}

/// What a file's content must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootFile {
    /// SHA-256.
    pub digest: Digest,
    pub size: u64,
}

/// The first program that firmware of an architecture is sent.
pub type Loaders = BTreeMap<Architecture, BootPath>;

/// What a machine boots once its loader runs.
#[derive(Clone, Debug, PartialEq)]
pub struct BootProfile {
    pub target: BootTarget,
    /// In place of the rack's.
    pub loaders: Loaders,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BootTarget {
    /// Nothing from the network: the firmware goes on with its next device.
    LocalDisk,
    /// An iPXE script.
    Script(Template),
    Kernel {
        kernel: Template,
        initrds: Vec<Template>,
        command_line: Template,
    },
}

/// A machine that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct BootMachine {
    pub id: MachineId,
    pub name: Name,
    /// Of each of its interfaces.
    pub macs: Vec<MacAddr>,
    /// SMBIOS's, which firmware tells when it has no other name.
    pub uuid: Option<Uuid>,
    /// None: the rack's default.
    pub profile: Option<Name>,
}

/// The parts of a boot scope, not yet judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BootParts {
    pub files: BTreeMap<BootPath, BootFile>,
    pub loaders: Loaders,
    pub profiles: BTreeMap<Name, BootProfile>,
    /// What a machine boots that is unknown or has no profile. None: it is told who it is, and tries again.
    pub default_profile: Option<Name>,
    pub machines: Vec<BootMachine>,
}

impl BootConfig {
    /// Every objection: a loader or profile that is not there, a MAC address that two machines have.
    pub fn new(parts: BootParts) -> Result<Self, Vec<Objection>> {
        let mut objections = Vec::new();
        let loaders = |field: &str, loaders: &Loaders, objections: &mut Vec<Objection>| {
            for (architecture, path) in loaders {
                if !parts.files.contains_key(path) {
                    let field = format!("{field}loaders.{architecture}");
                    objections.push(Objection::new(&field, path, "is no boot file"));
                }
            }
        };
        loaders("", &parts.loaders, &mut objections);
        for (name, profile) in &parts.profiles {
            loaders(&format!("profiles.{name}."), &profile.loaders, &mut objections);
        }
        let mut profile = |field: &str, named: &Option<Name>| {
            if let Some(name) = named.as_ref().filter(|name| !parts.profiles.contains_key(*name)) {
                objections.push(Objection::new(field, name, "is no boot profile"));
            }
        };
        profile("default_profile", &parts.default_profile);
        for machine in &parts.machines {
            profile(&format!("machines.{}.profile", machine.name), &machine.profile);
        }
        let mut seen = BTreeSet::new();
        for machine in &parts.machines {
            for mac in machine.macs.iter().filter(|mac| !seen.insert(**mac)) {
                let field = format!("machines.{}.macs", machine.name);
                objections.push(Objection::new(&field, mac, "is another machine's already"));
            }
        }
        if !objections.is_empty() {
            return Err(objections);
        }
        let BootParts { files, loaders, profiles, default_profile, machines } = parts;
        Ok(Self { files, loaders, profiles, default_profile, machines })
    }

    pub fn files(&self) -> &BTreeMap<BootPath, BootFile> {
        &self.files
    }

    pub fn loaders(&self) -> &Loaders {
        &self.loaders
    }

    pub fn profiles(&self) -> &BTreeMap<Name, BootProfile> {
        &self.profiles
    }

    pub fn default_profile(&self) -> Option<&Name> {
        self.default_profile.as_ref()
    }

    pub fn machines(&self) -> &[BootMachine] {
        &self.machines
    }

    /// What a machine boots. None: neither it nor the rack has a profile.
    pub fn profile(&self, machine: Option<&BootMachine>) -> Option<&BootProfile> {
        let own = machine.and_then(|machine| machine.profile.as_ref());
        own.or(self.default_profile.as_ref()).and_then(|name| self.profiles.get(name))
    }
}

/// A file as machines ask for it, without a slash at its start: `ipxe/snponly.efi`. Short enough for DHCP's `file` field (RFC 2131 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootPath(String);

impl BootPath {
    pub const LONGEST: usize = 127;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BootPath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        // What needs no escape in a URL's path (RFC 3986 section 3.3), a shell or a log.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+@=,/".contains(&byte);
        let good = text.len() <= Self::LONGEST
            && text.bytes().all(plain)
            && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if good {
            return Ok(Self(text.into()));
        }
        Err(Refusal::new(
            "must be a path such as ipxe/snponly.efi: at most 127 letters, digits and -._~+@=, with single slashes between them, and no . or .. between slashes",
        ))
    }
}

macro_rules! architectures {
    ($($variant:ident $name:literal [$($code:literal)*] [$($http:literal)*] $about:literal;)*) => {
        /// What a machine's firmware runs, as option 93 tells it (RFC 4578 section 2.1; IANA's processor architecture types).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Architecture {
            $(#[doc = $about] $variant,)*
        }

        impl Architecture {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// By the code of option 93, and how that firmware fetches its loader. None: of no kind that is known here.
            pub fn from_code(code: u16) -> Option<(Self, Fetch)> {
                match code {
                    $($($code => Some((Self::$variant, Fetch::Tftp)),)*)*
                    $($($http => Some((Self::$variant, Fetch::Http)),)*)*
                    _ => None,
                }
            }
        }
    };
}

architectures! {
    Bios "bios" [0x00] [0x14] "x86 BIOS";
    UefiIa32 "uefi-ia32" [0x06] [0x0f] "x86 UEFI, 32 bit";
    UefiX64 "uefi-x64" [0x07 0x09] [0x10 0x11] "x86 UEFI, 64 bit; also its byte code, which such firmware used to tell";
    UefiArm32 "uefi-arm32" [0x0a] [0x12] "ARM UEFI, 32 bit";
    UefiArm64 "uefi-arm64" [0x0b] [0x13] "ARM UEFI, 64 bit";
    UefiRiscv64 "uefi-riscv64" [0x1b] [0x1c] "RISC-V UEFI, 64 bit";
    UefiLoong64 "uefi-loongarch64" [0x27] [0x28] "LoongArch UEFI, 64 bit";
    OpenFirmware "ppc64-open-firmware" [0x0c] [] "POWER Open Firmware";
    Opal "ppc64-opal" [0x0e] [] "POWER OPAL v3";
    S390x "s390x" [0x1f 0x20] [] "IBM Z";
}

/// How firmware fetches its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    Tftp,
    Http,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

impl FromStr for Architecture {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().find(|one| one.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|one| one.name()).collect();
            Refusal::new(format!("must be one of {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_table() {
        for good in ["a", "ipxe/snponly.efi", "debian/12/vmlinuz-6.1.0+x", "...", "a..b"] {
            assert_eq!(good.parse::<BootPath>().unwrap().as_str(), good);
        }
        let long = "x".repeat(128);
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "a\0", "é", "a\\b", &long]
        {
            assert!(bad.parse::<BootPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn architectures_by_code_and_by_name() {
        for (code, expected) in [
            (0, Some((Architecture::Bios, Fetch::Tftp))),
            (7, Some((Architecture::UefiX64, Fetch::Tftp))),
            (9, Some((Architecture::UefiX64, Fetch::Tftp))),
            (16, Some((Architecture::UefiX64, Fetch::Http))),
            (11, Some((Architecture::UefiArm64, Fetch::Tftp))),
            (19, Some((Architecture::UefiArm64, Fetch::Http))),
            (999, None),
        ] {
            assert_eq!(Architecture::from_code(code), expected, "{code}");
        }
        for architecture in Architecture::ALL {
            assert_eq!(architecture.name().parse(), Ok(*architecture));
        }
        assert!("x86".parse::<Architecture>().unwrap_err().0.contains("uefi-arm64"));
    }

    #[test]
    fn what_is_named_must_be_there() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let machine = |text: &str, profile: Option<&str>| BootMachine {
            id: MachineId::new(Uuid::nil()),
            name: name(text),
            macs: vec![MacAddr::new([2, 0, 0, 0, 0, 1])],
            uuid: None,
            profile: profile.map(name),
        };
        let loaders: Loaders = [(Architecture::Bios, "undionly.kpxe".parse().unwrap())].into();
        let local = BootProfile { target: BootTarget::LocalDisk, loaders: loaders.clone() };
        let refused = BootConfig::new(BootParts {
            loaders,
            profiles: [(name("local"), local)].into(),
            default_profile: Some(name("gone")),
            machines: vec![machine("n1", Some("local")), machine("n2", Some("lost"))],
            ..BootParts::default()
        });
        let refused = refused.unwrap_err();
        let fields: Vec<_> = refused.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "loaders.bios",
                "profiles.local.loaders.bios",
                "default_profile",
                "machines.n2.profile",
                "machines.n2.macs",
            ]
        );
    }
}
