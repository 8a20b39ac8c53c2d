"""Training data of the fusion network: photos, RGB-D scenes and videos, and exclusions."""

from collections.abc import Sequence
from pathlib import Path

from aif_ros.simulation.photos import PhotosError, list_photos, split_photos
from aif_ros.simulation.scenes.scene import SceneError
from aif_ros.training.fusion_scenes import SceneFiles, list_videos


def find_sources(
    photos: str | Path,
    rgbd: str | Path | None = None,
    videos: str | Path | None = None,
    leave_out: Sequence[str] = (),
) -> tuple[SceneFiles, SceneFiles]:
    """Find the data for training and for validation.

    Args:
        photos: folder of sharp photos, a fifth of which is held out.
        rgbd: folder of scene folders with `image.*` and `depth.*`.
        videos: folder of videos; see `list_videos`.
        leave_out: names of scenes and videos to measure on only.

    Raises:
        PhotosError: there are too few photos.
        SceneError: there are no scenes or videos, or none of a name in `leave_out`.
    """
    trained, held_out = split_photos(list_photos(photos))
    if not trained or not held_out:
        raise PhotosError(f"{photos} holds too few photos to train on some and keep some")
    scenes = [] if rgbd is None else list_rgbd(Path(rgbd))
    filmed = [] if videos is None else list_videos(Path(videos))
    if videos is not None and not filmed:
        raise SceneError(f"there is no video in {videos}: neither rgb/ and depth/, nor DAVIS")
    missing = set(leave_out) - {path.name for path in (*scenes, *filmed)}
    if missing:
        raise SceneError(f"there is no scene {', '.join(sorted(missing))} to leave out")

    def chosen(paths: Sequence[Path], left_out: bool) -> list[Path]:
        return [path for path in paths if (path.name in leave_out) is left_out]

    return (
        SceneFiles(trained, chosen(scenes, False), chosen(filmed, False)),
        SceneFiles(held_out, chosen(scenes, True), chosen(filmed, True)),
    )


def list_rgbd(folder: Path) -> list[Path]:
    """List the folders in `folder` that hold `image.*` and `depth.*`.

    Raises:
        SceneError: there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise SceneError(f"there is no folder {folder}")
    scenes = [path for path in sorted(folder.iterdir()) if any(path.glob("depth.*"))]
    if not scenes:
        raise SceneError(f"no folder in {folder} holds image.* and depth.*")
    return scenes
