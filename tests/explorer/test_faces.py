import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxvae.errors import UserError
from jaxvae.explorer.faces import MAX_DEPTH, MAX_NAMES, Mix, Move, face_json, parse_face, parse_move

WALK = {"first": "test:0", "last": "test:1", "path": "linear", "degree": 0.5, "amounts": {"unit:0": 1}}

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.strip)
amounts = st.dictionaries(names, st.floats(-100, 100).filter(bool), max_size=3)


def grow(faces):
    mixes = st.lists(st.tuples(faces, st.floats(0.001, 1000)).map(list), min_size=2, max_size=3)
    walks = {"first": faces, "last": faces, "path": names, "degree": st.floats(0, 1), "amounts": amounts}
    exchanges = {"face": faces, "with": st.dictionaries(names, names, min_size=1, max_size=3)}
    return st.fixed_dictionaries({"mix": mixes}) | st.fixed_dictionaries(walks) | st.fixed_dictionaries(exchanges)


@given(st.recursive(names, grow, max_leaves=6))
def test_a_face_is_the_same_after_a_journey_through_an_address(value):
    face = parse_face(value)
    assert face_json(face) == value
    assert parse_face(json.loads(json.dumps(face_json(face)))) == face


def test_a_walk_is_a_face_made_of_its_ends():
    move = parse_move(WALK)
    assert move == Move(first="test:0", last="test:1", path="linear", degree=0.5, amounts=(("unit:0", 1.0),))
    assert parse_face({"mix": [[WALK, 1], ["test:2", 3]]}) == Mix(((move, 1.0), ("test:2", 3.0)))
    assert parse_move(WALK | {"amounts": {"unit:0": 0}}).amounts == ()


@pytest.mark.parametrize(
    ("face", "phrase"),
    [
        (3, "name is 3, but must be text"),
        (None, "name is None"),
        ([], "name is .*, but must be text"),
        ("x" * 1001, "has 1001 characters; the limit is 1000"),
        ({}, "first is None"),
        (
            WALK | {"code": "import os"},
            "has the field 'code'; expected first, last, path, degree, amounts, or mix, or face and with",
        ),
        (WALK | {"mix": []}, "has the field 'mix'"),
        (WALK | {"degree": 2}, "degree is 2, but must be between 0 and 1"),
        (WALK | {"amounts": {"unit:0": "1"}}, "unit:0 is 1, but must be a number"),
        (WALK | {"amounts": {str(unit): 1 for unit in range(201)}}, "at most 200 slider amounts"),
        ({"mix": "test:0"}, "mix is test:0, but must be a list"),
        ({"mix": [["test:0", 1]]}, "mix has 1 items, but must have 2 to 6"),
        ({"mix": [["test:0", 1]] * 7}, "mix has 7 items"),
        ({"mix": [["test:0", 1], "test:1"]}, "must be a list of a face and its weight"),
        ({"mix": [["test:0", 0], ["test:1", 0]]}, "weight is 0, but must be between 0.001 and 1000"),
        ({"face": "test:0", "with": {}}, "with names no attribute to exchange"),
        ({"face": "test:0", "with": {"red": 1}}, "red is 1, but must be text"),
        ({"face": 3, "with": {"red": "1"}}, "face is 3, but must be text"),
        ({"face": "test:0"}, "has the field 'face'"),
        ({"mix": [["test:0", True], ["test:1", 1]]}, "weight is True, but must be a number"),
    ],
)
def test_malformed_faces_are_refused(face, phrase):
    with pytest.raises(UserError, match=phrase):
        parse_face(face)


def test_faces_made_of_too_many_others_are_refused():
    def nested(depth):
        return "test:0" if depth == 0 else WALK | {"first": nested(depth - 1)}

    assert parse_face(nested(MAX_DEPTH))
    with pytest.raises(UserError, match=f"nested more than {MAX_DEPTH} deep. Save its picture"):
        parse_face(nested(MAX_DEPTH + 1))
    wide = "test:0"
    for _ in range(3):
        wide = {"mix": [[wide, 1]] * 6}
    with pytest.raises(UserError, match=f"made of 216 images; the limit is {MAX_NAMES}"):
        parse_face(wide)
    with pytest.raises(UserError, match="made of 216 images"):
        parse_face({"face": wide, "with": {"red": "1"}})
    with pytest.raises(UserError, match="made of 217 images"):
        parse_move(WALK | {"first": wide})
