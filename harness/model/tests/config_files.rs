//! Files that cannot be read or are no YAML, and files that are nothing at all: each gives a clear
//! message, none a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use plimsoll_model::config::{self, ConfigErrors, MAX_FILE_BYTES};
use proptest::prelude::*;

const LOAD: &str = "load: { model: open, rate: 5/s, duration: 10s }";

fn errors(text: &str) -> ConfigErrors {
    config::parse(text, "bad.yaml").unwrap_err()
}

#[test]
fn files_that_are_no_yaml() {
    let deep = format!("target: {}x{}", "[".repeat(40), "]".repeat(40));
    let deeper = format!("a: {}", "[".repeat(100_000));
    let bomb = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |bomb, i| {
        format!("{bomb}a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(","))
    });
    let many = format!("target: [{}]", "x,".repeat(20_000));
    for (text, line, column, parts) in [
        ("", 1, 1, &["the file is empty", "write at least target:"][..]),
        ("\n\n", 1, 1, &["the file is empty"]),
        ("# nothing\n# here\n", 1, 1, &["the file is empty"]),
        ("---\n", 1, 1, &["the file is empty"]),
        ("\u{feff}", 1, 1, &["the file is empty"]),
        ("- a\n- b\n", 1, 1, &["the file is a list"]),
        ("just text", 1, 1, &["the file is a single value"]),
        ("load:\n\tmodel: open\n", 2, 1, &["indented with a tab", "indent with spaces"]),
        ("load:\n  model: open\n  \trate: 5/s\n", 3, 3, &["indented with a tab"]),
        ("a: 1\n---\nb: 2\n", 3, 1, &["a second document begins", "remove the line `---`"]),
        ("target: http://h/\nload: { model: open\n", 2, 7, &["not YAML", "close it"]),
        ("name: \"x\n", 1, 7, &["unclosed quote"]),
        ("name: a: b\n", 1, 8, &["not YAML", "quote a value"]),
        ("name: @x\n", 1, 7, &["quote a value that begins with a special character"]),
        ("name: {{key}}\n", 1, 8, &["put a text that holds {{…}} in single quotes"]),
        ("name: *nowhere\n", 1, 7, &["whose anchor (&name) is not above"]),
        ("name: &x [*x]\n", 1, 11, &["within its own anchor"]),
        ("name: x\0y\n", 1, 8, &["NUL byte"]),
        (&deep, 1, 33, &["more than 24 levels deep"]),
        (&deeper, 1, 28, &["more than 24 levels deep"]),
        (&bomb, 5, 10, &["expand to more than 10000 values"]),
        (&many, 1, 20_004, &["more than 10000 values"]),
        ("? [a]\n: b\n", 1, 3, &["a key must be a plain word"]),
    ] {
        let errors = errors(text);
        assert_eq!(errors.problems.len(), 1, "{errors}");
        let problem = &errors.problems[0];
        assert_eq!((problem.line, problem.column), (line, column), "{errors}");
        parts.iter().for_each(|part| assert!(errors.to_string().contains(part), "{part}: {errors}"));
    }
    let large = errors(&"x".repeat(MAX_FILE_BYTES + 1)).to_string();
    assert!(large.contains("larger than 1 MiB"), "{large}");
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("latin1.yaml"), b"target: http://h/\nname: caf\xe9\n").unwrap();
    std::fs::write(at("large.yaml"), vec![b'#'; MAX_FILE_BYTES + 1]).unwrap();
    for (path, parts) in [
        (at("missing.yaml"), &["missing.yaml: no such file", "plimsoll init"][..]),
        (dir.path().to_owned(), &["is a directory"]),
        (at("latin1.yaml"), &["latin1.yaml:2:10: the byte 0xE9 is not UTF-8", "save the file as UTF-8"]),
        (at("large.yaml"), &["larger than 1 MiB"]),
    ] {
        let errors = config::load(&path).unwrap_err().to_string();
        parts.iter().for_each(|part| assert!(errors.contains(part), "{part}: {errors}"));
    }
}

#[test]
fn messages_stay_short_and_harmless() {
    let keys: String = (0..500).map(|i| format!("key{i}: 1\n")).collect();
    let errors_of_many = errors(&keys);
    assert_eq!(errors_of_many.problems.len(), 50);
    assert!(errors_of_many.more);
    let long = errors(&format!("target: http://h/\n{LOAD}\nname: {}\n", "é".repeat(100_000))).to_string();
    assert!(long.len() < 4_000, "{}", long.len());
    let escape = errors(&format!("target: \"\\e[31m\"\n{LOAD}\n\"\\e[2J\": 1\n")).to_string();
    assert!(!escape.contains('\u{1b}'), "{escape:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = config::parse(&String::from_utf8_lossy(&bytes), "x.yaml");
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z:{}\\[\\], \n\t\"'&*!|>%@#<.0-9/-]{0,300}") {
        if let Err(errors) = config::parse(&text, "x.yaml") {
            prop_assert!(!errors.problems.is_empty());
            let _ = errors.to_string();
        }
    }

    #[test]
    fn no_damaged_file_makes_it_panic(at in 0.0..1.0_f64, length in 0_usize..20, put in "[ -~\n]{0,6}") {
        let text = include_str!("../../../configs/checkout.yaml");
        let from = (0..=(text.len() as f64 * at) as usize).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let to = (from + length..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
        let damaged = format!("{}{put}{}", &text[..from], &text[to..]);
        if let Err(errors) = config::parse(&damaged, "x.yaml") {
            prop_assert!(!errors.problems.is_empty());
            for problem in &errors.problems {
                prop_assert!(problem.line >= 1 && problem.line <= damaged.lines().count() + 1);
            }
        }
    }
}
