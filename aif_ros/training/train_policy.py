"""Training of the learned focus-control agent.

First by the paper's rule: REINFORCE with a baseline, reward 1 where the chosen window of J was
still out of focus. That teaches where to look but neither how many frames a look is worth nor when
to stop; the result is kept as the policy `paper`. Then by proximal policy optimisation (Schulman et
al., 2017): in still scenes on coverage less the costs of frames and travel, with stopping as an
action; in moving scenes on the PSNR of J.

The layout follows cleanrl: one file, read from top to bottom.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from aif_ros.control.focus_belief import FocusBelief
from aif_ros.control.policy_features import policy_features
from aif_ros.control.policy_network import PolicyNetwork, best_action
from aif_ros.control.sweep import sweep_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.oracle import oracle_positions
from aif_ros.training.estimator_surrogate import EstimatorSurrogate
from aif_ros.training.focus_environment import FocusSimulation, Task

_LOGGER = logging.getLogger(__name__)

Array = NDArray[np.floating]

_REWARD_SCALE = 0.1
"""Makes returns about one: else the error of the value drowns the gradient of the policy."""


@dataclass(frozen=True)
class PolicySettings:
    """Everything the training depends on beside lens, surrogate and real focus maps.

    Attributes:
        seed: of weights, scenes and actions.
        paper_rounds: rounds by the paper's rule.
        rounds: rounds of PPO.
        scenes: still scenes per round, and as many moving ones.
        steps: frames of each scene per round.
        paper_steps: frames of an episode under the paper's rule.
        widths: image widths, pixels; each round draws one, for the depth of field depends on it.
        grids: (rows, columns) of the blur maps; each round draws one.
        learning_rate: at first; falls to zero along a cosine.
        paper_discount: discount under the paper's rule.
        discount: of a frame in still scenes; of a frame period in moving ones, so that long
            moves do not bring the future nearer.
        trace: lambda of the generalised advantage estimate.
        clip: largest change of an action's probability ratio.
        epochs: passes over the frames of a round.
        minibatches: parts they are split into.
        entropy: weight of the entropy bonus at first; falls with the learning rate.
        lens_speeds: metres per second; each round draws one. With the fast ones, no frame on the
            way can be used.
        scene_types: "still", "moving": what PPO trains policies for.
        checkpoint_every: rounds between checkpoints.
    """

    seed: int = 1
    paper_rounds: int = 40
    rounds: int = 300
    scenes: int = 96
    steps: int = 16
    paper_steps: int = 12
    widths: tuple[int, ...] = (480, 640, 752, 960)
    grids: tuple[tuple[int, int], ...] = ((8, 10), (12, 16), (16, 20))
    learning_rate: float = 3e-4
    paper_discount: float = 0.9
    discount: tuple[float, float] = (0.98, 0.96)
    trace: float = 0.9
    clip: float = 0.2
    epochs: int = 2
    minibatches: int = 4
    entropy: float = 0.001
    lens_speeds: tuple[float, ...] = (5e-3, 5e-3, 5e-3, 20e-3)
    scene_types: tuple[str, ...] = ("still", "moving")
    checkpoint_every: int = 100


@dataclass(frozen=True)
class _Rollout:
    """Frames of one batch of scenes; T frames, B scenes.

    Attributes:
        features: (T, B, FEATURES, K).
        actions, log_probabilities, advantages, returns: (T, B).
        barred: (T, B, K + 1) actions that could not be taken.
    """

    features: Tensor
    actions: Tensor
    log_probabilities: Tensor
    advantages: Tensor
    returns: Tensor
    barred: Tensor


class PolicyTrainer:
    """Trains one policy.

    Args:
        lens_model: the lens that the scenes are seen through.
        settings: see there.
        surrogate: the estimator's errors.
        backgrounds: (N, h, w) focus maps of real scenes, shares of the travel, or None.
        folder: for checkpoint and TensorBoard logs.
    """

    def __init__(
        self,
        lens_model: LensModel,
        settings: PolicySettings,
        surrogate: EstimatorSurrogate,
        backgrounds: Array | None,
        folder: Path,
    ) -> None:
        self._lens_model = lens_model
        self._settings = settings
        self._surrogate = surrogate
        self._backgrounds = backgrounds
        self._checkpoint = folder / "checkpoint.pt"
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = SummaryWriter(str(folder))
        torch.manual_seed(settings.seed)
        self._random = np.random.default_rng(settings.seed)
        self.network = PolicyNetwork()
        self._optimiser = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, eps=1e-5
        )
        self._round = 0
        self.seconds = 0.0
        """Spent on training, earlier sittings included."""

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; returns whether there is one."""
        if not self._checkpoint.exists():
            return False
        state = torch.load(self._checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._random.bit_generator.state = state["random"]
        torch.set_rng_state(state["torch_random"])
        self._round = state["round"]
        self.seconds = state["seconds"]
        return True

    def train(self) -> None:
        """Train to the end of the settings, from wherever it stands."""
        settings = self._settings
        total = settings.paper_rounds + settings.rounds
        started = time.monotonic() - self.seconds
        bar = tqdm(total=total, initial=self._round, unit="round", dynamic_ncols=True)
        while self._round < total:
            if self._round < settings.paper_rounds:
                figures = self._paper_round()
            else:
                if self._round == settings.paper_rounds:
                    self._begin_ppo()
                figures = self._ppo_round()
            self._round += 1
            self.seconds = time.monotonic() - started
            bar.update()
            for name, value in figures.items():
                self._writer.add_scalar(name, value, self._round)
            if self._round % settings.checkpoint_every == 0 or self._round == total:
                self._save_checkpoint()
                bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()})
        bar.close()
        self._writer.close()

    def _simulation(self, task: Task, width: int) -> FocusSimulation:
        return FocusSimulation(
            self._lens_model,
            width,
            self._settings.scenes,
            task,
            surrogate=self._surrogate,
            backgrounds=self._backgrounds,
            seed=int(self._random.integers(2**31)),
        )

    def _draw_task(self) -> tuple[Task, int]:
        """Return a task of still scenes, and the width of the images in pixels."""
        settings, random = self._settings, self._random
        width = settings.widths[random.integers(len(settings.widths))]
        grid = settings.grids[random.integers(len(settings.grids))]
        speed = settings.lens_speeds[random.integers(len(settings.lens_speeds))]
        return Task(grid=grid, lens_speed=speed), width

    # --- by the paper's rule ------------------------------------------------------------------

    def _paper_round(self) -> dict[str, float]:
        """REINFORCE with baseline: reward 1 where the chosen window of J is still blurred.

        In still and in moving scenes in turn.
        """
        settings = self._settings
        task, width = self._draw_task()
        simulation = self._simulation(replace(task, dynamic=self._round % 2 == 1), width)
        memory = self._memory(simulation, width)
        features, barred, actions, rewards = [], [], [], []
        for _ in range(settings.paper_steps):
            _take_in(memory, simulation)
            features.append(torch.from_numpy(policy_features(memory)))
            with torch.no_grad():
                logits, _ = self.network.paper(features[-1])
            # The paper's agent has no action to stop.
            barred.append(_barred(memory, no_stop=True))
            action = _distribution(logits, barred[-1]).sample()
            chosen = action.numpy()
            window = memory.window(chosen)
            blur = np.take_along_axis(simulation.fused_radius, window[:, None], 1)[:, 0]
            seen = np.take_along_axis(simulation.visible, window[:, None], 1)[:, 0]
            blurred = (blur > self._lens_model.depth_of_field_px) & seen
            rewards.append(torch.from_numpy(blurred.astype(np.float32)))
            actions.append(action)
            # As in the paper, the window is brought into focus whatever the agent believes of it:
            # else the most is earned by windows that never come into focus.
            focus = np.take_along_axis(simulation.focus_positions, window[:, None, None], 1)
            target = np.median(focus[:, 0], axis=1)
            simulation.step(np.abs(simulation.positions - target[:, None]).argmin(axis=1))
        returns = torch.stack(rewards) * _REWARD_SCALE
        for t in reversed(range(len(rewards) - 1)):
            returns[t] += settings.paper_discount * returns[t + 1]
        logits, value = self.network.paper(torch.cat(features))
        distribution = _distribution(logits, torch.cat(barred))
        advantage = returns.flatten() - value
        log_probability = distribution.log_prob(torch.cat(actions))
        gain = (_normalised(advantage.detach()) * log_probability).mean()
        loss = 0.5 * advantage.square().mean() - gain
        self._descend(loss - settings.entropy * distribution.entropy().mean())
        return {"paper/reward": float(torch.stack(rewards).mean())}

    def _begin_ppo(self) -> None:
        """Start the policies of PPO from what the paper's rule has taught."""
        for name in self._settings.scene_types:
            branch = getattr(self.network, name)
            greed = branch.greed.detach().clone()
            branch.load_state_dict(self.network.paper.state_dict())
            branch.greed.data.copy_(greed)

    # --- by proximal policy optimisation --------------------------------------------------------

    def _ppo_round(self) -> dict[str, float]:
        settings = self._settings
        progress = (self._round - settings.paper_rounds) / settings.rounds
        fall = 0.5 * (1 + np.cos(np.pi * progress))
        for group in self._optimiser.param_groups:
            group["lr"] = float(settings.learning_rate * fall)
        task, width = self._draw_task()
        rollouts, figures = [], {}
        for name in settings.scene_types:
            rollout, reward = self._roll_out(replace(task, dynamic=name == "moving"), width)
            rollouts.append(rollout)
            figures[f"{name}/reward"] = reward
        features = torch.cat([r.features.flatten(0, 1) for r in rollouts])
        actions = torch.cat([r.actions.flatten() for r in rollouts])
        old = torch.cat([r.log_probabilities.flatten() for r in rollouts])
        # Gains of still and of moving scenes are of different sizes: each counts alike.
        advantages = torch.cat([_normalised(r.advantages).flatten() for r in rollouts])
        returns = torch.cat([r.returns.flatten() for r in rollouts])
        barred = torch.cat([r.barred.flatten(0, 1) for r in rollouts])
        for _ in range(settings.epochs):
            for part in torch.randperm(len(actions)).chunk(settings.minibatches):
                logits, value = self.network(features[part])
                distribution = _distribution(logits, barred[part])
                ratio = (distribution.log_prob(actions[part]) - old[part]).exp()
                gain = torch.minimum(
                    ratio * advantages[part],
                    ratio.clamp(1 - settings.clip, 1 + settings.clip) * advantages[part],
                ).mean()
                error = (value - returns[part]).square().mean()
                entropy = distribution.entropy().mean()
                self._descend(-gain + 0.5 * error - settings.entropy * fall * entropy)
        figures |= {"loss/value": float(error.detach()), "loss/entropy": float(entropy.detach())}
        return figures

    def _roll_out(self, task: Task, width: int) -> tuple[_Rollout, float]:
        settings = self._settings
        simulation = self._simulation(task, width)
        memory = self._memory(simulation, width)
        shape = (settings.steps, settings.scenes)
        features, barred, actions = [], [], torch.zeros(shape, dtype=torch.long)
        log_probabilities, rewards, values = (torch.zeros(shape) for _ in range(3))
        ends, discounts = torch.zeros(shape), torch.zeros(shape)
        for t in range(settings.steps):
            _take_in(memory, simulation)
            features.append(torch.from_numpy(policy_features(memory)))
            with torch.no_grad():
                logits, values[t] = self.network(features[-1])
            barred.append(_barred(memory, no_stop=task.dynamic))
            distribution = _distribution(logits, barred[-1])
            actions[t] = distribution.sample()
            log_probabilities[t] = distribution.log_prob(actions[t])
            _, reward, done = simulation.step(actions[t].numpy())
            rewards[t] = torch.from_numpy(reward * _REWARD_SCALE)
            ends[t] = torch.from_numpy(done)
            periods = simulation.periods if task.dynamic else np.ones(settings.scenes)
            discounts[t] = torch.from_numpy(settings.discount[int(task.dynamic)] ** periods)
            if done.any():
                simulation.reset(done)
                memory.forget(done)
        _take_in(memory, simulation)
        with torch.no_grad():
            _, following = self.network(torch.from_numpy(policy_features(memory)))
        advantages = torch.zeros(shape)
        running = torch.zeros(settings.scenes)
        for t in reversed(range(settings.steps)):
            going_on = 1 - ends[t]
            surprise = rewards[t] + discounts[t] * following * going_on - values[t]
            running = surprise + discounts[t] * settings.trace * going_on * running
            advantages[t], following = running, values[t]
        rollout = _Rollout(
            torch.stack(features),
            actions,
            log_probabilities,
            advantages,
            advantages + values,
            torch.stack(barred),
        )
        return rollout, float(rewards.mean()) / _REWARD_SCALE

    def _memory(self, simulation: FocusSimulation, width: int) -> FocusBelief:
        scenes, cells = simulation.visible.shape
        return FocusBelief(self._lens_model, width, scenes, cells, simulation.task.dynamic)

    def _descend(self, loss: Tensor) -> None:
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        self._optimiser.step()

    def _save_checkpoint(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "random": self._random.bit_generator.state,
            "torch_random": torch.get_rng_state(),
            "round": self._round,
            "seconds": self.seconds,
        }
        # Written aside first: an interruption must not leave half a checkpoint.
        aside = self._checkpoint.with_suffix(".tmp")
        torch.save(state, aside)
        aside.replace(self._checkpoint)


def _take_in(memory: FocusBelief, simulation: FocusSimulation) -> None:
    for seen, which in simulation.passed:
        memory.update(seen, which, passing=True)
    memory.update(simulation.readings)


def _barred(memory: FocusBelief, *, no_stop: bool) -> Tensor:
    """(B, K + 1) bool: actions without use; stopping where that is not to be had."""
    stop = np.full((len(memory.barred), 1), no_stop)
    return torch.from_numpy(np.concatenate([memory.barred, stop], axis=1))


def _distribution(logits: Tensor, barred: Tensor) -> torch.distributions.Categorical:
    return torch.distributions.Categorical(logits=logits.masked_fill(barred, -1e9))


def _normalised(values: Tensor) -> Tensor:
    return (values - values.mean()) / (values.std() + 1e-8)


def evaluate(
    network: PolicyNetwork,
    lens_model: LensModel,
    surrogate: EstimatorSurrogate,
    backgrounds: Array | None = None,
    *,
    image_width: int = 640,
    scenes: int = 256,
    seed: int = 1_000_003,
) -> dict[str, float]:
    """Score a policy in the simulation, on scenes it was not trained on.

    Returns:
        For still scenes the mean coverage, the share of scenes covered to 97 %, the mean number of
        frames, their ratio to an oracle's that covers every depth, J's PSNR less that after a full
        sweep (dB), and the share of episodes it stopped by itself; for moving scenes J's mean
        PSNR, and that of the sweep's.
    """

    def simulation(dynamic: bool) -> FocusSimulation:
        return FocusSimulation(
            lens_model,
            image_width,
            scenes,
            Task(dynamic=dynamic),
            surrogate=surrogate,
            backgrounds=backgrounds,
            seed=seed,
        )

    still = simulation(dynamic=False)
    oracle = np.array(
        [
            1 + len(oracle_positions(focus[seen], still.depth_of_field, start=float(start)))
            for focus, seen, start in zip(
                still.focus_positions, still.visible, still.readings.position, strict=True
            )
        ]
    )
    stopped = np.zeros(scenes, bool)
    memory = FocusBelief(lens_model, image_width, scenes, still.visible.shape[1])
    done = np.zeros(scenes, bool)
    while not done.all():
        action = _best(network, memory, still, dynamic=False)
        action = np.where(done, len(still.positions), action)
        stopped |= action == len(still.positions)
        done |= still.step(action)[2]
    frames, quality = still.frames.copy(), still.quality()
    sweep = sweep_positions(lens_model, image_width)
    swept = simulation(dynamic=False)
    for position in sweep:
        swept.step(np.full(scenes, np.abs(swept.positions - position).argmin()))
    covered = still.covered()
    figures = {
        "covered": float(covered.mean()),
        "scenes_covered_97_percent": float((covered >= 0.97).mean()),
        "frames": float(frames.mean()),
        "frames_over_oracle": float((frames / oracle).mean()),
        "psnr_minus_sweep": float((quality - swept.quality()).mean()),
        "stopped_by_itself": float(stopped.mean()),
    }
    for name in ("moving_psnr", "moving_psnr_sweep"):
        moving = simulation(dynamic=True)
        memory = FocusBelief(lens_model, image_width, scenes, moving.visible.shape[1], True)
        total, lasted = np.zeros(scenes), np.zeros(scenes)
        there_and_back = sweep + sweep[-2:0:-1]
        count, done = 0, np.zeros(scenes, bool)
        while not done.all():
            if name == "moving_psnr":
                action = _best(network, memory, moving, dynamic=True)
            else:
                position = there_and_back[count % len(there_and_back)]
                action = np.full(scenes, np.abs(moving.positions - position).argmin())
            before = moving.seconds.copy()
            ended = moving.step(action)[2]
            elapsed = np.where(done, 0, moving.seconds - before)
            total, lasted = total + moving.shown * elapsed, lasted + elapsed
            done |= ended
            count += 1
        figures[name] = float((total / lasted).mean())
    return figures


def _best(
    network: PolicyNetwork, memory: FocusBelief, simulation: FocusSimulation, dynamic: bool
) -> NDArray[np.intp]:
    _take_in(memory, simulation)
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(policy_features(memory)))
    return best_action(logits, _barred(memory, no_stop=dynamic)).numpy()


def train_policy(
    lens_model: LensModel,
    settings: PolicySettings,
    surrogate: EstimatorSurrogate,
    backgrounds: Array | None,
    folder: Path,
    *,
    resume: bool = False,
) -> tuple[PolicyNetwork, dict[str, float]]:
    """Train a policy from scratch, or on from the folder's checkpoint, and score it.

    Returns:
        The network, and the figures of `evaluate` together with the seconds of training, all
        sittings.
    """
    trainer = PolicyTrainer(lens_model, settings, surrogate, backgrounds, folder)
    if resume and not trainer.resume():
        _LOGGER.warning("no checkpoint in %s: training from scratch", folder)
    trainer.train()
    figures = evaluate(trainer.network, lens_model, surrogate, backgrounds)
    figures["training_seconds"] = trainer.seconds
    return trainer.network, figures


def write_model_card(
    path: Path,
    command: Sequence[str],
    settings: PolicySettings,
    figures: dict[str, float],
    estimator: str,
) -> None:
    """Write what a user of the weights must know, as Markdown beside them."""
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in figures.items())
    values = "\n".join(f"| {name} | {value} |" for name, value in asdict(settings).items())
    path.write_text(
        f"""# Policy of the learned focus-control agent

**What it does.** Rates the next lens position, and stopping, from what the distance maps of I(t)
and J(t), the contrast of J's cells and the lens positions that J's pixels come from have told so
far (`aif_ros/control/focus_belief.py`). It sees no picture.

**Network.** One-dimensional convolutions along the lens's travel, in units of the depth of field
(`aif_ros/control/policy_network.py`): the same weights for any lens, image size and grid of cells.

**Training.** `{" ".join(command)}`: simulated scenes, read with the errors that the estimator
`{estimator}` made on rendered frames; first REINFORCE with a baseline by the paper's rule, in
moving scenes (reward 1 where the chosen window was still out of focus), then PPO on the gain of J
in dB less the cost of a frame, in still and in moving scenes: the paper's reward is blind to what
a frame costs, and to stopping.

**Limits.** What the maps do not show it cannot know: textureless parts count as focused.
In moving scenes it knows no velocities; it forgets by and by and looks again.

| measured in the simulation, on scenes not trained on | |
|---|---|
{rows}

`aif benchmark control` measures it in the whole loop.

| setting | |
|---|---|
{values}
"""
    )
