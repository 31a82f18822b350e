import logging
import threading

import pytest

from jaxvae.system import progress as module
from jaxvae.system.progress import progress, under_way


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves on by as many seconds as are in it at each look."""
    ticks = [0.0]

    def now():
        ticks[0] += 30.0
        return ticks[0]

    monkeypatch.setattr(module.time, "monotonic", now)
    monkeypatch.setattr(module, "LOG_EVERY_SECONDS", 45.0)
    monkeypatch.setattr(module, "FIRST_LOG_SECONDS", 20.0)


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


def test_every_item_passes_through_and_lines_are_logged_without_a_terminal(clock, caplog):
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(iter("abcde"), 5, "preparing train")) == list("abcde")
    # Looks at 30, 60, … seconds after the start: the first line soon, then one at every other look.
    assert messages(caplog) == [
        "preparing train: 1 of 5 images, 0.0167 per second, 4.0 min left",
        "preparing train: 3 of 5 images, 0.025 per second, 1.3 min left",
    ]


def test_the_counted_items_are_named(clock, caplog):
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(range(2), 2, "bounding", "batches")) == [0, 1]
    assert messages(caplog) == ["bounding: 1 of 2 batches, 0.0167 per second, 1.0 min left"]


def test_no_rate_is_reported_for_zero_items(monkeypatch, caplog):
    monkeypatch.setattr(module, "LOG_EVERY_SECONDS", -1.0)
    monkeypatch.setattr(module, "FIRST_LOG_SECONDS", -1.0)
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(iter("ab"), 2, "preparing train")) == ["a", "b"]
    assert [message.split(" images")[0] for message in messages(caplog)] == ["preparing train: 1 of 2"]


def test_quick_work_logs_nothing(caplog):
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(range(100), 100, "preparing train")) == list(range(100))
    assert caplog.records == []


def test_what_is_under_way_is_said_at_once_and_again_while_it_lasts(monkeypatch):
    monkeypatch.setattr(module, "REMIND_SECONDS", 0.01)
    lines, thrice = [], threading.Event()

    def tell(line):
        lines.append(line)
        if len(lines) == 3:
            thrice.set()

    with under_way(tell, "fitting"):
        assert lines[0] == "fitting"
        assert thrice.wait(30)
    assert lines[1].startswith("fitting: ")
    assert lines[1].endswith(" s so far")


def test_what_is_quick_goes_unmentioned():
    lines, said = [], threading.Event()
    with under_way(lines.append, "importing", first=30):
        pass
    assert lines == []
    with under_way(lambda line: (lines.append(line), said.set()), "importing", first=0.01):
        assert said.wait(30)
    assert lines == ["importing"]


def test_a_reader_that_is_gone_does_not_end_the_work(monkeypatch):
    monkeypatch.setattr(module, "REMIND_SECONDS", 0.01)
    asked = threading.Event()

    def tell(line):
        asked.set()
        raise BrokenPipeError

    with under_way(tell, "importing", first=0.01):
        assert asked.wait(30)
