import logging

import pytest

from jaxvae.system import progress as module
from jaxvae.system.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves on by as many seconds as are in it at each look."""
    ticks = [0.0]

    def now():
        ticks[0] += 30.0
        return ticks[0]

    monkeypatch.setattr(module.time, "monotonic", now)
    monkeypatch.setattr(module, "LOG_EVERY_SECONDS", 45.0)


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


def test_every_item_passes_through_and_lines_are_logged_without_a_terminal(clock, caplog):
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(iter("abcde"), 5, "preparing train")) == list("abcde")
    # Looks at 30, 60, … seconds after the start, a line at every other one.
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
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(iter("ab"), 2, "preparing train")) == ["a", "b"]
    assert [message.split(" images")[0] for message in messages(caplog)] == ["preparing train: 1 of 2"]


def test_quick_work_logs_nothing(caplog):
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(range(100), 100, "preparing train")) == list(range(100))
    assert caplog.records == []
