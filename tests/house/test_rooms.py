"""The house keeps its shape: every file has a room, every room a sentence, and imports go one way."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.house.tree import circles, contracts_of, crowded, loose, talkative, unlisted

ROOT: Final = Path(__file__).parents[2]
RUNTIME: Final = ROOT / "runtime" / "mcp_runtime"
BRIDGES: Final = ROOT / "bridges" / "mcp_bridges"
PLUGINS: Final = ROOT / "plugins" / "mcp_plugins"
CONTRACTS: Final = contracts_of(ROOT / "pyproject.toml")

NAMES_IN_INIT: Final = {"mcp_runtime", "mcp_runtime.config"}
"""The door of authors, and the room whose names are documented."""


@pytest.mark.parametrize(
    ("package", "doors"),
    [(RUNTIME, {"__main__", "asgi"}), (BRIDGES, {"attach", "http_bridge"}), (PLUGINS, set[str]())],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_no_file_lies_loose_beside_the_doors(package: Path, doors: set[str]) -> None:
    assert loose(package, doors) == set()


@pytest.mark.parametrize("package", [RUNTIME, BRIDGES, PLUGINS], ids=lambda package: package.name)
def test_no_folder_has_more_modules_than_one_can_keep_apart(package: Path) -> None:
    assert crowded(package) == {}


@pytest.mark.parametrize("package", [RUNTIME, BRIDGES], ids=lambda package: package.name)
def test_the_init_of_a_room_is_its_sentence(package: Path) -> None:
    assert talkative(package) - NAMES_IN_INIT == set()


def test_no_module_imports_one_that_imports_it() -> None:
    assert circles(RUNTIME, BRIDGES, PLUGINS) == []


@pytest.mark.parametrize("package", [RUNTIME, BRIDGES], ids=lambda package: package.name)
def test_the_contracts_list_every_folder_and_file_beside_folders(package: Path) -> None:
    assert unlisted(package, CONTRACTS) == {}


def floors(container: str) -> list[set[str]]:
    """What the contract about `container` has on each floor, from the ground up."""
    (layers,) = [one["layers"] for one in CONTRACTS if one.get("containers") == [container]]
    return [set(layer.split(" | ")) for layer in reversed(layers)]


def test_the_architecture_page_has_the_floors_of_the_contracts() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    written: dict[str, list[set[str]]] = {}
    for heading, section in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL):
        rows = re.findall(r"^\| (\d) \| \*\*(\w+)\*\* \|", section, flags=re.MULTILINE)
        numbers = sorted({int(number) for number, _ in rows})
        written[heading] = [{name for number, name in rows if int(number) == floor} for floor in numbers]
    house, bridges = (value for value in written.values() if value)
    assert [rooms - {"mcp_bridges", "mcp_plugins"} for rooms in house] == floors("mcp_runtime")[:-1]  # `__main__`
    assert bridges == [rooms - {"deprecation"} for rooms in floors("mcp_bridges")]


def test_the_picture_of_the_architecture_has_the_floors_of_the_contracts() -> None:
    picture = (ROOT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    heights = {
        name: float(y) for y, name in re.findall(r'<text class="name" x="[\d.]+" y="([\d.]+)">([^<]+)<', picture)
    }
    drawn = [{heights[room] for room in rooms} for rooms in floors("mcp_runtime")[:-1]]
    assert all(len(one) == 1 for one in drawn)
    assert [min(one) for one in drawn] == sorted((min(one) for one in drawn), reverse=True)
    assert heights["bridges"] == heights["plugins"] == heights["server"]


# Each rule notices what breaks it


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house that keeps the rules."""
    package = tmp_path / "house"
    for name, text in {
        "__init__": '"""A house."""',
        "door": "",
        "cellar/__init__": '"""The cellar."""',
        "cellar/wine": "",
        "attic/__init__": '"""The attic."""',
        "attic/trunk": "from house.cellar import wine",
    }.items():
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return package


FLOORS: Final = [
    {"type": "layers", "containers": ["house"], "exhaustive": True, "layers": ["door", "attic", "cellar"]},
]


def test_a_small_house_in_order_is_in_order(house: Path) -> None:
    assert (loose(house, {"door"}), crowded(house), talkative(house)) == (set(), {}, set())
    assert (circles(house), unlisted(house, FLOORS)) == ([], {})


def test_a_loose_file_is_noticed(house: Path) -> None:
    (house / "lost.py").touch()
    assert loose(house, {"door"}) == {"lost"}
    assert unlisted(house, FLOORS) == {"house": {"lost"}}


@pytest.mark.parametrize(
    "line",
    ["from house.attic.trunk import key", "import house.attic.trunk", "if 0:\n    from house.attic import trunk"],
)
def test_a_circle_is_noticed_for_types_alone_too(house: Path, line: str) -> None:
    (house / "cellar" / "wine.py").write_text(line)
    assert circles(house) == [["house.attic.trunk", "house.cellar.wine"]]


def test_a_folder_that_is_left_out_of_the_contracts_is_noticed(house: Path) -> None:
    (house / "shed").mkdir()
    (house / "shed" / "__init__.py").write_text('"""The shed."""')
    assert unlisted(house, FLOORS) == {"house": {"shed"}}
    assert unlisted(house, [{**FLOORS[0], "exhaustive": False}]) == {"house": {"door", "attic", "cellar", "shed"}}


def test_a_folder_below_a_room_needs_a_contract_of_its_own(house: Path) -> None:
    (house / "attic" / "chest").mkdir()
    (house / "attic" / "chest" / "__init__.py").write_text('"""The chest."""')
    assert unlisted(house, FLOORS) == {"house.attic": {"trunk", "chest"}}


def test_a_crowded_folder_is_noticed(house: Path) -> None:
    for number in range(14):
        (house / "cellar" / f"barrel_{number}.py").touch()
    assert crowded(house) == {"house.cellar": 15}


@pytest.mark.parametrize("text", ["", "x = 1", '"""A room."""\nx = 1'])
def test_an_init_that_is_no_sentence_is_noticed(house: Path, text: str) -> None:
    (house / "attic" / "__init__.py").write_text(text)
    assert talkative(house) == {"house.attic"}
