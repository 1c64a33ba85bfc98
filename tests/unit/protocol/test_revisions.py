"""The era of a message follows from the versions it shows, and from nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_runtime.protocol.revisions import LATEST, LEGACY_REVISIONS, MODERN_REVISIONS, Era, classify

LEGACY = st.sampled_from(LEGACY_REVISIONS)


def test_the_five_revisions_are_split_between_two_eras() -> None:
    assert MODERN_REVISIONS == ("2026-07-28",)
    assert LEGACY_REVISIONS == ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
    assert LATEST == "2026-07-28"


@pytest.mark.spec("basic/versioning#terminology")
@pytest.mark.parametrize(
    ("body", "header", "era"),
    [
        ("2026-07-28", "2026-07-28", Era.MODERN),
        ("2026-07-28", None, Era.MODERN),
        (None, "2026-07-28", Era.MODERN),
        ("2026-07-28", "2025-11-25", Era.MODERN),
        ("2025-11-25", None, Era.MODERN),
        ("", None, Era.MODERN),
        (None, "2027-01-01", Era.MODERN),
        (None, "", Era.MODERN),
        (None, "draft", Era.MODERN),
        (None, None, Era.LEGACY),
        *((None, revision, Era.LEGACY) for revision in LEGACY_REVISIONS),
    ],
)
def test_the_era_is_read_off_body_and_header_together(body: str | None, header: str | None, era: Era) -> None:
    assert classify(body_version=body, header_version=header) is era


@given(st.text(), st.none() | LEGACY | st.text())
def test_a_version_in_the_body_is_modern_whatever_the_header(body: str, header: str | None) -> None:
    assert classify(body_version=body, header_version=header) is Era.MODERN


@given(st.text().filter(lambda text: text not in LEGACY_REVISIONS))
def test_a_header_that_names_no_old_revision_is_modern(header: str) -> None:
    assert classify(body_version=None, header_version=header) is Era.MODERN
