import json
import time
from datetime import datetime

from conftest import tiny_config, train_config

from jaxvae import MLP
from jaxvae.runs import checkpoint
from jaxvae.training import loop, session
from jaxvae.training.metric_log import discard_log, flush_to_disk, open_log, print_line, update_progress, write


def opened(run, first_step=0):
    run.mkdir(exist_ok=True)
    return open_log(run, first_step=first_step, steps=10, batch_size=4)


def steps(run):
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_lines_after_the_resumed_step_are_dropped(tmp_path):
    with opened(tmp_path / "run") as record:
        for step in (1, 2, 3):
            write(record, step, "train", {"loss": float(step)})
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "ki')  # What a crash leaves.
    with opened(tmp_path / "run", first_step=2) as record:
        write(record, 3, "train", {"loss": 0.0})
    assert steps(tmp_path / "run") == [1, 2, 3]


def test_a_run_killed_at_its_very_end_evaluates_the_test_split_once(tmp_path):
    for _ in range(2):
        with opened(tmp_path / "run", first_step=3) as record:
            write(record, 3, "test", {"loss": 0.0})
    assert steps(tmp_path / "run") == [3]


def test_non_finite_numbers_are_written_as_words(tmp_path):
    with opened(tmp_path / "run") as record:
        write(record, 1, "train", {"loss": float("nan"), "kl_nats": float("inf")})
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert abs(datetime.fromisoformat(line.pop("time")).timestamp() - time.time()) < 60
    assert line == {"step": 1, "kind": "train", "loss": "nan", "kl_nats": "inf"}


def test_without_a_terminal_plain_lines_are_printed_periodically(tmp_path, capsys):
    with opened(tmp_path / "run") as record:
        metrics = {"elbo_nats": -5.0, "images_per_second": 12.0}
        update_progress(record, 1, 10, 4, metrics)
        assert capsys.readouterr().out == ""
        record.line_time -= 60
        update_progress(record, 4, 10, 4, metrics)
        update_progress(record, 5, 10, 4, metrics)
        print_line(record, "hello")
    out = capsys.readouterr().out.splitlines()
    assert out == ["step 4/10  elbo_nats -5.0  12 images/s  0.0 min left", "hello"]


def test_lines_are_flushed_before_a_checkpoint_is_saved(disc_set, tmp_path, monkeypatch):
    done = []
    flush_to_disk, save = session.flush_to_disk, checkpoint.save
    monkeypatch.setattr(session, "flush_to_disk", lambda record: (done.append("lines"), flush_to_disk(record)))
    monkeypatch.setattr(checkpoint, "save", lambda *given, **said: (done.append("checkpoint"), save(*given, **said)))
    settings = train_config(steps=4, validate_every=2, mixture_components=0)
    model = MLP(hidden=(8,), latent=3)
    loop.train(tiny_config(model=model, train=settings), disc_set, tmp_path / "run")
    assert done == ["lines", "checkpoint"] * 3


def test_unwritten_lines_need_no_disk():
    with discard_log() as record:
        write(record, 1, "train", {"loss": 1.0})
        flush_to_disk(record)
