"""Structure of the sources: packages with their sizes, the floor of each, and circles among imports."""

import ast
import statistics
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grimp

__all__ = ["PRODUCT", "Module", "circles", "classes", "floors", "imports", "modules", "packages", "siblings"]

ROOT = Path(__file__).parents[2]
_BASES = (ROOT, ROOT / "protos", ROOT / "clients" / "python" / "src")
PRODUCT = ("headwater", "runtime", "feature_repo", "training", "streams", "serving", "deploy")
"""What is installed; `benchmarks` stands above it."""
_N = TypeVar("_N", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """One source file that is written by hand."""

    name: str
    path: Path
    package: str
    lines: int


def modules(roots: Iterable[str]) -> list[Module]:
    """The modules below these packages; generated code and `__init__` files aside."""
    found = []
    for root in roots:
        for base in _BASES:
            for path in sorted((base / root).rglob("*.py")):
                if path.stem != "__init__" and "_pb2" not in path.stem:
                    name = ".".join(path.relative_to(base).with_suffix("").parts)
                    lines = len(path.read_text(encoding="utf-8").splitlines())
                    found.append(Module(name=name, path=path, package=name.rpartition(".")[0], lines=lines))
    return found


def classes(roots: Iterable[str]) -> list[tuple[str, str]]:
    """Each public class at the top of a module, with the module."""
    found = []
    for module in modules(roots):
        tree = ast.parse(module.path.read_text(encoding="utf-8"))
        found += [(node.name, module.name) for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    return found


def packages(found: Iterable[Module]) -> dict[str, list[int]]:
    """Lines of the modules that lie side by side in each package."""
    sizes: dict[str, list[int]] = {}
    for module in found:
        sizes.setdefault(module.package, []).append(module.lines)
    return sizes


def imports(roots: Iterable[str]) -> dict[str, set[str]]:
    """What each module imports of these packages, within functions too."""
    graph = grimp.build_graph(*roots, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def siblings(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between sub-packages of one package; a package may use its own sub-packages and they may use it."""
    owners = {name.rpartition(".")[0] for name in graph}
    edges: dict[str, set[str]] = {}
    for module, imported in graph.items():
        for other in imported:
            here, there = _parts(module, owners), _parts(other, owners)
            shared = sum(1 for _ in _common(here, there))
            if len(here) > shared and len(there) > shared:
                edges.setdefault(here[shared], set()).add(there[shared])
    return edges


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """How many packages lie below each top-level package, counted along the longest chain of imports."""
    below: dict[str, set[str]] = {}
    for module, imported in graph.items():
        top = module.partition(".")[0]
        below.setdefault(top, set()).update({other.partition(".")[0] for other in imported} - {top})

    def floor(top: str) -> int:
        return max((1 + floor(other) for other in below[top]), default=0)

    return {top: floor(top) for top in below}


def circles(graph: dict[_N, set[_N]]) -> list[list[_N]]:
    """Groups that import each other, each of two or more: strongly connected components (Tarjan, 1972)."""
    order: dict[_N, int] = {}
    low: dict[_N, int] = {}
    stack: list[_N] = []
    found: list[list[_N]] = []

    def visit(node: _N) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(group)

    for node in graph:
        if node not in order:
            visit(node)
    return found


def report(show: Callable[[str], None]) -> None:
    """Shows packages, floors and circles."""
    everything = (*PRODUCT, "benchmarks")
    sizes = sorted(packages(modules(everything)).items())
    product = [module.lines for module in modules(PRODUCT)]
    for package, lines in [*sizes, ("product", product)]:
        small = sum(one < 40 for one in lines)
        median = f"median {statistics.median(lines):5.0f} lines"
        show(f"{package:32} {len(lines):3} modules, {median}, {small} ({small / len(lines):.0%}) under 40")
    graph = imports(everything)
    levels = floors(graph)
    for floor in range(max(levels.values()), -1, -1):
        show(f"floor {floor}: {', '.join(sorted(top for top, at in levels.items() if at == floor))}")
    rings = [*circles(graph), *circles(siblings(graph))]
    show(f"circles: {len(rings)}")
    for ring in rings:
        show("  " + " -> ".join(ring))


def _parts(module: str, owners: set[str]) -> list[str]:
    """The packages that a module lies in, from the top."""
    package = module if module in owners else module.rpartition(".")[0]
    names = package.split(".")
    return [".".join(names[: at + 1]) for at in range(len(names))]


def _common(one: list[str], other: list[str]) -> Iterable[str]:
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a
