"""Normalisation of log-probabilities."""

import numpy as np
from numpy.typing import NDArray


def log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `values` less the logarithm of the sum of their exponentials, along the last axis.

    As in SciPy, whose import costs a node half a second of its start.

    Example:
        >>> np.exp(log_softmax(np.log([[1.0, 3.0]]))).round(3)
        array([[0.25, 0.75]])
    """
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
