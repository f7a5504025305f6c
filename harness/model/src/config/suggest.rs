//! Which known word a mistyped one was probably meant to be.

/// The nearest of `known` to `word`, if it is near enough to be a slip of the hand.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // A word far longer than any key is no slip, and the distance costs the product of the lengths.
    if word.chars().count() > 64 {
        return None;
    }
    let plain = |s: &str| s.to_lowercase().replace('-', "_");
    let wanted = plain(word);
    let scored = known.iter().map(|k| (distance(&wanted, &plain(k)), *k));
    let (distance, found) = scored.min_by_key(|(d, _)| *d)?;
    let length = wanted.chars().count().max(found.chars().count());
    (distance <= (length / 3).max(1) && distance < length).then_some(found)
}

/// `did you mean …?`, when there is something to suggest.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known).map(|k| format!("did you mean `{k}`?"))
}

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["duration", "rate", "rates", "warmup", "think_time"];
        for (word, expected) in [
            ("duratoin", Some("duration")),
            ("Rate", Some("rate")),
            ("warm_up", Some("warmup")),
            ("think-time", Some("think_time")),
            ("banana", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), &known), None);
        assert_eq!(nearest("a", &[]), None);
    }
}
