"""Pushes a run to a hub: weights, description, metrics, evaluation, and a card with images, in one commit."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jaxvae.codes import STATISTICS_TREE
from jaxvae.errors import UserError
from jaxvae.experiment import to_json
from jaxvae.hub.client import require_hub
from jaxvae.hub.upload import Pushed, check_target, upload
from jaxvae.runs import checkpoint
from jaxvae.runs.comparison import read_run
from jaxvae.runs.hub_files import DESCRIPTION, LARGEST_METRICS, METRICS, WEIGHTS, write_hub_files
from jaxvae.runs.run import Loaded
from jaxvae.sharing.card import Shared, write_card
from jaxvae.sharing.images import KINDS, Kind, draw_images
from jaxvae.sharing.local_paths import shareable_data, without_local_paths
from jaxvae.sharing.numbers import newest_evaluation
from jaxvae.sharing.request import check_request
from jaxvae.system.files import write_json
from jaxvae.system.progress import under_way

CARD, EVALUATION, IMAGES = "README.md", "evaluation.json", "images"
WHAT = {
    CARD: "this card",
    WEIGHTS: "parameters, fitted priors and statistics of the codes",
    DESCRIPTION: "configuration, data recipe and versions, and which tensor is which",
    METRICS: "the metrics of training",
    EVALUATION: "the report behind the numbers above",
}
OURS = (*WHAT, *(f"{IMAGES}/{kind}.png" for kind in KINDS))


def _silent(_: str) -> None:
    return


class Report(NamedTuple):
    """What was pushed: the repository's address and commit, its files, and the evaluation that the card cites."""

    url: str
    commit: str
    files: list[str]
    evaluation: Path | None


def push(
    loaded: Loaded,
    repository: str,
    license: str | None,
    *,
    public: bool = False,
    overwrite: bool = False,
    images: Sequence[Kind] | None = None,
    tell: Callable[[str], object] = _silent,
) -> Report:
    """Pushes a trained model to a repository, which is created private unless `public`.

    Args:
        loaded: the model, from a run folder.
        repository: OWNER/NAME.
        license: identifier of its licence as the hub lists them, such as apache-2.0.
        public: whether everybody may see it.
        overwrite: replace the files of a repository that has some, in a new commit.
        images: those on the card; None for all that the run can make.
        tell: prints a line about what is under way.

    Raises:
        UserError: the run is not complete, the repository exists, needs a token or cannot be reached, or a requested
            image cannot be made.
    """
    check_request(repository, license)
    if unknown := [kind for kind in images or () if kind not in KINDS]:
        raise UserError(f"images are {', '.join(KINDS)}, but {unknown[0]!r} was requested.")
    require_hub()
    about = _complete(loaded)
    target = check_target(repository, OURS, public=public, overwrite=overwrite)
    with TemporaryDirectory(prefix="jaxvae-push-") as temporary:
        folder = Path(temporary)
        with under_way(tell, "drawing the images of the card"):
            (folder / IMAGES).mkdir()
            shown = draw_images(loaded, folder / IMAGES, images, tell)
        evaluation = newest_evaluation(loaded.info.run, loaded.info.step)
        if evaluation is None:
            tell("no numbers on the card: this checkpoint has no evaluation; python -m jaxvae.evaluate writes one")
        else:
            write_json(folder / EVALUATION, evaluation.report)
        _write_metrics(folder / METRICS, loaded.info.run)
        _write_run(folder, loaded, about)
        files = {name: folder / name for name in OURS if name == CARD or (folder / name).exists()}
        what = {name: each for name, each in WHAT.items() if name in files}
        card = write_card(Shared(repository, loaded, str(license), shown, evaluation, what))
        (folder / CARD).write_text(card, encoding="utf-8")
        size = sum(path.stat().st_size for path in files.values())
        with under_way(tell, f"uploading {size / 1e6:.1f} MB to {repository}"):
            made: Pushed = upload(target, files, OURS, f"{loaded.info.config.title}, step {loaded.info.step}")
    return Report(made.url, made.commit, list(files), None if evaluation is None else evaluation.path)


def _complete(loaded: Loaded) -> dict[str, Any]:
    """Returns the JSON of the checkpoint; raises UserError if training has not ended with it."""
    run, step = loaded.info.run, loaded.info.step
    about = checkpoint.read_about(run / "checkpoints", step)
    if not about["complete"]:
        steps = loaded.info.config.train.steps
        raise UserError(
            f"the training of {run} has not ended: its checkpoint is of step {step} of {steps}; the command that "
            "started it continues it, and ends it sooner with --change and fewer --train.steps."
        )
    return about


def _write_metrics(path: Path, run: Path) -> None:
    """Writes the metrics of a run without paths; nothing if it has none, or too many to be fetched again."""
    lines = read_run(run).lines
    text = "".join(json.dumps(without_local_paths(line)) + "\n" for line in lines)
    if lines and len(text) <= LARGEST_METRICS:
        path.write_text(text, encoding="utf-8")


def _write_run(folder: Path, loaded: Loaded, about: dict[str, Any]) -> None:
    info = loaded.info
    shared = {**without_local_paths({**about, "config": to_json(info.config)}), "data": shareable_data(info.data)}
    trees = {"params" if info.parameters == "last" else info.parameters: loaded.params, **info.fitted.trees}
    if info.code_statistics is not None:
        trees[STATISTICS_TREE] = info.code_statistics._asdict()
    write_hub_files(folder, info.step, shared, trees)
