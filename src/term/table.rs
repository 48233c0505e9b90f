//! Columns of text.
//!
//! Next file to read: `wrap.rs`.
#![forbid(unsafe_code)]

/// Lays rows out in columns, each as wide as its widest cell, two spaces apart. The last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let width = |column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Puts `indent` in front of each line.
pub(crate) fn indented(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{indent}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let text = table(&[row(&["a", "bcd", "e"]), row(&["fgh", "i", ""]), row(&["µs"])]);
        assert_eq!(text, "a    bcd  e\nfgh  i\nµs\n");
        assert_eq!(indented(&text, "  "), "  a    bcd  e\n  fgh  i\n  µs\n");
    }
}
