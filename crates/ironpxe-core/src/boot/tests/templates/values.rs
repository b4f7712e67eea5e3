//! What is in a node never becomes a command, whatever the template does with it.

use proptest::prelude::*;

use super::super::super::variables::{self, VariableSet};
use super::*;

/// Prints `node.extra.v` where there is one, which no sample has: load cannot see it.
fn unseen(line: &str) -> Scripts {
    let guarded = format!("{{% if node.extra.v is defined %}}\n{line}\n{{% endif %}}");
    load(&with(&guarded)).unwrap()
}

#[test]
fn value_is_checked_after_any_expression() {
    let expressions = [
        "node.extra.v",
        "node.extra.v | string",
        "node.extra.v ~ \"\"",
        "\"a\" ~ node.extra.v",
        "\"%s\" | format(node.extra.v)",
        "[node.extra.v, \"a\"] | join(\" \")",
        "node.extra.v | replace(\"@\", \"@\")",
        "node.extra.v | indent",
        "node.extra.v | trim",
        "(node.extra.v | upper) if true else \"\"",
        "node.extra | items | map(\"last\") | join",
        "node.extra.v | pprint",
        "node.extra.v | split(\"@\") | first",
        "m()",
        "captured",
    ];
    for expression in expressions {
        let scripts = unseen(&format!(
            "{{% macro m() %}}{{{{ node.extra.v }}}}{{% endmacro %}}\n\
             {{% set captured %}}a {{{{ node.extra.v }}}}{{% endset %}}\n\
             {{% autoescape true %}}\necho a {{{{ {expression} }}}}\n{{% endautoescape %}}"
        ));
        render(&scripts, json!({"v": "good"})).unwrap_or_else(|it| panic!("{expression}: {it}"));
        for bad in [
            "x\nreboot",
            "x || reboot",
            "x ; reboot",
            "${x}",
            "#x",
            "x\\",
            "\u{fc}",
        ] {
            let got = render(&scripts, json!({"v": bad}));
            // A literal is written with its quotes and escapes, which are words.
            let harmless = expression.ends_with("pprint") && got.is_ok();
            if harmless {
                let script = got.unwrap();
                assert!(
                    !script.lines().any(|line| line.starts_with("reboot")),
                    "{script}"
                );
                assert!(!script.contains("${"), "{script}");
            } else {
                assert!(got.is_err(), "{expression} of {bad:?}: {got:?}");
            }
        }
    }
    for block in [
        "{% filter upper %}{{ node.extra.v }}{% endfilter %}",
        "{% call m() %}{{ node.extra.v }}{% endcall %}",
    ] {
        let scripts = unseen(&format!(
            "{{% macro m() %}}{{{{ caller() }}}}{{% endmacro %}}\necho {block}"
        ));
        render(&scripts, json!({"v": "good"})).unwrap();
        assert!(
            render(&scripts, json!({"v": "x\nreboot"})).is_err(),
            "{block}"
        );
    }
}

#[test]
fn console_filter_escapes_any_text() {
    let scripts = unseen("echo a {{ node.extra.v | console }}");
    let script = render(&scripts, json!({"v": "x\n || ${y} #z \u{fc}\\"})).unwrap();
    assert!(script.contains("echo a x '|| $ {y} '#z ?/\n"), "{script}");
    let first = unseen("echo {{ node.extra.v | console }}");
    let script = render(&first, json!({"v": "-n x"})).unwrap();
    assert!(script.contains("echo '-n x\n"), "{script}");
    let script = render(&scripts, json!({"v": 5})).unwrap();
    assert!(script.contains("echo a 5\n"), "{script}");
}

#[test]
fn value_at_an_unsafe_position_is_refused() {
    for (line, value) in [
        ("{{ node.extra.v }}", "reboot"),
        ("  {{ node.extra.v }} x", "reboot"),
        ("re{{ node.extra.v }}", "boot"),
        ("{{ node.extra.v }}oot", "reb"),
        ("echo && {{ node.extra.v }}", "reboot"),
        ("echo ; {{ node.extra.v }}", "reboot"),
        ("echo ||{{ node.extra.v }}", " reboot"),
        ("echo |{{ node.extra.v }} x", "|"),
        ("echo {{ node.extra.v }}| x", "|"),
        ("echo {{ node.extra.v }}{{ node.extra.v }} x", "|"),
        ("echo {{ node.extra.v }}{{ node.extra.v }} x", "&"),
        ("time {{ node.extra.v }}", "reboot"),
        ("time time {{ node.extra.v }}", "reboot"),
        ("${x} {{ node.extra.v }}", "reboot"),
        ("echo || ${x} {{ node.extra.v }}", "reboot"),
        (":{{ node.extra.v }}", "label"),
        ("echo ${net{{ node.extra.v }}/mac}", "0"),
        ("echo ${{ \"{\" }}{{ node.extra.v }}}", "mac"),
        ("echo ${% if true %}{{ node.extra.v }}{% endif %}", "{mac}"),
        ("echo {{ node.extra.v }}{mac}", "$"),
        ("echo ${net{{ node.extra.v }}", "0/mac}"),
        ("echo ${a${b}{{ node.extra.v }}}", "0"),
        (
            "{% set c %}reboot {{ node.extra.v }}{% endset %}\n{{ c }}",
            "x",
        ),
        ("{% macro m() %}echo x{% endmacro %}\n{{ m() }}", "x"),
        ("{% filter lower %}REBOOT{% endfilter %}", "x"),
        ("{{ \"echo \" ~ node.extra.v }}", "x"),
        ("{{ \"\\n\" }}", "x"),
        // Options.
        ("echo {{ node.extra.v }}", "-n"),
        ("echo {{ node.extra.v }} x", "--fields"),
        ("echo -n {{ node.extra.v }}", "-"),
        ("echo -{{ node.extra.v }} x", "n"),
        ("imgfetch --timeout 5 {{ node.extra.v }}", "--name"),
        ("imgfetch --name x {{ node.extra.v }} http://h/", "-t"),
        ("imgfetch --{{ node.extra.v }}=x http://h/", "name"),
        ("time echo {{ node.extra.v }}", "-n"),
        ("isset x && echo {{ node.extra.v }} ||", "-n"),
        ("sanboot -n {{ node.extra.v }}", "--keep"),
    ] {
        let got = render(&unseen(line), json!({"v": value}));
        let error = got.expect_err(line);
        assert_eq!(error.template, "/etc/ironpxe/boot.ipxe", "{line}");
        assert!(
            error.line.is_some_and(|line| (5..=6).contains(&line)),
            "{line}: {error}"
        );
    }
    for (line, value) in [
        ("echo {{ node.extra.v }}", "reboot"),
        ("echo x{{ node.extra.v }}y", "|"),
        ("echo -n x {{ node.extra.v }}", "-n"),
        ("echo -- {{ node.extra.v }}", "-n"),
        (
            "kernel --timeout 5 -n k http://h/k {{ node.extra.v }}",
            "--x",
        ),
        ("kernel --name {{ node.extra.v }} http://h/k", "-x"),
        ("sanboot -n --drive {{ node.extra.v }} x", "0x80"),
        ("echo ${net0/mac} {{ node.extra.v }}", "x"),
        ("echo ${net${n}/mac}{{ node.extra.v }}", "x"),
        ("set x {{ node.extra.v }} || goto {{ node.extra.v }}", "x"),
        ("isset x && time echo {{ node.extra.v }} ||", "x"),
        ("{% for x in [1, 2] %}\necho {{ x }}\n{% endfor %}", "x"),
        (":label\n\techo {{ node.extra.v }}", "x"),
    ] {
        render(&unseen(line), json!({"v": value}))
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

/// What a template is made of. `Q` stands in values only.
fn template_piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "echo ",
        "set x ",
        "\n",
        "\n",
        " ",
        " || ",
        " && ",
        " ; ",
        "|",
        "&",
        ";",
        "$",
        "}",
        "time ",
        ":",
        "#",
        "\\\n",
        "\t",
        "{% raw %}${{% endraw %}",
        "{{ node.extra.a }}",
        "{{ node.extra.b }}",
        "{{ node.extra.a ~ node.extra.b }}",
        "{% if node.extra.a == \"Q\" %}{{ node.extra.b }}{% else %}x{% endif %}",
        "{% set c %}echo {{ node.extra.a }}{% endset %}{{ c }}",
    ])
}

fn value_piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Q", "Q Q", " Q", "Q ", "", " ", "|", "||", "&", "& Q", ";", ";Q", "$", "{Q}", "{", "}",
        "#", "\\", "\n", "\r", "${Q}", "|| Q", "time Q",
    ])
}

/// The words that iPXE would run as commands: its own steps, done plainly. Settings are replaced
/// before a line is cut into words; that they are empty is the worst case.
fn commands(script: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for line in script.replace("\\\n", "").lines() {
        let mut line = line.to_owned();
        // The innermost first.
        while let Some(start) = line.rfind("${") {
            match line[start..].find('}') {
                Some(length) => line.replace_range(start..=start + length, ""),
                None => line.replace_range(start..start + 2, ""),
            }
        }
        let mut begins = true;
        for word in line.split_ascii_whitespace() {
            let separates = [";", "&&", "||"].contains(&word);
            if begins {
                commands.push(word.to_owned());
            }
            begins = separates || (begins && word == "time");
        }
    }
    commands
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hostile_value_is_never_a_command(
        template in prop::collection::vec(template_piece(), 1..12),
        a in prop::collection::vec(value_piece(), 0..3),
        b in prop::collection::vec(value_piece(), 0..3),
    ) {
        let text = format!("#!ipxe\n{}\nexit\n", template.concat());
        let Ok(operators) = operator::Operators::untried(file(&text)) else {
            return Ok(());
        };
        let mut node = node(ProvisionState::Available, "direct");
        node.extra = map(json!({"a": a.concat(), "b": b.concat()}));
        let context = RenderContext { machine: Machine::of(&node), request_id: REQUEST };
        let downloads = BootSettings::default().downloads;
        let values = variables::of_machine(&ResolvedPlan::direct(plan(&node)), context, downloads, VariableSet::Operators);
        let template = operators.of(&node).unwrap();
        if let Ok(script) = operators.render(template, values) {
            let commands = commands(&script);
            prop_assert!(!commands.iter().any(|it| it.contains('Q')), "{text}\n---\n{script}");
            // Nor does it choose a setting.
            for setting in script.split("${").skip(1) {
                let name = setting.split(['}', '\n']).next().unwrap_or_default();
                prop_assert!(!name.contains('Q'), "{text}\n---\n{script}");
            }
        }
    }
}

#[test]
fn command_parser_of_this_test_finds_every_command() {
    let script = "#!ipxe\necho a || b && c ; time d\n${x} Q\n|\\\n| e\n";
    let all = commands(script);
    for command in ["echo", "b", "c", "time", "d", "Q", "e"] {
        assert!(all.contains(&command.to_owned()), "{command}: {all:?}");
    }
}
