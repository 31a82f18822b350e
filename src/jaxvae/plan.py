"""`python -m jaxvae.plan [EXPERIMENT.py] --target v5e:2x2`: whether training fits hardware that is not there."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import tyro

from jaxvae.cli import parse_with_experiment, told
from jaxvae.config import DevicesConfig
from jaxvae.errors import UserError
from jaxvae.experiment import Config

DESCRIPTION = """Compiles the train step for hardware that need not be there and says what it takes.

EXPERIMENT.py, the first argument, is as for jaxvae.train, and so are the fields. For TPUs the compiler is the real one
(libtpu, of the extra [tpu-plan]): a step that does not fit is refused by it. For a GPU the figures are an estimate from
the program for a CPU. Nothing is downloaded, prepared or trained."""


ASSUMED_PICTURES = 100_000


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is trained on what."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    devices: DevicesConfig = field(default_factory=DevicesConfig)
    target: str = "v5e:2x2"
    """A TPU slice such as v5e:2x2 or v4:2x2x1, gpu:GIB (one GPU of that memory), or cpu (this machine)."""
    shape: tuple[int, int, int] | None = None
    """Height, width and channels of the pictures; those of the prepared data, or of data.size and data.color, when left
    out."""
    largest: bool = True
    """Look for the largest batch that fits as well, which compiles two or more times again."""
    json: bool = False
    """Print the result as one line of JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parses the command line, compiles, and prints."""
    parsed = parse_with_experiment(Arguments, "plan", arguments, DESCRIPTION)
    os.environ["JAX_PLATFORMS"] = "cpu"  # The program is only compiled: accelerators that are here stay untouched.

    from jaxvae.training.planning.estimate import estimate, largest_batch
    from jaxvae.training.planning.target import find_target

    config, devices = parsed.config, parsed.devices
    shape, pictures = _pictures(parsed)
    target = find_target(parsed.target)
    say = partial(print, file=sys.stderr, flush=True)
    say(f"compiling for a batch of {config.train.batch_size}")
    found = estimate(config, shape, pictures, target, devices)
    fits = found is not None and found.total <= target.memory
    result: dict[str, Any] = {
        "experiment": config.title, "shape": shape, "batch_size": config.train.batch_size, "target": target.name,
        "devices": devices.count or len(target.devices), "fsdp": devices.fsdp, "accumulate": devices.accumulate,
        "rematerialize": devices.rematerialize, "estimated": target.kind == "gpu", "memory_bytes": target.memory,
        "fits": fits,
    }  # fmt: skip
    if found is not None:
        crossing: dict[str, list[int]] = {}
        for each in found.exchanges:
            crossing.setdefault(each.kind, []).append(each.size)
        result |= {"state_bytes": found.state, "temporary_bytes": found.temporary, "flops": found.flops}
        result |= {"exchanges": {kind: {"times": len(each), "bytes": sum(each)} for kind, each in crossing.items()}}
    if fits and parsed.largest and found is not None:
        result["largest_batch"] = largest_batch(config, shape, pictures, target, devices, found, say)
    print(json.dumps(result) if parsed.json else "\n".join(_table(result)))


def _pictures(parsed: Arguments) -> tuple[tuple[int, int, int], int]:
    """The shape of the pictures and how many there are to train on."""
    from jaxvae.data.prepare import already_prepared

    config = parsed.config.data
    if parsed.shape is not None:
        return parsed.shape, ASSUMED_PICTURES
    if (prepared := already_prepared(config)) is not None:
        return prepared.shape, prepared.info["splits"]["train"]["n"]
    if config.size is None:
        raise UserError("data.size is None, and the data set is not prepared yet; give --shape HEIGHT WIDTH CHANNELS.")
    return (config.size, config.size, 1 if config.color == "grey" else 3), ASSUMED_PICTURES


def _table(result: dict[str, Any]) -> list[str]:
    """The result in lines for people."""
    height, width, channels = result["shape"]
    split = "the state shared out" if result["fsdp"] else "a copy of the state on each"
    rows = {
        "experiment": f"{result['experiment']}: pictures {height}x{width}x{channels}, batch {result['batch_size']}",
        "target": f"{result['target']}: {result['devices']} x {result['memory_bytes'] / 2**30:.0f} GiB, {split}",
    }
    if result["fits"] or "flops" in result:
        total, verdict = result["state_bytes"] + result["temporary_bytes"], "fits" if result["fits"] else "does not fit"
        parts = f"state {_mb(result['state_bytes'])}, the rest {_mb(result['temporary_bytes'])}"
        about = ", estimated from the program for a CPU" if result["estimated"] else ""
        rows["memory"] = f"{_mb(total)} of each device at the peak: {verdict} ({parts}{about})"
        rows["work"] = f"{result['flops'] / 1e9:.1f} GFLOP a step"
        crossing = [f"{kind} {_mb(each['bytes'])} in {each['times']}" for kind, each in result["exchanges"].items()]
        rows["exchanges"] = (", ".join(crossing) or "none") + " a step"
    else:
        rows["memory"] = "does not fit: the compiler ran out of memory; try --devices.fsdp, .accumulate, .rematerialize"
    if "largest_batch" in result:
        rows["largest batch"] = f"{result['largest_batch']} found to fit"
    return [f"{name:<15}{text}" for name, text in rows.items()]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


if __name__ == "__main__":
    told(lambda: main(sys.argv[1:]))
