//! Lines that fit the terminal, broken between words.
//!
//! Next file to read: `../report/mod.rs`.
#![forbid(unsafe_code)]

/// Breaks each line of `text` into lines of at most `width` characters, further ones with `indent` in front. Ends with a
/// newline. A word that is longer than a line is broken, too.
pub(crate) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let lead: String = line.chars().take_while(|c| *c == ' ').collect();
        let (mut current, mut is_empty) = (lead, true);
        for word in line.split_whitespace() {
            let mut word = word.to_owned();
            loop {
                let used = current.chars().count();
                let space = usize::from(!is_empty);
                let length = word.chars().count();
                if used + space + length <= width {
                    current.extend(std::iter::repeat_n(' ', space));
                    current.push_str(&word);
                    is_empty = false;
                    break;
                }
                if is_empty {
                    let room = width.saturating_sub(used).max(1);
                    let cut = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                    current.push_str(&word[..cut]);
                    word.drain(..cut);
                }
                lines.push_str(current.trim_end());
                lines.push('\n');
                (current, is_empty) = (indent.to_owned(), true);
                if word.is_empty() {
                    break;
                }
            }
        }
        if !is_empty || line.trim().is_empty() {
            lines.push_str(current.trim_end());
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_long_words_within() {
        assert_eq!(wrapped("one two three", 7, ""), "one two\nthree\n");
        assert_eq!(wrapped("  one two three", 9, "    "), "  one two\n    three\n");
        assert_eq!(wrapped("abcdefghij k", 4, " "), "abcd\n efg\n hij\n k\n");
        assert_eq!(wrapped("µs µs", 5, ""), "µs µs\n");
        assert_eq!(wrapped("a\n\nb", 5, ""), "a\n\nb\n");
        assert_eq!(wrapped("", 5, ""), "");
        for width in 1..20 {
            let text = wrapped("the quick brown fox jumps over the lazy dog", width, "");
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert_eq!(text.replace(['\n', ' '], ""), "thequickbrownfoxjumpsoverthelazydog");
        }
    }
}
