//! Rows of text under a header, as wide as the terminal allows.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
    let mut kept = String::new();
    for letter in cell.chars() {
        if width_of(&kept) + letter.width().unwrap_or_default() + 1 > room {
            break;
        }
        kept.push(letter);
    }
    kept.push(CUT);
    kept
}

/// In columns of a terminal.
pub(crate) fn width_of(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &[&[&str]], right: &[bool], width: Option<usize>) -> String {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        let layout = Layout::fit(&rows, right, width);
        rows.iter().map(|row| layout.line(row, |_, cell| cell.to_owned())).collect()
    }

    #[test]
    fn columns_are_aligned_and_cut_only_where_the_terminal_ends() {
        let rows: &[&[&str]] = &[
            &["KEY", "VID", "NOTE"],
            &["dc1/10", "10", "a note that goes on for quite a while"],
            &["dc1/4000", "4000", ""],
        ];
        for (right, width, expected) in [
            (
                &[false, true, false][..],
                None,
                "KEY        VID  NOTE\n\
                 dc1/10      10  a note that goes on for quite a while\n\
                 dc1/4000  4000\n",
            ),
            (
                &[][..],
                Some(30),
                "KEY       VID   NOTE\n\
                 dc1/10    10    a note that g…\n\
                 dc1/4000  4000\n",
            ),
            // Narrower than it can be: the key stays whole, since one has to type it.
            (
                &[][..],
                Some(10),
                "KEY       VID   NOTE\n\
                 dc1/10    10    a note …\n\
                 dc1/4000  4000\n",
            ),
        ] {
            assert_eq!(set(rows, right, width), expected, "{width:?}");
        }
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(set(&[&["中文", "b"], &["a", "b"]], &[], None), "中文  b\na     b\n");
        assert_eq!(cut("中文字", 5), "中文…");
    }

    #[test]
    fn colour_is_around_the_words_and_not_around_the_gaps() {
        let rows = vec![vec!["a".to_owned(), "b".to_owned()], vec!["long".into(), "b".into()]];
        let layout = Layout::fit(&rows, &[], None);
        assert_eq!(layout.line(&rows[0], |_, cell| format!("<{cell}>")), "<a>     <b>\n");
    }
}
