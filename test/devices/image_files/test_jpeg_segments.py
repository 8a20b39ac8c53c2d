"""The parts of a JPEG file."""

import io

import numpy as np
import PIL.Image
import pytest

from aif_ros.devices.image_files.jpeg_segments import is_cut_off, segments


@pytest.fixture(scope="module")
def jpeg():
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", comment=b"a comment")
    return buffer.getvalue()


def test_the_first_scan_is_last(jpeg):
    markers = [marker for marker, _ in segments(jpeg)]
    assert markers[0] == 0xE0  # JFIF
    assert {0xC0, 0xC4, 0xDB, 0xFE} <= set(markers)
    assert markers.index(0xDA) == len(markers) - 1


def test_data_begin_behind_the_length(jpeg):
    places = dict(segments(jpeg))
    assert jpeg[places[0xE0] :].startswith(b"JFIF\0")
    assert jpeg[places[0xFE] :].startswith(b"a comment")
    assert jpeg[places[0xC0]] == 8  # bits


def test_bytes_that_fill_up_before_a_marker_belong_to_no_segment(jpeg):
    """Any number of 0xFF may stand before a marker (T.81, B.1.1.2)."""
    at = dict(segments(jpeg))[0xC0] - 4
    filled = jpeg[:at] + b"\xff\xff" + jpeg[at:]
    assert [marker for marker, _ in segments(filled)] == [marker for marker, _ in segments(jpeg)]


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" * 4])
def test_of_other_content_there_is_nothing(content):
    assert list(segments(content)) == []


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_damaged_lengths_come_to_an_end(byte):
    assert len(list(segments(b"\xff\xd8" + b"\xff\xe1" + bytes([byte]) * 1000))) < 1000


def test_every_beginning_is_walked_without_an_error(jpeg):
    for length in range(0, 700, 7):
        list(segments(jpeg[:length]))


class TestCutOff:
    def test_a_whole_file_is_not(self, jpeg):
        assert not is_cut_off(jpeg)

    @pytest.mark.parametrize("trailer", [bytes(64), b"a trailer of the camera" + bytes(64)])
    def test_zeros_behind_the_end_do_not_matter(self, jpeg, trailer):
        assert not is_cut_off(jpeg + trailer)

    def test_zeros_for_the_rest_of_the_scan(self, jpeg):
        half = dict(segments(jpeg))[0xDA] + 500
        assert is_cut_off(jpeg[:half] + bytes(len(jpeg) - half))

    def test_an_end_in_a_thumbnail_is_not_that_of_the_image(self, jpeg):
        thumbnail = b"\xff\xe1" + (2 + 4).to_bytes(2, "big") + b"x\xff\xd9x"
        with_thumbnail = jpeg[:2] + thumbnail + jpeg[2:]
        half = dict(segments(with_thumbnail))[0xDA] + 500
        assert is_cut_off(with_thumbnail[:half] + bytes(1000))

    def test_without_the_end_of_the_scan(self, jpeg):
        assert is_cut_off(jpeg[:-100])

    def test_what_is_no_jpeg_is_not(self):
        assert not is_cut_off(bytes(1000))
