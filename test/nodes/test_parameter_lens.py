"""A lens by parameter, against stand-ins that declare their parameters as the drivers do."""

import threading
import time

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lens_contract import LensContract
from patience import PATIENCE
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Float64MultiArray

from aif_ros.devices.camera_drivers import DRIVERS, ParameterLensSettings
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.nodes import parameter_lens
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.parameter_lens import ParameterLens
from aif_ros.nodes.topics import LENS_COMMANDS, LENS_STATE

DECLARED = {
    "camera_ros": {
        "AfMode": (2, ParameterDescriptor()),
        "LensPosition": (
            1.0,
            ParameterDescriptor(
                floating_point_range=[FloatingPointRange(from_value=0.0, to_value=32.0)]
            ),
        ),
    },
    "v4l2_camera": {
        "focus_automatic_continuous": (True, ParameterDescriptor()),
        "focus_absolute": (
            30,
            ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=250, step=5)]),
        ),
    },
    "usb_cam": {
        "autofocus": (True, ParameterDescriptor()),
        "focus": (-1, ParameterDescriptor()),
    },
    "depthai_ros": {
        "rgb.r_set_man_focus": (False, ParameterDescriptor()),
        "rgb.r_focus": (
            1,
            ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=255, step=1)]),
        ),
    },
}
MANUAL = {
    "camera_ros": {"AfMode": 0},
    "v4l2_camera": {"focus_automatic_continuous": False},
    "usb_cam": {"autofocus": False},
    "depthai_ros": {"rgb.r_set_man_focus": True},
}


class Driver:
    """A node with the parameters of a camera driver, in a thread of its own."""

    def __init__(self, bench, parameters, name="camera"):
        self.context = bench.context
        self.node = rclpy.create_node(name, context=self.context, namespace=bench.namespace)
        for parameter, (value, descriptor) in parameters.items():
            descriptor.name = parameter
            self.node.declare_parameter(parameter, value, descriptor)
        self.refuse = ""
        self.last_call = {}
        self.node.add_on_set_parameters_callback(self.decide)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.running = True
        self.thread = threading.Thread(target=self.spin)
        self.thread.start()

    def spin(self):
        while self.running:
            self.executor.spin_once(0.05)

    def decide(self, parameters):
        self.last_call = {parameter.name: parameter.value for parameter in parameters}
        return SetParametersResult(successful=not self.refuse, reason=self.refuse)

    def value(self, name):
        return self.node.get_parameter(name).value

    def close(self):
        if self.running:
            self.running = False
            self.thread.join()
            self.executor.shutdown()
            self.node.destroy_node()


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def make(bench, clock, monkeypatch):
    monkeypatch.setattr(parameter_lens, "CALL_TIMEOUT", 3.0)
    opened = []

    def make(preset, parameters=None, **settings):
        opened.append(Driver(bench, parameters or DECLARED[preset]))
        lens = ParameterLens(
            "camera",
            clock,
            ParameterLensSettings(
                preset=preset, **{"settling_time": 0.02, "stall_timeout": 1.0} | settings
            ),
            bench.node,
        )
        opened.append(lens)
        return opened[-2], lens

    yield make
    for each in reversed(opened):
        each.close()


class TestContract(LensContract):
    resolution = 2.5e-5

    @pytest.fixture
    def lens(self, make):
        return make("v4l2_camera")[1]


@pytest.mark.parametrize("preset", DRIVERS)
def test_each_driver_is_set_to_manual_focus_and_driven(make, preset):
    driver, lens = make(preset)
    for name, value in MANUAL[preset].items():
        assert driver.value(name) == value
    low, high = lens.limits
    assert low == 0.0
    move(lens, 0.6 * high)
    assert driver.value(DRIVERS[preset].parameter) * 1e-5 == pytest.approx(0.6 * high, abs=1e-5)


def move(lens, position):
    lens.move_to(position)
    deadline = time.monotonic() + PATIENCE
    while lens.state().moving:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("preset", DRIVERS)
def test_each_position_comes_in_one_call_with_manual_focus(make, preset):
    # Of the calls between two frames camera_ros applies only the last one.
    driver, lens = make(preset)
    move(lens, 0.5 * lens.limits[1])
    assert driver.last_call == MANUAL[preset] | {
        DRIVERS[preset].parameter: driver.value(DRIVERS[preset].parameter)
    }


def test_automatic_focus_that_others_switch_on_is_switched_off_again(make):
    driver, lens = make("v4l2_camera")
    driver.node.set_parameters([rclpy.Parameter("focus_automatic_continuous", value=True)])
    move(lens, 1e-3)
    assert driver.value("focus_automatic_continuous") is False


def test_automatic_focus_of_another_sensor(make):
    # The colour sensor is called "color" where depthai_ros imitates a RealSense camera.
    declared = {
        name.replace("rgb.", "color."): value for name, value in DECLARED["depthai_ros"].items()
    }
    driver, lens = make("depthai_ros", declared, parameter="color.r_focus")
    assert driver.value("color.r_set_man_focus") is True
    move(lens, 1e-3)
    assert driver.value("color.r_focus") == 100


def test_metadata_of_the_frames_show_when_the_lens_has_arrived(make):
    # As camera_ros publishes them: one status for each frame, named by its frame_id.
    parameters = DECLARED["camera_ros"] | {"frame_id": ("left_eye", ParameterDescriptor())}
    driver, lens = make("camera_ros", parameters, settling_time=60.0, stall_timeout=30.0)
    publisher = driver.node.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def show(position, frame_id="left_eye"):
        message = DiagnosticArray()
        message.header.frame_id = frame_id
        values = [
            KeyValue(key="AfState", value="0"),
            KeyValue(key="LensPosition", value=str(position)),
        ]
        message.status = [DiagnosticStatus(values=values)]
        publisher.publish(message)

    def wait_until(condition, position, **other):
        deadline = time.monotonic() + PATIENCE
        while not condition(lens.state()):
            assert time.monotonic() < deadline
            show(position, **other)
            time.sleep(0.02)

    wait_until(lambda state: state.position == pytest.approx(1.5e-5), 1.5)
    lens.move_to(8e-5)
    wait_until(lambda state: state.position == pytest.approx(4e-5) and state.moving, 4.0)
    for _ in range(5):
        show(8.0, frame_id="right_eye")
        assert lens.state().moving
    # At rest long before the stated 60 s; the metadata are rounded, the position is not.
    wait_until(lambda state: not state.moving and state.position == pytest.approx(8e-5), 7.97)


def test_automatic_focus_under_its_old_name(make):
    parameters = dict(DECLARED["v4l2_camera"])
    parameters["focus_auto"] = parameters.pop("focus_automatic_continuous")
    driver, _ = make("v4l2_camera", parameters)
    assert driver.value("focus_auto") is False


def test_a_refused_position_is_an_error_with_the_reason(make):
    driver, lens = make("v4l2_camera")
    driver.refuse = "the device is busy"
    lens.move_to(1e-3)
    with pytest.raises(DeviceError, match="refuses the position: the device is busy"):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lens.state()
            time.sleep(0.01)


def test_focus_set_by_others_is_noticed(make):
    driver, lens = make("v4l2_camera")
    driver.node.set_parameters([rclpy.Parameter("focus_absolute", value=100)])
    deadline = time.monotonic() + PATIENCE
    while lens.state().position != pytest.approx(1e-3):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_driver_that_ends_and_starts_again(make, bench):
    driver, lens = make("v4l2_camera")
    driver.close()
    deadline = time.monotonic() + PATIENCE

    def fails():
        try:
            lens.state()
        except ConnectionLostError:
            return True
        return False

    while not fails():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = Driver(bench, DECLARED["v4l2_camera"])
    while fails():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again.close()


def test_version_3_of_depthai_ros(make):
    # It declares the focus without a range.
    driver, lens = make(
        "depthai_ros",
        {
            "rgb.r_set_man_focus": (True, ParameterDescriptor()),
            "rgb.r_focus": (1, ParameterDescriptor()),
        },
    )
    assert lens.limits == pytest.approx((0.0, 2.55e-3))
    move(lens, 1e-3)
    assert driver.value("rgb.r_focus") == 100


def test_version_3_of_depthai_ros_that_was_started_with_automatic_focus(bench, clock):
    # It has no focus then, and would move the lens anywhere when manual focus is switched on.
    driver = Driver(bench, {"rgb.r_set_man_focus": (False, ParameterDescriptor())})
    with pytest.raises(DeviceError, match="start the driver with r_set_man_focus: true"):
        ParameterLens("camera", clock, ParameterLensSettings(preset="depthai_ros"), bench.node)
    assert driver.value("rgb.r_set_man_focus") is False
    driver.close()


def test_a_node_without_such_a_parameter(make):
    with pytest.raises(DeviceError, match="focus_absolute of camera does not exist"):
        make("v4l2_camera", {"brightness": (1, ParameterDescriptor())})


def test_a_parameter_that_is_no_number(make):
    with pytest.raises(DeviceError, match="focus_absolute of camera is no number"):
        make("v4l2_camera", {"focus_absolute": ("near", ParameterDescriptor())})


def test_no_such_node(bench, clock, monkeypatch):
    monkeypatch.setattr(parameter_lens, "CALL_TIMEOUT", 0.2)
    with pytest.raises(ConnectionLostError, match="that node is not running"):
        ParameterLens("/nowhere", clock, ParameterLensSettings(preset="usb_cam"), bench.node)


def test_the_lens_node_drives_a_camera_driver(bench):
    driver = Driver(bench, DECLARED["v4l2_camera"])
    bench.active(
        LensNode,
        lens_backend="ros_parameter",
        lens_source="camera?preset=v4l2_camera&settling_time=0.02",
    )
    states = bench.listen(LENS_STATE)
    bench.talk(LENS_COMMANDS)(Float64MultiArray(data=[1.5e-3]), raw=True)
    bench.spin_until(
        lambda: states and not states[-1].moving and states[-1].position == pytest.approx(1.5e-3)
    )
    assert driver.value("focus_absolute") == 150
    driver.close()
