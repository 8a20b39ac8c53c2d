from aif_ros.pipeline.settling import SettleDetector
from aif_ros.types.frame import LensState

MS = 1_000_000


def settled():
    watch = SettleDetector(1e-6, reaction_timeout=0.5)
    watch.observe(LensState(1, 0.0, False))
    return watch


def test_a_lens_at_rest_from_the_start_is_settled_at_zero():
    assert settled().settled_at == 0


def test_a_lens_first_seen_in_motion_has_not_settled():
    watch = SettleDetector(1e-6, reaction_timeout=0.5)
    watch.observe(LensState(10, 0.0, True))
    assert watch.settled_at is None
    watch.observe(LensState(20, 0.0, False))
    assert watch.settled_at == 20


def test_settled_after_a_move():
    watch = settled()
    watch.command(1e-4, 10 * MS)
    assert watch.settled_at is None
    # What was sent before the command, and what the lens says before it reacts, do not count.
    watch.observe(LensState(9 * MS, 0.0, False))
    watch.observe(LensState(15 * MS, 0.0, False))
    assert watch.settled_at is None
    watch.observe(LensState(20 * MS, 5e-5, True))
    assert watch.settled_at is None
    watch.observe(LensState(30 * MS, 1e-4, False))
    assert watch.settled_at == 30 * MS
    watch.observe(LensState(40 * MS, 1e-4, False))
    assert watch.settled_at == 30 * MS


def test_a_move_faster_than_the_reports():
    watch = settled()
    watch.command(1e-4, 10 * MS)
    watch.observe(LensState(20 * MS, 1e-4, False))
    assert watch.settled_at == 20 * MS


def test_a_lens_that_ends_elsewhere():
    watch = settled()
    watch.command(1e-4, 10 * MS)
    watch.observe(LensState(20 * MS, 5e-5, True))
    watch.observe(LensState(30 * MS, 5e-5, False))
    assert watch.settled_at == 30 * MS


def test_a_lens_that_does_not_react():
    watch = settled()
    watch.command(1e-4, 10 * MS)
    watch.observe(LensState(500 * MS, 0.0, False))
    assert watch.settled_at is None
    watch.observe(LensState(520 * MS, 0.0, False))
    assert watch.settled_at == 520 * MS


def test_moved_by_another_program():
    watch = settled()
    watch.command(1e-4, 10 * MS)
    watch.observe(LensState(20 * MS, 1e-4, False))
    watch.observe(LensState(30 * MS, 2e-4, True))
    assert watch.settled_at is None
    watch.observe(LensState(40 * MS, 3e-4, False))
    assert watch.settled_at == 40 * MS
    watch.release()
    assert watch.settled_at is None
    watch.observe(LensState(50 * MS, 3e-4, False))
    assert watch.settled_at == 50 * MS


def test_a_lens_queried_directly_has_settled_if_it_does_not_move():
    watch = SettleDetector(1e-6, reaction_timeout=0.0)
    watch.command(1e-4, 10 * MS)
    watch.observe(LensState(10 * MS, 0.0, False))
    assert watch.settled_at is None
    watch.observe(LensState(11 * MS, 0.0, False))
    assert watch.settled_at == 11 * MS


def test_commands_that_are_ignored_are_counted():
    lens = SettleDetector(1e-6, reaction_timeout=1e-8)
    lens.observe(LensState(1, 0.0, False))
    for index in range(3):
        now = 100 * (index + 1)
        lens.command(5e-4, now)
        lens.observe(LensState(now + 5, 0.0, False))
        assert lens.ignored == index
        lens.observe(LensState(now + 50, 0.0, False))
        assert lens.ignored == index + 1
    lens.command(5e-4, 400)
    lens.observe(LensState(410, 1e-4, True))
    lens.observe(LensState(420, 5e-4, False))
    assert lens.ignored == 0
