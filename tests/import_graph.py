"""Who imports whom in the house, read from the files: for the test of its floors, and as a program.

    python tests/import_graph.py FOLDER

prints rooms, floors, arrows and circles of each package below FOLDER. A room is a folder or a
file at the top of a package; `__init__` of the package itself is none.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGES = ("keras_medformers", "data_prep", "training", "benchmarks")


class Import:
    """An import statement.

    Attributes:
        module: Dotted name of the module that is meant: of ours with as many parts as there
            is a file for.
        inside: Whether it stands inside a function.
        line: Number of its line.
    """

    def __init__(self, module: str, inside: bool, line: int):
        self.module, self.inside, self.line = module, inside, line


def read_imports(house: Path) -> dict[str, list[Import]]:
    """All import statements by the module that they stand in.

    Args:
        house: Folder that the packages lie in.
    """
    paths = {
        _module_of(path.relative_to(house)): path
        for package in PACKAGES
        for path in sorted((house / package).rglob("*.py"))
    }
    return {
        module: list(_imports(ast.parse(path.read_text(encoding="utf-8")), paths))
        for module, path in paths.items()
    }


def _module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(
    tree: ast.AST, ours: Iterable[str], inside: bool = False
) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, inside, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(
                    whole if whole in ours else node.module, inside, node.lineno
                )
        else:
            function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from _imports(
                node, ours, inside or function or isinstance(node, ast.Lambda)
            )


def arrows_between_files(imports: dict[str, list[Import]]) -> dict[str, set[str]]:
    """By module, the modules of ours that it imports."""
    return {
        module: {one.module for one in found if one.module in imports} - {module}
        for module, found in imports.items()
    }


def arrows_between_rooms(
    arrows: dict[str, set[str]], package: str
) -> dict[str, set[str]]:
    """By room of a package, the rooms of the package that it imports."""

    def room(module):
        parts = module.split(".")
        return ".".join(parts[:2]) if len(parts) > 1 and parts[0] == package else None

    rooms = {room(module): set() for module in arrows if room(module)}
    for module, others in arrows.items():
        if room(module):
            rooms[room(module)] |= {room(other) for other in others} - {
                None,
                room(module),
            }
    return rooms


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes from each of which every other one of the group can be reached."""
    reached = {node: _reached(arrows, node) for node in arrows}
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached[other]))
        for node in arrows
        if node in reached[node]
    }
    return sorted(map(list, groups))


def _reached(arrows, start):
    found, waiting = set(), [start]
    while waiting:
        for other in arrows[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def floors(arrows: dict[str, set[str]]) -> int:
    """Length of the longest way down; a circle is on one floor."""
    group = {node: node for node in arrows}
    for circle in circles(arrows):
        group |= dict.fromkeys(circle, circle[0])
    down = {name: set() for name in group.values()}
    for node, others in arrows.items():
        down[group[node]] |= {group[other] for other in others} - {group[node]}
    heights = {}

    def height(node):
        if node not in heights:
            heights[node] = 1 + max(map(height, down[node]), default=0)
        return heights[node]

    return max(map(height, down))


def figures_of(house: Path) -> list[str]:
    """Rooms, floors, arrows and circles of the house, a line each."""
    arrows = arrows_between_files(read_imports(house))
    lines = [f"circles of files: {circles(arrows) or 'none'}"]
    for package in PACKAGES:
        rooms = arrows_between_rooms(arrows, package)
        count = sum(map(len, rooms.values()))
        lines.append(
            f"{package}: {len(rooms)} rooms, {floors(rooms)} floors, {count} arrows"
        )
        for circle in circles(rooms):
            lines.append(f"    circle of rooms: {', '.join(circle)}")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join([*figures_of(Path(sys.argv[1])), ""]))
