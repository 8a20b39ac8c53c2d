"""Reads the images that astronomical cameras send: uncompressed FITS, 8 or 16 bit.

By hand: Pillow reads neither unsigned samples (BZERO) nor colour planes of FITS, and astropy would
be a large dependency for this one format.

Source: "Definition of the Flexible Image Transport System", version 4.0, sections 3 to 5.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 2880
"""Bytes of a block: header and data are padded to whole ones."""
CARD = 80
"""Bytes of a line of the header."""
LARGEST_SIDE = 65536
"""Pixels: larger images are garbage."""


def read_fits(content: bytes) -> NDArray[Any]:
    """Return the image of the primary data unit.

    Returns:
        (H, W) or (H, W, 3), uint8 or uint16.

    Raises:
        ValueError: it is no FITS image of 8 or 16 bit, or it is incomplete.
    """
    header, offset = _header(content)
    bits, axes = _integer(header, "BITPIX"), _integer(header, "NAXIS")
    if bits not in (8, 16) or axes not in (2, 3):
        raise ValueError(f"a FITS image of {bits} bits and {axes} axes cannot be used")
    shape = [_integer(header, f"NAXIS{axis}") for axis in range(axes, 0, -1)]
    if axes == 3 and shape[0] != 3:
        raise ValueError(f"a FITS image of {shape[0]} planes cannot be used")
    if not all(1 <= side <= LARGEST_SIDE for side in shape):
        raise ValueError(f"a FITS image of shape {shape} cannot be used")
    count = int(np.prod(shape))
    data = content[offset : offset + count * bits // 8]
    if len(data) < count * bits // 8:
        raise ValueError("the FITS image is incomplete")
    if bits == 8:
        image: NDArray[Any] = np.frombuffer(data, np.uint8).copy()
    else:
        # Unsigned samples are stored less BZERO = 32768 (section 4.4.2.5).
        zero = 32768 if float(header.get("BZERO", "0")) == 32768 else 0
        signed = np.frombuffer(data, ">i2").astype(np.int32) + zero
        image = np.clip(signed, 0, 65535).astype(np.uint16)
    image = image.reshape(shape)
    return np.ascontiguousarray(np.moveaxis(image, 0, 2)) if axes == 3 else image


def _header(content: bytes) -> tuple[Mapping[str, str], int]:
    """Return the cards of the header by name, and where the data begin."""
    if not content.startswith(b"SIMPLE  ="):
        raise ValueError("this is no FITS file")
    cards: dict[str, str] = {}
    for start in range(0, len(content) - CARD + 1, CARD):
        card = content[start : start + CARD].decode("ascii", "replace")
        name = card[:8].strip()
        if name == "END":
            return cards, -(-(start + CARD) // BLOCK) * BLOCK
        if card[8:10] == "= ":
            cards[name] = card[10:].split("/")[0].strip()
    raise ValueError("the FITS header has no end")


def _integer(header: Mapping[str, str], name: str) -> int:
    if name not in header:
        raise ValueError(f"the FITS header has no {name}")
    try:
        return int(header[name])
    except ValueError:
        raise ValueError(f"{name} is '{header[name][:20]}', not an integer") from None
