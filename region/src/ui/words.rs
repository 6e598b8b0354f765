//! How the pages write what the contract names: labels, numbers, addresses of pages, times.

use askama::{Template, filters::HtmlSafe};
use common::Timestamp;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// What the field's standard terms are, where a name in the contract is not yet one.
const TERMS: &[(&str, &str)] = &[
    ("apply", "Apply a file"),
    ("boot-attempt", "Boot"),
    ("boot-attempts", "Boots"),
    ("boot_file", "Boot file"),
    ("disabled_boot_architectures", "Not booted here"),
    ("cidr", "Prefix"),
    ("client_id", "Client identifier"),
    ("dns_servers", "DNS servers"),
    ("ends_at", "Ends"),
    ("expires_at", "Expires"),
    ("fabric", "Fabric"),
    ("host_name", "Host name"),
    ("id", "ID"),
    ("last_used_at", "Last used"),
    ("lease_seconds", "Lease time, s"),
    ("mac", "MAC"),
    ("mtu", "MTU"),
    ("ntp_servers", "NTP servers"),
    ("proxy_dhcp", "Proxy DHCP"),
    ("options", "Other options"),
    ("password_set_at", "Password set"),
    ("search", "Search list"),
    ("sha256", "SHA-256"),
    ("started_at", "Since"),
    ("used_at", "Used"),
    ("uuid", "UUID"),
    ("vid", "VLAN ID"),
    ("vlan", "VLAN"),
    ("vlans", "VLANs"),
    ("vrf", "VRF"),
    ("vrfs", "VRFs"),
    ("rack-token", "Join token"),
    ("rack-tokens", "Join tokens"),
];

/// `dns_servers` as a label, `rack-tokens` as a title.
pub(super) fn label(name: &str) -> String {
    if let Some((_, term)) = TERMS.iter().find(|(known, _)| *known == name) {
        return (*term).into();
    }
    let spaced = name.replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A label inside a sentence.
pub(super) fn noun(name: &str) -> String {
    let label = label(name);
    let is_term = label.chars().nth(1).is_some_and(char::is_uppercase);
    if is_term { label } else { label.to_lowercase() }
}

/// 39828 as 39,828.
pub(super) fn number(value: impl Into<i128>) -> String {
    let digits = value.into().to_string();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// For one part of a path, slashes kept, or of a query.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

/// One word of a shell's line, whatever is in it.
pub(super) fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A moment as pages write it: the time, with the date when that is not today; exact on hover.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"<time datetime="{{ exact }}" title="{{ title }}">{{ text }}</time>"#,
    ext = "html"
)]
pub(super) struct Moment {
    exact: String,
    title: String,
    text: String,
}

impl HtmlSafe for Moment {}

const EXACT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]:[second]");
const DATED: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:short], [hour]:[minute]:[second]");
const YEARED: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]");

impl Moment {
    /// `14:32:07`, or `19 Nov, 22:10:31`.
    pub(super) fn clock(at: Timestamp, now: Timestamp) -> Self {
        let (then, today) = (utc(at), utc(now));
        let shape = if then.date() == today.date() {
            CLOCK
        } else if then.year() == today.year() {
            DATED
        } else {
            YEARED
        };
        let title = format!("{}, {}", exact(at), relative(at, now));
        Self { exact: exact(at), title, text: format(then, shape) }
    }

    /// `in 41 min`, `13 min ago`.
    pub(super) fn relative(at: Timestamp, now: Timestamp) -> Self {
        Self { exact: exact(at), title: exact(at), text: relative(at, now) }
    }
}

pub(super) fn exact(at: Timestamp) -> String {
    format(utc(at), EXACT)
}

pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.seconds() - now.seconds();
    match seconds {
        0 => "now".into(),
        ahead @ 1.. => format!("in {}", span(ahead)),
        past => format!("{} ago", span(-past)),
    }
}

/// `41 s`, `13 min`, `5 h`, `46 d`.
pub(super) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "min")];
    // From twice a unit on, so that nothing is said as 1 h that is nearly 2.
    let unit = UNITS.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{} {name}", seconds / length)
}

/// `310 ms`, `4.1 s`, `3 min 20 s`: what somebody waits for.
pub(super) fn took(micros: i64) -> String {
    let (millis, seconds) = (micros.max(0) / 1000, micros.max(0) / 1_000_000);
    match seconds {
        0 => format!("{millis} ms"),
        1..120 => format!("{seconds}.{} s", millis % 1000 / 100),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// `14.2 MiB`
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    format!("{size:.1} {unit}")
}

fn utc(at: Timestamp) -> OffsetDateTime {
    // Beyond the year 9999 nothing is stored.
    OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn format(at: OffsetDateTime, shape: &[BorrowedFormatItem<'_>]) -> String {
    at.format(shape).expect("these formats have only what a date and a time have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_terms_of_the_field() {
        for (name, expected) in [
            ("dns_servers", "DNS servers"),
            ("primary_rack", "Primary rack"),
            ("cidr", "Prefix"),
            ("rack-tokens", "Join tokens"),
            ("", ""),
        ] {
            assert_eq!(label(name), expected);
        }
        assert_eq!((noun("vlan"), noun("subnet")), ("VLAN".into(), "subnet".into()));
    }

    #[test]
    fn numbers_are_grouped() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (39_828, "39,828"),
            (-1_234_567, "-1,234,567"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn addresses_of_pages_carry_any_key() {
        for (text, expected) in [
            ("10.0.0.0/24", "10.0.0.0/24"),
            ("a b&c=é", "a%20b%26c%3D%C3%A9"),
            ("?#%", "%3F%23%25"),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn a_word_of_a_shell_stays_one() {
        for (text, expected) in [("a=b", "'a=b'"), ("", "''"), ("it's; rm x", r"'it'\''s; rm x'")] {
            assert_eq!(shell(text), expected);
        }
    }

    #[test]
    fn what_is_waited_for_and_sent_is_said_in_its_own_unit() {
        for (micros, expected) in [
            (-5, "0 ms"),
            (310_999, "310 ms"),
            (4_190_000, "4.1 s"),
            (119_999_999, "119.9 s"),
            (200_000_000, "3 min 20 s"),
        ] {
            assert_eq!(took(micros), expected);
        }
        for (count, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (14_889_779, "14.2 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn times_say_as_much_as_one_needs() {
        let now = Timestamp::from_seconds(1_795_400_000);
        for (seconds, clock, age) in [
            (0, "02:13:20", "now"),
            (41, "02:14:01", "in 41 s"),
            (-780, "02:00:20", "13 min ago"),
            (-86_400, "22 Nov, 02:13:20", "24 h ago"),
            (-86_400 * 400, "19 Oct 2025, 02:13", "400 d ago"),
        ] {
            let at = Timestamp::from_seconds(now.seconds() + seconds);
            assert_eq!(Moment::clock(at, now).text, clock);
            assert_eq!(relative(at, now), age);
        }
    }
}
