"""`jaxvae COMMAND ...`, or `python -m jaxvae COMMAND ...`: runs a command, or lists them all."""

import importlib.metadata
import runpy
import sys

from jaxvae.errors import printable, suggest

COMMANDS = {
    "prepare": "bring a data set into the prepared format",
    "train": "train a model, or go on with an interrupted run",
    "plan": "what a train step takes on a TPU, GPU or CPU that need not be there",
    "evaluate": "bounds on log p(x), codes and pictures in numbers that can be compared",
    "reconstruct": "originals over their reconstructions, with the PSNR",
    "sample": "a grid of new pictures",
    "interpolate": "a strip or animation from one picture to another",
    "traverse": "the units of the code, ordered by rate, each walked through its range",
    "attribute": "attributes added to pictures and removed, and how often that takes",
    "encode": "pictures to a file of codes",
    "decode": "a file of codes to pictures",
    "map": "the latent space as a picture, coloured by an attribute",
    "neighbours": "samples beside the training pictures suggest to them",
    "explore": "a page in the browser: walk, move attributes and units, draw",
    "selftest": "check the numbers against closed forms on this machine",
}


def main() -> None:
    """Runs the command that the first argument names; without one, lists them."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print("jaxvae: variational autoencoders in JAX\n")
        for command, purpose in COMMANDS.items():
            print(f"  jaxvae {command:<12} {purpose}")
        print("\nEach explains itself with --help; python -m jaxvae.COMMAND does the same.")
        return
    if name == "--version":
        print(f"jaxvae {importlib.metadata.version('jaxvae')}")
        return
    if name not in COMMANDS:
        print(f"error: {printable(name)!r} is not a command: {suggest(name, COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"{sys.argv[0]} {name}", *arguments]
    runpy.run_module(f"jaxvae.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
