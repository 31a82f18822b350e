"""The source of images of the Hugging Face Hub, by way of the library `datasets`, which runs no code of a data set."""

import logging
from pathlib import Path
from typing import Any

from jaxvae.data.config import DataConfig
from jaxvae.data.sources.base import Source
from jaxvae.data.sources.containers.arrow import Part, arrow_contents
from jaxvae.data.sources.containers.contents import split_of
from jaxvae.data.sources.containers.source import contents_source
from jaxvae.errors import UserError, printable

logger = logging.getLogger("jaxvae")


def hugging_face(name: str, variant: str | None, revision: str | None, config: DataConfig) -> Source:
    """Downloads the data set `name` of the Hub, or finds it in the cache of `datasets`, and reads its images.

    Args:
        name: OWNER/NAME, or a folder that `datasets.load_dataset` understands.
        variant: its configuration, if it has several.
        revision: branch, tag or commit; None takes the newest.
        config: what to prepare.

    Raises:
        UserError: the library is missing, the data set cannot be loaded, or it has no images to train with.
    """
    datasets = _require_datasets()
    where = Path(f"hf:{name}")
    try:
        loaded = datasets.load_dataset(name, variant, revision=revision)
    except Exception as error:  # The library's own, those of its network library, and of its readers.
        what = printable(" ".join(str(error).split()))[:300] or type(error).__name__
        raise UserError(
            f"{where} cannot be loaded ({what}); check the name, --data.source.variant and the network."
        ) from error
    parts: list[Part] = []
    skipped = [split for split in loaded if split_of(split) is None]
    if skipped:
        logger.warning("skipped in %s: the splits %s.", where, printable(", ".join(skipped)))
    for split in loaded:
        if split not in skipped:
            table = loaded[split].data.table
            parts.append(Part(where, split_of(split) or "train", table.schema, table.select))
    if not parts:
        raise UserError(f"{where} has no split called train, but {', '.join(skipped) or 'none at all'}.")
    contents = arrow_contents(where, parts, config, follow_paths=True)
    given = {"variant": variant, "revision": revision}
    origin: dict[str, object] = {"hugging_face": name, **{key: value for key, value in given.items() if value}}
    return contents_source(where, "a data set of Hugging Face", contents, config, origin)


def _require_datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"data sets of the Hugging Face Hub need the library datasets, which cannot be imported ({error}); "
            "pip install 'jaxvae[hugging-face]'."
        ) from error
    return datasets
