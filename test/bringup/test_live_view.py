"""The live page of a running pipeline: by its WebSocket, and in a real browser."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import rclpy
from patience import PATIENCE
from rclpy.signals import SignalHandlerOptions
from real_browser import needs_browser, open_page
from websockets.sync.client import connect

from aif_ros.nodes.topics import FUSED_COMPRESSED
from aif_ros.view.hub import IMAGES

DOMAIN = 40 + os.getpid() % 60
PIPELINE = f"page_{os.getpid()}"
TIMEOUT = PATIENCE


def start(*words):
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "aif_ros", *words, "--namespace", PIPELINE],
        env=environment,
        stdout=subprocess.PIPE if words[0] == "view" else subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture(scope="module")
def address():
    """Where the page of a running pipeline is."""
    scene = ("--scene", "planes", "--width", "320", "--preset", "classical", "--agent", "sweep")
    with start("run", "--one-process", "--forever", *scene) as pipeline:
        try:
            with start("view", "--port", "0") as view:
                try:
                    first = view.stdout.readline()
                    assert re.fullmatch(r"http://localhost:\d+/\n", first), first
                    yield first.strip()
                finally:
                    view.send_signal(signal.SIGINT)
            assert view.returncode == 0
        finally:
            pipeline.terminate()


class Browser:
    """Takes what a browser would get."""

    def __init__(self, socket):
        self._socket = socket

    def send(self, command, **fields):
        self._socket.send(json.dumps({"command": command, **fields}))

    def wait(self, kind, condition=lambda value: True):
        """The next value of a kind that fulfils the condition.

        Lens states come all the time: the wait is over where nothing of the kind comes.
        """
        newest, since = None, time.monotonic()
        while True:
            message = self._socket.recv(timeout=TIMEOUT)
            if isinstance(message, str):
                content = json.loads(message)
                found, value = content["kind"], content["value"]
            else:
                found, value = IMAGES[message[0]], message[9:]
            if found == kind:
                newest, since = value, time.monotonic()
                if condition(value):
                    return value
            assert time.monotonic() - since < TIMEOUT, f"the newest {kind}: {newest}"


@pytest.fixture
def browser(address):
    with connect(address.replace("http", "ws") + "live", open_timeout=TIMEOUT) as socket:
        yield Browser(socket)


def stopped(state):
    return state["state"] == "stopped"


def test_pictures_state_and_diagnostics_come(browser):
    for kind in IMAGES:
        assert browser.wait(kind).startswith(b"\xff\xd8")  # JPEG
    browser.wait("state", stopped)
    names = browser.wait("diagnostics", lambda value: len(value) == 5)
    assert {each["name"] for each in names} == {
        "autofocus",
        "camera",
        "focus_controller",
        "fusion",
        "lens",
    }
    lens = browser.wait("lens", lambda value: value["states"])
    assert all(0 <= position <= 1.5e-3 for _, position, _ in lens["states"])


def test_setup_names_agents_and_limits(browser):
    setup = browser.wait("setup")
    assert setup["agent"] in setup["agents"]
    assert setup["mode"] == "static"
    assert setup["limits"] == [0.0, 1.5e-3]


def test_buttons_control_the_loop(browser):
    browser.send("reset")
    assert browser.wait("answer")["success"]
    browser.wait("state", lambda state: state["state"] == "running")
    browser.send("stop")
    browser.wait("state", lambda state: state["state"] == "idle")
    browser.send("start")
    browser.wait("state", stopped)


def test_a_click_focuses_there(browser):
    browser.send("focus", x=40, y=60, width=320, height=240)
    window = browser.wait("focus")
    assert window == {"x": 0, "y": 0, "width": 128, "height": 128}
    answer = browser.wait("answer", lambda answer: answer["command"] == "focus")
    assert answer["success"], answer


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": "focus", "x": 999, "y": 0, "width": 320, "height": 240}, "lies outside"),
        ({"command": "agent", "value": "unknown"}, "must be one of"),
        ({"command": "explode"}, "there is no command"),
        ({"command": "cancel"}, "no search is in progress"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_answered(browser, fields, message):
    browser.send(**fields)
    answer = browser.wait("answer")
    assert not answer["success"]
    assert message in answer["message"]


def test_another_agent_and_scene_type(browser):
    browser.send("mode", value="dynamic")
    assert browser.wait("answer")["success"]
    browser.send("mode", value="static")
    assert browser.wait("answer")["success"]
    browser.send("agent", value="rule_based")
    assert browser.wait("answer")["success"]
    state = browser.wait("state", lambda state: state["agent"] == "rule_based" and stopped(state))
    assert state["frames_captured"] >= 2


@pytest.fixture
def count_viewers():
    """Number of subscribers of the compressed fused image."""
    context = rclpy.Context()
    rclpy.init(
        args=[],
        context=context,
        domain_id=DOMAIN,
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = rclpy.create_node("counter", context=context)
    yield lambda: node.count_subscribers(f"/{PIPELINE}/{FUSED_COMPRESSED.name}")
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_pictures_are_made_only_for_viewers(browser, count_viewers):
    browser.wait("fused")
    browser.send("visibility", visible=False)
    for visible, number in ((False, 0), (True, 1), (False, 0)):
        browser.send("visibility", visible=visible)
        while count_viewers() != number:
            browser.wait("lens")


@needs_browser
def test_in_a_real_browser(address, tmp_path):
    with open_page(address) as page:

        def shown(kind, more_than=0):
            page.wait_for_function(
                f"Number(document.getElementById('{kind}').dataset.count) > {more_than}"
            )
            return int(page.evaluate(f"document.getElementById('{kind}').dataset.count"))

        for kind in IMAGES:
            shown(kind)
        assert page.evaluate("document.getElementById('fused').width") == 320
        count = shown("fused")
        page.click("button[data-command=reset]")
        page.wait_for_selector("#state.running")
        shown("fused", count)
        page.wait_for_selector("#state.stopped")
        # Not only a black canvas.
        colours = page.evaluate(
            "new Set(document.getElementById('fused').getContext('2d')"
            ".getImageData(0, 0, 160, 100).data).size"
        )
        assert colours > 50
        page.select_option("#agent", "sweep")
        page.wait_for_function("document.getElementById('numbers').innerText.includes('sweep')")
        page.wait_for_selector("#state.stopped")
        page.click("#fused", position={"x": 60, "y": 60})
        page.wait_for_selector("#answer[data-command=focus]")
        assert page.get_attribute("#answer", "class") in (None, "")
        assert page.inner_text("#state") == "idle"
        assert page.locator("#diagnostics tr").count() == 5
        assert "µm" in page.inner_text("#lens-note")
        page.screenshot(path=tmp_path / "page.png", full_page=True)
    print(tmp_path / "page.png")
