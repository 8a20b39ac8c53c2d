"""The relief as a PLY file and as a page."""

import base64
import re

import numpy as np
import pytest

from aif_ros.fusion.relief import LONGEST_SIDE, write_relief


def read(path):
    """The vertices and faces of a binary PLY, by the table in its header."""
    content = path.read_bytes()
    header, _, body = content.partition(b"end_header\n")
    counts = [int(line.split()[2]) for line in header.decode().splitlines() if "element" in line]
    point = [(axis, "<f4") for axis in "xyz"] + [(name, "u1") for name in "rgb"]
    vertices = np.frombuffer(body, point, counts[0])
    faces = np.frombuffer(body[vertices.nbytes :], [("n", "u1"), ("of", "<i4", 3)], counts[1])
    assert vertices.nbytes + faces.nbytes == len(body)
    return vertices, faces


def test_heights_and_colours_are_those_of_the_picture(tmp_path):
    image = np.zeros((3, 4, 3), np.float32)
    image[:, 2:] = (1.0, 0.5, 0.0)
    height = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_relief(tmp_path / "a.ply", image, height)
    vertices, faces = read(tmp_path / "a.ply")
    np.testing.assert_allclose(vertices["z"], height.ravel())
    np.testing.assert_allclose(vertices["x"][:4], [0, 1, 2, 3])
    np.testing.assert_allclose(vertices["y"][::4], [0, -1, -2])
    assert [vertices[name][3] for name in "rgb"] == [255, 128, 0]
    assert len(faces) == 2 * 2 * 3
    assert set(faces["of"].ravel()) == set(range(12))


def test_faces_look_towards_the_viewer(tmp_path):
    write_relief(tmp_path / "a.ply", np.zeros((5, 6), np.float32), np.zeros((5, 6), np.float32))
    vertices, faces = read(tmp_path / "a.ply")
    points = np.column_stack([vertices[axis] for axis in "xyz"])[faces["of"]]
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    assert (normals[:, 2] > 0).all()


def test_large_pictures_are_reduced(tmp_path):
    image = np.zeros((300, 2000), np.float32)
    write_relief(tmp_path / "a.ply", image, image + 5)
    vertices, _ = read(tmp_path / "a.ply")
    assert len(vertices) == LONGEST_SIDE * round(300 * LONGEST_SIDE / 2000)
    assert vertices["x"].max() == 1999
    np.testing.assert_allclose(vertices["z"], 5)


def test_a_page_holds_heights_and_colours_and_needs_nothing_else(tmp_path):
    image = np.zeros((30, 40, 3), np.float32)
    image[:, 20:] = (1.0, 0.5, 0.0)
    height = np.tile(np.linspace(2, 10, 40, dtype=np.float32), (30, 1))
    write_relief(tmp_path / "a<b.html", image, height)
    page = (tmp_path / "a<b.html").read_text()
    assert not re.search(r"(src|href)=|https?:", page)
    assert "a&lt;b" in page
    heights, colours = re.findall(r'bytes\("([A-Za-z0-9+/=]+)"\)', page)
    steps = np.frombuffer(base64.b64decode(heights), "<u2").reshape(30, 40)
    np.testing.assert_allclose(2 + steps / 65535 * 8, height, atol=1e-3)
    points = np.frombuffer(base64.b64decode(colours), np.uint8).reshape(30, 40, 3)
    assert points[0, 39].tolist() == [255, 128, 0]
    # 8 px of 39, which are 2 on the page.
    assert float(re.search(r"total = ([\d.]+)", page)[1]) == pytest.approx(2 * 8 / 39, rel=1e-3)


def test_other_formats_are_refused(tmp_path):
    flat = np.zeros((5, 6), np.float32)
    with pytest.raises(ValueError, match=r"a relief is a \.ply or \.html"):
        write_relief(tmp_path / "a.obj", flat, flat)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("suffix", [".ply", ".html"])
def test_pictures_of_one_pixel_or_one_row_have_a_relief(tmp_path, shape, suffix):
    write_relief(tmp_path / f"a{suffix}", np.zeros(shape, np.float32), np.ones(shape, np.float32))
    if suffix == ".ply":
        vertices, faces = read(tmp_path / "a.ply")
        assert np.isfinite(vertices["x"]).all()
        assert np.ptp(vertices["x"]) > 0
        assert np.ptp(vertices["y"]) > 0
        assert len(faces) > 0
