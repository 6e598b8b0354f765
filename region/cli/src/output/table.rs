//! Rows of text under a header, as wide as the terminal allows.

/// Between two columns.
const GAP: usize = 2;
/// A column is not cut below this.
const NARROWEST: usize = 8;
const CUT: char = '…';

/// How a table is set; made once, so that rows which come later stand under the same columns.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    widths: Vec<usize>,
    right: Vec<bool>,
    cut: bool,
}

impl Layout {
    /// For these rows, the header being the first. `right` names the columns of numbers. Without a width nothing is cut.
    pub(crate) fn fit(rows: &[Vec<String>], right: &[bool], width: Option<usize>) -> Self {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let longest = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width_of(cell)).max().unwrap_or_default()
        };
        let mut widths: Vec<usize> = (0..columns).map(longest).collect();
        if let Some(width) = width {
            shrink(&mut widths, width);
        }
        Self { widths, right: right.to_vec(), cut: width.is_some() }
    }

    pub(crate) fn line(&self, row: &[String], style: impl Fn(usize, &str) -> String) -> String {
        let mut line = String::new();
        let mut owed = 0;
        for (column, cell) in row.iter().enumerate() {
            let room = self.widths.get(column).copied().unwrap_or_default();
            let cell = if self.cut { cut(cell, room) } else { cell.clone() };
            let missing = room.saturating_sub(width_of(&cell));
            let before = if self.right.get(column) == Some(&true) { missing } else { 0 };
            // Nothing is written after the last cell that has something in it.
            if cell.is_empty() {
                owed += room + GAP;
                continue;
            }
            line.extend(std::iter::repeat_n(' ', owed + before));
            line.push_str(&style(column, &cell));
            owed = missing - before + GAP;
        }
        line.push('\n');
        line
    }
}

/// Takes from the widest column until the row fits or nothing can be taken.
fn shrink(widths: &mut [usize], most: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(most);
    while over > 0 {
        // The first column is the key: what one has to type again.
        let Some(widest) = widths.iter_mut().skip(1).max_by_key(|width| **width) else { return };
        if *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
        over -= 1;
    }
}

/// At most this wide, with a sign that something is missing.
pub(crate) fn cut(cell: &str, room: usize) -> String {
    if width_of(cell) <= room {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}{CUT}")
}

/// In columns of a terminal.
pub(crate) fn width_of(text: &str) -> usize {
    text.chars().count()
}
