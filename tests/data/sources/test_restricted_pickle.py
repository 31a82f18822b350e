import os
import pickle

import numpy as np
import pytest

from jaxvae.data.sources.containers.restricted_pickle import unpickle
from jaxvae.errors import UserError


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_arrays_survive(protocol):
    value = {
        "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
        "labels": [1, 2**40, -3],
        "names": (b"a\xff", "ä", 1.5, None, True),
    }
    found = unpickle(pickle.dumps(value, protocol), "f")
    if protocol < 3:  # Python 2 knows no difference between bytes and strings.
        assert sorted(each if isinstance(each, str) else each.decode() for each in found) == sorted(value)
    found = {key if isinstance(key, str) else key.decode(): each for key, each in found.items()}
    assert found["labels"] == value["labels"]
    assert list(found["names"][2:]) == [1.5, None, True]
    for name in ("data", "columns", "big"):
        np.testing.assert_array_equal(found[name], value[name])


def test_a_batch_written_by_python_2():
    data = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b"
        b"\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftbU\x06labelsq\x08]q\t(K\x06K\x09eu."
    )
    found = unpickle(data, "f")
    assert found[b"data"].tolist() == [[97, 98, 99], [100, 101, 102]]
    assert found[b"labels"] == [6, 9]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "args"),
    [
        (os.system, ("touch {}",)),
        (eval, ("open({!r}, 'w')",)),
        (exec, ("open({!r}, 'w')",)),
        (open, ("{}", "w")),
        (getattr, ("{}", "upper")),
        (__import__, ("os",)),
        (np.save, ("{}", 1)),
        (np.fromfile, ("{}",)),
        (bytearray, (3,)),
    ],
)
def test_calls_are_refused_and_not_run(tmp_path, protocol, function, args):
    ran = tmp_path / "ran"
    args = tuple(each.format(str(ran)) if isinstance(each, str) else each for each in args)
    attack = Call(function, *args)
    for value in (attack, {"data": attack}, [np.zeros(3, np.uint8), attack]):
        with pytest.raises(UserError, match=r"f is a pickle with .*; only arrays, numbers and strings are read"):
            unpickle(pickle.dumps(value, protocol), "f")
    assert not ran.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch ran'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\ttouch ran\x85R.",
        b"cnumpy\nload\n(S'ran'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"cnumpy._core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\rndarray.dumps\x93.",
        b"\x82\x01.",
        b"Ppersistent\n.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"I1\n.cos\nsystem\n(S'touch ran'\ntR.",
    ],
)
def test_other_instructions_are_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is a pickle with"):
        unpickle(data, "f")
    assert os.listdir(tmp_path) == []


def test_stand_ins_cannot_be_changed_or_called():
    reconstruct = b"cnumpy.core.multiarray\n_reconstruct\n"
    for data in (
        reconstruct + b"(S'a'\nI1\ndb.",
        reconstruct + b"(N(S'__code__'\nI1\ndtb.",
        b"cnumpy\nndarray\n(tR.",
        b"cnumpy\ndtype\n(S'O'\nI0\nI1\ntR.",
        b"cnumpy\ndtype\n(S'os'\ntR.",
        b"c_codecs\nencode\n(S'a'\nS'zlib'\ntR.",
        reconstruct + b"(tR(I1\n(tcnumpy\ndtype\n(S'O8'\ntRI00\n(ltb.",
        reconstruct + b"(tR(I1\n(I9\ntcnumpy\ndtype\n(S'u1'\ntRI00\nS'abc'\ntb.",
        reconstruct + b"(tR.",
    ):
        with pytest.raises(UserError, match="cannot be read as a pickle of arrays"):
            unpickle(data, "f")
    assert unpickle(pickle.dumps(np.arange(3), 2), "f").tolist() == [0, 1, 2]


def test_bombs_and_damage():
    shared = b"]" + b"".join(b"q%c(" % i + b"h%c" % max(i - 1, 0) * 100 + b"e]" for i in range(1, 5)) + b"."
    for data in (b"", b".", b"\x80", b"(" * 1000, b"]" * 10 + b"a" * 9 + b".", b"r\xff\xff\xff\x7f.", shared):
        with pytest.raises(UserError, match=r"damaged|is a pickle with"):
            unpickle(data, "f")
    levels = [0]
    for _ in range(4):
        levels = [levels] * 300
    with pytest.raises(UserError, match="nested too deep"):
        unpickle(pickle.dumps(levels), "f")
    whole = pickle.dumps({"data": np.arange(100), "labels": list(range(50))}, 2)
    for end in range(0, len(whole) - 1, 7):
        with pytest.raises(UserError):
            unpickle(whole[:end], "f")
    with pytest.raises(UserError, match="a memo of 2147483647 entries"):
        unpickle(b"]r\xff\xff\xff\x7f.", "f")
