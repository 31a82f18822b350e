"""The table of what was tried and what held, at the end of a run of these tests."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tried, held = Counter(), Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            if "bad_inputs/" in report.nodeid and (report.when == "call" or outcome == "error"):
                kind = report.nodeid.split("::")[0].rpartition("test_")[2].removesuffix(".py").replace("_", " ")
                tried[kind] += 1
                held[kind] += outcome == "passed"
    if tried:
        terminalreporter.section("hostile and broken input")
        terminalreporter.write_line(f"{'kind':<24} {'tried':>6} {'held':>6}")
        for kind in sorted(tried):
            terminalreporter.write_line(f"{kind:<24} {tried[kind]:>6} {held[kind]:>6}")
        terminalreporter.write_line(f"{'all':<24} {tried.total():>6} {held.total():>6}")
