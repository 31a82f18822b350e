import json
import os
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from conftest import metric_lines, tiny_config, train_config

from jaxvae import MLP, DevicesConfig
from jaxvae.errors import UserError
from jaxvae.experiment import to_json
from jaxvae.runs import checkpoint
from jaxvae.runs.run import completed, load
from jaxvae.training import loop
from jaxvae.training.failures import report_lost_process
from jaxvae.training.multihost import any_process, broadcast_from_first, first_then_others, is_first, join

SETTINGS = train_config(
    steps=200, batch_size=32, learning_rate=1e-4, log_every=10, validate_every=20, picture_every=100,
    mixture_components=0,
)  # fmt: skip
CONFIG = tiny_config(model=MLP(hidden=(16,), latent=3), train=SETTINGS)
PROGRAM = """
import json, sys
from pathlib import Path
from jaxvae.cli import told
from jaxvae import DevicesConfig
from jaxvae.experiment import from_json
from jaxvae.data.prepared import open_prepared
from jaxvae.training.multihost import join
from jaxvae.training.loop import train

config, prepared, run, coordinator, process = sys.argv[1:]
devices = DevicesConfig(coordinator=coordinator, processes=2, process=int(process), fsdp=True)

def body():
    join(devices)
    train(from_json(json.loads(config)), open_prepared(Path(prepared)), Path(run), devices)

told(body)
"""


def launched(disc_set, run):
    """Two processes of one device each that train together."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}
    shared = [sys.executable, "-c", PROGRAM, json.dumps(to_json(CONFIG)), str(disc_set.path), str(run), address]
    return [
        subprocess.Popen([*shared, str(i)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for i in range(2)
    ]


def until(run, step, processes):
    """Waits for a checkpoint of that step or later."""
    while max(checkpoint.steps(run / "checkpoints"), default=0) < step:
        assert all(process.poll() is None for process in processes), [process.communicate() for process in processes]
        time.sleep(0.02)


@pytest.mark.multiprocess
def test_two_processes_train_as_one_through_a_kill_and_a_stop(disc_set, tmp_path):
    run, alone = tmp_path / "together", tmp_path / "alone"
    # 1. One of them is killed, and what starts them, as Slurm does, ends the other.
    both = launched(disc_set, run)
    until(run, 20, both)
    for process in reversed(both):
        process.kill()
        process.communicate()
    # 2. Started again, one of them is asked to stop: both do, after the same step.
    both = launched(disc_set, run)
    until(run, 60, both)
    both[1].send_signal(signal.SIGTERM)
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [130, 130], told
    stopped = checkpoint.steps(run / "checkpoints")[-1]
    assert all(f"stopped after step {stopped};" in err for _, err in told)
    # 3. Started again, they come to the end; the first alone says so and writes.
    both = launched(disc_set, run)
    (out, _), (silence, _) = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert f"continuing {run} at step {stopped}" in out
    assert [line for line in silence.splitlines() if "Gloo" not in line] == []
    assert completed(run) == 200

    loop.train(CONFIG, disc_set, alone, DevicesConfig(count=1))
    for kind in ("train", "validation", "test"):
        ours, expected = (metric_lines(each, kind) for each in (run, alone))
        assert [row["step"] for row in ours] == [row["step"] for row in expected]
        np.testing.assert_allclose(
            [row["elbo_nats"] for row in ours], [row["elbo_nats"] for row in expected], rtol=1e-3
        )
    for mine, other in zip(jax.tree.leaves(load(run).params), jax.tree.leaves(load(alone).params), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-3)


def test_a_single_process_is_the_first_and_needs_no_communication():
    assert is_first()
    assert (any_process(True), any_process(False), broadcast_from_first(0.1), first_then_others(lambda: 3)) == (
        True,
        False,
        0.1,
        3,
    )


def test_an_error_of_one_process_is_not_attributed_to_another(tmp_path):
    with pytest.raises(TimeoutError), report_lost_process(tmp_path):
        raise TimeoutError


def test_the_loss_of_another_process_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(UserError, match="another of the 2 processes no longer responds"), report_lost_process(tmp_path):
        raise TimeoutError


def test_processes_that_cannot_connect_are_reported(monkeypatch):
    def never(*arguments):
        raise RuntimeError("deadline exceeded\nand more")

    monkeypatch.setattr(jax.distributed, "initialize", never)
    with pytest.raises(UserError, match=r"failed to connect \(deadline exceeded\)"):
        join(DevicesConfig(coordinator="localhost:1", processes=2, process=0))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 0),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, 0),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4"}, 1),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, 1),
        ({"TPU_WORKER_HOSTNAMES": "a"}, 0),
    ],
)
def test_other_processes_are_discovered_under_slurm_and_cloud_tpu(monkeypatch, environment, expected):
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *arguments: calls.append(arguments))
    for name in ("SLURM_STEP_NUM_TASKS", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    join(DevicesConfig())
    assert len(calls) == expected
