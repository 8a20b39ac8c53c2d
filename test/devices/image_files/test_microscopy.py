"""OME-Zarr through bioio, and what is said without it."""

import sys

import numpy as np
import pytest
from image_samples import ramp

from aif_ros.devices.device import DeviceError
from aif_ros.devices.focal_stack import FocalStack, is_focal_stack
from aif_ros.devices.image_files.slices import open_slices
from aif_ros.devices.image_files.stack_axes import AmbiguousError, Selection

STACK = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]])


@pytest.fixture
def zarr(tmp_path):
    writers = pytest.importorskip("bioio_ome_zarr.writers")
    path = tmp_path / "cells.ome.zarr"
    data = np.stack([STACK * 0, STACK])[None]
    writer = writers.OMEZarrWriter(
        path,
        level_shapes=data.shape,
        dtype=data.dtype,
        channels=[writers.Channel(label=name, color="FFFFFF") for name in ("DAPI", "GFP")],
        axes_names=["t", "c", "z", "y", "x"],
        axes_units=[None, None, "micrometer", "micrometer", "micrometer"],
        physical_pixel_size=[1.0, 1.0, 0.5, 0.1, 0.1],
    )
    writer.write_full_volume(data)
    return path


@pytest.mark.filterwarnings("ignore")
def test_ome_zarr(zarr, tmp_path):
    with pytest.raises(AmbiguousError, match=r"2 channels, choose one: 0 \(DAPI\), 1 \(GFP\)"):
        open_slices([zarr])
    slices = open_slices([zarr], selection=Selection("GFP"))
    assert (len(slices), slices.z_step) == (3, pytest.approx(0.5e-6))
    assert slices.pixel_size == pytest.approx(0.1e-6)
    np.testing.assert_array_equal(slices.read(1).pixels, STACK[1])
    assert is_focal_stack(zarr)
    with pytest.raises(DeviceError, match=r"key 'channel' in .*cells\.ome\.zarr\.yaml"):
        FocalStack(zarr)
    (tmp_path / "cells.ome.zarr.yaml").write_text("channel: GFP\n")
    stack = FocalStack(zarr)
    np.testing.assert_allclose(stack.positions, [0, 0.5e-6, 1e-6])


@pytest.mark.filterwarnings("ignore")
def test_damaged_zarr(tmp_path):
    pytest.importorskip("bioio")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(DeviceError, match=r"cannot read .*a\.zarr"):
        open_slices([tmp_path / "a.zarr"])


def test_without_the_extra_the_file_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE")
    with pytest.raises(DeviceError, match=r"a\.czi: save it as TIFF.*'\.\[micro\]'"):
        open_slices([tmp_path / "a.czi"])
