"""The relief as a PLY file."""

import numpy as np

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
