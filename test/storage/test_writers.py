"""Everything the package writes goes through `atomic_write`: whole, or not at all."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "aif_ros"
WRITERS = {"write_text", "write_bytes", "imwrite", "save_file", "tofile"}
# Logs of child processes, and the copies that a foreign program reads.
ALLOWED = {"benchmarks/run_shinestacker.py"}


def direct_writes(source):
    """Lines that write to a path without `replacing`."""
    tree = ast.parse(source)
    inside = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.With)
        and any("replacing(" in ast.unparse(item.context_expr) for item in block.items)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in inside:
            continue
        if not isinstance(node.func, ast.Attribute):
            continue
        # `buffer` is memory.
        to_memory = any(ast.unparse(argument) in ("buffer", "stream") for argument in node.args)
        if node.func.attr in WRITERS and not to_memory:
            yield node.lineno
        if node.func.attr in ("savefig", "save", "savez_compressed") and not to_memory:
            owner = ast.unparse(node.func.value)
            if owner in ("torch", "np", "figure") or owner.startswith("pictures"):
                yield node.lineno


@pytest.mark.parametrize(
    "module", sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
)
def test_no_module_writes_in_place(module):
    if module in ALLOWED or module == "storage/atomic_write.py":
        return
    assert list(direct_writes((PACKAGE / module).read_text())) == []


def test_direct_writes_are_found():
    assert list(direct_writes("path.write_text('x')\nfigure.savefig(path)")) == [1, 2]
    assert not list(direct_writes("with replacing(p) as t:\n    t.write_text('x')"))
    assert not list(direct_writes("write_text(path, 'x')\nimage.save(buffer, 'PNG')"))
