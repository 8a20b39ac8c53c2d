import pytest

from aif_ros.pipeline.loop_end import LoopEnd


@pytest.mark.parametrize(
    ("image_fault", "end"),
    [
        ("", LoopEnd("all is in focus", fault=False)),
        ("the image does not change", LoopEnd("the image does not change", fault=True)),
    ],
)
def test_a_fault_in_the_images_is_the_end(image_fault, end):
    assert LoopEnd.of("all is in focus", image_fault) == end
