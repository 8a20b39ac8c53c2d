import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aif_ros.storage.read_yaml import YamlError, read_yaml


@pytest.fixture
def file(tmp_path):
    return tmp_path / "info.yaml"


def test_plain_values(file):
    file.write_text("positions: [1.0e-3, 2]\nname: ©\n", encoding="utf-8")
    assert read_yaml(file) == {"positions": [1e-3, 2], "name": "©"}


def billion_laughs():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "content, said",
    [
        (billion_laughs(), "alias"),
        ("[" * 5000, "nested deeper"),
        ("a: " + "{b: " * 100, "nested deeper"),
        ("a: 2024-99-99", "not valid"),
        ("a: " + "9" * 5000, "not valid"),
        ("? [a]\n: b", "not valid"),
        ("a: !!python/object/apply:os.system [ls]", "not valid"),
        ("{", "not valid"),
        ("\x00", "not valid"),
        ("a: '" + "x" * 5_000_000 + "'", "larger than"),
    ],
)
def test_harmful_files_are_refused_in_one_line(file, content, said):
    file.write_text(content)
    with pytest.raises(YamlError, match=said) as caught:
        read_yaml(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_no_text(file):
    file.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(YamlError, match="not valid"):
        read_yaml(file)


def test_pipe_is_refused_without_waiting(file):
    os.mkfifo(file)
    with pytest.raises(YamlError, match="no regular file"):
        read_yaml(file)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text("{}[]:-&*!?|>'\"#%@, \n0123456789.xe_", max_size=60))
def test_any_content_is_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        read_yaml(file)
    except YamlError as error:
        assert "\n" not in str(error)
