"""Fixtures of the tests with old clients. Rule: one server and one round of conversations for a module."""

import pytest

from tests.clients.legacy.held import Held, hold_all


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return hold_all(tmp_path_factory.mktemp("legacy"))
