"""Fashion-MNIST under the protocol of the VampPrior and Exemplar-VAE papers: two levels of 40 units, N(0, I) on top.

    make train DATASET=fashion_mnist_hvae RAW=/folder/of/the/four/files
    python -m jaxvae.evaluate runs/fashion_mnist_hvae --k 5000

Published: log p(x) = -227.37 ± 0.10 nats (Norouzi et al. 2020), with K = 5000. An epoch is 500 steps. The
moving average of the parameters is our addition.
"""

from jaxvae import ELBO, HVAE, TFDS, BernoulliLikelihood, Config, DataConfig, TrainConfig

config = Config(
    name="fashion_mnist_hvae",
    data=DataConfig(
        source=TFDS(name="fashion_mnist"),
        size=None,
        pixels="binarized",
        walk_from="label=Trouser",
        walk_to="label=Coat",
    ),
    model=HVAE(likelihood=BernoulliLikelihood()),
    objective=ELBO(warmup_steps=50_000),
    train=TrainConfig(
        steps=1_000_000,
        batch_size=100,
        learning_rate=5e-4,
        schedule="constant",
        warmup_steps=0,
        clip_norm=None,
        ema_decay=0.9995,
        log_every=100,
        validate_every=500,
        patience=50,
        picture_every=25_000,
    ),
)
