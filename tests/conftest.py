import atexit
import json
import os
import shutil
import tempfile

# Before JAX is imported anywhere: the suite runs on the CPU, as eight devices.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")
# Most of the time of a short run is compilation: it is done without the optimizations that `make test-all` has and by
# the older emitters of fused loops, which take half the time (tests/compiled.py); and what one test has compiled serves
# the others, in whichever process. Programs are small: to divide them among threads takes longer than it saves.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxvae-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import dataclasses
import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxvae import MLP, Config, Conv, DataConfig, TrainConfig
from jaxvae.cli import run_command, told
from jaxvae.data.prepared import Prepared, write_prepared
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.models import ModelConfig
from jaxvae.objectives import ObjectiveConfig
from jaxvae.runs.formats import upgraded

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

COUNTS = {"train": 160, "validation": 50, "test": 21}


def discs(split: str, size: int = 16) -> list[Example]:
    """Coloured discs; attributes: red or blue, high or low, and which of three sizes."""
    random = np.random.default_rng(SPLITS.index(split))
    rows, columns = np.mgrid[:size, :size]
    examples = []
    for _ in range(COUNTS[split]):
        red, high, wide = random.integers(2), random.integers(2), random.integers(3)
        center = (size * (0.3 if high else 0.7), size * random.uniform(0.4, 0.6))
        inside = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < (size * (0.15 + 0.05 * wide)) ** 2
        image = np.full((size, size, 3), 230, np.uint8)
        image[inside] = (220, 30, 30) if red else (30, 30, 220)
        examples.append(Example(image, (int(red), int(high), int(wide))))
    return examples


@pytest.fixture(scope="session")
def disc_set(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    splits = {name: (lambda name=name: iter(discs(name))) for name in SPLITS}
    source = Source(("red", "high", "width"), {"width": ("small", "medium", "large")}, splits, {"made": "discs"})
    return write_prepared(tmp_path_factory.mktemp("data") / "discs", "discs", {"name": "discs"}, source)


def tiny_config(**changes: object) -> Config:
    config = Config(
        name="discs",
        data=DataConfig(name="discs", size=None, pixels="dequantized", walk_from="red=0", walk_to="red=1"),
        model=Conv(latent=4, channels=(8, 8)),
        train=TrainConfig(
            steps=40, batch_size=16, learning_rate=3e-3, warmup_steps=5, log_every=5, validate_every=20,
            picture_every=20, mixture_components=2, fitted_flow_steps=0,
        ),
    )  # fmt: skip
    return dataclasses.replace(config, **changes)


def untrained(config: Config, prepared: Prepared) -> Any:
    """As if it had been loaded from a run of no step."""
    from jaxvae.models import build
    from jaxvae.priors.fitted import Fitted
    from jaxvae.runs.run import Info, Loaded

    vae = build(config.model, prepared.shape)
    info = Info(Path("made"), 0, config, prepared.data, {}, "last", Fitted())
    return Loaded(vae, jax.jit(vae.init)(jax.random.key(0)), info)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Sends SIGINT to training when the metrics of a step are logged, until `monkeypatch` is undone."""
    from jaxvae.training import loop

    original = loop.log

    def interrupting(record: Any, ready: Any, *rest: Any) -> Any:
        if any(each == step for each, _ in ready):
            signal.raise_signal(signal.SIGINT)
        return original(record, ready, *rest)

    monkeypatch.setattr(loop, "log", interrupting)


def saved_run(folder: Path, config: Config, prepared: Prepared, **trees: Any) -> Path:
    """A run folder with one checkpoint, of a model that was never trained: codes that vary, at no cost."""
    from jaxvae.runs import checkpoint
    from jaxvae.runs.run import about, write_config

    write_config(folder, config)
    with checkpoint.open_checkpoints(folder / "checkpoints") as checkpointer:
        every = {"params": untrained(config, prepared).params, **trees}
        checkpoint.save(checkpointer, 1, every, about=about(config, prepared), objective=None, complete=True)
    return folder


DENSE = MLP(hidden=(8,), activation="tanh", latent=3)


@pytest.fixture(scope="session")
def dense_run(disc_set: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of dense layers as they are drawn, with three units."""
    return saved_run(tmp_path_factory.mktemp("runs") / "dense", tiny_config(model=DENSE), disc_set)


@pytest.fixture(scope="session")
def fitted_run(disc_set: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a mixture fitted to draws in the place of codes."""
    from jaxvae.priors.fit_mixture import fit_mixture

    config = tiny_config(model=DENSE)
    mixture = fit_mixture(np.random.default_rng(0).normal(size=(100, 3)), 2, 0)
    return saved_run(tmp_path_factory.mktemp("runs") / "fitted", config, disc_set, fitted_mixture=vars(mixture))


def flow_matching_arrays(prepared: Prepared, units: int) -> dict[str, Any]:
    """Arrays of a prior as if it had been fitted, with random numbers for parameters."""
    from jaxvae.priors.fit_flow_matching import entries, flow_matching_shapes

    labels = np.asarray(prepared.split("train").attributes, np.int32)
    column, value = entries(labels)
    shapes, random = flow_matching_shapes((units,), len(column), labels.shape), np.random.default_rng(0)
    arrays = jax.tree.map(lambda leaf: np.float32(0.1 * random.normal(size=leaf.shape)), shapes)
    return arrays | {"factor": np.eye(units, dtype=np.float32), "column": column, "value": value, "labels": labels}


@pytest.fixture(scope="session")
def flow_matching_run(disc_set: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained run on the discs with a flow-matching prior as if fitted, which draws on request."""
    config = tiny_config(model=DENSE, train=train_config(flow_matching_steps=40))
    folder = tmp_path_factory.mktemp("runs") / "request"
    return saved_run(folder, config, disc_set, fitted_flow_matching=flow_matching_arrays(disc_set, 3))


def train_config(**changes: object) -> TrainConfig:
    return dataclasses.replace(tiny_config().train, **changes)


@pytest.fixture(scope="session")
def disc_run(disc_set: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short finished run on the discs."""
    from jaxvae.training.loop import train

    run = tmp_path_factory.mktemp("runs") / "discs"
    train(tiny_config(), disc_set, run)
    return run


@pytest.fixture(scope="session")
def mlp_run(disc_set: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with dense layers, which are quick to compile; its last checkpoint, of step 20, has a flow too."""
    from jaxvae.training.loop import train

    run = tmp_path_factory.mktemp("runs") / "mlp"
    settings = train_config(steps=20, validate_every=10, fitted_flow_steps=20)
    train(tiny_config(model=MLP(hidden=(8,), latent=3), train=settings), disc_set, run)
    return run


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable:
    """Runs a command in an empty folder; returns (exit code, standard output, standard error)."""
    import jaxvae.train

    monkeypatch.chdir(tmp_path)

    def run(command: str | Callable, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        code = 0
        try:
            if command == "train":
                told(lambda: jaxvae.train.run_training(jaxvae.train.parse_arguments(sys.argv[1:])))
            else:
                run_command(command, command.__name__)
        except SystemExit as leaving:
            code = leaving.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def mistake(result: tuple[int, str, str], *phrases: str) -> None:
    code, out, err = result
    assert code == 2, (code, out, err)
    for phrase in phrases:
        assert phrase in out + err
    assert "Traceback" not in err
    assert list(Path.cwd().iterdir()) == []


def stirred(params: Any, size: float) -> Any:
    """Parameters with noise of this size: at the start some have no effect yet. NumPy's, which compiles nothing."""
    random = np.random.default_rng(1)

    def stir(leaf: Any) -> np.ndarray:
        return np.asarray(leaf + size * random.normal(size=leaf.shape), np.float32)

    return jax.tree.map(stir, jax.device_get(params))


def metric_lines(run, kind="train"):
    """The lines of a run's metrics.jsonl of this kind, without the time of the day."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "time"} for row in rows if row["kind"] == kind]


def flat_model(**options):
    """A model from options of all its parts side by side, as configs of format 2 had them."""
    return ModelConfig.from_json(upgraded({"model": plain(options)})["model"], "model")


def flat_objective(**options):
    """An objective by name and options, as configs of format 2 had it."""
    return ObjectiveConfig.from_json(upgraded({"objective": plain(options)})["objective"], "objective")


def plain(options):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


def pytest_collection_finish() -> None:
    """Spares the garbage collector the modules, which stay until the end: a twentieth of the time of the suite."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of the hostile and broken input that was tried, and of what held."""
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
