"""MNIST: handwritten digits, with pixels binarised at random at every step (dynamic binarisation), dense layers.

make train DATASET=mnist                    (downloads; or RAW=/folder/of/the/four/files)
"""

from jaxvae import MLP, TFDS, BernoulliLikelihood, Config, DataConfig, TrainConfig

config = Config(
    name="mnist",
    data=DataConfig(source=TFDS(name="mnist"), size=None, pixels="binarized", walk_from="label=3", walk_to="label=8"),
    model=MLP(hidden=(400,), latent=20, likelihood=BernoulliLikelihood()),
    train=TrainConfig(
        steps=15_000, batch_size=100, learning_rate=1e-3, log_every=50, validate_every=2500, picture_every=5000
    ),
)
