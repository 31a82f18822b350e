"""Fashion-MNIST under the protocol of the VampPrior and Exemplar-VAE papers: two levels of 40 units, VampPrior.

    make train DATASET=fashion_mnist_hvae_vamp RAW=/folder/of/the/four/files
    python -m jaxvae.evaluate runs/fashion_mnist_hvae_vamp --k 5000

Published: log p(x) = -226.72 ± 0.08 nats (Norouzi et al. 2020), with K = 5000. An epoch is 500 steps. The
moving average of the parameters is our addition.
"""

from jaxvae import ELBO, HVAE, TFDS, BernoulliLikelihood, Config, DataConfig, TrainConfig, VampPrior

config = Config(
    name="fashion_mnist_hvae_vamp",
    data=DataConfig(
        source=TFDS(name="fashion_mnist"),
        size=None,
        pixels="binarized",
        walk_from="label=Trouser",
        walk_to="label=Coat",
    ),
    model=HVAE(likelihood=BernoulliLikelihood(), prior=VampPrior(components=500)),
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
