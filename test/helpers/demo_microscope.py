"""Configuration of a simulated microscope whose fluorescent beads blur with its Z stage."""

CONFIG = """
Property,Core,Initialize,0
Device,DHub,DemoCamera,DHub
Device,Camera,DemoCamera,DCam
Device,Z,DemoCamera,DStage
Device,Shutter,DemoCamera,DShutter
Property,Core,Initialize,1
Property,Core,Camera,Camera
Property,Core,Shutter,Shutter
Property,Core,Focus,Z
ConfigGroup,System,Startup,Camera,Mode,Fluorescent Beads
ConfigGroup,System,Startup,Camera,PixelType,16bit
ConfigGroup,System,Startup,Camera,BitDepth,12
ConfigGroup,System,Startup,Camera,Exposure,20
ConfigGroup,System,Startup,Camera,BeadDensity,500
ConfigGroup,System,Startup,Camera,BeadBrightness,8.0
"""


def write_config(folder):
    """Write the configuration and return its path as a text."""
    path = folder / "microscope.cfg"
    path.write_text(CONFIG)
    return str(path)
