use super::super::samples::view;
use super::*;

/// Labels that try to leave their place.
const HOSTILE: [&str; 9] = [
    "\"]; evil -> x; #",
    "a: b {c}",
    "</text><script>alert(1)</script>",
    "${x} \\",
    "x\ny: z",
    "\u{202e}evil",
    "]] --> n0 %% click n0 href",
    "|md # hi |",
    "&amp;'",
];

#[test]
fn d2_is_what_area_net_wrote() {
    insta::assert_snapshot!(d2(&view()), @r#"
    1111111111111111111111111111111111111111111111111111111111111111: alice \n (9001)
    2222222222222222222222222222222222222222222222222222222222222222: bob \n (9002)
    3333333333333333333333333333333333333333333333333333333333333333: carol \n (9003)
    5555555555555555555555555555555555555555555555555555555555555555: twin \n (9005)
    6666666666666666666666666666666666666666666666666666666666666666: twin \n (9006)
    7777777777777777777777777777777777777777777777777777777777777777: 77777777 \n (-)
    1111111111111111111111111111111111111111111111111111111111111111 -> 2222222222222222222222222222222222222222222222222222222222222222: 321
    2222222222222222222222222222222222222222222222222222222222222222 -> 3333333333333333333333333333333333333333333333333333333333333333: 45000
    3333333333333333333333333333333333333333333333333333333333333333 -> 5555555555555555555555555555555555555555555555555555555555555555: 0
    "#);
}

#[test]
fn dot_and_mermaid_show_all_states() {
    insta::assert_snapshot!(dot(&view()), @r#"
    digraph kith {
      "1111111111111111111111111111111111111111111111111111111111111111" [label="alice\n(9001)", tooltip="alive"];
      "2222222222222222222222222222222222222222222222222222222222222222" [label="bob\n(9002)", tooltip="alive"];
      "3333333333333333333333333333333333333333333333333333333333333333" [label="carol\n(9003)", tooltip="suspect"];
      "4444444444444444444444444444444444444444444444444444444444444444" [label="dave\n(9004)", tooltip="failed", style=dashed, color=gray];
      "5555555555555555555555555555555555555555555555555555555555555555" [label="twin\n(9005)", tooltip="alive"];
      "6666666666666666666666666666666666666666666666666666666666666666" [label="twin\n(9006)", tooltip="alive"];
      "7777777777777777777777777777777777777777777777777777777777777777" [label="77777777\n(-)", tooltip="alive"];
      "1111111111111111111111111111111111111111111111111111111111111111" -> "2222222222222222222222222222222222222222222222222222222222222222" [label="321"];
      "2222222222222222222222222222222222222222222222222222222222222222" -> "3333333333333333333333333333333333333333333333333333333333333333" [label="45000"];
      "3333333333333333333333333333333333333333333333333333333333333333" -> "5555555555555555555555555555555555555555555555555555555555555555" [label="0", style=dashed];
    }
    "#);
    insta::assert_snapshot!(mermaid(&view()), @r#"
    graph LR
      n0["alice<br/>(9001)"]
      n1["bob<br/>(9002)"]
      n2["carol<br/>(9003)"]
      n3["dave<br/>(9004)"]
      n4["twin<br/>(9005)"]
      n5["twin<br/>(9006)"]
      n6["77777777<br/>(-)"]
      n0 -->|321| n1
      n1 -->|45000| n2
      n2 -.->|0| n4
      classDef gone stroke-dasharray: 4,color:#666
      class n3 gone
    "#);
}

#[test]
fn hostile_labels_stay_on_their_line_in_every_format() {
    for label in HOSTILE {
        let plain = view();
        let mut hostile = view();
        hostile.nodes[1].label = label.into();
        for format in [Format::D2, Format::Dot, Format::Mermaid, Format::Svg] {
            let lines = format.render(&hostile).lines().count();
            assert_eq!(lines, format.render(&plain).lines().count(), "{format:?} {label:?}");
        }
    }
}

#[test]
fn quotes_are_balanced_in_d2_and_dot_whatever_the_label() {
    for label in HOSTILE {
        let mut hostile = view();
        hostile.nodes[1].label = label.into();
        for text in [d2(&hostile), dot(&hostile)] {
            for line in text.lines() {
                let unescaped = line.replace("\\\\", "").replace("\\\"", "").replace("\\$", "");
                assert_eq!(unescaped.matches('"').count() % 2, 0, "{line}");
            }
        }
        // d2 would put a variable in the place of `${x}`.
        assert!(!d2(&hostile).replace("\\$", "").contains('$'), "{label}");
    }
}

#[test]
fn the_picture_is_accessible_and_runs_nothing() {
    for label in HOSTILE {
        let mut hostile = view();
        hostile.nodes[0].label = label.into();
        let picture = svg(&hostile);
        assert!(picture.contains("<title id=") && picture.contains("<desc id="));
        assert!(!picture.contains("<script") && !picture.contains("href="));
        for tag in ["g", "text", "title", "svg"] {
            let opened = picture.matches(&format!("<{tag} ")).count()
                + picture.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, picture.matches(&format!("</{tag}>")).count(), "{tag} {label}");
        }
    }
}

#[test]
fn an_empty_network_is_drawn_too() {
    let mut alone = view();
    alone.nodes.truncate(1);
    alone.links.clear();
    for format in [Format::D2, Format::Dot, Format::Mermaid, Format::Svg] {
        assert!(!format.render(&alone).is_empty());
    }
}
