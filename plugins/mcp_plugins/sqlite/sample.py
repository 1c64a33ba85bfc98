"""The sample database: a small shop. Rule: the same bytes of data on every machine, from one seed.

There is enough in it for joins, dates, money and NULLs: customers, products, orders, their items, a view of totals.
"""

import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Final

SEED: Final = 20260728
CUSTOMERS: Final = 60
ORDERS: Final = 320
FIRST_DAY: Final = date(2025, 1, 1)
DAYS: Final = 500

SCHEMA: Final = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    city TEXT NOT NULL,
    country TEXT NOT NULL,
    joined_on DATE NOT NULL,
    newsletter BOOLEAN NOT NULL DEFAULT 0
);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    in_stock INTEGER NOT NULL DEFAULT 0 CHECK (in_stock >= 0),
    discontinued_on DATE
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    ordered_at DATETIME NOT NULL,
    shipped_on DATE,
    status TEXT NOT NULL CHECK (status IN ('open', 'shipped', 'returned', 'cancelled')),
    note TEXT
);
CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, product_id)
) WITHOUT ROWID;
CREATE INDEX orders_by_customer ON orders (customer_id, ordered_at);
CREATE INDEX order_items_by_product ON order_items (product_id);
CREATE VIEW order_totals AS
    SELECT o.id AS order_id, o.customer_id, o.ordered_at, o.status,
           count(*) AS items, sum(i.quantity * i.price_cents) AS total_cents
    FROM orders AS o JOIN order_items AS i ON i.order_id = o.id
    GROUP BY o.id;
"""

FIRST_NAMES: Final = (
    "Ada", "Amir", "Anna", "Bela", "Chen", "Clara", "Dina", "Elif", "Emil", "Fatima", "Finn", "Greta", "Hugo",
    "Ines", "Ivan", "Jana", "Jonas", "Kofi", "Lea", "Luca", "Maya", "Milan", "Nadia", "Noor", "Omar", "Paula", "Rafael",
    "Sofia", "Tomas", "Yuki",
)  # fmt: skip
LAST_NAMES: Final = (
    "Almeida", "Bauer", "Costa", "Demir", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen", "Kowalski",
    "Lindqvist", "Moreau", "Novak", "Okafor", "Petrov", "Rossi", "Santos", "Tanaka", "Weber",
)  # fmt: skip
CITIES: Final = (
    ("Berlin", "Germany"), ("Hamburg", "Germany"), ("Lisbon", "Portugal"), ("Porto", "Portugal"), ("Paris", "France"),
    ("Lyon", "France"), ("Milan", "Italy"), ("Warsaw", "Poland"), ("Oslo", "Norway"), ("Utrecht", "Netherlands"),
)  # fmt: skip
GOODS: Final = {
    "Coffee": ("Espresso beans 1 kg", "Filter roast 500 g", "Decaf 250 g", "Cold brew 1 l", "Green beans 2 kg"),
    "Tea": ("Earl Grey 100 g", "Sencha 100 g", "Rooibos 250 g", "Chai spice 200 g", "Mint leaves 50 g"),
    "Brewing": (
        "Hand grinder",
        "Pour-over dripper",
        "French press 1 l",
        "Moka pot",
        "Gooseneck kettle",
        "Paper filters",
    ),
    "Cups": ("Espresso cup", "Latte glass", "Travel mug", "Tea bowl", "Stoneware mug"),
    "Sweets": ("Almond biscotti", "Dark chocolate 85 %", "Ginger shortbread", "Honey 500 g"),
}
PRICES_CENTS: Final = {
    "Coffee": (690, 3490),
    "Tea": (390, 1490),
    "Brewing": (590, 9900),
    "Cups": (790, 2490),
    "Sweets": (290, 990),
}
NOTES: Final = (
    "Gift wrap, please",
    "Leave with the neighbour",
    "Call before delivery",
    "Second try",
    "Birthday on Friday!",
)


def sample_path(environ: Mapping[str, str]) -> Path:
    """The path of the sample database: `$XDG_STATE_HOME/mcp-runtime/sample.db`, else below `~/.local/state`.

    Raises ValueError, as the settings do, where the user of the process has no home.
    """
    state_home = environ.get("XDG_STATE_HOME", "")
    # The XDG specification tells programs to ignore a relative path in the variable.
    base = Path(state_home) if Path(state_home).is_absolute() else _home() / ".local" / "state"
    return base / "mcp-runtime" / "sample.db"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # HOME is not set, and no password database knows the user: so it is in many containers.
        raise ValueError(
            "database is not set, and there is no home directory for a sample; set database, or HOME or XDG_STATE_HOME"
        ) from None


def ensure_sample(path: Path) -> None:
    """Write the sample database to `path` unless a file is there. Any number of processes may do so at once.

    The file appears complete or not at all, and is never written over: what a user changed in it stays.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    unfinished = Path(name)
    try:
        write_sample(unfinished)
        _publish(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _publish(unfinished: Path, path: Path) -> None:
    try:
        os.link(unfinished, path)  # fails where `path` exists: a process that was faster may already have written to it
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        unfinished.replace(path)


def write_sample(path: Path) -> None:
    """Fill the empty file at `path` with the shop."""
    random_ = random.Random(SEED)  # noqa: S311 - sample data, no secret
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN;{SCHEMA}")
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", _customers(random_))
        products = list(_products(random_))
        connection.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?, ?)", products)
        prices_cents = {number: price_cents for number, _, _, price_cents, _, _ in products}
        for order, items in _orders(random_, prices_cents):
            connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", order)
            connection.executemany("INSERT INTO order_items VALUES (?, ?, ?, ?)", items)
        connection.execute("COMMIT")


def _customers(random_: random.Random) -> Iterator[tuple[int, str, str, str, str, str, bool]]:
    names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    for number, name in enumerate(random_.sample(names, CUSTOMERS), start=1):
        city, country = random_.choice(CITIES)
        email = name.lower().replace(" ", ".") + "@example.com"
        joined = FIRST_DAY - timedelta(days=random_.randrange(700))
        yield number, name, email, city, country, joined.isoformat(), random_.random() < 0.4


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _products(random_: random.Random) -> Iterator[tuple[int, str, str, int, int, str | None]]:
    goods = [(category, name) for category, names in GOODS.items() for name in names]
    for number, (category, name) in enumerate(goods, start=1):
        low_cents, high_cents = PRICES_CENTS[category]
        price_cents = random_.randrange(low_cents, high_cents, 10)
        discontinued = FIRST_DAY + timedelta(days=random_.randrange(DAYS)) if random_.random() < 0.12 else None
        in_stock = 0 if discontinued else random_.randrange(200)
        yield number, name, category, price_cents, in_stock, _iso(discontinued)


Order = tuple[int, int, str, str | None, str, str | None]
Item = tuple[int, int, int, int]


def _orders(random_: random.Random, prices_cents: dict[int, int]) -> Iterator[tuple[Order, list[Item]]]:
    days = sorted(random_.randrange(DAYS) for _ in range(ORDERS))
    for number, day in enumerate(days, start=1):
        ordered = FIRST_DAY + timedelta(days=day)
        status = random_.choices(("shipped", "open", "returned", "cancelled"), (80, 10, 6, 4))[0]
        shipped = ordered + timedelta(days=random_.randrange(1, 6)) if status in {"shipped", "returned"} else None
        ordered_at = f"{ordered} {random_.randrange(7, 23):02}:{random_.randrange(60):02}:00"
        note = random_.choice(NOTES) if random_.random() < 0.15 else None
        order = (number, random_.randint(1, CUSTOMERS), ordered_at, _iso(shipped), status, note)
        products = random_.sample(sorted(prices_cents), random_.randint(1, 5))
        yield order, [(number, product, random_.randint(1, 4), prices_cents[product]) for product in products]
