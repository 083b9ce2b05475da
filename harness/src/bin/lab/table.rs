//! Aligned columns.

use std::fmt::Write;

/// Rows under a heading, the columns as wide as they need to be.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut push = |cells: Vec<&str>| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push(heading.to_vec());
    for row in rows {
        push(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["docker0".to_owned(), "10.0.0.10".to_owned()], ["c".to_owned(), String::new()]];
        assert_eq!(table(["HOST", "IP"], &rows), "HOST      IP\ndocker0   10.0.0.10\nc\n");
    }
}
