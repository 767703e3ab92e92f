"""$(...) in launch files, by the rules of ROS 2 launch."""

from typing import Any

import pytest

from bc_bringup.launching.substitution import Context, evaluate_condition, parse, perform
from bc_core.errors import BcError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain text (with $ and brackets)", "plain text (with $ and brackets)"),
        ("$(var a)", "A B"),
        ("x$(var a)y$(env HOME)", "xA By/home/x"),
        ("$(var $(var name))", "A B"),
        ("$(var missing default)", "default"),
        ("$(var missing 'two words')", "two words"),
        ('$(var missing "$(var a)!")', "A B!"),
        ("$(env MISSING $(var a))", "A B"),
        (r"\$(var a)", "$(var a)"),
        (r"$(var missing \)\()", ")("),
        ("$(find-pkg-share pkg)/f", "{prefix}/share/pkg/f"),
        ("$(equals 1 true)", "true"),
        ("$(equals 1.0 1)", "true"),
        ("$(equals a b)", "false"),
        ("$(not-equals a b)", "true"),
        ("$(command 'printf %s-%s a b')", "a-b"),
        ("$(command $(var say))", "said\n"),
        ("$(and $(not false) $(or 0 true))", "true"),
    ],
)
def test_text_stands_for(text: str, value: str, context: Context, packages: Any) -> None:
    context.configurations.update({"a": "A B", "name": "a", "say": "echo said"})
    assert perform(parse(text), context) == value.format(prefix=packages.prefix("pkg"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(var a", "not closed"),
        ("$(nix a)", "unknown substitution 'nix'"),
        ("$()", "a substitution's name must follow"),
        ("$(var)", "takes 1 to 2 arguments, got 0"),
        ("$(var a b c)", "takes 1 to 2 arguments, got 3"),
        ("$(var  a)", "separated by exactly one space"),
        ("$(var a'b)", "inside an argument"),
        ("$(var 'a)", "' is not closed"),
        ("$(var a '')", "an empty argument"),
    ],
)
def test_what_is_malformed_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(BcError, match=rf"{message}.*at column \d+"):
        parse(text)


def test_what_does_not_exist_is_named(context: Context) -> None:
    context.configurations["known"] = ""
    with pytest.raises(BcError, match=r"'nix' does not exist.*known: known"):
        perform(parse("$(var nix)"), context)
    with pytest.raises(BcError, match="environment variable NIX is not set"):
        perform(parse("$(env NIX)"), context)
    with pytest.raises(BcError, match="package 'nix' is not installed"):
        perform(parse("$(find-pkg-prefix nix)"), context)


def test_a_command_must_succeed_in_silence(context: Context) -> None:
    with pytest.raises(BcError, match=r"'no-such-program'\) cannot be run"):
        perform(parse("$(command no-such-program)"), context)
    with pytest.raises(BcError, match="failed with code 3"):
        perform(parse("""$(command 'sh -c "exit 3"')"""), context)
    with pytest.raises(BcError, match="failed with code 0: complaint"):
        perform(parse("""$(command 'sh -c "echo complaint >&2"')"""), context)


def test_conditions_are_true_false_1_or_0() -> None:
    assert [evaluate_condition(text) for text in ("true", " TRUE ", "1", "False", "0")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    for text in ("", "yes", "2"):
        with pytest.raises(BcError, match="neither true, false, 1 nor 0"):
            evaluate_condition(text)
