"""Fashion-MNIST with a hierarchy of convolutional latents, binarised anew at every step.

make train DATASET=fashion_mnist_top_down   (downloads; or RAW=/folder/of/the/four/files)
"""

from jaxvae import ELBO, TFDS, BernoulliLikelihood, Config, DataConfig, TopDown, TrainConfig

config = Config(
    name="fashion_mnist_top_down",
    data=DataConfig(
        source=TFDS(name="fashion_mnist"),
        size=None,
        pixels="binarized",
        walk_from="label=Trouser",
        walk_to="label=Coat",
    ),
    model=TopDown(
        stem=(32,),
        channels=(48, 96, 96, 128),
        blocks=(2, 3, 2, 1),
        encoder_blocks=(1, 1, 1, 1),
        middle=24,
        latent=4,
        likelihood=BernoulliLikelihood(),
    ),
    objective=ELBO(warmup_steps=1000),
    train=TrainConfig(
        steps=10_000,
        batch_size=32,
        optimizer="adamax",
        learning_rate=2e-3,
        warmup_steps=200,
        spike_factor=10.0,
        ema_decay=0.999,
        log_every=50,
        validate_every=2500,
        picture_every=5000,
    ),
)
