"""The harness itself: numbers are summed up, judged and drawn as they should be. Rule: nothing is measured here."""

import io
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks import budgets, measurement, plots, tables, wrk
from tests.benchmarks.__main__ import SUITES, main
from tests.benchmarks.budgets import BUDGETS, Budget, Quantity
from tests.benchmarks.measurement import Machine, Measurement, Report, Series
from tests.benchmarks.peers import PEERS
from tests.benchmarks.soak import Outcome, State
from tests.benchmarks.soak_clients import Tally, answer_to
from tests.benchmarks.soak_wire import LostError
from tests.benchmarks.turns import in_turns, percentile
from tests.benchmarks.wire import events, legacy, modern

MACHINE = Machine(processor="a", cores=2, pinned_apart=True, python="3.11", kernel="6", load_before=0.0)
RATES = Measurement(
    key="http/call",
    title="calls",
    unit="requests/s",
    better="more",
    series=(
        Series(peer="ours", samples=(10.0, 30.0, 20.0)),
        Series(peer="official", samples=(4.0, 2.0, 3.0)),
        Series(peer="official_standard", samples=(5.0, 5.0, 5.0)),
    ),
    absent={"fastmcp": "it did not start\nTraceback"},
)
GROWTH = Measurement(
    key="scale/tools-cpu",
    title="cost",
    unit="us",
    better="less",
    axis="tools",
    series=(
        Series(peer="ours", samples=(100.0,), x=10.0),
        Series(peer="ours", samples=(104.0,), x=1000.0),
        Series(peer="official", samples=(900.0,), x=10.0),
    ),
)
REPORT = Report(machine=MACHINE, rounds=3, seconds=1.0, measurements=(RATES, GROWTH))


def test_a_ratio_says_how_many_times_as_good_ours_is_whichever_way_is_good() -> None:
    official, cost = RATES.of("official"), GROWTH.of("official", 10.0)
    assert official is not None
    assert cost is not None
    assert RATES.times_as_good(official) == pytest.approx(20 / 3)
    assert GROWTH.times_as_good(cost) == pytest.approx(9.0)


def test_best_is_the_highest_rate_and_the_lowest_cost() -> None:
    fastest = RATES.best(("official", "official_standard"))
    cheapest = GROWTH.best(("ours", "official"), 10.0)
    assert fastest is not None
    assert cheapest is not None
    assert (fastest.peer, cheapest.peer) == ("official_standard", "ours")
    assert RATES.best(("fastmcp",)) is None


def test_a_report_survives_being_written() -> None:
    assert measurement.decode(measurement.encode(REPORT)) == REPORT


def test_everybody_has_a_turn_in_every_round() -> None:
    order: list[str] = []

    def sampler(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = in_turns({"a": lambda: sampler("a"), "b": lambda: sampler("b")}, 2, say=lambda _: None)
    assert order == ["a", "b", "a", "b"]
    assert samples == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_percentiles_are_values_that_were_seen(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


AT_LEAST = Budget(
    what="", bound=4.0, of=Quantity("http/call", ("ours",)), to=Quantity("http/call", ("official", "official_standard"))
)
AT_MOST = Budget(
    what="",
    kind="at most",
    bound=1.04,
    of=Quantity("scale/tools-cpu", ("ours",), 1000.0),
    to=Quantity("scale/tools-cpu", ("ours",), 10.0),
)


@pytest.mark.parametrize(
    ("budget", "within", "outside"), [(AT_LEAST, 4.0, 3.99), (AT_MOST, 1.04, 1.041)], ids=["at least", "at most"]
)
def test_a_budget_holds_up_to_its_bound(budget: Budget, within: float, outside: float) -> None:
    assert budget.found(REPORT) == pytest.approx(budget.bound)
    assert budget.holds(within)
    assert not budget.holds(outside)


def test_what_drifts_together_is_divided_round_by_round() -> None:
    drifting = Measurement(
        key="deprecation/legacy-cpu",
        title="",
        unit="us",
        better="less",
        series=(
            Series(peer="ours_watched", samples=(102.0, 204.0, 408.0)),
            Series(peer="ours_unwatched", samples=(100.0, 200.0, 200.0)),
        ),
    )
    report = Report(machine=MACHINE, rounds=3, seconds=1, measurements=(drifting,))
    of, to = (Quantity(drifting.key, (peer,)) for peer in ("ours_watched", "ours_unwatched"))
    assert Budget(what="", bound=1.0, of=of, to=to, paired=True).found(report) == pytest.approx(1.02)
    assert Budget(what="", bound=1.0, of=of, to=Quantity("no/such", ("ours",)), paired=True).found(report) is None


def test_what_was_not_measured_does_not_hold() -> None:
    assert len(budgets.failures(Report(machine=MACHINE, rounds=1, seconds=1, measurements=()))) == len(BUDGETS)
    assert any("not measured" in line for line in budgets.failures(REPORT))


def test_of_chosen_suites_only_their_budgets_are_looked_at() -> None:
    assert {line.partition(":")[0] for line in budgets.failures(REPORT, ["scale"])} == set()
    assert len(budgets.failures(REPORT, ["stdio"])) == 1


def test_every_budget_names_peers_that_are_measured() -> None:
    quantities = [one for budget in BUDGETS for one in (budget.of, budget.to) if one is not None]
    assert {one.measurement.partition("/")[0] for one in quantities} <= set(SUITES)
    assert {peer for one in quantities for peer in one.peers} <= {*PEERS, "dispatcher"}


def test_check_of_a_stored_report_exits_with_1_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = tmp_path / "results.json"
    stored.write_bytes(measurement.encode(REPORT))
    assert main(["--from", str(stored), "--check", "--to", str(tmp_path / "out")]) == 1
    assert (
        "FAILED tools/call, of the official SDK on uvicorn[standard]: 4 x, budget at least 5" in capsys.readouterr().out
    )
    assert (tmp_path / "out" / "http-call.svg").exists()


def test_tables_have_the_ratio_first_and_say_who_is_missing() -> None:
    lines = tables.table(RATES).splitlines()
    assert lines[0] == "| who | mcp-runtime is better by | median, requests/s | least, requests/s | most, requests/s |"
    assert "| official SDK on uvicorn | 6.67x | 3 | 2 | 4 |" in lines
    assert lines[-1] == "Not measured: FastMCP on uvicorn[standard] (it did not start)."
    assert "| mcp-runtime | 1,000 | - | 104 | 104 | 104 |" in tables.table(GROWTH)


def test_a_terminal_gets_the_same_in_columns() -> None:
    lines = tables.plain([RATES]).splitlines()
    assert lines[0] == "http/call: calls"
    assert re.split(" {2,}", lines[1].strip()) == [
        "who",
        "mcp-runtime is better by",
        "median, requests/s",
        "least, requests/s",
        "most, requests/s",
    ]
    assert lines[3].split()[-4:] == ["6.67x", "3", "2", "4"]
    assert len({len(line) for line in lines[1:5]}) == 1


def test_the_page_has_every_budget_and_every_measurement() -> None:
    page = tables.markdown(REPORT)
    assert page.count("| at least") + page.count("| at most") == len(BUDGETS)
    assert "![calls](http-call.svg)" in page
    assert "![cost](scale-tools-cpu.svg)" in page


@pytest.mark.parametrize("one", [RATES, GROWTH], ids=["bars", "lines"])
def test_plots_are_xml_that_names_every_peer_and_knows_the_dark(one: Measurement) -> None:
    drawn = plots.svg(one)
    root = ET.fromstring(drawn)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {tables.label(series.peer) for series in one.series} <= texts
    assert "prefers-color-scheme: dark" in drawn


def test_a_plot_of_nothing_is_a_plot() -> None:
    for axis in (None, "tools"):
        empty = Measurement(key="a/b", title="<none>", unit="us", better="less", series=(), axis=axis)
        ET.fromstring(plots.svg(empty))


def test_wrk_gets_every_request_whole(tmp_path: Path) -> None:
    requests = [modern("tools/list"), legacy({"jsonrpc": "2.0", "id": 1, "method": "ping"}, "session")]
    program = wrk.script(requests, tmp_path / "requests")
    assert f"ipairs({{{len(requests[0])},{len(requests[1])}}})" in program


def test_wrk_results_are_read_and_their_absence_is_an_error() -> None:
    line = 'RESULT {"requests":300,"duration_us":1500000,"failed":0,"status":0,"p50_us":1,"p99_us":2}'
    assert wrk.read_result(f"Running 1s test\n{line}\n").per_second == 200
    with pytest.raises(wrk.LoadError, match="unable to connect"):
        wrk.read_result("unable to connect to 127.0.0.1:1")


def test_events_are_read_whatever_their_line_ends_and_comments_are_not() -> None:
    stream = io.BytesIO(
        b": ping\r\n\r\nid: 1\r\nevent: message\r\ndata: {}\r\n\r\ndata:\n\ndata: a\ndata: b\n\ndata: cut"
    )
    assert list(events(stream)) == ["{}", "a\nb"]


REST = State(memory_mib=50.0, descriptors=10, tasks=5)
BUSY = {"call": 9, "progress": 9, "listen": 9}


def _outcome(after: State = REST, p99_s: tuple[float, ...] = (0.1,) * 6, *, failures: tuple[str, ...] = ()) -> Outcome:
    tally = Tally(answered=dict(BUSY), failures=list(failures))
    return Outcome(before=REST, after=after, tally=tally, p99_s=p99_s, left_out=())


def test_a_soak_that_leaves_nothing_behind_has_no_failures() -> None:
    assert _outcome(State(memory_mib=59.0, descriptors=10, tasks=5)).failures() == []


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (_outcome(State(memory_mib=59.1, descriptors=10, tasks=5)), "memory grew from 50.0 to 59.1 MiB"),
        (_outcome(State(memory_mib=50, descriptors=11, tasks=5)), "open descriptors grew from 10 to 11"),
        (_outcome(State(memory_mib=50, descriptors=10, tasks=6)), "tasks grew from 5 to 6"),
        (_outcome(p99_s=(0.1, 0.1, 0.1, 0.3, 0.3, 0.3)), "p99 drifted: 100.0, 100.0, 100.0, 300.0, 300.0, 300.0 ms"),
        (_outcome(failures=("calls: lost",)), "1 requests went wrong, such as: calls: lost"),
    ],
    ids=["memory", "descriptors", "tasks", "p99", "lost"],
)
def test_a_soak_says_what_was_left_behind(outcome: Outcome, said: str) -> None:
    assert outcome.failures() == [said]


def test_a_soak_in_which_nobody_was_answered_fails() -> None:
    silent = Outcome(before=REST, after=REST, tally=Tally(), p99_s=(), left_out=())
    assert silent.failures() == [f"no {name} was answered at all" for name in BUSY]


def test_one_answer_is_right_and_none_or_two_are_not() -> None:
    right = {"id": 7, "result": {"content": [{"text": "yes"}]}}
    assert answer_to(7, [{"method": "notifications/progress"}, right]) == "yes"
    for wrong in ([], [right, right], [{**right, "id": 8}], [{"id": 7, "error": {}}]):
        with pytest.raises(LostError, match="request 7"):
            answer_to(7, wrong)
