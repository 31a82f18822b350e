"""`python -m jaxvae`: the commands."""

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
    "neighbours": "samples beside the training pictures nearest to them",
    "explore": "a page in the browser: walk, move attributes and units, draw",
    "selftest": "check the numbers against closed forms on this machine",
}


if __name__ == "__main__":
    print("jaxvae: variational autoencoders in JAX\n")
    for name, purpose in COMMANDS.items():
        print(f"  python -m jaxvae.{name:<12} {purpose}")
    print("\nEach explains itself with --help.")
