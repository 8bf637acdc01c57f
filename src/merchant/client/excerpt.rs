//! The beginning of a failing answer, made safe for logs and terminals.

use std::fmt::Write as _;

/// Bytes of an excerpt at most.
const MAX: usize = 256;
/// Runs of so many digits may be card or account numbers.
const LONG_RUN: usize = 12;

/// At most 256 bytes of text, control and invisible characters escaped, long runs of digits
/// masked. Single blanks and hyphens between digits do not end a run.
pub(super) fn of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut safe = String::with_capacity(MAX);
    for char in masked(text.trim()) {
        let before = safe.len();
        match char {
            '"' | '\'' => safe.push(char),
            char => drop(write!(safe, "{}", char.escape_debug())),
        }
        if safe.len() > MAX {
            safe.truncate(before);
            break;
        }
    }
    safe
}

fn masked(text: &str) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let (end, digits) = run(&chars[at..]);
        if digits >= LONG_RUN {
            chars[at..at + end].iter_mut().filter(|char| char.is_numeric()).for_each(|c| *c = '*');
        }
        at += end.max(1);
    }
    chars
}

/// Length of the run of digits at the beginning, and how many digits it has.
fn run(chars: &[char]) -> (usize, usize) {
    let (mut end, mut digits) = (0, 0);
    for (at, char) in chars.iter().enumerate() {
        if char.is_numeric() {
            (end, digits) = (at + 1, digits + 1);
        } else if !matches!(char, ' ' | '-') || end != at || at == 0 {
            break;
        }
    }
    (end, digits)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn long_runs_of_digits_are_masked_and_short_ones_stay() {
        let text = of(b"card 4111111111111111 of order 12345678901");
        assert_eq!(text, "card **************** of order 12345678901");
        assert_eq!(of(b"4111 1111-1111 1111, 2026-01-31"), "**** ****-**** ****, 2026-01-31");
    }

    #[test]
    fn a_run_across_the_end_of_the_excerpt_is_masked_too() {
        let text = of(format!("{}{}", "a".repeat(250), "7".repeat(16)).as_bytes());
        assert_eq!(text, format!("{}******", "a".repeat(250)));
    }

    #[test]
    fn control_and_invisible_characters_are_escaped_and_quotes_are_not() {
        let text = of("{\"e\":'\u{1b}[31m\r\nr\u{202e}x'}\0".as_bytes());
        assert_eq!(text, r#"{"e":'\u{1b}[31m\r\nr\u{202e}x'}\0"#);
        assert_eq!(of(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn an_excerpt_is_cut_between_characters_and_escapes() {
        assert_eq!(of("ä".repeat(400).as_bytes()).len(), 256);
        assert_eq!(of(&[1; 400]).len(), 255, "51 escapes of five bytes");
    }
}
