"""Databases to test with. Rule: every test gets files of its own."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mcp_plugins.sqlite.access.database import Database
from mcp_plugins.sqlite.sample import write_sample
from mcp_plugins.sqlite.settings import SqliteSettings

MakeDatabase = Callable[..., Database]

ODDITIES = """
CREATE TABLE "weird ""name"" -- '; DROP TABLE x" (id INTEGER PRIMARY KEY, "select" TEXT, [a b] REAL);
INSERT INTO "weird ""name"" -- '; DROP TABLE x" VALUES (1, 'one', 1.5);
CREATE TABLE typed (
    id INTEGER PRIMARY KEY,
    label VARCHAR(40) NOT NULL DEFAULT 'none',
    day DATE,
    doubled AS (id * 2),
    picture BLOB,
    UNIQUE (label, day)
);
INSERT INTO typed (id, label, day, picture) VALUES (1, 'first', '2025-02-28', x'00ff'), (2, 'second', NULL, NULL);
CREATE INDEX typed_by_day ON typed (day) WHERE day IS NOT NULL;
CREATE INDEX typed_by_lower ON typed (lower(label));
CREATE TABLE parent (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
CREATE TABLE child (
    id INTEGER PRIMARY KEY,
    a INTEGER,
    b INTEGER,
    typed_id INTEGER REFERENCES typed ON DELETE SET NULL,
    FOREIGN KEY (a, b) REFERENCES parent (a, b) ON DELETE CASCADE
);
INSERT INTO parent VALUES (1, 1), (1, 2);
INSERT INTO child VALUES (1, 1, 1, 1), (2, 1, 2, NULL);
CREATE TABLE audit (what TEXT);
CREATE TRIGGER typed_audited AFTER DELETE ON typed BEGIN INSERT INTO audit VALUES ('deleted ' || old.label); END;
CREATE VIEW labels AS SELECT id, label FROM typed;
CREATE VIEW broken AS SELECT ghost FROM nowhere;
CREATE VIRTUAL TABLE notes USING fts5(body);
INSERT INTO notes VALUES ('a note about coffee');
"""


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample shop; for tests that only read it."""
    path = tmp_path_factory.mktemp("sample") / "shop.db"
    write_sample(path)
    return path


@pytest.fixture
def shop(sample_file: Path) -> Database:
    return Database(path=sample_file, settings=SqliteSettings())


@pytest.fixture
def make_database(tmp_path: Path) -> MakeDatabase:
    """Make a database from an SQL script, with settings as keyword arguments."""

    def make(script: str = ODDITIES, **settings: object) -> Database:
        path = tmp_path / "test ?#%.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        return Database(path=path, settings=SqliteSettings(**settings))  # type: ignore[arg-type]  # as the test says

    return make


@pytest.fixture
def odd(make_database: MakeDatabase) -> Database:
    """A database full of names, types and constraints that trip up careless code."""
    return make_database()
