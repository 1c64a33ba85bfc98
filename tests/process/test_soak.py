"""A minute of everything at once, from the honest and the hostile. The half hour is `scripts/bench soak`; see tests/benchmarks/soak.py."""

import pytest

from tests.benchmarks import soak

pytestmark = pytest.mark.process

SECONDS = 60.0


def test_a_crowd_that_comes_and_goes_leaves_nothing_behind() -> None:
    outcome = soak.run(SECONDS)
    assert outcome.failures() == [], outcome
