"""A made-up CelebA: the five files in their real layout and under their real names, with drawn faces.

python tests/raw_celeba.py FOLDER [N] [kaggle]
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = (178, 218)
ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips",
    "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin",
    "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open",
    "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline",
    "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat",
    "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
LANDMARKS = (
    "lefteye_x", "lefteye_y", "righteye_x", "righteye_y", "nose_x", "nose_y", "leftmouth_x", "leftmouth_y",
    "rightmouth_x", "rightmouth_y",
)  # fmt: skip
PLACES = ((69, 111), (107, 111), (88, 136), (73, 152), (104, 152))
HAIR = {"Black_Hair": "#1c1a1a", "Blond_Hair": "#e6c35c", "Brown_Hair": "#6b4426", "Gray_Hair": "#a8a8a8"}


def partition(index: int, count: int) -> int:
    """0, 1 or 2 for train, validation and test: 80, 10 and 10 %, in order as in the original."""
    return 0 if index < count * 8 // 10 else 1 if index < count * 9 // 10 else 2


def face(index: int) -> tuple[Image.Image, dict[str, bool]]:
    """Picture `index` and what can be seen in it."""
    random = np.random.default_rng([7, index])
    seen = {name: bool(random.random() < 0.3) for name in ATTRIBUTES}
    seen["Eyeglasses"] = index % 2 == 1  # So that each partition has faces of both kinds.
    seen |= dict.fromkeys(HAIR, False)
    hair = list(HAIR)[random.integers(len(HAIR))]
    seen[hair] = True
    skin = "#f2d6c2" if seen["Pale_Skin"] else "#c68f6a"
    image = Image.new("RGB", SIZE, tuple(random.integers(90, 220, 3).tolist()))
    draw = ImageDraw.Draw(image)
    draw.ellipse((33, 40, 145, 170), fill=HAIR[hair])
    draw.ellipse((43, 60, 133, 188), fill=skin)
    for x, y in PLACES[:2]:
        draw.ellipse((x - 9, y - 6, x + 9, y + 6), fill="white")
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill="#20304a")
        if seen["Eyeglasses"]:
            draw.ellipse((x - 17, y - 15, x + 17, y + 15), outline="black", width=5)
    if seen["Eyeglasses"]:
        draw.line((84, 108, 92, 108), fill="black", width=5)
    draw.line((88, 116, 84, 138, 92, 138), fill="#8a5a3c", width=2)
    if seen["Smiling"]:
        draw.chord((70, 140, 107, 168), 0, 180, fill="#a03030")
    else:
        draw.line((73, 155, 104, 155), fill="#a03030", width=4)
    if seen["Wearing_Hat"]:
        draw.rectangle((38, 30, 140, 74), fill="#2f4f8f")
    return image, seen


def make(folder: Path, count: int = 60) -> Path:
    """Writes the five files for `count` faces into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i + 1:06d}.jpg" for i in range(count)]
    attributes, landmarks, identities, partitions = [], [], [], []
    places = " ".join(f"{x} {y}" for x, y in PLACES)
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for i, name in enumerate(names):
            image, seen = face(i)
            jpeg = io.BytesIO()
            image.save(jpeg, "jpeg", quality=90)
            archive.writestr(f"img_align_celeba/{name}", jpeg.getvalue())
            attributes.append(f"{name} " + " ".join(" 1" if seen[each] else "-1" for each in ATTRIBUTES))
            landmarks.append(f"{name} {places}")
            identities.append(f"{name} {i // 2 + 1}")
            partitions.append(f"{name} {partition(i, count)}")
    for file, lines in {
        "list_attr_celeba.txt": [str(count), " ".join(ATTRIBUTES), *attributes],
        "list_landmarks_align_celeba.txt": [str(count), " ".join(LANDMARKS), *landmarks],
        "identity_CelebA.txt": identities,
        "list_eval_partition.txt": partitions,
    }.items():
        (folder / file).write_text("\n".join(lines) + "\n")
    return folder


def make_kaggle(folder: Path, count: int = 60) -> Path:
    """Writes the same faces as Kaggle hands them out: unpacked, twice nested, with CSV tables."""
    images = folder / "img_align_celeba" / "img_align_celeba"
    images.mkdir(parents=True)
    attributes, partitions = ["image_id," + ",".join(ATTRIBUTES)], ["image_id,partition"]
    for i in range(count):
        image, seen = face(i)
        name = f"{i + 1:06d}.jpg"
        image.save(images / name, "jpeg", quality=90)
        attributes.append(f"{name}," + ",".join("1" if seen[each] else "-1" for each in ATTRIBUTES))
        partitions.append(f"{name},{partition(i, count)}")
    (folder / "list_attr_celeba.csv").write_text("\n".join(attributes) + "\n")
    (folder / "list_eval_partition.csv").write_text("\n".join(partitions) + "\n")
    (folder / "list_bbox_celeba.csv").write_text("image_id,x_1,y_1,width,height\n000001.jpg,95,71,226,313\n")
    return folder


if __name__ == "__main__":
    arguments = [each for each in sys.argv[1:] if each != "kaggle"]
    if len(arguments) not in (1, 2):
        sys.exit(__doc__)
    write = make_kaggle if "kaggle" in sys.argv else make
    print(write(Path(arguments[0]), *map(int, arguments[1:])))
