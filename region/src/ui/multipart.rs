//! Forms that carry files (RFC 7578), as far as browsers send them: text, without a preamble.

/// Names and texts of the parts; None: it is not whole.
pub(super) fn parts<'a>(boundary: &str, body: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let delimiter = format!("\r\n--{boundary}");
    let body = body.strip_prefix(delimiter.trim_start())?;
    let mut parts: Vec<&str> = body.split(delimiter.as_str()).collect();
    parts.pop().filter(|end| end.starts_with("--"))?;
    let part = |text: &'a str| {
        let (head, text) = text.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        Some((name(head)?, text))
    };
    parts.into_iter().map(part).collect()
}

/// `multipart/form-data; boundary=x`
pub(super) fn boundary(media: &str) -> Option<&str> {
    let rest = media.strip_prefix("multipart/form-data;")?;
    Some(rest.trim().strip_prefix("boundary=")?.trim_matches('"')).filter(|text| !text.is_empty())
}

/// Not that of the file, which stands behind it.
fn name(head: &str) -> Option<&str> {
    let (_, rest) = head.split_once(" name=\"")?;
    rest.split_once('"').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_a_file_is_taken_apart_or_not_at_all() {
        let whole = "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n\r\n--x\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.yaml\"\r\n\
             Content-Type: application/yaml\r\n\r\nkind: fabric\n--y\n\r\n--x--\r\n";
        let parts_of = [("text", ""), ("file", "kind: fabric\n--y\n")];
        for (body, expected) in [
            (whole, Some(parts_of.to_vec())),
            ("--x--\r\n", Some(Vec::new())),
            (&whole[..whole.len() - 8], None),
            ("--x\r\nno head\r\n--x--", None),
            ("--x\r\nContent-Type: text/plain\r\n\r\nno name\r\n--x--", None),
            ("--z\r\n", None),
            ("", None),
        ] {
            assert_eq!(parts("x", body), expected, "{body}");
        }
    }

    #[test]
    fn the_boundary_is_what_the_browser_chose() {
        for (media, expected) in [
            ("multipart/form-data; boundary=----a1", Some("----a1")),
            ("multipart/form-data; boundary=\"a 1\"", Some("a 1")),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("application/x-www-form-urlencoded", None),
        ] {
            assert_eq!(boundary(media), expected);
        }
    }
}
