from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from bench import World, texture
from sensor_msgs.msg import CompressedImage

from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.compressed_images import color_map, from_compressed, to_compressed
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topics import DISTANCE_COMPRESSED, FUSED_COMPRESSED, FUSED_IMAGE
from aif_ros.types.image import ImageError

SMOOTH = cv2.resize(texture((8, 6)), (64, 48), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    "image", [SMOOTH, SMOOTH[..., 0], SMOOTH.astype(np.uint16) * 257], ids=["rgb", "mono", "deep"]
)
def test_there_and_back(image):
    message = to_compressed(image, 5, "camera")
    assert "jpeg" in message.format
    seen = from_compressed(message).astype(int)
    expected = image if image.dtype == np.uint8 else image >> 8
    assert seen.shape == image.shape
    assert np.abs(seen - expected).mean() < 6


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_what_is_no_picture(data):
    message = CompressedImage(format="jpeg")
    message.data.frombytes(data)
    with pytest.raises(ImageError, match="cannot be decoded"):
        from_compressed(message)


@pytest.mark.parametrize("large", ["part", "picture"])
def test_what_claims_to_be_large_is_not_decoded(large, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("memory has been allocated for it"))
    code = cv2.imencode(".png", texture())[1]
    if large == "part":
        code[33:37] = 255  # length of the second part
    else:
        code[16:24] = (0, 0, 128, 0, 0, 0, 128, 0)  # 32768 x 32768 pixels
    message = CompressedImage(format="png")
    message.data.frombytes(memoryview(code).cast("B"))
    with pytest.raises(ImageError, match="cannot be decoded"):
        from_compressed(message)


def test_colours_encode_the_distance():
    values = np.array([[0.0, 1e-3], [np.nan, 5e-3]], np.float32)
    picture = color_map(values, 1e-3)
    near, far = picture[0, 0].astype(int), picture[0, -1].astype(int)
    assert near[2] > near[0]
    assert far[0] > far[2]
    assert (picture[-1, -1] == picture[0, -1]).all()
    assert tuple(picture[-1, 0]) == (96, 96, 96)
    assert picture.shape == (320, 320, 3)
    # What a JPEG of it shows is the same.
    seen = from_compressed(to_compressed(picture, 5, "camera")).astype(int)
    assert np.abs(seen - picture).mean() < 4


def test_pictures_of_several_sizes_and_threads_do_not_mix():
    pictures = [cv2.resize(SMOOTH, (32 + 16 * each, 48)) for each in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for picture, seen in zip(pictures * 8, pool.map(there_and_back, pictures * 8), strict=True):
            assert seen.shape == picture.shape
            assert np.abs(seen.astype(int) - picture).mean() < 6


def there_and_back(picture):
    return from_compressed(to_compressed(picture, 5, "camera"))


def test_made_for_subscribers_also_late_ones(bench):
    bench.active(FusionNode)
    bench.active(AutofocusNode)
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    stamp = world.frame(SMOOTH, 1e-4)
    bench.spin_until(lambda: fused)
    late = bench.listen(FUSED_COMPRESSED), bench.listen(DISTANCE_COMPRESSED)
    bench.spin_until(lambda: all(late))
    assert [heard[0].stamp for heard in late] == [stamp, stamp]
    assert np.abs(late[0][0].image.astype(int) - fused[0].image).mean() < 5
