//! The status for people.

use rack::{link::LinkState, status::Status};
use std::io::Write;

/// To standard output; a reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

pub(crate) fn of(status: &Status) -> String {
    let mut text = format!("hostler-rack {}, incarnation {}\n", status.version, status.incarnation);
    match &status.region {
        None => text.push_str("region    none: it serves its configuration file\n"),
        Some(link) => {
            let state = match link.state {
                LinkState::Connecting => "connecting",
                LinkState::Connected => "connected",
                LinkState::Unreachable => "UNREACHABLE",
                LinkState::Refused => "REFUSED",
            };
            let behind = status.newest_fact.saturating_sub(link.recorded_fact);
            text.push_str(&format!(
                "rack      {} ({})\nregion    {state} since {}: {}\nfacts     {} recorded by region, {behind} to go\n",
                link.name, link.rack, link.since, link.detail, link.recorded_fact
            ));
            text.push_str(&format!("identity  until {}\n", link.certificate_ends));
        }
    }
    let services = status.services.iter().map(|row| vec![&row.name, &row.state, &row.detail]);
    text.push_str(&columns(&["SERVICE", "STATE", "DETAIL"], services));
    let scopes: Vec<_> = status.scopes.iter().map(|row| (row, row.why.join("; "))).collect();
    let scopes = scopes.iter().map(|(row, why)| {
        vec![&row.scope, &row.name, &row.verdict, &row.offered, &row.serving, why]
    });
    text.push_str(&columns(&["SCOPE", "NAME", "VERDICT", "OFFERED", "SERVING", "WHY"], scopes));
    let interfaces: Vec<_> =
        status.interfaces.iter().map(|row| (row, row.addresses.join(" "))).collect();
    let interfaces =
        interfaces.iter().map(|(row, addresses)| vec![&row.name, addresses, &row.vlan, &row.why]);
    text.push_str(&columns(&["INTERFACE", "ADDRESSES", "VLAN", "WHY"], interfaces));
    text
}

/// A blank line, a header, and the rows, each column as wide as its widest cell.
fn columns<'a>(header: &[&str], rows: impl Iterator<Item = Vec<&'a String>>) -> String {
    let head = header.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let mut table = vec![head];
    table.extend(rows.map(|row| row.into_iter().cloned().collect()));
    let width = |column: usize| {
        table.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let lines = table.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    format!("\n{}\n", lines.collect::<Vec<_>>().join("\n"))
}
