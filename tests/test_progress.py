import logging

from jaxvae.data import progress as module
from jaxvae.data.progress import progress


def test_everything_passes_and_lines_are_logged_where_there_is_no_terminal(monkeypatch, caplog):
    monkeypatch.setattr(module, "LOG_EVERY_SECONDS", -1.0)
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(iter("abc"), 3, "preparing train")) == ["a", "b", "c"]
    assert caplog.records[-1].getMessage().startswith("preparing train: 2 of 3 pictures")


def test_quick_work_logs_nothing(caplog):
    with caplog.at_level(logging.INFO, "jaxvae"):
        assert list(progress(range(100), 100, "preparing train")) == list(range(100))
    assert caplog.records == []
