"""Archives of torch.save, written here by hand where PyTorch would not write them."""

import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from parity.comparison import FIXTURES

from jaxvae import UserError
from jaxvae.interchange.weight_files import read_tensors, stored_tensors

REAL = FIXTURES / "tiny_pair" / "small_encoder.pth"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value):
    return b"J" + struct.pack("<i", value)


def integers(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, key="0", count=6, storage="FloatStorage"):
    """The instructions that make one tensor, as torch.save writes them."""
    where = b"(" + text("storage") + name("torch", storage) + text(key) + text("cpu") + integer(count) + b"tQ"
    ordered = name("collections", "OrderedDict") + b")R"
    arguments = b"(" + where + integer(offset) + integers(shape) + integers(strides) + b"\x89" + ordered + b"t"
    return name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def dictionary(**values):
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def archive(path, body, numbers=b"", **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("x/data.pkl", b"\x80\x02" + body + b".")
        file.writestr("x/data/0", numbers or np.arange(6, dtype="<f4").tobytes())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.pth"


def test_tensors_are_read_with_their_strides_and_offsets(path):
    archive(
        path,
        dictionary(whole=tensor(), turned=tensor((3, 2), (1, 3)), row=tensor((3,), (1,), 3), half=tensor(count=6)),
    )
    stored = stored_tensors(path)
    assert (stored["row"].shape, stored["row"].dtype) == ((3,), "F32")
    arrays = dict(read_tensors(stored))
    np.testing.assert_array_equal(arrays["whole"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(arrays["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(arrays["row"], [3, 4, 5])


@pytest.mark.parametrize(("storage", "bytes_"), [("HalfStorage", "003c"), ("BFloat16Storage", "803f")])
def test_half_precision_is_read(path, storage, bytes_):
    archive(path, dictionary(one=tensor((1,), (1,), count=1, storage=storage)), bytes.fromhex(bytes_))
    assert [float(array[0]) for _, array in read_tensors(stored_tensors(path))] == [1.0]


def test_of_a_checkpoint_the_state_dict_is_read(path):
    archive(path, dictionary(epoch=integer(3), state_dict=dictionary(a=tensor(), step=integer(1))))
    assert list(stored_tensors(path)) == ["a"]


def test_what_pytorch_wrote_is_read():
    stored = stored_tensors(REAL)
    assert stored["0.weight"].shape == (4, 3, 3, 3)
    assert all(np.all(np.isfinite(array)) for _, array in read_tensors(stored))


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


CODE = pickle.dumps({"a": Malicious()}, protocol=2)[2:-1]
BUILT = name("collections", "OrderedDict") + b")R" + dictionary(a=integer(1)) + b"b"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (CODE, "is a pickle with posix.system, but only tensors are read, and nothing in it was executed"),
        (name("builtins", "eval") + b"(" + text("1") + b"tR", "is a pickle with builtins.eval"),
        (text("os") + text("system") + b"\x93", "is a pickle with os.system"),
        (b"(i" + b"os\nsystem\n", "is a pickle with the instruction INST"),
        (dictionary(a=tensor(shape=(2, 4), strides=(4, 1))), "its storage 0 is not as large as its tensors"),
        (dictionary(a=tensor(offset=1)), "its storage 0 is not as large as its tensors"),
        (dictionary(a=tensor(count=7)), "its storage 0 is not as large as its tensors"),
        (dictionary(a=tensor(key="1")), "its storage 1 is not as large as its tensors"),
        (dictionary(a=tensor(shape=(2**30, 2**30), strides=(0, 0))), "its storage 0 is not as large as its tensors"),
        (dictionary(a=tensor(strides=(-1, 1))), "cannot be read as an archive of tensors (a tensor)"),
        (dictionary(a=tensor(storage="Generator")), "is a pickle with torch.Generator"),
        (b"]", "holds no dictionary of tensors"),
        (b"a", "cannot be read as an archive of tensors"),
    ],
)
def test_what_is_no_tensor_is_refused_and_never_run(body, told, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(path, body)
    with pytest.raises(UserError) as caught:
        stored_tensors(path)
    assert told in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_attributes_that_pytorch_adds_to_a_dictionary_are_dropped(path):
    archive(path, BUILT)
    assert stored_tensors(path) == {}


def test_damaged_older_and_compressed_files_are_refused(path):
    path.write_bytes(REAL.read_bytes()[:-100])
    refused(path, "is a pickle, which can run code when it is opened")
    path.write_bytes(pickle.dumps({"a": 1}))
    refused(path, "is a pickle, which can run code when it is opened; where you trust it, convert it with PyTorch")
    archive(path, dictionary(a=tensor()), compression=zipfile.ZIP_DEFLATED)
    refused(path, "its storage 0 is not as large as its tensors")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("image.png", b"")
    refused(path, "not one that torch.save wrote")
    archive(path, dictionary(a=tensor()))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x/byteorder", b"big")
    refused(path, "was written with another order of bytes")


def refused(path, told):
    with pytest.raises(UserError) as caught:
        stored_tensors(path)
    assert told in str(caught.value)
