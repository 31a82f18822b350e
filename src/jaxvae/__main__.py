"""`python -m jaxvae`: lists the commands."""

COMMANDS = {
    "prepare": "convert a dataset to the prepared format",
    "train": "train a model, or resume an interrupted run",
    "plan": "memory, FLOPs and communication of a train step on hardware you don't have",
    "evaluate": "comparable metrics: bounds on log p(x), statistics of the codes, image quality",
    "reconstruct": "images above their reconstructions, with the PSNR",
    "sample": "a grid of new images",
    "interpolate": "a strip or animation from one image to another",
    "traverse": "latent units in order of rate, each varied over its range",
    "attribute": "add or remove attributes at a chosen strength; how often the edit succeeds",
    "encode": "images to a file of codes",
    "decode": "a file of codes to images",
    "map": "the latent space as a 2-D plot, coloured by an attribute",
    "neighbours": "samples next to their nearest training images",
    "explore": "a browser page: interpolate, adjust attributes and units, sample",
    "selftest": "check the numerics against closed forms on this machine",
}


if __name__ == "__main__":
    print("jaxvae: variational autoencoders in JAX\n")
    for name, purpose in COMMANDS.items():
        print(f"  python -m jaxvae.{name:<12} {purpose}")
    print("\nRun any command with --help for its options.")
