import cv2
import numpy as np
import pytest
import skimage.data

from aif_ros.simulation.photos import (
    PhotosError,
    fingerprint,
    list_photos,
    read_photo,
    sharpness,
    split_photos,
)


def put(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(map(ord, str(path)))
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8))


def names(folder) -> list[str]:
    return [str(path.relative_to(folder)) for path in list_photos(folder)]


def test_div2k_layout_without_its_small_copies(tmp_path) -> None:
    put(tmp_path / "DIV2K_train_HR/0001.png")
    put(tmp_path / "DIV2K_train_LR_bicubic/X2/0001x2.png")
    assert names(tmp_path) == ["DIV2K_train_HR/0001.png"]


def test_clic_layout(tmp_path) -> None:
    put(tmp_path / "train/alice.png")
    put(tmp_path / "valid/bob.png")
    (tmp_path / "readme.txt").write_text("no photo")
    assert names(tmp_path) == ["train/alice.png", "valid/bob.png"]


def test_davis_layout_one_frame_in_ten_and_no_masks(tmp_path) -> None:
    for frame in range(25):
        put(tmp_path / f"JPEGImages/480p/bear/{frame:05d}.jpg")
        put(tmp_path / f"Annotations/480p/bear/{frame:05d}.png")
    frames = [f"JPEGImages/480p/bear/{frame:05d}.jpg" for frame in (0, 10, 20)]
    assert names(tmp_path) == frames


def test_shots_are_held_out_as_a_whole(tmp_path) -> None:
    for shot in "abcdefghijklmnop":
        for frame in (0, 10):
            put(tmp_path / f"JPEGImages/480p/{shot}/{frame:05d}.jpg")
    train, held_out = split_photos(list_photos(tmp_path))
    assert train and held_out
    assert not {path.parent for path in train} & {path.parent for path in held_out}


def test_split_is_the_same_wherever_the_folder_lies(tmp_path) -> None:
    for folder in ("a", "b"):
        for number in range(40):
            put(tmp_path / folder / f"{number}.png")
    first, second = (
        [path.name for path in split_photos(list_photos(tmp_path / folder))[1]]
        for folder in ("a", "b")
    )
    assert first == second
    assert 2 <= len(first) <= 16


def test_fingerprint_depends_on_the_content_only(tmp_path) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    put(tmp_path / "c.png")
    assert fingerprint(tmp_path / "a.png") == fingerprint(tmp_path / "b.png")
    assert fingerprint(tmp_path / "a.png") != fingerprint(tmp_path / "c.png")


def test_no_folder_no_photo_no_picture(tmp_path) -> None:
    with pytest.raises(PhotosError, match="no folder"):
        list_photos(tmp_path / "none")
    with pytest.raises(PhotosError, match="no photo"):
        list_photos(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(PhotosError, match=r"broken\.jpg"):
        read_photo(tmp_path / "broken.jpg")


def test_blurred_photos_are_not_sharp() -> None:
    photo = skimage.data.stereo_motorcycle()[0]
    luma = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    small = cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), 2.0)
    textured, sharp = sharpness(small, 32)
    assert sharp.sum() > 0.6 * textured.sum() > 20
    assert sharpness(soft, 32)[1].sum() < 0.05 * sharp.sum()


def test_a_flat_cell_is_neither_textured_nor_sharp() -> None:
    textured, sharp = sharpness(np.full((64, 96), 0.4, np.float32), 32)
    assert textured.shape == sharp.shape == (2, 3)
    assert not textured.any() and not sharp.any()
