import pytest

from aif_ros.devices.camera_drivers import DRIVERS, ParameterLensSettings


def test_neither_preset_nor_parameter():
    with pytest.raises(ValueError, match=r"needs preset=camera_ros\|v4l2_camera"):
        ParameterLensSettings().driver()


def test_a_parameter_by_itself():
    driver = ParameterLensSettings(parameter="focus").driver()
    assert (driver.parameter, driver.prepare, driver.metadata) == ("focus", {}, "")


@pytest.mark.parametrize("preset", DRIVERS)
def test_the_parameter_of_a_preset_can_be_another(preset):
    driver = ParameterLensSettings(preset=preset, parameter="stereo.focus").driver()
    assert driver.parameter == "stereo.focus"
    assert driver.prepare == DRIVERS[preset].prepare
