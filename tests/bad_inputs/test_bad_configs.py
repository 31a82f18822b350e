"""A config as JSON: it comes back as it was, and what is wrong in it is named."""

import copy
import json
import shutil
import typing
from dataclasses import fields, is_dataclass
from types import UnionType

import pytest
from corpus import edit_json, quietly, sentence, tree, untrained_run
from hypothesis import given
from hypothesis import strategies as st

from jaxvae import Config, DataConfig
from jaxvae.config import Kind
from jaxvae.errors import UserError
from jaxvae.experiment import flatten, from_json, to_json

# beartype looks at random items of containers; no strategy of ours draws at random.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)


def values(kind):
    """Anything of a field's type."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) in (UnionType, typing.Union):
        return st.one_of(st.none() if part is type(None) else values(part) for part in parts)
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(parts)
    if typing.get_origin(kind) is tuple:
        size = {} if parts[-1] is Ellipsis else {"min_size": len(parts), "max_size": len(parts)}
        return st.lists(values(parts[0]), **{"max_size": 4} | size).map(tuple)
    return {bool: st.booleans(), int: st.integers(-2, 2**33), float: st.floats(), str: WORDS}[kind]


def own_kinds(family):
    """The kinds of a family that jaxvae defines; other tests may have defined more."""
    return [kind for kind in family.kinds.values() if kind.__module__.startswith("jaxvae.")]


@st.composite
def parts_of_configs(draw, kind):
    """A part with a few fields that are not as usual; what will not do together is left as usual, one after another."""
    if issubclass(kind, Kind) and Kind in kind.__bases__:
        kind = draw(st.sampled_from(own_kinds(kind)))
    types, part = typing.get_type_hints(kind), kind()
    for field in draw(st.lists(st.sampled_from(fields(kind)), max_size=6)) if fields(kind) else []:
        made = draw(
            parts_of_configs(types[field.name]) if is_dataclass(types[field.name]) else values(types[field.name])
        )
        given_before = {each.name: getattr(part, each.name) for each in fields(kind)}
        try:
            part = kind(**given_before | {field.name: made})
        except UserError:
            continue
    return part


@quietly(60)
@given(parts_of_configs(Config))
def test_every_config_survives_a_json_round_trip(config):
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


PARTS = ["train", "data", "data.source", "model", "model.likelihood", "model.prior", "objective"]


@quietly(60)
@given(st.data())
def test_any_json_is_a_config_or_its_wrong_field_is_named(data):
    written = to_json(Config())
    path = data.draw(st.sampled_from([*PARTS, *flatten(written)]))
    *above, name = path.split(".")
    place = written
    for each in above:
        place = place[each]
    place[name] = data.draw(JSON)
    told = f"{name} must be"
    try:
        assert isinstance(from_json(written), Config)
    except UserError as error:
        told = str(error)
    assert name in told
    assert "must be" in told or "no field" in told or "not a kind of" in told


def changed(path, value):
    written = copy.deepcopy(to_json(Config()))
    *above, name = path.split(".")
    place = written
    for each in above:
        place = place[each]
    place[name] = value
    return written


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("train.steps", "3", "train.steps is '3', but must be a whole number"),
        ("train.steps", 3.7, "train.steps is 3.7, but must be a whole number"),
        ("train.steps", True, "train.steps is True, but must be a whole number"),
        ("train.steps", None, "train.steps is None, but must be a whole number"),
        ("train.steps", 0, "train.steps is 0, but must be at least 1"),
        ("train.steps", 2**31, "train.steps is 2147483648, but must be below 2**31"),
        ("train.learning_rate", "0.1", "train.learning_rate is '0.1', but must be a finite number"),
        ("train.learning_rate", float("inf"), "train.learning_rate is inf, but must be a finite number"),
        ("train.learning_rate", float("nan"), "train.learning_rate is nan, but must be a finite number"),
        ("train.clip_norm", 10**400, "but must be a finite number"),
        ("data.flip", "false", "data.flip is 'false', but must be true or false"),
        ("data.flip", 0, "data.flip is 0, but must be true or false"),
        ("data.root", None, "data.root is None, but must be a string"),
        ("data.source", None, "data.source is None, but must be a JSON object with a `kind`"),
        ("data.source", "", "data.source is '', but must be a JSON object with a `kind`"),
        ("data.source.kind", None, "data.source is None, which is not a kind of data.source: one of "),
        ("data.size", 2.5, "data.size is 2.5, but must be a whole number"),
        ("model.channels", "123", "model.channels is '123', but must be a list"),
        ("model.channels", [4, "8"], "model.channels[1] is '8', but must be a whole number"),
        ("model.channels", [], "model.channels is (), but must be one or more sizes"),
        ("model.log_variance_range", [1.0], "model.log_variance_range is [1.0], but must be a list of 2"),
        ("model.kind", "cnn", "model is 'cnn', which is not a kind of model: "),
        (
            "model.kind",
            ["conv"],
            "not a kind of model: one of conv, hvae, kl_autoencoder, mlp, tiny_autoencoder, top_down, vq_autoencoder",
        ),
        ("model.prior.kind", "vampp", "'vampp', which is not a kind of model.prior: did you mean 'vamp'?"),
        ("train", 5, "train is 5, but must be a JSON object"),
        ("train", [], "train is [], but must be a JSON object"),
        ("train.stepz", 3, "no field 'train.stepz': did you mean 'steps'"),
        ("trian", {}, "no field 'trian': did you mean 'train'"),
    ],
)
def test_an_invalid_field_is_named(path, value, told):
    with pytest.raises(UserError) as caught:
        from_json(changed(path, value))
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["", None, 5, ["avatars"]])
def test_an_invalid_short_name_of_a_source_is_reported(name):
    with pytest.raises(UserError, match=r"data\.(name|source) is .*, but must be"):
        DataConfig(name=name)


FIELDS = [path for path in flatten(to_json(Config())) if not path.endswith("kind")]


@pytest.mark.parametrize("path", ["data.source", "model.likelihood", "model.prior", "objective", "model"])
def test_a_missing_kind_is_reported(path):
    written = changed(f"{path}.kind", None)
    part = written
    for each in path.split("."):
        part = part[each]
    del part["kind"]
    with pytest.raises(UserError, match=f"{path} is .*, but must be a JSON object with a `kind`"):
        from_json(written)


@pytest.mark.parametrize("path", [*PARTS, *FIELDS])
def test_a_missing_field_gets_its_default(path):
    written = to_json(Config())
    *above, name = path.split(".")
    place = written
    for each in above:
        place = place[each]
    del place[name]
    assert from_json(written) == Config()


def test_integers_are_accepted_as_floats():
    assert from_json(changed("train.learning_rate", 1)).train.learning_rate == 1.0
    assert isinstance(from_json(changed("train.learning_rate", 1)).train.learning_rate, float)


WRONG_FILES = {
    "cut": (lambda path: path.write_text(path.read_text()[:40]), "config.json cannot be read"),
    "empty": (lambda path: path.write_text(""), "config.json cannot be read"),
    "list": (lambda path: path.write_text("[1, 2]"), "not a JSON object"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00{"), "config.json cannot be read"),
    "deep": (lambda path: path.write_text("[" * 100_000), "config.json cannot be read"),
    "long number": (lambda path: path.write_text('{"seed": 1' + "0" * 5000 + "}"), "config.json cannot be read"),
    "unknown": (lambda path: edit_json(path, lambda each: each.update({"a\x1b[31m\n": 1})), r"no field 'a\x1b[31m\n'"),
    "mistyped": (lambda path: edit_json(path, lambda each: each["train"].update(steps="4")), "train.steps is '4'"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "config.json cannot be read"),
}


@pytest.fixture(scope="module")
def whole_run(disc_set, tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "run", disc_set)


@pytest.mark.parametrize("name", WRONG_FILES)
def test_training_does_not_resume_from_an_invalid_config(call, whole_run, tmp_path_factory, name):
    # Before there is a checkpoint, whose own config would count.
    run = shutil.copytree(
        whole_run, tmp_path_factory.mktemp("copy") / "run", ignore=shutil.ignore_patterns("checkpoints")
    )
    damage, told = WRONG_FILES[name]
    damage(run / "config.json")
    before = tree(run)
    sentence(call("train", "--run", run), told)
    assert tree(run) == before


def test_the_strategies_reach_their_targets():
    """Else the properties above would hold of the default config alone."""
    seen = set()

    @quietly(150)
    @given(parts_of_configs(Config))
    def look(config):
        usual = flatten(to_json(Config()))
        seen.update(name for name, value in flatten(to_json(config)).items() if value != usual.get(name))

    look()
    assert len(seen) >= 25
