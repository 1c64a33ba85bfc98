"""Tables are described so that a reader can write a query without trying; no name breaks the SQL that looks it up."""

import pytest

from mcp_plugins.sqlite.access.database import Database
from mcp_plugins.sqlite.access.refusals import TableUnknown
from mcp_plugins.sqlite.access.schema import ColumnDescription, ForeignKey, IndexDescription, quoted

from .conftest import MakeDatabase

WEIRD = 'weird "name" -- \'; DROP TABLE x'


def test_tables_and_views_are_listed_by_name_with_their_columns(shop: Database) -> None:
    assert [(table.name, table.kind) for table in shop.tables()] == [
        ("customers", "table"),
        ("order_items", "table"),
        ("order_totals", "view"),
        ("orders", "table"),
        ("products", "table"),
    ]
    assert shop.tables()[1].columns == ["order_id", "product_id", "quantity", "price_cents"]


def test_virtual_tables_are_listed_without_their_shadows_and_hidden_columns(odd: Database) -> None:
    names = {table.name: table for table in odd.tables()}
    assert names["notes"].kind == "virtual"
    assert names["notes"].columns == ["body"]
    assert not any(name.startswith("notes_") for name in names)


def test_a_view_that_no_longer_works_does_not_hide_the_other_tables(odd: Database) -> None:
    assert "typed" in [table.name for table in odd.tables()]


def test_columns_are_described_with_type_default_key_and_whether_they_are_computed(odd: Database) -> None:
    columns = {column.name: column for column in odd.describe("typed").columns}
    assert list(columns) == ["id", "label", "day", "doubled", "picture"]
    assert columns["label"] == ColumnDescription(
        name="label", type="VARCHAR(40)", nullable=False, default="'none'", primary_key=None, generated=False
    )
    assert columns["id"].primary_key == 1
    assert columns["doubled"].generated


def test_foreign_keys_name_columns_and_actions(odd: Database) -> None:
    assert odd.describe("child").foreign_keys == [
        ForeignKey(
            columns=["typed_id"],
            referenced_table="typed",
            referenced_columns=[],
            on_delete="SET NULL",
            on_update="NO ACTION",
        ),
        ForeignKey(
            columns=["a", "b"],
            referenced_table="parent",
            referenced_columns=["a", "b"],
            on_delete="CASCADE",
            on_update="NO ACTION",
        ),
    ]


def test_indexes_tell_unique_partial_and_computed(odd: Database) -> None:
    indexes = {index.name: index for index in odd.describe("typed").indexes}
    assert indexes["typed_by_day"] == IndexDescription(name="typed_by_day", columns=["day"], unique=False, partial=True)
    assert indexes["typed_by_lower"].columns == [None]
    assert (
        IndexDescription(name="sqlite_autoindex_typed_1", columns=["label", "day"], unique=True, partial=False)
        in indexes.values()
    )


def test_a_description_counts_rows_and_shows_the_statement(shop: Database) -> None:
    orders = shop.describe("orders")
    assert orders.row_count == 320
    assert orders.sql is not None
    assert orders.sql.startswith("CREATE TABLE orders")


def test_rows_that_take_too_long_to_count_are_not_counted(make_database: MakeDatabase) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    database = make_database(f"CREATE VIEW endless AS {endless}", query_time_limit_s=0.1)
    assert database.describe("endless").row_count is None


def test_a_view_that_no_longer_works_is_described_as_far_as_possible(odd: Database) -> None:
    broken = odd.describe("broken")
    assert broken.row_count is None
    assert broken.sql == "CREATE VIEW broken AS SELECT ghost FROM nowhere"


@pytest.mark.parametrize("spelling", ["orders", "ORDERS", "Orders"])
def test_a_table_is_found_in_any_case_and_named_as_the_schema_does(shop: Database, spelling: str) -> None:
    assert shop.describe(spelling).name == "orders"


@pytest.mark.parametrize(
    "name", ["nowhere", "", "orders; DROP TABLE orders", 'orders"', "orders'--", "orders\0", "%", "é"]
)
def test_an_unknown_table_is_refused_with_the_names_there_are(shop: Database, name: str) -> None:
    with pytest.raises(TableUnknown, match="Tables: customers, order_items, order_totals, orders, products"):
        shop.describe(name)


def test_a_table_with_a_hostile_name_is_a_table_like_any_other(odd: Database) -> None:
    described = odd.describe(WEIRD)
    assert [column.name for column in described.columns] == ["id", "select", "a b"]
    assert described.row_count == 1
    preview = odd.preview(WEIRD)
    assert preview.first_rows is not None
    assert preview.first_rows.rows == [[1, "one", 1.5]]
    assert odd.query(f"SELECT count(*) FROM {quoted(WEIRD)}").rows == [[1]]


def test_a_preview_shows_the_first_rows_with_declared_types(odd: Database) -> None:
    preview = odd.preview("typed")
    assert preview.first_rows is not None
    assert [column.type for column in preview.first_rows.columns] == ["INTEGER", "VARCHAR(40)", "DATE", None, "BLOB"]
    assert len(preview.first_rows.rows) == 2


def test_a_preview_of_rows_too_large_to_show_is_the_description_alone(make_database: MakeDatabase) -> None:
    database = make_database("CREATE TABLE t (b BLOB); INSERT INTO t VALUES (zeroblob(2000000))")
    preview = database.preview("t")
    assert preview.first_rows is None
    assert preview.table.row_count == 1


def test_the_schema_is_a_script_that_makes_the_same_tables(shop: Database, make_database: MakeDatabase) -> None:
    copy = make_database(shop.schema_sql())
    assert copy.tables() == shop.tables()
    assert copy.schema_sql() == shop.schema_sql()
