import time
from functools import partial

import pytest
import yaml
from rights import without_rights
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool

from aif_ros.devices import serial_port
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.motor import SimulatedMotor
from aif_ros.devices.simulators.serial_line import SerialSimulator
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.topics import LENS_COMMANDS, LENS_FAULT, LENS_LIMITS, LENS_STATE
from aif_ros.optics.lens_model import LensModel

# Between sending and taking a command, a loaded computer may do other things for longer than 1 s.
PATIENT = {"command_timeout": 3600.0}


def at(states, position):
    """Whether the lens rests at `position` (metres)."""
    return bool(states) and not states[-1].moving and abs(states[-1].position - position) < 1e-9


def send(bench, data):
    bench.talk(LENS_COMMANDS)(Float64MultiArray(data=data), raw=True)


def test_reports_and_obeys(bench):
    bench.active(LensNode, **PATIENT)
    states = bench.listen(LENS_STATE)
    bench.spin_until(lambda: at(states, 0.0))
    send(bench, [3e-4])
    bench.spin_until(lambda: at(states, 3e-4))
    stamps = [state.stamp for state in states]
    assert stamps == sorted(stamps)
    assert abs(stamps[-1] - time.time_ns()) < 5e9


def test_publishes_the_narrowest_limits(bench, tmp_path):
    with SerialSimulator(SimulatedMoonlite(), tmp_path / "tty") as line:
        calibration = tmp_path / "lens.yaml"
        LensModel("test", 4e-6, (0.0, 1.0e-2), 1e4, 640).save(calibration)
        source = f"{line.path}?high=2000"
        bench.active(
            LensNode,
            lens_backend="moonlite",
            lens_source=source,
            calibration=str(calibration),
        )
        limits = bench.listen(LENS_LIMITS)
        bench.spin_until(lambda: limits)
    assert limits[0] == pytest.approx((0.0, 8e-3))


def test_publishes_its_motion(bench):
    bench.active(LensNode, **PATIENT, lens_speed=1e-3)
    states = bench.listen(LENS_STATE)
    send(bench, [2e-4])
    bench.spin_until(lambda: at(states, 2e-4))
    on_the_way = [state for state in states if 0 < state.position < 1.99e-4]
    assert on_the_way
    assert all(state.moving for state in on_the_way)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([float("nan")], "nan is not a position"),
        ([float("inf")], "inf is not a position"),
        ([2e-3], "outside the limits 0 to 0.0015 m"),
        ([-1e-6], "outside the limits"),
        ([], "one position, not 0 numbers"),
        ([1e-4, 2e-4], "one position, not 2 numbers"),
    ],
)
def test_refuses_values_that_are_no_positions_and_stays(bench, diagnostics, logged, data, words):
    bench.active(LensNode, **PATIENT)
    states = bench.listen(LENS_STATE)
    send(bench, data)
    bench.spin_until(lambda: logged.find("WARN", words))
    bench.spin_until(lambda: diagnostics.find("lens", "WARN", words))
    assert diagnostics.last("lens")["refused commands"] == "1"
    bench.spin_until(lambda: states)
    assert all(state.position == 0.0 and not state.moving for state in states)
    # And it goes on to obey.
    send(bench, [1e-4])
    bench.spin_until(lambda: at(states, 1e-4))


def test_refuses_commands_while_inactive(bench, logged):
    node = bench.make(LensNode)
    node.trigger_configure()
    send(bench, [1e-4])
    bench.spin_until(lambda: logged.find("WARN", "refused, the lens stays: the node is not active"))
    states = bench.listen(LENS_STATE)
    node.trigger_activate()
    bench.spin_until(lambda: states)
    assert at(states, 0.0)


def test_refuses_stale_commands(bench, logged):
    node = bench.active(LensNode, command_timeout=0.05)
    states = bench.listen(LENS_STATE)
    talk = bench.talk(LENS_COMMANDS)
    bench.spin_until(lambda: states)
    talk(1e-4)
    # The command stays in the queue until it is stale.
    time.sleep(0.2)
    bench.spin_until(lambda: logged.find("WARN", r"it is stale, \d"))
    assert at(states, 0.0)
    assert node.diagnostics is not None


def test_a_stall_is_reported_and_recovered_from(bench, diagnostics, logged):
    node = bench.active(LensNode, **PATIENT)
    states, faults = bench.listen(LENS_STATE), bench.listen(LENS_FAULT)
    assert bench.call(SetBool, "lens/stall", data=True).success
    send(bench, [1e-3])
    bench.spin_until(lambda: diagnostics.find("lens", "ERROR", "the lens has stalled at"))
    bench.spin_until(lambda: len(faults) == 2)
    assert faults[0] == ""
    assert "the lens has stalled at" in faults[1]
    assert logged.count("ERROR", "the lens has stalled") == 1
    published = node._states.published
    bench.spin_for(0.2)
    assert node._states.published == published
    assert bench.call(SetBool, "lens/stall", data=False).success
    send(bench, [1e-3])
    bench.spin_until(lambda: at(states, 1e-3))
    bench.spin_until(lambda: faults[-1] == "")
    bench.spin_until(partial(diagnostics.find, "lens", "OK", "running"))


def test_reports_the_duration_of_a_move(bench, diagnostics):
    bench.active(LensNode, **PATIENT, lens_speed=1e-2, settling_time=0.05)
    send(bench, [1e-3])
    bench.spin_until(lambda: "last move took s" in diagnostics.last("lens"))
    assert 0.1 < float(diagnostics.last("lens")["last move took s"]) < 5.0
    assert diagnostics.hardware("lens") == "Wang 2021"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot configure: cannot read lens calibration .*: No such file"),
        ({"name": "half"}, "cannot configure: lens calibration .*: key 'metres_per_step' is"),
    ],
)
def test_an_unusable_calibration_fails_with_a_reason(bench, tmp_path, logged, content, words):
    path = tmp_path / "lens.yaml"
    if content is not None:
        path.write_text(yaml.safe_dump(content))
    node = bench.make(LensNode, calibration=str(path))
    assert node.trigger_configure().name == "FAILURE"
    bench.spin_until(lambda: logged.find("ERROR", words))
    assert not logged.find("ERROR", "Traceback")
    # Once the file is there, the node can be configured.
    good = {
        "name": "good",
        "metres_per_step": 1e-6,
        "limits": [0.0, 1e-3],
        "blur_per_metre": 9e4,
        "calibration_width": 640,
    }
    path.write_text(yaml.safe_dump(good))
    assert node.trigger_configure().name == "SUCCESS"


class TestRealLens:
    """A simulated Moonlite focuser on a serial port, driven by its real protocol."""

    @pytest.fixture
    def line(self, tmp_path, monkeypatch):
        monkeypatch.setattr(serial_port, "REPLY_TIMEOUT", 0.2)
        motor = SimulatedMotor(position=1000, speed=20000)
        with SerialSimulator(SimulatedMoonlite(motor), tmp_path / "tty") as line:
            yield line

    @pytest.fixture
    def states(self, bench, line):
        bench.active(
            LensNode, **PATIENT, lens_backend="moonlite", lens_source=f"{line.path}?high=8000"
        )
        states = bench.listen(LENS_STATE)
        bench.spin_until(lambda: at(states, 4e-3))
        return states

    def test_obeys_and_reports_its_motion(self, bench, line, states, diagnostics):
        send(bench, [2e-2])
        bench.spin_until(lambda: at(states, 2e-2))
        assert any(state.moving for state in states)
        assert line.device.motor.commands == [5000]
        bench.spin_until(lambda: diagnostics.find("lens", "OK", ""))
        assert diagnostics.hardware("lens").startswith("moonlite:")

    def test_unplugged_in_mid_move_and_plugged_in_again(
        self, bench, line, states, diagnostics, logged
    ):
        send(bench, [3e-2])
        bench.spin_until(lambda: states[-1].moving)
        line.unplug()
        bench.spin_until(lambda: diagnostics.find("lens", "ERROR", "connect"))
        bench.spin_until(lambda: logged.find("ERROR", "was disconnected"))
        line.plug_in()
        bench.spin_until(lambda: logged.find("INFO", "answers again"))
        bench.spin_until(lambda: diagnostics.newest("lens") == "OK")
        send(bench, [1e-2])
        bench.spin_until(lambda: at(states, 1e-2))

    def test_commands_while_unplugged_are_refused_and_later_ones_obeyed(
        self, bench, line, states, diagnostics, logged
    ):
        """As in a loop, whose controller repeats its command until the lens has arrived."""
        faults = bench.listen(LENS_FAULT)
        line.unplug()
        bench.spin_until(lambda: any("was disconnected" in fault for fault in faults))
        send(bench, [2e-2])
        bench.spin_until(lambda: logged.find("WARN", "command refused, the lens stays"))
        assert line.device.motor.commands == []
        line.plug_in()
        bench.spin_until(lambda: faults[-1] == "")
        bench.spin_until(lambda: logged.find("INFO", "the lens answers again"))
        send(bench, [2e-2])
        bench.spin_until(lambda: at(states, 2e-2))
        assert line.device.motor.commands == [5000]

    def test_a_jam_is_reported(self, bench, line, states, diagnostics):
        line.device.motor.blocked = True
        send(bench, [3e-2])
        bench.spin_until(lambda: diagnostics.find("lens", "ERROR", "has stalled at 0.004 m"))

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("/dev/nowhere", "cannot configure: .*there is no such port"),
            ("", "cannot configure: .*names no device"),
            ("/dev/null?speed=1", "cannot configure: .*has no setting 'speed'"),
        ],
    )
    def test_what_cannot_be_opened_fails_with_a_reason(self, bench, logged, source, words):
        node = bench.make(LensNode, lens_backend="moonlite", lens_source=source)
        assert node.trigger_configure().name == "FAILURE"
        bench.spin_until(lambda: logged.find("ERROR", words))
        assert not logged.find("ERROR", "Traceback")

    def test_a_port_without_rights_fails_until_it_has_them(self, bench, logged, line):
        def make():
            return bench.make(
                LensNode, lens_backend="moonlite", lens_source=f"{line.path}?high=8000"
            )

        # What is imported lazily may lie where only root can read.
        first = make()
        assert first.trigger_configure().name == "SUCCESS"
        bench.remove(first)
        node = make()
        with without_rights(line.path):
            assert node.trigger_configure().name == "FAILURE"
        bench.spin_until(lambda: logged.find("ERROR", "cannot configure: .*you may not open"))
        assert not logged.find("ERROR", "Traceback")
        assert node.trigger_configure().name == "SUCCESS"
