import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.geometry import largest_displacement
from aif_ros.fusion.motion.stack_registration import register
from aif_ros.fusion.motion.warping import resample
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture

WIDTH, HEIGHT = 320, 240
SCENE = texture((WIDTH, HEIGHT), np.random.default_rng(5))
INSIDE = (slice(20, -20), slice(20, -20))


def drifted(index, blur):
    """The scene, each time 1 % smaller, 1.5 px farther right and a little turned."""
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0.2 * index, 1 / 1.01**index)
    matrix[:, 2] += (1.5 * index, -0.7 * index)
    moved = cv2.warpAffine(SCENE, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
    return cv2.GaussianBlur(moved, (0, 0), blur)


def test_drift_breathing_and_defocus_are_undone():
    stack = [drifted(index, 0.5 + 0.7 * index) for index in range(4)]
    transforms = register(stack)
    np.testing.assert_allclose(transforms[0], np.eye(3), atol=1e-6)  # the narrowest view
    for index, transform in enumerate(transforms):
        registered = resample(drifted(index, 0.5), transform)
        assert psnr(registered[INSIDE], drifted(0, 0.5)[INSIDE]) > 32


def test_reference_is_the_narrowest_view_wherever_it_is():
    stack = [drifted(index, 1.0) for index in (3, 2, 1, 0)]
    np.testing.assert_allclose(register(stack)[-1], np.eye(3), atol=1e-6)


def masked(kind):
    """What is transparent in every slice alike, and so stays while the scene drifts."""
    valid = np.ones((HEIGHT, WIDTH), np.uint8)
    if kind == "ring":
        valid[:] = 0
        cv2.circle(valid, (WIDTH // 2, HEIGHT // 2), 105, 1, -1)
    else:
        valid[:, 60:100] = valid[150:190] = 0
    return valid > 0


@pytest.mark.parametrize("kind", ["ring", "stripes"])
def test_what_holds_no_data_is_not_registered(kind):
    whole, valid = texture((WIDTH + 40, HEIGHT + 40), np.random.default_rng(5)), masked(kind)
    shifts = [(3 * index, 2 * index) for index in range(6)]
    stack = []
    for index, (x, y) in enumerate(shifts):
        blurred = cv2.GaussianBlur(whole, (0, 0), 0.5 + 0.4 * abs(index - 3))
        view = blurred[y : y + HEIGHT, x : x + WIDTH]
        stack.append((np.where(valid[..., None], view, view[valid].mean(axis=0)), valid))
    transforms = register([(image.astype(np.float32), valid) for image, valid in stack])
    last = transforms[-1] @ np.linalg.inv(transforms[0])
    middle = np.array([WIDTH / 2, HEIGHT / 2, 1])
    np.testing.assert_allclose((last @ middle - middle)[:2], (-15, -10), atol=0.1)


def damage(image, kind):
    """A slice of which a part shows something else."""
    part = np.zeros(image.shape[:2], np.float32)
    if kind in ("black", "grey"):
        part[150:210] = 1
    else:
        cv2.ellipse(part, (200, HEIGHT), (45, 120), 15, 0, 360, 1.0, -1)
        part = cv2.GaussianBlur(part, (0, 0), 4)
    other = {"black": 0.0, "grey": 0.5, "finger": 0.7, "shadow": 0.25 * image}[kind]
    share = part[..., None]
    return (image * (1 - share) + other * share).astype(np.float32)


@pytest.mark.parametrize("kind", ["black", "grey", "finger", "shadow"])
@pytest.mark.parametrize("place", [1, 3])
def test_what_does_not_fit_does_not_draw_the_registration_away(kind, place):
    stack = [drifted(index, 0.5 + 0.7 * index) for index in range(4)]
    right = register(stack)
    stack[place] = damage(stack[place], kind)
    for index, (transform, expected) in enumerate(zip(register(stack), right, strict=True)):
        assert largest_displacement(transform, expected, SCENE.shape) < 1.0, index


def test_registered_slices_are_not_resampled():
    stack = [cv2.GaussianBlur(SCENE, (0, 0), blur) for blur in (0.5, 1.5, 3.0)]
    for image, transform in zip(stack, register(stack), strict=True):
        assert resample(image, transform) is image


def test_slices_as_their_files_have_them_are_registered_alike():
    stack = [drifted(index, 1.0) for index in range(3)]
    bytes_ = [cv2.cvtColor((image * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for image in stack]
    for transform, expected in zip(register(bytes_), register(stack), strict=True):
        np.testing.assert_allclose(transform, expected, atol=0.05)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_slices_without_texture_are_not_moved(level):
    stack = [SCENE, np.full_like(SCENE, level), SCENE]
    for transform in register(stack):
        np.testing.assert_allclose(transform, np.eye(3), atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (17, 5, 3)])
def test_odd_sizes(shape):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    transforms = register([image, image])
    assert resample(image, transforms[1]).shape == shape


def slanted(index, count, step):
    """A slice of a plane that is near on the left: blurred by `step` pixels more for each slice.

    Rendered in layers, near ones over far ones. The scene has things of all sizes, as photographs.
    """
    random = np.random.default_rng(8)
    scene = 0.4 * SCENE
    for _ in range(60):
        x, y = random.integers((WIDTH, HEIGHT))
        across, down = random.integers(8, 70, 2)
        shade = random.random(3, np.float32)
        cv2.rectangle(scene, (x, y), (x + across, y + down), shade.tolist(), -1)
    image, layers = np.zeros_like(scene), 12
    weight = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    for layer in reversed(range(layers)):
        columns = slice(WIDTH * layer // layers, WIDTH * (layer + 1) // layers)
        mask = np.zeros((HEIGHT, WIDTH, 1), np.float32)
        mask[:, columns] = 1
        radius = step * (count - 1) * abs(index / (count - 1) - (layer + 0.5) / layers)
        side = 2 * round(radius) + 1
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.float32)
        light, opacity = (
            cv2.filter2D(each, -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT_101)
            for each in (scene * mask, mask)
        )
        opacity = opacity[..., None]
        image, weight = image * (1 - opacity) + light, weight * (1 - opacity) + opacity
    noise = 0.004 * np.random.default_rng(index).standard_normal(scene.shape, np.float32)
    return image / np.maximum(weight, 1e-3) + noise


@pytest.mark.parametrize(("count", "step"), [(6, 4.0), (3, 25.0)])
def test_blur_is_no_motion(count, step):
    for transform in register([slanted(index, count, step) for index in range(count)]):
        np.testing.assert_array_equal(transform, np.eye(3))


@pytest.mark.parametrize("motion", [(0.5, 0.3, 1.0), (0.0, 0.0, 1.004), (3.0, -2.0, 0.997)])
def test_even_motion_is_found_in_spite_of_blur(motion):
    """Shift and magnification from each slice to the next; the blur changes by 2 px."""
    right, down, scale = motion
    middle = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    stack, truth = [], []
    for index in range(5):
        total = np.eye(3)
        total[:2, :2] *= scale**index
        total[:2, 2] = middle - scale**index * middle + (right * index, down * index)
        image = slanted(index, 5, 2.0)
        stack.append(
            cv2.warpAffine(
                image,
                total[:2],
                (WIDTH, HEIGHT),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT,
            )
        )
        truth.append(total)
    transforms = register(stack)
    for index, transform in enumerate(transforms):
        found = transform @ np.linalg.inv(transforms[0])
        assert largest_displacement(found, truth[index], SCENE.shape) < 0.5, index


def test_one_step_of_a_still_stack_may_differ():
    """The tripod has been pushed."""
    stack = [slanted(index, 6, 1.0) for index in range(6)]
    stack = [np.roll(image, 4, axis=1) if index > 2 else image for index, image in enumerate(stack)]
    transforms = register(stack)
    for index, transform in enumerate(transforms):
        expected = np.array([4.0 if index > 2 else 0.0, 0.0])
        found = transform @ np.linalg.inv(transforms[0])
        np.testing.assert_allclose(found[:2, 2], expected, atol=0.3)


def test_the_errors_of_a_long_chain_do_not_add_up():
    random = np.random.default_rng(1)
    small = cv2.resize(SCENE, (160, 120), interpolation=cv2.INTER_AREA)[..., 1]
    blurs = 0.3 + 2 * np.abs(np.linspace(-1, 1, 140))
    stack = [
        cv2.GaussianBlur(small, (0, 0), blur)
        + np.float32(0.02) * random.standard_normal(small.shape, np.float32)
        for blur in blurs
    ]
    corners = np.array([[0, 160, 0, 160], [0, 0, 120, 120], [1, 1, 1, 1]])
    moves = [np.abs((transform @ corners - corners)[:2]).max() for transform in register(stack)]
    assert max(moves) < 0.4
