"""The site builds without a warning, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT

_LOADED: Final = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?([^"'\s>]+)""")
_LINKED: Final = re.compile(r"""<link\b[^>]*\brel=["']?(?!canonical|prev|next)[^>]*\bhref=["']?([^"'\s>]+)""")
_IMPORTED: Final = re.compile(r"""url\(["']?((?:https?:)?//[^)"']+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
    # Material's note on its own future is no warning about these pages.
    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return directory


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        outside = [url for url in [*_LOADED.findall(html), *_LINKED.findall(html)] if re.match(r"(https?:)?//", url)]
        assert outside == [], page.name


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    for sheet in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        assert _IMPORTED.findall(sheet.read_text(encoding="utf-8")) == [], sheet.name


def test_the_generators_are_not_part_of_the_site(site: Path) -> None:
    assert not list(site.rglob("*.py"))
