"""What the pages tell a reader to do works, and gives what they say it gives."""

from pathlib import Path
from typing import Final

import pytest

from tests.docs.examples import PROCESSES, VERBS, Reader
from tests.docs.pages import PAGES, blocks, name_of

_FOLLOWED: Final = [
    pytest.param(
        page, id=name_of(page), marks=[pytest.mark.process] if PROCESSES & {one.verb for one in blocks(page)} else []
    )
    for page in PAGES
    if any(block.verb for block in blocks(page))
]


@pytest.mark.parametrize("page", _FOLLOWED)
async def test_a_page_can_be_followed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    reader = Reader(directory=tmp_path, capsys=capsys)
    for block in blocks(page):
        if block.verb:
            await VERBS[block.verb](reader, block)
    reader.finish()
