"""Model cards: what they say of the data and of a run."""

import importlib.metadata

import pytest
import yaml

from aif_ros.control.policy_network import PolicyNetwork
from aif_ros.storage.read_yaml import YamlError
from aif_ros.training.blur_data import BlurRecipe
from aif_ros.training.card import About, TrainingRun, describe_data, write_card
from aif_ros.training.checkpoint import Progress
from aif_ros.training.fusion_batches import FusionRecipe
from aif_ros.training.policy_recipe import PolicyRecipe
from aif_ros.training.recipe import load_recipe
from aif_ros.training.train_blur import BlurTraining
from aif_ros.training.train_fusion import FusionTraining
from aif_ros.training.train_policy import PolicyTraining

ABOUT = About("A network", "does nothing.", "Made of nothing.", "In px.", "aif x", ("None.",))


@pytest.fixture
def data(tmp_path):
    names = (
        "photos/cid22_1.jpg",
        "photos/cid22_2.jpg",
        "rgbd/chair/image.jpg",
        "video/bus/rgb/0.jpg",
    )
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def files(folder):
    return [path for path in folder.rglob("*.jpg")]


def test_files_are_grouped_by_set(data) -> None:
    sets = {each.name: each for each in describe_data(files(data))}
    assert {name: each.files for name, each in sets.items()} == {"cid22": 2, "chair": 1, "bus": 1}
    assert {each.licence for each in sets.values()} == {"not stated"}


def test_checksum_depends_on_content_only(data, tmp_path_factory) -> None:
    before = describe_data(files(data))
    assert describe_data(sorted(files(data), reverse=True)) == before
    (data / "photos" / "cid22_2.jpg").write_bytes(b"another")
    changed = [
        new.name for old, new in zip(before, describe_data(files(data)), strict=True) if old != new
    ]
    assert changed == ["cid22"]


def test_nearest_licences_count(data) -> None:
    (data / "licences.yaml").write_text("cid22: CC0\nbus: CC BY 4.0\n")
    (data / "photos" / "licences.yaml").write_text("cid22: CC BY-SA 4.0\n")
    licences = {each.name: each.licence for each in describe_data(files(data))}
    assert licences == {"cid22": "CC BY-SA 4.0", "chair": "not stated", "bus": "CC BY 4.0"}


def test_unusable_licences_are_refused(data) -> None:
    (data / "licences.yaml").write_text("- CC0\n")
    with pytest.raises(YamlError, match=r"licences\.yaml must be a mapping"):
        describe_data(files(data))


def test_card_holds_the_run(data, tmp_path) -> None:
    recipe = {"seed": 3, "gamma": (0.9, 0.8), "initial": None}
    run = TrainingRun(
        "aif train it",
        ("0123456789ab",),
        recipe,
        "",
        describe_data(files(data)),
        {"mae": 0.25},
        2,
        "cpu",
        Progress(5, 3660.0, 420.0),
        "SOAP, pytorch-optimizer",
    )
    write_card(tmp_path / "it.md", "it", ABOUT, run, 1234567, "architecture")
    card = (tmp_path / "it.md").read_text()
    block = card.partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(block) == {"seed": 3, "gamma": [0.9, 0.8], "initial": None}
    for words in (
        "# A network",
        "aif train it",
        "commit | `0123456789ab` |",
        "1,234,567",
        "| mae | 0.25 |",
        "started from | scratch",
        "optimiser | SOAP, pytorch-optimizer |",
        f"pytorch-optimizer | {importlib.metadata.version('pytorch-optimizer')} |",
        "61 min",
    ):
        assert words in card
    assert str(data) not in card
    assert "\n\n\n" not in card


@pytest.mark.parametrize(
    "commits, line",
    [
        ((), "commit | `unknown: not run from a checkout` |"),
        (("",), "commit | `unknown: not run from a checkout` |"),
        (("abc", "def+"), "commits, resumed in between | `abc, def+` |"),
        (("", "def"), "commits, resumed in between | `unknown, def` |"),
    ],
)
def test_a_card_names_all_commits(tmp_path, commits, line) -> None:
    run = TrainingRun("aif", commits, {}, "", [], {}, 1, "cpu", Progress(5), "Adam")
    write_card(tmp_path / "it.md", "it", ABOUT, run, 1, "architecture")
    assert f"| {line}\n" in (tmp_path / "it.md").read_text()


@pytest.mark.parametrize(
    "training, recipe, file",
    [
        (BlurTraining, BlurRecipe, "blur.yaml"),
        (FusionTraining, FusionRecipe, "fusion.yaml"),
        (PolicyTraining, PolicyRecipe, "policy.yaml"),
    ],
)
def test_the_optimiser_that_a_card_names_is_the_one_in_use(training, recipe, file) -> None:
    without_data = object.__new__(training)
    without_data.recipe = load_recipe(recipe, file)
    used = without_data.optimiser(PolicyNetwork())
    assert training.optimiser_name.startswith(f"{type(used).__name__} (")
