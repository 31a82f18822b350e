"""`python -m jaxvae.push RUN OWNER/NAME`: a trained run to the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import report, run_command, say


def push(
    run: Annotated[Path, tyro.conf.Positional],
    repository: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME")],
    license: str | None = None,
    public: bool = False,
    images: Annotated[
        tuple[Literal["draws", "walk", "reconstructions"], ...] | None, tyro.conf.arg(metavar="KIND ...")
    ] = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Uploads a trained run with a model card, as a private repository; hub:OWNER/NAME then names it in every command.

    The card shows images, and the numbers of the newest evaluation of the checkpoint. Reconstructions stand below test
    images of the data set, which are uploaded with them.

    Examples: python -m jaxvae.push runs/NAME jane/faces --license apache-2.0
    python -m jaxvae.push runs/NAME jane/faces --license cc-by-4.0 --images draws walk --overwrite

    Args:
        run: The run's folder.
        repository: The repository on the hub; created if it does not exist.
        license: What others may do with the model: an identifier as the hub lists them, such as apache-2.0, mit,
            cc-by-4.0, cc-by-nc-4.0 or other. Required.
        public: Let everybody see it.
        images: The images on the card: draws, walk and reconstructions, by default all that the run can make.
        overwrite: Replace the files of a repository that has some, in a new commit.
        json: Print the result as one line of JSON.
    """
    from jaxvae.hub.client import require_hub
    from jaxvae.runs.presence import require_run
    from jaxvae.sharing.request import check_request

    check_request(repository, license)
    require_hub()
    require_run(run)

    from jaxvae.runs.run import load
    from jaxvae.sharing.push import push as push_run

    tell = (lambda _: None) if json else say
    pushed = push_run(
        load(run), repository, license, public=public, overwrite=overwrite, images=images, tell=tell
    )  # fmt: skip
    report(json, **pushed._asdict(), visibility="public" if public else "private", run=f"hub:{repository}")


if __name__ == "__main__":
    run_command(push, "push")
