"""The sample shop is the same everywhere, plausible, and written so that processes starting at once do not clash."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mcp_plugins.sqlite.access.database import Database
from mcp_plugins.sqlite.sample import ensure_sample, sample_path, write_sample


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_the_sample_holds_the_same_rows_each_time(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.db")
    write_sample(tmp_path / "b.db")
    assert dump(tmp_path / "a.db") == dump(tmp_path / "b.db")


@pytest.mark.parametrize(
    ("table", "rows"), [("customers", 60), ("products", 25), ("orders", 320), ("order_totals", 320)]
)
def test_the_shop_has_a_few_hundred_rows(shop: Database, table: str, rows: int) -> None:
    assert shop.describe(table).row_count == rows


@pytest.mark.parametrize(
    "nonsense",
    [
        "SELECT * FROM orders WHERE shipped_on < date(ordered_at)",
        "SELECT * FROM orders AS o JOIN customers AS c ON c.id = o.customer_id WHERE date(o.ordered_at) < c.joined_on",
        "SELECT * FROM orders WHERE (status IN ('shipped', 'returned')) <> (shipped_on IS NOT NULL)",
        "SELECT * FROM orders WHERE datetime(ordered_at) IS NULL OR date(coalesce(shipped_on, 'now')) IS NULL",
        "SELECT * FROM order_items AS i JOIN products AS p ON p.id = i.product_id WHERE i.price_cents <> p.price_cents",
        "SELECT * FROM products WHERE discontinued_on IS NOT NULL AND in_stock > 0",
        "PRAGMA foreign_key_check",
    ],
)
def test_the_shop_makes_sense(shop: Database, nonsense: str) -> None:
    assert shop.query(nonsense).rows == []


def test_the_sample_is_kept_with_what_a_user_changed_in_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "mcp-runtime" / "sample.db"
    ensure_sample(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM order_items")
        connection.commit()
    ensure_sample(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM order_items").fetchone() == (0,)


def test_processes_that_start_at_once_agree_on_one_sample(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sample.db"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(ensure_sample, [path] * 8)
    assert [entry.name for entry in path.parent.iterdir()] == ["sample.db"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_state_directory_follows_xdg_and_ignores_a_relative_one(tmp_path: Path) -> None:
    assert sample_path({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "mcp-runtime" / "sample.db"
    home = Path.home() / ".local" / "state" / "mcp-runtime" / "sample.db"
    assert sample_path({}) == home
    assert sample_path({"XDG_STATE_HOME": "relative"}) == home
