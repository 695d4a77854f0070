"""The sources keep the structure that CONTRIBUTING.md promises."""

import statistics

import pytest

from tests.structure.rooms import PRODUCT, circles, classes, floors, imports, modules, packages, siblings


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return imports((*PRODUCT, "benchmarks"))


def test_no_modules_and_no_sibling_packages_import_each_other(graph: dict[str, set[str]]) -> None:
    """A circle cannot be read, tested or moved in parts."""
    assert circles(graph) == []
    assert circles(siblings(graph)) == []


def test_circles_are_found() -> None:
    """Of two members and of three; what only leads into one is none."""
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == [["a", "b"]]
    assert [sorted(ring) for ring in circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()})] == [["a", "b", "c"]]
    assert circles(siblings({"p.x.a": {"p.y.b"}, "p.y.b": set(), "p.y.c": {"p.x.a"}, "p.d": {"p.x.a"}})) == [["p.x", "p.y"]]


def test_packages_stand_on_their_floors(graph: dict[str, set[str]]) -> None:
    """Wire contracts at the bottom, benchmarks at the top; streams and serving side by side."""
    assert floors(graph) == {
        "headwater": 0,
        "runtime": 1,
        "feature_repo": 2,
        "training": 3,
        "streams": 4,
        "serving": 4,
        "deploy": 5,
        "benchmarks": 6,
    }


def test_a_package_holds_at_most_sixteen_modules_side_by_side() -> None:
    """Beyond that, nobody finds the file: sub-packages by noun."""
    assert {name: len(lines) for name, lines in packages(modules(PRODUCT)).items() if len(lines) > 16} == {}


def test_modules_are_of_readable_size() -> None:
    """Median 60 to 200 lines; fewer than 15 % under 40."""
    lines = [module.lines for module in modules(PRODUCT)]
    assert 60 <= statistics.median(lines) <= 200
    assert sum(one < 40 for one in lines) / len(lines) < 0.15


def test_no_two_classes_bear_one_name() -> None:
    """Whoever searches for a class finds one; what protoc writes and what is private to a module aside."""
    places: dict[str, list[str]] = {}
    for name, module in classes((*PRODUCT, "benchmarks")):
        places.setdefault(name, []).append(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
