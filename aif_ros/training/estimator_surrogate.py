"""A surrogate for the blur estimator: readings with its errors, from the true blur, in no time.

An agent learns from tens of thousands of frames; rendering each and running the estimator on it
would take days. The surrogate draws what the estimator would have read from tables of what it did
read on rendered frames (`measure`): bias, spread, heavy tails, saturation and unknown readings are
those of the real one, whatever they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.storage.atomic_write import replacing

Array = NDArray[np.floating]

_RADII = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 11, 14, 18, 23, 30, 40], np.float32)
_QUANTILES = np.linspace(0, 1, 21, dtype=np.float32)


@dataclass(frozen=True)
class Sample:
    """An estimator's reading of a frame beside the truth.

    Attributes:
        blur: what it read.
        true_radius: (rows, columns) true blur radius, pixels: the median over each cell.
        scene: index of the scene; readings of one cell of one scene share errors.
    """

    blur: DefocusMap
    true_radius: Array
    scene: int


@dataclass(frozen=True)
class EstimatorSurrogate:
    """Tables of an estimator's readings; R true radii, Q quantiles.

    Attributes:
        radii: (R,) true blur radii, pixels, ascending.
        reading: (R, Q) quantiles of the estimated radius, pixels.
        uncertainty: (R, Q) mean uncertainty of readings near that quantile, pixels.
        in_focus: (R, Q) mean in-focus probability of the same readings.
        unknown: (R,) share of the readings that are unknown, in cells that are not always so.
        blank: share of the cells that never give a reading.
        constancy: correlation between the errors of one cell seen at different lens positions.
    """

    radii: Array
    reading: Array
    uncertainty: Array
    in_focus: Array
    unknown: Array
    blank: float
    constancy: float

    def read(
        self, true_radius: Array, constant: Array, random: np.random.Generator
    ) -> tuple[Array, Array, Array]:
        """Draw readings.

        Args:
            true_radius: true blur radius, pixels.
            constant: same shape, standard normal: the part of the error that is the same in each
                reading of a cell.
            random: source of randomness.

        Returns:
            Radius, uncertainty and in-focus probability, each shaped like `true_radius`; NaN
            where unknown.
        """
        noise = random.standard_normal(true_radius.shape, dtype=np.float32)
        error = np.sqrt(self.constancy) * constant + np.sqrt(1 - self.constancy) * noise
        quantile = ndtr(error) * (len(_QUANTILES) - 1)
        row = np.interp(true_radius, self.radii, np.arange(len(self.radii)))
        drawn = [
            _bilinear(table, row, quantile)
            for table in (self.reading, self.uncertainty, self.in_focus)
        ]
        share = np.interp(true_radius, self.radii, self.unknown)
        unknown = random.random(true_radius.shape, dtype=np.float32) < share
        radius, uncertainty, in_focus = (np.where(unknown, np.nan, values) for values in drawn)
        return radius, uncertainty, in_focus

    def save(self, path: str | Path) -> None:
        """Write the tables as a NumPy archive that `load` reads back."""
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **self.__dict__)

    @classmethod
    def load(cls, path: str | Path) -> "EstimatorSurrogate":
        """Read what `save` has written.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds something else.
        """
        with np.load(path) as content:
            if set(content.files) != set(cls.__dataclass_fields__):
                raise ValueError(f"{path} holds no tables of a blur estimator's readings")
            tables = {name: content[name] for name in content.files}
        tables |= {name: float(tables[name]) for name in ("blank", "constancy")}
        return cls(**tables)


def assumed() -> EstimatorSurrogate:
    """Return the surrogate of a fair estimator, where none was measured: errors of 0.4 px + 12 %.

    It does not fall below 0.6 px and its uncertainty is correct.
    """
    spread = 0.4 + 0.12 * _RADII
    normal = np.interp(_QUANTILES, ndtr(np.linspace(-2.5, 2.5, 51)), np.linspace(-2.5, 2.5, 51))
    centre = np.hypot(_RADII, 0.6)
    reading = np.maximum(centre[:, None] + spread[:, None] * normal, 0.1).astype(np.float32)
    uncertainty = np.repeat(spread[:, None], len(_QUANTILES), axis=1).astype(np.float32)
    return EstimatorSurrogate(
        radii=_RADII,
        reading=reading,
        uncertainty=uncertainty,
        in_focus=ndtr((1.2 - reading) / uncertainty * 1.5).astype(np.float32),
        unknown=np.full(len(_RADII), 0.02, np.float32),
        blank=0.08,
        constancy=0.5,
    )


def measure(samples: Iterable[Sample]) -> EstimatorSurrogate:
    """Tabulate an estimator's readings of rendered frames.

    Args:
        samples: frames of several scenes, each scene from several lens positions, together of
            radii from sharp to the most that the lens can blur.

    Raises:
        ValueError: there are no samples, or nothing was ever read.
    """
    samples = list(samples)
    if not samples:
        raise ValueError("no frames to measure the estimator on")
    cells = _cells(samples)
    true, reading, uncertainty, in_focus, cell = cells
    known = np.isfinite(reading)
    if not known.any():
        raise ValueError("the estimator gave no reading of any frame")
    ever_known = np.bincount(cell, known) > 0
    rows = np.abs(true[:, None] - _RADII).argmin(axis=1)
    radii, tables, unknown, score = [], [], [], np.full(true.shape, np.nan)
    for index, radius in enumerate(_RADII):
        members = np.flatnonzero(known & (rows == index))
        if len(members) < 4 * len(_QUANTILES):
            continue
        order = members[np.argsort(reading[members])]
        rank = (np.arange(len(order)) + 0.5) / len(order)
        score[order] = rank
        near = np.array_split(order, len(_QUANTILES))
        radii.append(radius)
        tables.append(
            [
                np.quantile(reading[members], _QUANTILES),
                [uncertainty[part].mean() for part in near],
                [in_focus[part].mean() for part in near],
            ]
        )
        candidates = (rows == index) & ever_known[cell]
        unknown.append(1 - known[candidates].mean())
    if not radii:
        raise ValueError("too few frames to measure the estimator on")
    stacked = np.asarray(tables, np.float32).transpose(1, 0, 2)
    return EstimatorSurrogate(
        radii=np.asarray(radii, np.float32),
        reading=stacked[0],
        uncertainty=stacked[1],
        in_focus=stacked[2],
        unknown=np.asarray(unknown, np.float32),
        blank=float(1 - ever_known[np.unique(cell)].mean()),
        constancy=_constancy(score, cell),
    )


def _cells(samples: list[Sample]) -> tuple[Array, Array, Array, Array, NDArray[np.intp]]:
    """Return true radius, reading, uncertainty, in-focus probability and an id of every cell."""
    columns: list[list[Array]] = [[], [], [], []]
    ids, first, begun = [], {}, 0
    for sample in samples:
        if sample.scene not in first:
            first[sample.scene] = begun
            begun += sample.true_radius.size
        blur = sample.blur
        for column, values in zip(
            columns,
            (sample.true_radius, blur.radius, blur.uncertainty, blur.in_focus),
            strict=True,
        ):
            column.append(values.ravel())
        ids.append(first[sample.scene] + np.arange(sample.true_radius.size))
    true, reading, uncertainty, in_focus = (np.concatenate(column) for column in columns)
    return true, reading, uncertainty, in_focus, np.concatenate(ids)


def _constancy(rank: Array, cell: NDArray[np.intp]) -> float:
    """Correlation of the rank of one cell's error among all from frame to frame, within 0..0.95."""
    known = np.isfinite(rank)
    cell, deviation = cell[known], rank[known] - 0.5
    count = np.bincount(cell)
    total = np.bincount(cell, deviation)
    squares = np.bincount(cell, np.square(deviation))
    pairs = float((count * (count - 1)).sum())
    if pairs == 0:
        return 0.0
    covariance = float((np.square(total) - squares).sum()) / pairs
    return float(np.clip(covariance / np.square(deviation).mean(), 0.0, 0.95))


def _bilinear(table: Array, row: Array, column: Array) -> Array:
    """Interpolate in `table` (R, Q) at fractional indices."""
    r0 = np.minimum(row.astype(np.intp), max(len(table) - 2, 0))
    r1 = np.minimum(r0 + 1, len(table) - 1)
    c0 = np.minimum(column.astype(np.intp), table.shape[1] - 2)
    u, v = (row - r0).astype(np.float32), (column - c0).astype(np.float32)
    low = table[r0, c0] * (1 - v) + table[r0, c0 + 1] * v
    high = table[r1, c0] * (1 - v) + table[r1, c0 + 1] * v
    return np.asarray(low * (1 - u) + high * u, np.float32)
