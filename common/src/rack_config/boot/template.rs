//! Texts with fields in them.

use std::{fmt, str::FromStr};

use crate::Refusal;

/// Text with fields in it, each of a known type: `console=ttyS0 hostname={name}`. Braces that are meant are written twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Field(Field),
}

macro_rules! fields {
    ($($variant:ident $name:literal $about:literal;)*) => {
        /// What may stand in a template.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field {
            $(#[doc = $about] $variant,)*
        }

        impl Field {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

fields! {
    Name "name" "The machine's name; of an unknown one its MAC address with hyphens.";
    Mac "mac" "The MAC address that it boots by: 52:54:00:12:34:56.";
    MacHyphens "mac-hyphens" "The same as 52-54-00-12-34-56.";
    Uuid "uuid" "SMBIOS's UUID; empty when it told none.";
    Serial "serial" "SMBIOS's serial number; empty when it told none.";
    Arch "arch" "uefi-x64; as option 93 tells it.";
    Address "address" "The address that it was given.";
    Server "server" "The rack, as this machine reaches it: 10.0.0.2";
    Url "url" "Where the rack serves files: http://10.0.0.2:7280/boot";
}

impl Template {
    pub const LONGEST: usize = 64 * 1024;

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// With each field's value in its place.
    pub fn render(&self, mut value: impl FnMut(Field) -> String) -> String {
        let rendered = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(field) => value(*field),
        });
        rendered.collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl FromStr for Template {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.len() > Self::LONGEST {
            return Err(Refusal::new("must be at most 64 KiB"));
        }
        if text.chars().any(|c| c.is_control() && !"\n\t".contains(c)) {
            return Err(Refusal::new(
                "must not have control characters other than tab and line end",
            ));
        }
        let (mut pieces, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        while let Some(next) = rest.next() {
            match next {
                '{' | '}' if rest.peek() == Some(&next) => {
                    plain.push(next);
                    rest.next();
                }
                '{' => {
                    let name: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
                    if rest.next().is_none() {
                        return Err(Refusal::new("has a { without its }; write {{ for the brace"));
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Field(field(&name)?));
                }
                '}' => return Err(Refusal::new("has a } without its {; write }} for the brace")),
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { text: text.into(), pieces })
    }
}

fn field(name: &str) -> Result<Field, Refusal> {
    let found = Field::ALL.iter().find(|field| field.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
        Refusal::new(format!(
            "has a field {{{name}}}; fields are {}, and {{{{ is the brace itself",
            names.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_typed_fields_only() {
        let template: Template = "h={name} {{x}} {mac}".parse().unwrap();
        assert_eq!(template.render(|field| field.name().to_uppercase()), "h=NAME {x} MAC");
        assert_eq!(template.as_str(), "h={name} {{x}} {mac}");
        for (bad, word) in [
            ("{nam}", "{nam}"),
            ("a}", "write }}"),
            ("{name", "without its }"),
            ("{}", "{}"),
            ("a\r\n", "control characters"),
        ] {
            match bad.parse::<Template>() {
                Err(refusal) => assert!(refusal.0.contains(word), "{bad}: {refusal:?}"),
                Ok(template) => panic!("{bad}: {template:?}"),
            }
        }
    }
}
