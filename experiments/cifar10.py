"""CIFAR-10: photographs in ten classes, 32x32, for a GPU.

make train DATASET=cifar10                  (downloads; or RAW=/folder/of/cifar-10-binary.tar.gz)
"""

from jaxvae import TFDS, Config, Conv, DataConfig, TrainConfig

config = Config(
    name="cifar10",
    data=DataConfig(
        source=TFDS(name="cifar10"),
        size=None,
        pixels="dequantized",
        flip=True,
        walk_from="label=cat",
        walk_to="label=dog",
    ),
    model=Conv(latent=128, channels=(64, 128, 256)),
    train=TrainConfig(
        steps=50_000,
        batch_size=128,
        learning_rate=5e-4,
        warmup_steps=1000,
        ema_decay=0.999,
        log_every=50,
        validate_every=5000,
        picture_every=5000,
    ),
)
