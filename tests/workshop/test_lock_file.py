"""The lock file of the development environment: it is all that pyproject.toml asks for, and says nothing about from where."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.workshop.project import PYPROJECT, ROOT, VERSIONS

LOCK: Final = (ROOT / "requirements-dev.lock").read_text()


def locked() -> Iterator[tuple[Requirement, list[str]]]:
    """Every pin of the file, with its hashes."""
    for entry in re.sub(r"^#.*\n", "", LOCK, flags=re.MULTILINE).replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", entry)
        yield Requirement(requirement), hashes


@cache
def pins_for(python: str) -> dict[str, str]:
    """What the file installs on Linux with that version of Python: names, and the version of each."""
    environment: dict[str, str] = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "os_name": "posix",
    }
    pins: dict[str, str] = {}
    for pin, _ in locked():
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in pins, f"{name} twice on Python {python}"
            pins[name] = str(pin.specifier).removeprefix("==")
    return pins


def asked_for() -> list[str]:
    groups: dict[str, list[Any]] = PYPROJECT["dependency-groups"]
    project = PYPROJECT["project"]
    in_groups = [each for group in groups.values() for each in group if isinstance(each, str)]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    return [*project["dependencies"], *extras, *in_groups, *PYPROJECT["build-system"]["requires"]]


@pytest.mark.parametrize("python", VERSIONS)
def test_what_pyproject_asks_for_is_locked_within_its_bounds(python: str) -> None:
    pins = pins_for(python)
    for requirement in map(Requirement, asked_for()):
        assert requirement.specifier, f"{requirement} has no lower bound"
        assert pins.get(canonicalize_name(requirement.name), "none") in requirement.specifier, requirement


def test_everything_is_pinned_and_has_a_hash() -> None:
    pins = list(locked())
    assert len(pins) > 50
    for pin, hashes in pins:
        assert re.fullmatch(r"==[\w.+!]+", str(pin.specifier)), pin
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), pin


def test_the_lock_file_has_no_address() -> None:
    for address in ("://", "index", "find-links", "@", "/simple", "file:"):
        assert address not in LOCK


def test_nothing_for_development_is_published_as_an_extra() -> None:
    assert set(PYPROJECT["project"]["optional-dependencies"]) == {"granian", "uvicorn"}


def test_all_listed_versions_of_python_may_install_the_project() -> None:
    assert VERSIONS
    assert sorted(VERSIONS, key=lambda version: int(version.partition(".")[2])) == VERSIONS
    assert all(version in SpecifierSet(PYPROJECT["project"]["requires-python"]) for version in VERSIONS)


def test_the_workflow_sets_up_every_listed_version() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert re.findall(r"^ +(3\.\d+)$", workflow, flags=re.MULTILINE) == VERSIONS[::-1]
