"""Tables of the README that are made from the code; run this file to write them anew."""

import ast
import importlib
import json
import re
from pathlib import Path

from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
NODES = ROOT / "aif_ros" / "nodes"


def node_classes():
    """Every node class by the name of its executable."""
    classes = {}
    for path in sorted(NODES.glob("*_node.py")):
        module = importlib.import_module(f"aif_ros.nodes.{path.stem}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, PipelineNode)
                and value.__module__ == module.__name__
                and "main" in vars(module)
            ):
                classes[path.stem] = value
    return classes


def services():
    """Name, type and description of every service, from the code that offers it."""
    found = {}
    for path in sorted(NODES.glob("*.py")):
        tree = ast.parse(path.read_text())
        methods = {
            node.name: ast.get_docstring(node) or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for call in ast.walk(tree):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in ("offer", "create_service")
                and isinstance(call.args[1], ast.Constant)
            ):
                service_type, name, callback = call.args
                description = methods[callback.attr].splitlines()[0]
                found[name.value] = (service_type.id, description)
    return found


def topics_table():
    lines = ["| topic | type | what it carries |", "|---|---|---|"]
    for topic in TOPICS:
        package = topic.message_type.__module__.split(".")[0]
        latched = " Latched." if topic.latched else ""
        lines.append(
            f"| `{topic.name}` | `{package}/{topic.message_type.__name__}` "
            f"| {topic.description}{latched} |"
        )
    health = "Health of every node, once a second."
    lines.append(f"| `/diagnostics` | `diagnostic_msgs/DiagnosticArray` | {health} |")
    return "\n".join(lines)


def services_table():
    lines = ["| service | type | what it does |", "|---|---|---|"]
    for name, (service_type, description) in sorted(services().items()):
        lines.append(f"| `{name}` | `std_srvs/{service_type}` | {description} |")
    return "\n".join(lines)


def _yaml(value):
    return value if isinstance(value, str) else json.dumps(value)


def _range(parameter):
    if parameter.choices:
        return ", ".join(f"`{choice}`" for choice in parameter.choices)
    if parameter.limits is None:
        return ""
    return f"{parameter.limits[0]:g} to {parameter.limits[1]:g}"


def parameters_table():
    lines = []
    for executable, node in node_classes().items():
        lines += [
            f"**`{executable}`**",
            "",
            "| parameter | default | allowed | what it does |",
            "|---|---|---|---|",
        ]
        for parameter in node.PARAMETERS:
            default = f"`{_yaml(parameter.default)}`" if parameter.default != "" else "empty"
            settable = "" if parameter.read_only else " Can be set at any time."
            lines.append(
                f"| `{parameter.name}` | {default} | {_range(parameter)} "
                f"| {parameter.description}{settable} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip()


TABLES = {"topics": topics_table, "services": services_table, "parameters": parameters_table}


def section(name):
    """Pattern of the part of the README between the marks of a table."""
    return re.compile(f"(<!-- {name} -->\n)(.*?)(\n<!-- /{name} -->)", re.DOTALL)


def update(text):
    for name, table in TABLES.items():
        mark, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        before, _, rest = text.partition(mark)
        text = before + mark + table() + end + rest.partition(end.strip("\n"))[2]
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(update(readme.read_text()))
