"""Which array of a file is what: the names under which people keep images and labels."""

import re
from collections.abc import Iterable

Meaning = tuple[str, str]  # (images or labels, split)

KINDS = {
    **dict.fromkeys(("x", "image", "images", "img", "imgs", "data"), "images"),
    **dict.fromkeys(("y", "label", "labels", "target", "targets"), "labels"),
}
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IGNORED = ("set",)  # As in train_set_x.
ACCEPTED = "images (and labels), or x_train, x_validation, x_test (and y_train, y_validation, y_test); label_names"


def meaning_of(name: str) -> Meaning | None:
    """Returns what an array of this name is; None for an unknown name.

    A name is made of one word for the kind and one for the split, in any order and case: `x_train`, `val_images`, `X`,
    `test`, and `train/images` within groups. Without a word for the kind it means images, without one for the split
    the training images.
    """
    words = [word for word in re.split(r"[_/]+|(?<=[a-z])(?=[A-Z])", name) if word and word.lower() not in IGNORED]
    kinds = [KINDS[word.lower()] for word in words if word.lower() in KINDS]
    splits = [SPLIT_NAMES[word.lower()] for word in words if word.lower() in SPLIT_NAMES]
    if not words or len(kinds) > 1 or len(splits) > 1 or len(kinds) + len(splits) < len(words):
        return None
    return (kinds or ["images"])[0], (splits or ["train"])[0]


def meanings(names: Iterable[str]) -> dict[str, Meaning | None]:
    """Returns what each array of a file is. A single one holds the images, whatever it is called.

    `arr_0` and `arr_1` are what `numpy.savez(file, images, labels)` writes.
    """
    known = list(names)
    if sorted(known) == ["arr_0", "arr_1"]:
        return {"arr_0": ("images", "train"), "arr_1": ("labels", "train")}
    found = {name: meaning_of(name) for name in known}
    lone = list(found.values()) == [None] and known[0].isidentifier()
    return {known[0]: ("images", "train")} if lone else found
