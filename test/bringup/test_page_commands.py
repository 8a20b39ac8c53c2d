import pytest

from aif_ros.bringup.page_commands import clicked_window
from aif_ros.settings.nodes import WINDOW_SIZE
from aif_ros.types.frame import Window


@pytest.mark.parametrize(
    ("size", "side"),
    [((160, 100), 100), ((640, 480), 128), ((1920, 1080), 270), ((6000, 4000), WINDOW_SIZE)],
)
def test_the_window_is_a_part_of_the_image(size, side):
    width, height = size
    window = clicked_window(width // 2, height // 2, size)
    assert (window.width, window.height) == (side, side)
    assert window.inside(size)


@pytest.mark.parametrize("x", [0, 639])
@pytest.mark.parametrize("y", [0, 479])
def test_at_the_border_it_lies_within_the_image(x, y):
    assert clicked_window(x, y, (640, 480)) == Window(512 * bool(x), 352 * bool(y), 128, 128)


@pytest.mark.parametrize("pixel", [(-1, 0), (640, 0), (0, 480)])
def test_a_pixel_outside_is_refused(pixel):
    with pytest.raises(ValueError, match="lies outside of the image of 640x480"):
        clicked_window(*pixel, (640, 480))
