import pytest

from jaxvae.errors import UserError
from jaxvae.hub.names import HubName, check_repository, is_hub_name, parse_hub_name


def test_a_name_has_a_repository_and_may_have_a_revision():
    assert parse_hub_name("hub:jane/faces") == HubName("jane/faces")
    assert parse_hub_name("hub:jane/faces@refs/pr/1") == HubName("jane/faces", "refs/pr/1")
    assert str(parse_hub_name("hub:j/f.2@v1")) == "hub:j/f.2@v1"
    assert not is_hub_name("runs/hub:jane")


@pytest.mark.parametrize("name", [
    "", "jane", "jane/", "/faces", "a/b/c", "../faces", "jane/..", "jane/a--b", "jane/a..b", "-a/b", "a/b-", "a b/c",
    "a/" + "b" * 97, "jane/faces\n", "jane/f\0", "jané/faces",
])  # fmt: skip
def test_malformed_repositories_are_refused(name):
    with pytest.raises(UserError, match="expected OWNER/NAME"):
        check_repository(name)
    with pytest.raises(UserError, match="expected hub:OWNER/NAME"):
        parse_hub_name(f"hub:{name}")


@pytest.mark.parametrize("revision", ["", "../main", "/main", "a b", "a..b", "main\n"])
def test_malformed_revisions_are_refused(revision):
    with pytest.raises(UserError, match="after the @"):
        parse_hub_name(f"hub:jane/faces@{revision}")
