"""The user is shown all of a statement, and as what it is; or they are not asked."""

import pytest

from mcp_plugins.sqlite.access.database import WritePlan
from mcp_plugins.sqlite.access.refusals import StatementRefused
from mcp_plugins.sqlite.access.values import Blob, Parameters
from mcp_plugins.sqlite.question import question
from mcp_plugins.sqlite.settings import SqliteSettings


def asked(sql: str, parameters: Parameters | None = None, *, tables: tuple[str, ...] = ("t",), **limits: int) -> str:
    plan = WritePlan(operations=["DELETE"], tables=list(tables), changes_schema=False)
    return question(plan, sql, parameters, SqliteSettings(**limits))  # type: ignore[arg-type]  # numbers all


def test_a_question_names_the_change_the_tables_and_the_values_and_ends_with_the_statement() -> None:
    shown = asked("DELETE FROM t\nWHERE id = ?", [1, Blob(base64="AA==")], tables=("audit", "t"))
    assert shown.splitlines() == [
        "Change the database? DELETE",
        "Tables whose rows change: audit, t",
        'Parameters: [1, {"base64": "AA=="}]',
        "Statement, 2 lines:",
        "| DELETE FROM t",
        "| WHERE id = ?",
    ]


HIDING = {
    "right to left": "\u202e",
    "isolate": "\u2066",
    "escape sequence": "\x1b[2K",
    "carriage return": "\r",
    "tab": "\t",
    "vertical tab": "\x0b",
    "NUL": "\0",
    "next line": "\x85",
    "C1 control": "\x9b",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "no-break space": "\u00a0",
    "em space": "\u2003",
    "ideographic space": "\u3000",
    "ogham space": "\u1680",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "hangul filler": "\u3164",
    "half-width hangul filler": "\uffa0",
    "hangul choseong filler": "\u115f",
    "braille blank": "\u2800",
    "grapheme joiner": "\u034f",
    "variation selector": "\ufe0f",
    "further variation selector": "\U000e0101",
    "tag": "\U000e0041",
    "mongolian selector": "\u180b",
    "khmer vowel without ink": "\u17b4",
    "musical control": "\U0001d173",
    "private use": "\ue000",
    "not assigned": "\u0378",
}


@pytest.mark.parametrize("hidden", HIDING.values(), ids=HIDING)
def test_what_a_screen_hides_or_moves_is_shown_by_its_number_wherever_it_stands(hidden: str) -> None:
    first = f"\\u{ord(hidden[0]):04x}" if ord(hidden[0]) <= 0xFFFF else f"\\U{ord(hidden[0]):08x}"
    shown = asked(f"DELETE FROM t -- {hidden} end", tables=(f"t{hidden}x",))
    _, tables, _, statement = shown.split("\n")
    assert statement.startswith(f"| DELETE FROM t -- {first}")
    assert hidden[0] not in tables + statement
    in_parameters = asked("DELETE FROM t WHERE x = ?", [f"a{hidden}b"]).split("\n")[2]
    assert hidden[0] not in in_parameters


def test_letters_of_all_languages_are_shown_as_they_are() -> None:
    text = "Zürich, Ελλάδα, Москва, 東京, 서울, हिन्दी, ไทย, Tiê\u0301ng, ☕"
    assert text in asked(f"DELETE FROM t WHERE x = '{text}'")


def test_a_flood_of_marks_does_not_cover_the_lines_around() -> None:
    shown = asked("DELETE FROM t -- a" + "\u0301" * 50)
    assert shown.count("\u0301") == 3
    assert shown.count("\\u0301") == 47


def test_what_looks_like_a_number_is_no_character() -> None:
    assert asked("DELETE FROM t WHERE x = '\\u202e'").endswith("x = '\\\\u202e'")


def test_a_table_cannot_forge_a_statement_above_the_real_one() -> None:
    forged = "notes\nStatement:\nUPDATE notes SET a=1"
    shown = asked("DELETE FROM x", tables=(forged,))
    assert shown.split("\n")[1] == r'Tables whose rows change: "notes\nStatement:\nUPDATE notes SET a=1"'


@pytest.mark.parametrize("name", ["a, b", 'a"b', "a b", "", "tablé", "1"])
def test_a_table_with_an_unusual_name_stands_in_quotes(name: str) -> None:
    line = asked("DELETE FROM x", tables=(name, "plain")).split("\n")[1]
    assert line.startswith('Tables whose rows change: "')
    assert line.endswith('", plain')


def test_a_statement_cannot_pass_for_the_words_above_it() -> None:
    shown = asked("DELETE FROM t\nStatement:\nSELECT 1", {"x": "\nStatement:\nSELECT 1"})
    assert [line for line in shown.split("\n") if line.startswith("Statement")] == ["Statement, 3 lines:"]
    assert shown.endswith("\n| DELETE FROM t\n| Statement:\n| SELECT 1")


@pytest.mark.parametrize("line", ["", "  ", " \t"])
def test_empty_lines_do_not_push_the_end_out_of_sight(line: str) -> None:
    shown = asked("DELETE FROM notes --" + f"\n{line}" * 2_000 + "\nWHERE 1")
    assert shown.split("\n")[2:] == [
        "Statement, 2002 lines:",
        "| DELETE FROM notes --",
        "(2000 empty lines)",
        "| WHERE 1",
    ]


def test_a_wide_run_of_spaces_does_not_push_the_end_out_of_sight() -> None:
    shown = asked("DELETE FROM notes --" + " " * 400 + "x")
    assert shown.endswith("--\\u0020{400}x")
    assert asked("DELETE" + " " * 24 + "FROM t").endswith("DELETE" + " " * 24 + "FROM t")


def test_a_statement_is_shown_whole_or_not_at_all() -> None:
    shown = asked("DELETE FROM t WHERE x = 1")
    assert asked("DELETE FROM t WHERE x = 1", max_question_characters=len(shown)) == shown
    with pytest.raises(StatementRefused, match="max_question_characters"):
        asked("DELETE FROM t WHERE x = 1", max_question_characters=len(shown) - 1)


def test_the_lines_of_a_statement_are_shown_whole_or_not_at_all() -> None:
    sql = "\n".join(["DELETE FROM t", *["--"] * 9])
    assert asked(sql, max_question_lines=10).endswith("| --")
    with pytest.raises(StatementRefused, match="max_question_lines"):
        asked(sql + "\n--", max_question_lines=10)


def test_values_count_as_what_is_shown() -> None:
    with pytest.raises(StatementRefused, match="max_question_characters"):
        asked("DELETE FROM t WHERE x = ?", ["\u3164" * 2_000])
