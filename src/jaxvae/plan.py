"""`python -m jaxvae.plan [EXPERIMENT] --target v5e:2x2`: does training fit hardware you don't have?"""

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
from jaxvae.runs.written_config import written_model

DESCRIPTION = """Compiles the train step for hardware you don't have and prints its memory, FLOPs and communication.

EXPERIMENT and the fields are as for jaxvae.train. TPU targets use the real compiler (libtpu,
from the extra [tpu-plan]), which rejects a step that does not fit. GPU figures are estimated from the program compiled
for a CPU. Nothing is downloaded, prepared or trained.

Examples: python -m jaxvae.plan celeba --target v5e:2x2
python -m jaxvae.plan celeba --target gpu:24 --train.batch-size 256"""
ASSUMED_TRAIN_IMAGES = 100_000


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to train, and on what hardware."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    devices: DevicesConfig = field(default_factory=DevicesConfig)
    target: str = "v5e:2x2"
    """A TPU slice such as v5e:2x2 or v4:2x2x1, gpu:GIB (one GPU with that much memory), or cpu (this machine)."""
    shape: tuple[int, int, int] | None = None
    """Height, width and channels of the images; defaults to those of the prepared data, or of data.size and
    data.color."""
    largest: bool = True
    """Also search for the largest batch that fits, which compiles at least two more times."""
    json: bool = False
    """Print the result as one line of JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parses the command line, compiles the train step, and prints the estimate."""
    parsed = parse_with_experiment(Arguments, "plan", arguments, DESCRIPTION, written_model)
    os.environ["JAX_PLATFORMS"] = "cpu"  # Only compiles; leaves local accelerators alone.

    from jaxvae.training.planning.target import find_target, require_target

    config, devices = parsed.config, parsed.devices
    require_target(parsed.target)
    shape, image_count = _image_shape_and_count(parsed)

    from jaxvae.training.planning.estimate import estimate, largest_batch

    target = find_target(parsed.target)
    say = partial(print, file=sys.stderr, flush=True)
    say(f"compiling for a batch of {config.train.batch_size}")
    estimated = estimate(config, shape, image_count, target, devices)
    fits = estimated is not None and estimated.total <= target.memory
    result: dict[str, Any] = {
        "experiment": config.title, "shape": shape, "batch_size": config.train.batch_size, "target": target.name,
        "devices": devices.count or len(target.devices), "fsdp": devices.fsdp, "accumulate": devices.accumulate,
        "rematerialize": devices.rematerialize, "estimated": target.kind == "gpu", "memory_bytes": target.memory,
        "fits": fits,
    }  # fmt: skip
    if estimated is not None:
        sizes_by_kind: dict[str, list[int]] = {}
        for exchange in estimated.exchanges:
            sizes_by_kind.setdefault(exchange.kind, []).append(exchange.size)
        result |= {"state_bytes": estimated.state, "temporary_bytes": estimated.temporary, "flops": estimated.flops}
        result |= {
            "exchanges": {kind: {"times": len(sizes), "bytes": sum(sizes)} for kind, sizes in sizes_by_kind.items()}
        }
    if fits and parsed.largest and estimated is not None:
        result["largest_batch"] = largest_batch(config, shape, image_count, target, devices, estimated, say)
    print(json.dumps(result) if parsed.json else "\n".join(_table(result)))


def _image_shape_and_count(parsed: Arguments) -> tuple[tuple[int, int, int], int]:
    """Returns the shape of the images and the number of training images."""
    from jaxvae.data.prepare import already_prepared

    config = parsed.config.data
    if parsed.shape is not None:
        return parsed.shape, ASSUMED_TRAIN_IMAGES
    if (prepared := already_prepared(config)) is not None:
        return prepared.shape, prepared.info["splits"]["train"]["n"]
    if config.size is None:
        raise UserError("data.size is None and the dataset is not prepared yet; give --shape HEIGHT WIDTH CHANNELS.")
    return (config.size, config.size, 1 if config.color == "grey" else 3), ASSUMED_TRAIN_IMAGES


def _table(result: dict[str, Any]) -> list[str]:
    """Formats the result for people."""
    height, width, channels = result["shape"]
    split = "state sharded" if result["fsdp"] else "state replicated"
    rows = {
        "experiment": f"{result['experiment']}: images {height}x{width}x{channels}, batch {result['batch_size']}",
        "target": f"{result['target']}: {result['devices']} x {result['memory_bytes'] / 2**30:.0f} GiB, {split}",
    }
    if result["fits"] or "flops" in result:
        total, verdict = result["state_bytes"] + result["temporary_bytes"], "fits" if result["fits"] else "does not fit"
        parts = f"state {_mb(result['state_bytes'])}, temporary {_mb(result['temporary_bytes'])}"
        about = ", estimated from the CPU program" if result["estimated"] else ""
        rows["memory"] = f"{_mb(total)} peak per device: {verdict} ({parts}{about})"
        rows["compute"] = f"{result['flops'] / 1e9:.1f} GFLOP per step"
        crossing = [
            f"{kind} {_mb(each['bytes'])} in {each['times']} operations" for kind, each in result["exchanges"].items()
        ]
        rows["communication"] = (", ".join(crossing) or "none") + " per step"
    else:
        rows["memory"] = "does not fit: the compiler ran out of memory; try --devices.fsdp, .accumulate, .rematerialize"
    if "largest_batch" in result:
        rows["largest batch"] = f"{result['largest_batch']}"
    return [f"{name:<15}{text}" for name, text in rows.items()]


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


if __name__ == "__main__":
    told(lambda: main(sys.argv[1:]))
