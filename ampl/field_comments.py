"""What the source of a dataclass says about each field: the comment at the end of its line."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache

_FOR_TOOLS = ("noqa", "type:", "pragma")


@cache
def field_comments(kind: type) -> Mapping[str, str]:
    """The comment of each field, those of base classes included; without the fields that have none.

    The comment stands on the last line of the field or, of a field of several lines, on the first. A class whose source
    cannot be had (made at run time, or compiled) has no comments.
    """
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if is_dataclass(each):
            found |= _own_comments(each)
    return found


def _own_comments(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
        [tree] = ast.parse(source).body
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (OSError, TypeError, SyntaxError, ValueError, tokenize.TokenError):
        return {}
    if not isinstance(tree, ast.ClassDef) or tree.name != kind.__name__:
        return {}
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = comments.get(node.end_lineno or node.lineno) or comments.get(node.lineno)
            if comment and not comment.startswith(_FOR_TOOLS):
                found[node.target.id] = comment
    return found
