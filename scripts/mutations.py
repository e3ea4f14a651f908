"""Small changes of a module, each of which some test should notice: made on its syntax tree, never on disk."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_UNTOUCHED = {"decorator_list", "annotation", "returns", "type_comment", "type_params"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PROBE = "__entered__"
"""What a probed module calls; who imports it puts it among the builtins."""


@dataclass(frozen=True)
class Mutant:
    """One change: the `variant`-th of what stands at the `place`-th node of a module, as `_places` walks it.

    `block` is the innermost list of statements of a function that holds it; none for what an import runs.
    """

    module: str
    function: str
    block: str
    line: int
    kind: str
    change: str
    place: int
    variant: int

    @property
    def key(self) -> str:
        """What it is called where mutants are judged: it outlives lines that are put before it."""
        return f"{self.module} {self.function}: {self.change}"


@dataclass(frozen=True)
class _Place:
    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    function: str
    block: str

    def put(self, node: ast.AST) -> None:
        ast.copy_location(node, self.node)
        ast.fix_missing_locations(node)
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def probed(source: str, module: str) -> ast.Module:
    """The module as one that tells `PROBE` of each block it enters, by the block's name: see `Mutant.block`."""
    tree = ast.parse(source)
    for parent, name, block in list(_blocks(tree)):
        call = ast.Expr(ast.Call(ast.Name(PROBE, ast.Load()), [ast.Constant(f"{module} {block}")], []))
        body = getattr(parent, name)
        first = int(isinstance(parent, _FUNCTIONS) and ast.get_docstring(parent, clean=False) is not None)
        body.insert(first, ast.fix_missing_locations(ast.copy_location(call, body[0])))
    return tree


def _blocks(tree: ast.Module) -> Iterator[tuple[Any, str, str]]:
    """Each list of statements inside functions: the node and field that hold it, and its name."""
    seen = set()
    for place in _places(tree):
        if place.block and isinstance(place.node, ast.stmt) and (id(place.parent), place.field) not in seen:
            seen.add((id(place.parent), place.field))
            yield place.parent, place.field, place.block


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """All changes of a module."""
    same: Counter[str] = Counter()
    for number, place in enumerate(_places(ast.parse(source))):
        for variant, (kind, node) in enumerate(_variants(place)):
            change = f"{_text(place.node)} -> {_text(node)}"
            same[place.function + change] += 1
            times = same[place.function + change]
            change += f" (#{times})" if times > 1 else ""
            line = getattr(place.node, "lineno", 0)
            yield Mutant(module, place.function or "(module)", place.block, line, kind, change, number, variant)


def mutated(source: str, mutant: Mutant) -> ast.Module:
    """The module with this change."""
    tree = ast.parse(source)
    for number, place in enumerate(_places(tree)):
        if number == mutant.place:
            place.put(_variants(place)[mutant.variant][1])
            return tree
    raise LookupError(mutant.key)


def _text(node: ast.AST) -> str:
    lines = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).splitlines()
    return lines[0] + (f" ... {lines[-1].strip()}" if len(lines) > 1 else "")


def _places(tree: ast.AST, function: str = "", block: str = "", way: str = "") -> Iterator[_Place]:
    """Each node that is run, with where it stands. Types and decorators are left alone."""
    for field, value in ast.iter_fields(tree):
        if field in _UNTOUCHED:
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_passed_over(node):
                continue
            inside, deeper = block, way
            if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                inside = _list_of(tree, field, function, block, way) if isinstance(node, ast.stmt) else block
                deeper = f"{inside if isinstance(node, ast.stmt) else way}/{index}"
            is_handler = isinstance(node, ast.ExceptHandler) and inside
            yield _Place(tree, field, index, node, function, f"{deeper}body" if is_handler else inside)
            inner = f"{function}.{node.name}" if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) else function
            yield from _places(node, inner.lstrip("."), inside, deeper)


def _list_of(parent: ast.AST, field: str, function: str, block: str, way: str) -> str:
    """The name of the list of statements that is this field: that of its function, then the way to it from there.

    What stands in no function is run when the module is imported: no block.
    """
    if isinstance(parent, _FUNCTIONS):
        return function
    return way + field if block and not isinstance(parent, ast.ClassDef) else ""


def _is_passed_over(node: ast.AST) -> bool:
    """What is there for types and readers only; and `zip(strict=)`, which nothing but a bug can tell."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    if isinstance(node, (*_FUNCTIONS,)):
        return node.name == "__repr__"
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.expr_context))


def _variants(place: _Place) -> list[tuple[str, ast.AST]]:
    node = place.node
    found: list[tuple[str, ast.AST]] = []
    if isinstance(node, ast.stmt):
        found += _of_statement(place, node)
    elif isinstance(node, ast.ExceptHandler):
        found += [("handler", _changed(node, body=[ast.Raise()]))] if not _raises_only(node) else []
    elif isinstance(node, ast.expr):
        found += _of_expression(node)
        if place.field in {"test", "ifs"} and not isinstance(node, (ast.Compare, ast.UnaryOp)):
            found.append(("negated", ast.UnaryOp(ast.Not(), node)))
    return found


def _raises_only(node: ast.ExceptHandler) -> bool:
    return len(node.body) == 1 and isinstance(node.body[0], ast.Raise) and node.body[0].exc is None


def _of_statement(place: _Place, node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield from _of_return(node)
    elif isinstance(node, ast.Break):
        yield "loop", ast.Continue()
    elif isinstance(node, ast.Continue):
        yield "loop", ast.Break()
        yield "removed", ast.Pass()
    elif _is_worth_removing(place, node):
        yield "removed", ast.Pass()


def _is_worth_removing(place: _Place, node: ast.stmt) -> bool:
    """A statement without which the module still may run: the first binding of a name is none."""
    if isinstance(node, (ast.Expr, ast.AugAssign, ast.Delete, ast.Raise, ast.Return)):
        return True
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None or not place.function:
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(one, (ast.Attribute, ast.Subscript)) for one in targets)


def _of_return(node: ast.Return) -> Iterator[tuple[str, ast.AST]]:
    is_bool = isinstance(node.value, (ast.Compare, ast.BoolOp)) or _is_bool(node.value)
    for value in (True, False) if is_bool else (None,):
        if not (isinstance(node.value, ast.Constant) and node.value.value is value):
            yield "return", ast.Return(ast.Constant(value))
    if isinstance(node.value, ast.Constant) and node.value.value is None:
        yield "removed", ast.Pass()


def _is_bool(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _of_expression(node: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    for kind, changes in _EXPRESSIONS.items():
        if isinstance(node, kind):
            yield from changes(node)


def _of_comparison(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for number, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            yield "comparison", _changed(node, ops=[*node.ops[:number], other(), *node.ops[number + 1 :]])


def _of_logic(node: ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    yield "and/or", _changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _of_sign(node: ast.UnaryOp) -> Iterator[tuple[str, ast.AST]]:
    yield ("not" if isinstance(node.op, ast.Not) else "sign"), node.operand


def _of_arithmetic(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    if type(node.op) in _ARITHMETIC:
        yield "arithmetic", _changed(node, op=_ARITHMETIC[type(node.op)]())


def _of_slice(node: ast.Slice) -> Iterator[tuple[str, ast.AST]]:
    for bound in ("lower", "upper"):
        if getattr(node, bound) is not None:
            yield "slice", _changed(node, **{bound: None})


def _of_constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", ast.Constant(value + 1)
        yield "constant", ast.Constant(value - 1)
    elif isinstance(value, float):
        yield "constant", ast.Constant(value * 2 + 1)


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    is_symmetric = isinstance(node.func, ast.Name) and node.func.id in {"min", "max"}
    if len(node.args) > 1 and not is_symmetric and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        first, second, *rest = node.args
        if ast.dump(first) != ast.dump(second):
            yield "arguments", _changed(node, args=[second, first, *rest])


_EXPRESSIONS: dict[type[ast.expr], Callable[[Any], Iterator[tuple[str, ast.AST]]]] = {
    ast.Compare: _of_comparison,
    ast.BoolOp: _of_logic,
    ast.UnaryOp: _of_sign,
    ast.BinOp: _of_arithmetic,
    ast.Constant: _of_constant,
    ast.Call: _of_call,
    ast.Slice: _of_slice,
}


def _changed(node: ast.AST, **fields: object) -> ast.AST:
    found = copy.copy(node)
    for name, value in fields.items():
        setattr(found, name, value)
    return found
