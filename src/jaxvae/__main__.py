"""`jaxvae COMMAND ...`, or `python -m jaxvae COMMAND ...`: runs a command, or lists them all."""

import importlib.metadata
import runpy
import sys

from jaxvae.errors import printable, suggest

COMMANDS = {
    "prepare": "convert a dataset to the prepared format",
    "train": "train a model, or resume an interrupted run",
    "plan": "memory, FLOPs and communication of a train step on hardware you don't have",
    "evaluate": "comparable metrics: bounds on log p(x), statistics of the codes, image quality",
    "compare": "runs side by side: numbers, curves and the fields that differ",
    "reconstruct": "images above their reconstructions, with the PSNR",
    "sample": "a grid of new images",
    "interpolate": "a strip or animation from one image to another",
    "traverse": "latent units in order of rate, each varied over its range",
    "attribute": "add or remove attributes at a chosen strength; how often the edit succeeds",
    "encode": "images to a file of codes",
    "decode": "a file of codes to images",
    "export": "encoder and decoder as StableHLO and ONNX, or the explorer as a static web page",
    "convert": "models of diffusers to runs, and runs to models of diffusers",
    "push": "a trained run to the Hugging Face Hub, with a model card",
    "map": "the latent space as a 2-D plot, coloured by an attribute",
    "neighbours": "samples next to their nearest training images",
    "explore": "a browser page: interpolate, adjust attributes and units, sample",
    "selftest": "check the numerics against closed forms on this machine",
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
