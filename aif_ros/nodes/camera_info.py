"""Intrinsics of a camera: from a calibration file, or guessed from its field of view."""

import math
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from sensor_msgs.msg import CameraInfo

from aif_ros.storage.read_yaml import read_yaml

# Keys of the matrices in a file of camera_calibration_parsers, and their sizes; the distortion may
# have any number of coefficients.
_MATRICES = {
    "camera_matrix": 9,
    "distortion_coefficients": None,
    "rectification_matrix": 9,
    "projection_matrix": 12,
}


class CameraInfoError(ValueError):
    """A file with intrinsics cannot be used; the message says why."""


def load_camera_info(url: str, size: tuple[int, int]) -> CameraInfo:
    """Read intrinsics as `camera_calibration` writes them (YAML of camera_calibration_parsers).

    Args:
        url: file:///PATH, package://PACKAGE/PATH, or a path.
        size: (width, height) of the camera's images, pixels.

    Raises:
        CameraInfoError: the file is missing or malformed, of another size, or not calibrated.
    """
    path = _path(url)
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise CameraInfoError(f"cannot read camera_info_url {url}: {error}") from error
    if not isinstance(content, dict):
        raise CameraInfoError(f"{url} is no calibration of a camera")
    matrices = {key: _matrix(url, content, key, length) for key, length in _MATRICES.items()}
    calibrated = content.get("image_width"), content.get("image_height")
    if calibrated != size:
        raise CameraInfoError(
            f"{url} is for images of {calibrated[0]}x{calibrated[1]} pixels, the camera's have "
            f"{size[0]}x{size[1]}: calibrate at this size"
        )
    k, p = matrices["camera_matrix"], matrices["projection_matrix"]
    if not (k[0] > 0 and k[4] > 0 and p[0] > 0 and p[5] > 0):
        raise CameraInfoError(f"{url} holds no intrinsics: a focal length is zero")
    return CameraInfo(
        width=size[0],
        height=size[1],
        distortion_model=str(content.get("distortion_model", "plumb_bob")),
        d=matrices["distortion_coefficients"],
        k=k,
        r=matrices["rectification_matrix"],
        p=p,
    )


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme == "package":
        try:
            share = get_package_share_directory(parts.netloc)
        except (PackageNotFoundError, OSError, ValueError) as error:
            raise CameraInfoError(f"there is no package {parts.netloc}: {url}") from error
        return Path(share) / unquote(parts.path).lstrip("/")
    if parts.scheme:
        raise CameraInfoError(f"camera_info_url must be file:// or package://, not {url}")
    return Path(url)


def _matrix(url: str, content: dict[str, Any], key: str, length: int | None) -> list[float]:
    matrix = content.get(key)
    data = matrix.get("data") if isinstance(matrix, dict) else None
    numbers = isinstance(data, list) and all(
        isinstance(each, int | float) and math.isfinite(each) for each in data
    )
    if data is None or not numbers or (length is not None and len(data) != length):
        wanted = "finite numbers" if length is None else f"{length} finite numbers"
        raise CameraInfoError(f"{url}: {key} must hold {wanted} under data")
    return [float(each) for each in data]


def guess_camera_info(size: tuple[int, int], field_of_view: float) -> CameraInfo:
    """Return the intrinsics of a pinhole camera without distortion (REP-104).

    Args:
        size: (width, height), pixels.
        field_of_view: horizontal, radians.
    """
    width, height = size
    focal = width / 2 / math.tan(field_of_view / 2)
    x, y = (width - 1) / 2, (height - 1) / 2
    return CameraInfo(
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, x, 0.0, 0.0, focal, y, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
