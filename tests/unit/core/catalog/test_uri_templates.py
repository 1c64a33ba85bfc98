"""A URI gives back the variables it was made of, and no variable climbs out of its place."""

import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_runtime.core.catalog.uri_templates import UriTemplate, UriTemplateError

TRAVERSAL = pytest.mark.spec("server/resources#security-considerations")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.spec("server/resources#resource-templates")
@pytest.mark.parametrize(
    ("template", "uri", "variables"),
    [
        ("users://{id}/profile", "users://42/profile", {"id": "42"}),
        ("users://{id}", "users://a%20b", {"id": "a b"}),
        ("users://{id}", "users://%C3%A9", {"id": "\u00e9"}),
        ("users://{id}", "users://caf\u00e9", {"id": "caf\u00e9"}),
        ("x://{a}/{b}", "x://1/2", {"a": "1", "b": "2"}),
        ("x://{a}.{b}", "x://1.2", {"a": "1", "b": "2"}),
        ("{scheme}://x", "https://x", {"scheme": "https"}),
        ("file:///{+path}", "file:///a/b/c.txt", {"path": "a/b/c.txt"}),
        ("file:///{+path}", "file:///a%2Fb", {"path": "a/b"}),
        ("file:///{+path}?v={v}", "file:///a/b?v=1", {"path": "a/b", "v": "1"}),
        ("x://{+a}/end", "x://end/end/end", {"a": "end/end"}),
        ("x://{id}", "x://%252e%252e", {"id": "%2e%2e"}),
        ("x://{id}", "x://...", {"id": "..."}),
        ("x://{class}/{_self}/{a1}", "x://1/2/3", {"class": "1", "_self": "2", "a1": "3"}),
        ("x://a.b*c(d)[e]{id}", "x://a.b*c(d)[e]1", {"id": "1"}),
    ],
)
def test_a_uri_that_fits_gives_its_variables(template: str, uri: str, variables: dict[str, str]) -> None:
    found = UriTemplate(template)
    assert found.template == template
    assert found.match(uri) == variables
    assert set(found.variables) == set(variables)


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("users://{id}", "users://"),
        ("users://{id}", "users://a/b"),
        ("users://{id}", "users://a?x"),
        ("users://{id}", "users://a#x"),
        ("users://{id}", "Users://a"),
        ("users://{id}", " users://a"),
        ("users://{id}/profile", "users://a"),
        ("users://{id}/profile", "users://a/profile/"),
        ("users://{id}/profile", "users://a/profile\n"),
        ("users://{id}/profile", "xusers://a/profile"),
        ("x://a.b{id}", "x://acb1"),
        ("file:///{+path}", "file:///"),
        ("file:///{+path}", "file://"),
        ("file:///{+path}", ""),
        ("{a}", ""),
    ],
)
def test_a_uri_that_does_not_fit_gives_nothing(template: str, uri: str) -> None:
    assert UriTemplate(template).match(uri) is None


@TRAVERSAL
@pytest.mark.parametrize(
    "value",
    [
        "..",
        "%2e%2e",
        "%2E.",
        "a%2Fb",
        "%2F",
        "a%5Cb",
        "a\\b",
        "..%2F..",
        "..%5C",
        "a%00",
        "%00",
        "\0",
    ],
)
def test_a_variable_of_one_segment_stays_in_it(value: str) -> None:
    assert UriTemplate("x://{id}").match(f"x://{value}") is None
    assert UriTemplate("x://{id}/end").match(f"x://{value}/end") is None


@TRAVERSAL
@pytest.mark.parametrize(
    "value",
    [
        "..",
        "../etc/passwd",
        "a/../../etc",
        "a/..",
        "%2e%2e/etc",
        "a/%2e%2e",
        "a%2F..%2Fb",
        "a\\..\\b",
        "..%5Cb",
        "a/..%5Cb",
        "a/%00",
        "a\0b",
    ],
)
def test_a_variable_that_spans_segments_never_goes_up(value: str) -> None:
    assert UriTemplate("docs:///{+path}").match(f"docs:///{value}") is None


@TRAVERSAL
@pytest.mark.parametrize("value", ["/etc/passwd", "%2Fetc/passwd", "%2fetc%2fpasswd", "//etc/passwd"])
def test_a_variable_behind_a_slash_is_never_an_absolute_path(value: str) -> None:
    # Path("/srv/docs") / "/etc/passwd" is /etc/passwd.
    assert UriTemplate("docs:///{+path}").match(f"docs:///{value}") is None


def test_a_variable_that_is_the_path_itself_may_begin_with_its_slash() -> None:
    assert UriTemplate("file://{+path}").match("file:///srv/a") == {"path": "/srv/a"}


def test_two_dots_within_a_name_are_no_way_up() -> None:
    assert UriTemplate("docs:///{+path}").match("docs:///a..b/..c/d..") == {"path": "a..b/..c/d.."}


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("x://{a}{b}", "side by side"),
        ("x://{a}{+b}", "side by side"),
        ("x://{a}/{a}", "{a} comes twice"),
        ("x://{a}/{+a}", "{a} comes twice"),
        ("x://{a", "unbalanced"),
        ("x://a}", "unbalanced"),
        ("x://{a}}", "unbalanced"),
        ("x://{{a}", "unbalanced"),
        ("x://{}", "{} is not supported"),
        ("x://{#a}", "{#a} is not supported"),
        ("x://{/a}", "{/a} is not supported"),
        ("x://{?a}", "{?a} is not supported"),
        ("x://{&a}", "{&a} is not supported"),
        ("x://{.a}", "{.a} is not supported"),
        ("x://{;a}", "{;a} is not supported"),
        ("x://{a,b}", "{a,b} is not supported"),
        ("x://{a*}", "{a*} is not supported"),
        ("x://{a:3}", "{a:3} is not supported"),
        ("x://{a.b}", "{a.b} is not supported"),
        ("x://{1a}", "{1a} is not supported"),
        ("x://{a-b}", "{a-b} is not supported"),
        ("x://{ a }", "{ a } is not supported"),
        ("x://{caf\u00e9}", "is not supported"),
        ("x://{++a}", "{++a} is not supported"),
    ],
)
def test_a_template_that_cannot_be_matched_is_refused_by_its_part(template: str, named: str) -> None:
    with pytest.raises(UriTemplateError) as refused:
        UriTemplate(template)
    assert named in str(refused.value)
    assert repr(template) in str(refused.value)


MATCH = """
import sys
from mcp_runtime.core.catalog.uri_templates import UriTemplate
assert UriTemplate(sys.argv[1]).match(sys.argv[2]) is None
"""


@TRAVERSAL
@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("x://{a}-{b}/end", "x://" + "-" * 100_000),
        ("x://{a}.{b}.{c}/end", "x://" + "." * 100_000),
        ("x://{+a}/y/{+b}/z", "x://" + "/y/" * 30_000),
    ],
)
def test_no_uri_keeps_the_server_busy(template: str, uri: str) -> None:
    # In a process of its own, because nothing could stop it in this one. Backtracking would take it hours.
    subprocess.run([sys.executable, "-c", MATCH, template, uri], check=True, timeout=10)


def test_a_template_without_variables_matches_itself() -> None:
    assert UriTemplate("config://app").match("config://app") == {}
    assert UriTemplate("config://app").match("config://app2") is None


@given(TEXT, TEXT)
def test_quoted_values_come_back_unless_they_would_leave_their_place(first: str, second: str) -> None:
    stays = all(
        "/" not in value and "\\" not in value and "\0" not in value and value != ".." for value in (first, second)
    )
    found = UriTemplate("x://{a}/{b}").match(f"x://{quote(first, safe='')}/{quote(second, safe='')}")
    assert found == ({"a": first, "b": second} if stays else None)


@given(
    st.lists(
        TEXT.filter(lambda part: "/" not in part and "\\" not in part and "\0" not in part), min_size=1, max_size=4
    )
)
def test_a_path_comes_back_unless_it_goes_up(parts: list[str]) -> None:
    found = UriTemplate("docs:///{+path}").match("docs:///" + "/".join(quote(part, safe="") for part in parts))
    assert found == (None if ".." in parts else {"path": "/".join(parts)})


@given(st.text(max_size=30))
def test_any_uri_fits_or_does_not(tail: str) -> None:
    for template in ("x://{a}", "x://{+a}", "x://{a}/{+b}"):
        found = UriTemplate(template).match(f"x://{tail}")
        for value in (found or {}).values():
            assert "\0" not in value
            assert ".." not in value.replace("\\", "/").split("/")


@given(st.text(alphabet="{}+#/?.,*:abz_019-", max_size=15))
def test_any_template_is_understood_or_refused(template: str) -> None:
    try:
        found = UriTemplate(template)
    except UriTemplateError:
        assume(True)
    else:
        assert template.count("{") == len(found.variables)
        found.match(template)
