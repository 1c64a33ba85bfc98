"""The report as values: who, what, how long still, what to do next."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from mcp_bridges.deprecation.decisions.policy import Phase, Policy
from mcp_bridges.deprecation.decisions.registry import FEATURES
from mcp_bridges.deprecation.ledger.tallies import Tallies
from mcp_bridges.deprecation.reports.html import as_html
from mcp_bridges.deprecation.reports.report import Report, in_words, make_report, next_steps
from mcp_bridges.gate.identity import AddressPrivacy
from mcp_bridges.gate.port import LegacyClient
from tests.bridges.deprecation.ledgers import Fixture, client, seconds, sighting

DAY = date(2027, 7, 1)
"""27 days before the default sunset: the final phase."""


class Story:
    """Tells a ledger who called on which day; the report is of thirty days up to DAY."""

    def __init__(self, folder: Path) -> None:
        self.fixture = Fixture(folder / "ledger.db")
        self.ledger = self.fixture.ledger()

    async def watched(self, days: int, until: date = DAY) -> None:
        for n in range(days):
            self.fixture.clock.at_s = seconds(until - timedelta(n))
            await self.ledger.flush()

    def called(self, who: LegacyClient, *features: str, days_ago: int = 0, times: int = 1) -> None:
        for n in range(times):
            at = seconds(DAY - timedelta(days_ago)) + n
            self.ledger.note(sighting(who, *features), at=at, outcome="served")

    async def report(self, policy: Policy | None = None, *, feature: str | None = None, until: date = DAY) -> Report:
        self.fixture.clock.at_s = seconds(until)
        await self.ledger.flush()
        evidence = self.fixture.evidence(until - timedelta(29), until)
        return make_report(evidence, policy or Policy(), feature=feature)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


async def test_every_feature_is_in_it_with_its_end(story: Story) -> None:
    report = await story.report()
    assert [one.feature.id for one in report.features] == list(FEATURES)
    assert {(one.sunset, one.days_left, one.phase) for one in report.features} == {(date(2027, 7, 28), 27, Phase.FINAL)}
    assert report.clients == ()
    assert report.features[0].trend == []


async def test_users_and_clients_come_with_the_latest_first(story: Story) -> None:
    story.called(client("a"), "ping", days_ago=3, times=2)
    story.called(client("b"), "ping", "transport.session_id", days_ago=1)
    story.called(client("c"), "jsonrpc.batch", days_ago=2)
    report = await story.report()
    (ping,) = [one for one in report.features if one.feature.id == "ping"]
    assert [(use.client.identity.name, use.used.calls) for use in ping.users] == [("b", 1), ("a", 2)]
    assert (ping.calls, sum(ping.trend), ping.trend[-4:]) == (3, 3, [2, 0, 1, 0])
    assert [(one.client.identity.name, one.features) for one in report.clients] == [
        ("b", ("transport.session_id", "ping", "revision.2025-06-18")),
        ("c", ("jsonrpc.batch", "revision.2025-06-18")),
        ("a", ("ping", "revision.2025-06-18")),
    ]


async def test_one_feature_is_about_its_users_alone(story: Story) -> None:
    story.called(client("a"), "ping")
    story.called(client("b"), "jsonrpc.batch")
    report = await story.report(feature="ping")
    assert [one.feature.id for one in report.features] == ["ping"]
    assert [one.client.identity.name for one in report.clients] == ["a"]
    with pytest.raises(KeyError):
        await story.report(feature="carrier.pigeon")


async def test_a_modern_client_that_uses_an_old_feature_is_in_it(story: Story) -> None:
    who = client("modern")
    story.ledger.note_modern(who, "2026-07-28", at=seconds(DAY))
    story.ledger.note(sighting(who, "feature.roots", revision="2026-07-28"), at=seconds(DAY), outcome="served")
    report = await story.report()
    ((found),) = report.clients
    assert (found.features, found.used.calls) == (("feature.roots",), 1)


async def test_a_client_of_a_modern_revision_alone_is_not_in_it(story: Story) -> None:
    story.ledger.note_modern(client("modern"), "2026-07-28", at=seconds(DAY))
    assert (await story.report()).clients == ()


async def test_days_outside_the_time_do_not_count(story: Story) -> None:
    for days_ago in (0, 29, 30):
        story.called(client("a"), "ping", days_ago=days_ago)
    report = await story.report()
    assert [one.used.calls for one in report.clients] == [2]


class TestNextSteps:
    async def test_nothing_is_said_of_features_that_end_late(self, story: Story) -> None:
        story.called(client(), "ping")
        assert not [step for step in next_steps(await story.report(Policy(window_months=24))) if "ping" in step]

    @pytest.mark.parametrize(
        ("sunset", "said"),
        [
            (date(2027, 9, 30), "In 91 days this will no longer be served: ping. 1 client used that: acme/1.0."),
            (DAY, "Today this will no longer be served: ping. 1 client used that: acme/1.0."),
            (date(2027, 6, 30), "Since 2027-06-30 this is no longer served: ping. 1 client used that: acme/1.0."),
        ],
    )
    async def test_what_ends_soon_and_is_used_comes_first(self, story: Story, sunset: date, said: str) -> None:
        story.called(client(), "ping")
        policy = Policy(window_months=48, sunsets={"ping": sunset})
        assert next_steps(await story.report(policy))[0] == said

    async def test_nothing_is_said_of_features_until_less_than_three_months_are_left(self, story: Story) -> None:
        story.called(client(), "ping")
        policy = Policy(window_months=48, sunsets={"ping": date(2027, 10, 1)})
        report = await story.report(policy)
        assert next(one.phase for one in report.features if one.feature.id == "ping") is Phase.REMINDED
        assert [step for step in next_steps(report) if "no longer" in step] == []

    async def test_features_that_end_together_are_one_step(self, story: Story) -> None:
        for name in "abcdefg":
            story.called(client(name), "ping", "jsonrpc.batch")
        step = next_steps(await story.report())[0]
        assert step.startswith("In 27 days this will no longer be served: jsonrpc.batch, ping, revision.2025-06-18.")
        assert step.endswith(" and 2 more.")

    @pytest.mark.parametrize(("count", "told"), [(5, "a/1.0, b/1.0, c/1.0, d/1.0, e/1.0."), (6, "e/1.0 and 1 more.")])
    async def test_as_many_clients_as_a_sentence_holds_are_all_named(self, story: Story, count: int, told: str) -> None:
        for n, name in enumerate("abcdef"[:count]):
            story.called(client(name), "ping", days_ago=n)
        step = next_steps(await story.report())[0]
        assert f" {count} clients used that: a/1.0, b/1.0, " in step
        assert step.endswith(told)
        assert ("more" in step) is (count > 5)

    @pytest.mark.parametrize(("count", "rest"), [(5, []), (6, ["So could 1 more; the table says how."])])
    async def test_as_many_as_can_be_told_who_could_move_are_all_told(
        self, story: Story, count: int, rest: list[str]
    ) -> None:
        for n in range(count):
            story.called(client("claude-code", transport="http_sse", version=f"2.1.33{n}"), "ping", days_ago=n)
        steps = [step for step in next_steps(await story.report()) if "could" in step]
        assert [step.partition(" could move today")[0] for step in steps[:5]] == [
            f"claude-code/2.1.33{n}" for n in range(5)
        ]
        assert steps[5:] == rest

    @pytest.mark.parametrize("count", [5, 6])
    async def test_no_more_places_are_named_than_clients(self, story: Story, count: int) -> None:
        for n in range(count):
            story.called(client("", version=None, peer=f"192.0.2.{n}"), "ping")
        (step,) = [step for step in next_steps(await story.report()) if "without a name" in step]
        places = step.partition(" They call from ")[2].rstrip(".").split(", ")
        assert places == [f"192.0.2.{n}" for n in range(5)]

    async def test_who_could_move_is_told_how(self, story: Story) -> None:
        for n in range(7):
            story.called(client("claude-code", transport="http_sse", version=f"2.1.33{n}"), "ping")
        steps = [step for step in next_steps(await story.report()) if "could" in step]
        assert len(steps) == 6
        assert "edit the URL" in steps[0]
        assert steps[-1] == "So could 2 more; the table says how."

    @pytest.mark.parametrize(("peer", "where"), [("192.0.2.7", " They call from 192.0.2.7."), (None, "")])
    async def test_who_has_no_name_is_to_be_found(self, story: Story, peer: str | None, where: str) -> None:
        story.called(client("mcp", version="0.1.0", peer=peer), "ping")
        said = f"Find out what is behind 1 client without a name.{where}"
        assert said in next_steps(await story.report())

    async def test_what_nobody_used_can_be_retired_once_somebody_watched(self, story: Story) -> None:
        story.called(client(), "ping")
        assert not [step for step in next_steps(await story.report()) if "retired" in step]
        await story.watched(30)
        ((step),) = [step for step in next_steps(await story.report()) if "retired" in step]
        assert "jsonrpc.batch" in step
        assert "ping" not in step.split()

    async def test_of_one_feature_in_use_nothing_can_be_retired(self, story: Story) -> None:
        story.called(client(), "ping")
        await story.watched(30)
        assert not [step for step in next_steps(await story.report(feature="ping")) if "retired" in step]

    async def test_gaps_are_told(self, story: Story) -> None:
        assert "The ledger knows nothing of 29 of these 30 days." in next_steps(await story.report())
        await story.watched(30)
        assert not [step for step in next_steps(await story.report()) if "knows nothing" in step]

    async def test_one_day_that_is_missing_is_told(self, story: Story) -> None:
        await story.watched(29)
        assert "The ledger knows nothing of 1 of these 30 days." in next_steps(await story.report())

    async def test_what_there_was_no_room_for_is_told(self, tmp_path: Path) -> None:
        story = Story(tmp_path)
        story.ledger = story.fixture.ledger(tallies=Tallies(AddressPrivacy("full"), max_tallies=1))
        story.called(client("a"), "ping")
        story.called(client("b"), "ping")
        report = await story.report()
        assert "The ledger had no room for 1 call: the numbers lack that." in next_steps(report)
        assert "It had no room for 1 call." in as_html(report)


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 clients"), (1, "1 client"), (2, "2 clients"), (2_000, "2,000 clients")]
)
def test_numbers_are_as_a_sentence_has_them(count: int, said: str) -> None:
    assert in_words(count, "client") == said
