"""Images of astronomical cameras."""

import numpy as np
import pytest

from aif_ros.devices.fits import BLOCK, CARD, read_fits


def fits(values, *, end=True, **cards):
    """A file with these cards, after those that the values need."""
    header = {"BITPIX": 8 * values.dtype.itemsize, "NAXIS": values.ndim}
    header |= {f"NAXIS{axis}": side for axis, side in enumerate(values.shape[::-1], 1)}
    header |= cards
    lines = ["SIMPLE  =                    T"]
    lines += [f"{name:<8}= {value!s:>20} / a comment" for name, value in header.items()]
    lines += ["COMMENT = no value"] + (["END"] if end else [])
    text = "".join(line.ljust(CARD) for line in lines).encode()
    data = values.tobytes()
    return text.ljust(-(-len(text) // BLOCK) * BLOCK) + data.ljust(-(-len(data) // BLOCK) * BLOCK)


GREY = np.arange(6, dtype=np.uint8).reshape(2, 3)


def test_eight_bits():
    image = read_fits(fits(GREY))
    np.testing.assert_array_equal(image, GREY)
    assert image.dtype == np.uint8
    image[0, 0] = 9  # not a view of the message


def test_sixteen_bits_are_unsigned_by_an_offset():
    values = np.array([[0, 1, 40000, 65535]])
    stored = (values - 32768).astype(">i2")
    image = read_fits(fits(stored, BZERO=32768, BSCALE=1))
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, values)


def test_signed_samples_below_zero_are_black():
    stored = np.array([[-5, 0, 7]], ">i2")
    np.testing.assert_array_equal(read_fits(fits(stored)), [[0, 0, 7]])


def test_planes_of_colour_become_pixels_of_colour():
    planes = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    image = read_fits(fits(planes))
    assert image.shape == (2, 4, 3)
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image[..., 1], planes[1])


def test_a_header_of_several_blocks_is_read_to_its_end():
    many = {f"KEY{index}": index for index in range(50)}
    np.testing.assert_array_equal(read_fits(fits(GREY, **many)), GREY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no FITS file"),
        (b"P6 3 2 255", "no FITS file"),
        (fits(GREY, end=False)[: CARD * 5], "has no end"),
        (fits(GREY)[: BLOCK + 5], "incomplete"),
        (fits(GREY.astype(np.int32)), "32 bits and 2 axes"),
        (fits(GREY.astype(">f4"), BITPIX=-32), "-32 bits and 2 axes"),
        (fits(GREY[0]), "8 bits and 1 axes"),
        (fits(np.zeros((2, 3, 4), np.uint8)), "2 planes"),
        (fits(GREY, NAXIS1=0), "shape"),
        (fits(GREY, NAXIS1=10**9), "shape"),
        (fits(GREY, NAXIS1=-3), "shape"),
        (fits(GREY, NAXIS2="x"), "NAXIS2 is 'x', not an integer"),
        (fits(GREY, BITPIX="8.5"), "BITPIX is '8.5', not an integer"),
        (fits(GREY).replace(b"NAXIS2", b"NOTHIN"), "has no NAXIS2"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(content, message):
    with pytest.raises(ValueError, match=message):
        read_fits(content)
