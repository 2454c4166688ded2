//! Each rule of the syntax in a few lines of text, and whatever else a file may hold.

use proptest::prelude::*;

use super::*;

/// Lines as text, for comparing: `3 <host db1> ip=1.2.3.4`.
fn shown(text: &str) -> Vec<String> {
    let line = |line: &Line<'_>| {
        let section = line.section.map(|heading| format!(" {heading}")).unwrap_or_default();
        let item = match line.item {
            Item::Variable { key, value } => format!("{key}={value}"),
            other => format!("{other:?}"),
        };
        format!("{}{section} {item}", line.number)
    };
    read(text).iter().map(line).collect()
}

#[test]
fn lines_are_what_the_original_takes_them_for() {
    for (text, wants) in [
        ("", vec![]),
        ("\n \t \n  # x\n#\n", vec![]),
        ("this db1", vec!["1 this=db1"]),
        ("\tkey \t a  b \t\r\n", vec!["1 key=a  b"]),
        ("key  # x", vec!["1 key=# x"]),
        ("key ", vec!["1 key="]),
        ("key\r\n", vec!["1 key="]),
        ("key\n", vec!["1 NoValue(\"key\")"]),
        ("include a.conf \n", vec!["1 Include(\"a.conf\")"]),
        ("include a.conf # x", vec!["1 include=a.conf # x"]),
        ("include \"a.conf\"", vec!["1 Include(\"\\\"a.conf\\\"\")"]),
        ("<host db.1>", vec!["1 <host=db.1>"]),
        ("<host db1> # x", vec!["1 <host=db1> # x"]),
        ("<socket/>", vec!["1 <socket> Section"]),
        ("<\tcheck  mysql / >\nx y", vec!["1 <check mysql> Section", "2 x=y"]),
        (" < host  db-1 >\nip 1\n</  host >", vec!["1 <host db-1> Section", "2 <host db-1> ip=1"]),
        ("<a>\n</b>\nx y", vec!["1 <a> Section", "2 OtherEnd(\"b\", <a>)", "3 x=y"]),
        ("</host>\nx y", vec!["1 EndOutside(\"host\")", "2 x=y"]),
        (
            "<host a>\nx y\n",
            vec![
                "1 <host a> Section",
                "2 <host a> x=y",
                "1 <host a> NotClosed(Heading { word: \"host\", name: \"a\", line: 1 })",
            ],
        ),
        ("\u{feff}this db1", vec!["1 ByteOrderMark", "1 this=db1"]),
    ] {
        assert_eq!(shown(text), wants, "{text:?}");
    }
}

#[test]
fn a_section_in_a_section_and_an_include_in_one_are_faults() {
    let lines = read("<host a>\n<host b>\ninclude x\n</host>\n");
    let items: Vec<_> = lines.iter().map(|line| line.item).collect();
    let a = Heading { word: "host", name: "a", line: 1 };
    let b = Heading { word: "host", name: "b", line: 2 };
    assert_eq!(
        items,
        [
            Item::Section,
            Item::Fault(Fault::Nested(a)),
            Item::Section,
            Item::Fault(Fault::IncludeInside(b)),
        ]
    );
}

#[test]
fn comments_behind_values_are_found_and_passwords_left_alone() {
    for (value, secret, wants) in [
        ("10.0.0.1 # vip", false, ("10.0.0.1", Some("# vip"))),
        ("10.0.0.1\t## vip", false, ("10.0.0.1", Some("## vip"))),
        ("a#b", false, ("a#b", None)),
        ("a#b #c", true, ("a#b", Some("#c"))),
        ("# all", false, ("", Some("# all"))),
        ("# all", true, ("", Some("# all"))),
        ("#", true, ("#", None)),
        ("#pass", true, ("#pass", None)),
        ("#pass", false, ("", Some("#pass"))),
    ] {
        assert_eq!(cut_comment(value, secret), wants, "{value:?} {secret}");
    }
}

#[test]
fn lists_split_at_commas_only() {
    assert_eq!(items("a, b ,c"), ["a", "b", "c"]);
    assert_eq!(items("a,,b,"), ["a", "", "b"]);
    assert_eq!(items("a b"), ["a b"]);
    assert!(items("").is_empty() && items(" , ").is_empty());
}

#[test]
fn other_files_are_recognised() {
    for (text, wants) in [
        ("host db1\n  ip 1.2.3.4\n  port 3306\n  user u\n", Some((1, Foreign::Version1))),
        ("debug no\nlog mmm_debug\n  file /x\n", Some((2, Foreign::Version1))),
        ("role reader\n  servers db1, db2\n", Some((1, Foreign::Version1))),
        ("<host default>\n ip <%= @ip %>\n</host>\n", Some((2, Foreign::Template { sign: "<%" }))),
        ("pid_path ${run}/x\n", Some((1, Foreign::Template { sign: "${" }))),
        ("pid_path %PREFIX%/x\n", Some((1, Foreign::Template { sign: "%NAME%" }))),
        ("this @HOST_1@\n", Some((1, Foreign::Template { sign: "@NAME@" }))),
        ("<role w>\n<ip 1.2.3.4>\ncidr 24\n</ip>\n</role>", Some((2, Foreign::IpSections))),
        ("active_master_role writer\nip 1.2.3.4\n", Some((2, Foreign::TagsLost))),
        ("host db1>\n ip 1.2.3.4\n/host>\n", Some((1, Foreign::TagsLost))),
        ("&lt;host db1&gt;\nip 1\n", Some((1, Foreign::Entities))),
        ("this = \"db1\"\n[host.db1]\nip = \"1.2.3.4\"\n", Some((2, Foreign::Toml))),
        ("include mmm_common.conf\nthis db1\n", None),
        ("# ${x}\n<host a>\nagent_password ${x}%A%\n</host>\n", None),
        ("<host a>\nagent_user 50%A\nx a@B\n</host>", None),
        ("include mmm_common.conf\n", None),
    ] {
        assert_eq!(foreign(text), wants, "{text:?}");
    }
}

#[test]
fn files_are_looked_for_as_the_original_did() {
    let shown = |files: Vec<PathBuf>| {
        files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        shown(default_files("mmm_mon", Some("c1"))),
        "/etc/mysql-mmm/mmm_mon_c1.toml /etc/mmm_mon_c1.conf /etc/mmm/mmm_mon_c1.conf \
         /etc/mysql-mmm/mmm_mon_c1.conf"
    );
    let from = Path::new("/a/mmm_mon.conf");
    assert_eq!(
        shown(include_files(from, "x").unwrap()),
        "/a/x.conf /etc/x.conf /etc/mmm/x.conf /etc/mysql-mmm/x.conf"
    );
    assert_eq!(include_files(from, "/a/x.conf"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_it_panic(text in "[ -~\n\r\t<>/#\u{e9}\u{feff}]{0,200}") {
        for line in read(&text) {
            prop_assert!(line.number as usize <= text.split('\n').count());
            if let Item::Variable { value, .. } = line.item {
                let (kept, cut) = cut_comment(value, text.len() % 2 == 0);
                prop_assert!(kept.len() + cut.map_or(0, str::len) <= value.len());
                items(kept);
            }
        }
        foreign(&text);
    }
}
