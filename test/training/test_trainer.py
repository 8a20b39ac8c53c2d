"""The trainer, with the blur network as its example: reproducible, resumable, in processes."""

import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from toy_training import KIND, ToyTraining
from training_data import write_photos, write_recipe

from aif_ros.__main__ import main
from aif_ros.defocus.network import BLUR_WEIGHTS
from aif_ros.training import trainer
from aif_ros.training.processes import Processes
from aif_ros.training.trainer import TrainingError, train
from aif_ros.weights.files import load_weights, save_weights

SMALL = {
    "batch": 4,
    "size": 64,
    "pool": 32,
    "warmup_steps": 1,
    "validate_every": 2,
    "validation_patches": 4,
    "calibration_patches": 4,
    "bfloat16": False,
}
ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(autouse=True)
def same_number_of_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def words(photos, folder, *more, steps=4, **changes):
    folder.mkdir(exist_ok=True)
    recipe = write_recipe(folder / "recipe.yaml", "blur", **SMALL | changes, steps=steps)
    return [
        *("train", "blur", "--photos", str(photos), "--recipe", str(recipe)),
        *("--folder", str(folder), "--output", str(folder / "w.safetensors")),
        *("--workers", "0", "--device", "cpu", *more),
    ]


def weights(folder):
    tensors = load_weights(folder / "w.safetensors", BLUR_WEIGHTS).network.state_dict()
    return torch.cat([value.flatten() for value in tensors.values()])


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    assert main(words(photos, folder)) == 0
    return folder


def test_writes_weights_with_provenance_and_a_card(finished, photos) -> None:
    loaded = load_weights(finished / "w.safetensors", BLUR_WEIGHTS)
    assert loaded.provenance.recipe["steps"] == 4
    assert len(loaded.provenance.trained_on) == 2
    assert loaded.fitted["temperature"] > 0 <= loaded.fitted["growth"]
    card = (finished / "w.md").read_text()
    assert "| squares | 2 | `" in card
    assert "steps: 4" in card
    assert str(photos) not in card
    assert list(finished.glob("events*"))


def test_licences_are_read_from_beside_the_photos(tmp_path) -> None:
    photos = write_photos(tmp_path / "photos")
    (photos / "licences.yaml").write_text("squares: CC0 1.0\n")
    assert main(words(photos, tmp_path / "run", steps=1)) == 0
    assert "CC0 1.0" in (tmp_path / "run" / "w.md").read_text()


def test_the_number_of_workers_makes_no_difference(photos, finished, tmp_path) -> None:
    assert main(words(photos, tmp_path, "--workers", "2")) == 0
    assert torch.equal(weights(tmp_path), weights(finished))


def test_starts_from_other_weights(photos, finished, tmp_path) -> None:
    initial = str(finished / "w.safetensors")
    arguments = words(photos, tmp_path, steps=1, initial=initial, learning_rate=1e-9)
    assert main(arguments) == 0
    torch.testing.assert_close(weights(tmp_path), weights(finished), rtol=0, atol=1e-6)
    card = (tmp_path / "w.md").read_text()
    assert "weights with SHA-256" in card
    assert "initial: w.safetensors" in card


def test_another_seed_gives_other_weights(photos, finished, tmp_path) -> None:
    assert main(words(photos, tmp_path, "--seed", "2")) == 0
    assert not torch.equal(weights(tmp_path), weights(finished))


def test_resumes_to_exactly_the_same_weights(photos, finished, tmp_path, monkeypatch) -> None:
    save = trainer.save_checkpoint

    def save_and_interrupt(*args) -> None:
        save(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", save_and_interrupt)
        patch.setattr(trainer, "source_commit", lambda: "before")
        main(words(photos, tmp_path))
    assert not (tmp_path / "w.safetensors").exists()
    monkeypatch.setattr(trainer, "source_commit", lambda: "after")
    assert main(words(photos, tmp_path, "--resume")) == 0
    assert torch.equal(weights(tmp_path), weights(finished))
    assert "| `before, after` |" in (tmp_path / "w.md").read_text()
    assert (
        load_weights(tmp_path / "w.safetensors", BLUR_WEIGHTS).provenance.commit == "before, after"
    )


def test_processes_train_together(photos, tmp_path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", "-m", "aif_ros", *words(photos, tmp_path, steps=2)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "2, cpu" in (tmp_path / "w.md").read_text()
    assert weights(tmp_path).isfinite().all()


class TestRefused:
    def error(self, capsys, arguments) -> str:
        capsys.readouterr()
        assert main(arguments) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        return lines[-1]

    def test_no_such_folder(self, tmp_path, capsys) -> None:
        message = self.error(capsys, words(tmp_path / "none", tmp_path))
        assert "there is no folder of photos" in message

    @pytest.mark.parametrize("fault", ["blurred", "black", "saturated", "small"])
    def test_photos_that_cannot_serve(self, fault, tmp_path, capsys) -> None:
        photos = write_photos(tmp_path / "photos")
        for path in photos.glob("*.png"):
            picture = cv2.imread(str(path))
            spoilt = {
                "blurred": cv2.GaussianBlur(picture, (0, 0), 12),
                "black": np.zeros_like(picture),
                "saturated": np.full_like(picture, 255),
                "small": picture[:50, :50],
            }[fault]
            cv2.imwrite(str(path), spoilt)
        message = self.error(capsys, words(photos, tmp_path / "run"))
        assert "sharp" in message
        assert not (tmp_path / "run" / "w.safetensors").exists()

    def test_photos_to_train_on_are_blurred(self, tmp_path, capsys, monkeypatch) -> None:
        from aif_ros.simulation.photos import is_held_out

        photos = write_photos(tmp_path / "photos")
        for path in photos.glob("*.png"):
            if not is_held_out(path):
                cv2.imwrite(str(path), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 12))
        monkeypatch.setattr(
            "aif_ros.training.blur_data.training_patches", lambda *_, **__: iter(())
        )
        message = self.error(capsys, words(photos, tmp_path / "run"))
        assert "not blurred, black or saturated" in message

    def test_output_of_another_suffix(self, photos, tmp_path, capsys) -> None:
        arguments = words(photos, tmp_path)
        arguments[arguments.index("--output") + 1] = str(tmp_path / "w.pt")
        assert ".safetensors" in self.error(capsys, arguments)

    def test_resume_without_checkpoint(self, photos, tmp_path, capsys) -> None:
        message = self.error(capsys, words(photos, tmp_path, "--resume"))
        assert "there is no checkpoint" in message

    def test_resume_with_another_recipe(self, photos, tmp_path, capsys) -> None:
        assert main(words(photos, tmp_path, steps=2)) == 0
        message = self.error(capsys, words(photos, tmp_path, "--resume", steps=6, batch=3))
        assert "another recipe (batch, steps)" in message

    @pytest.mark.parametrize("content", [b"", b"nothing", "pickle", "tensors"])
    def test_crafted_checkpoint_runs_nothing(self, content, photos, tmp_path, capsys) -> None:
        path = tmp_path / "checkpoint.pt"

        class Bomb:
            def __reduce__(self):
                return (open, (str(tmp_path / "executed"), "w"))

        if content == "pickle":
            torch.save({"network": Bomb(), "recipe": {}, "step": 1}, path)
        elif content == "tensors":
            torch.save({"network": torch.zeros(3)}, path)
        else:
            path.write_bytes(content)
        assert "damaged" in self.error(capsys, words(photos, tmp_path, "--resume"))
        assert not (tmp_path / "executed").exists()
        with pytest.raises((pickle.UnpicklingError, RuntimeError, EOFError, KeyError)):
            torch.load(path, weights_only=True)["recipe"]

    def test_cuda_where_there_is_none(self, photos, tmp_path, capsys, monkeypatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        message = self.error(capsys, words(photos, tmp_path, "--device", "cuda"))
        assert "no CUDA device" in message

    def test_diverging_training_stops(self, photos, tmp_path, capsys, monkeypatch) -> None:
        monkeypatch.setattr(
            "aif_ros.training.train_blur.blur_loss",
            lambda logits, batch: logits.sum() * float("inf"),
        )
        message = self.error(capsys, words(photos, tmp_path))
        assert "at step 0: lower the learning rate" in message


class TestSteps:
    """The loop, with a network that takes no time."""

    def run(self, folder, training=None, **changes):
        training = ToyTraining() if training is None else training
        return training, train(training, ALONE, folder, **changes)

    def test_each_step_has_its_rate_and_its_random_numbers(self, tmp_path):
        training, (network, progress) = self.run(tmp_path / "a")
        assert training.rates == pytest.approx([0.1 / (1 + step) for step in range(6)])
        assert [number for number, _, _ in training.drawn] == list(range(6))
        assert len({value for _, *values in training.drawn for value in values}) == 12
        again, _ = self.run(tmp_path / "b")
        assert again.drawn == training.drawn
        other, _ = self.run(tmp_path / "c", ToyTraining(seed=4))
        assert not {value for _, value, _ in other.drawn} & {value for _, value, _ in again.drawn}
        assert progress.step == 6
        assert not network.training

    def test_validates_in_evaluation_mode_between_the_steps_only(self, tmp_path):
        """Every two steps, but not after the last: the trained network is measured once more."""
        training, _ = self.run(tmp_path)
        assert training.modes == [True, True, False, True, True, False, True, True]

    @pytest.mark.parametrize("stop", [2, 4])
    def test_resumed_steps_are_those_of_an_uninterrupted_run(self, tmp_path, stop):
        class Interrupted(ToyTraining):
            def update(self, step):
                if step.number == stop:
                    raise KeyboardInterrupt
                return super().update(step)

        with pytest.raises(KeyboardInterrupt):
            self.run(tmp_path / "a", Interrupted())
        resumed, (network, progress) = self.run(tmp_path / "a", resume=True)
        whole, (expected, _) = self.run(tmp_path / "b")
        assert resumed.begun == (stop, 1)
        assert resumed.drawn == whole.drawn[stop:]
        assert torch.equal(network.line.weight, expected.line.weight)
        assert progress.step == 6

    @pytest.mark.parametrize("factor", [float("nan"), float("inf")])
    def test_a_loss_that_is_not_finite_ends_it_with_what_to_do(self, tmp_path, factor):
        class Diverging(ToyTraining):
            def scale(self, number):
                return factor if number == 3 else 1.0

        with pytest.raises(TrainingError, match="at step 3: lower the learning rate"):
            self.run(tmp_path, Diverging())

    def test_the_gradient_is_clipped(self, tmp_path):
        class Steep(ToyTraining):
            def scale(self, number):
                return 1e6

        training = Steep(steps=1, clip_norm=0.5)
        torch.manual_seed(training.recipe.seed)
        before = training.build().line.weight.detach()
        _, (network, _) = self.run(tmp_path, training)
        assert float((network.line.weight.detach() - before).norm()) == pytest.approx(
            0.1 * 0.5, rel=1e-3
        )

    def test_initial_weights_of_another_architecture_are_refused(self, tmp_path):
        class Wider(ToyTraining):
            inputs = 3

        path = tmp_path / "wide.safetensors"
        save_weights(path, KIND, Wider().build())
        with pytest.raises(TrainingError, match="is of another architecture: start from scratch"):
            self.run(tmp_path, ToyTraining(initial=str(path)))

    def test_the_curves_have_the_figures_of_all_steps(self, tmp_path):
        self.run(tmp_path)
        events = EventAccumulator(str(tmp_path)).Reload()
        assert set(events.Tags()["scalars"]) == {"loss", "learning_rate", "error"}
        assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
        assert [event.step for event in events.Scalars("error")] == [2, 4]
