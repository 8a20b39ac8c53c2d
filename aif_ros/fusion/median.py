"""The median of what is known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def median_of_known(values: NDArray[Any]) -> NDArray[np.float32]:
    """Median over the first axis (n, ...) -> (...) of what is not NaN; NaN where nothing is."""
    # Sorted along contiguous memory, NaN last: several times faster than `numpy.nanmedian`.
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), axis=-1)
    known = np.isfinite(values).sum(axis=0)[..., None]
    middle = [
        np.take_along_axis(ordered, np.clip(place, 0, len(values) - 1), axis=-1)[..., 0]
        for place in ((known - 1) // 2, known // 2)
    ]
    return np.where(known[..., 0] > 0, 0.5 * (middle[0] + middle[1]), np.nan).astype(np.float32)
