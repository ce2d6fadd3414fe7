"""A C file as its mutations see it: the tokens of function bodies, without what is not code.

The files are formatted, so a body lies between a `{` and a `}` in the first column. Left out are comments, texts,
the preprocessor's lines, assertions and tables inside functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"[A-Za-z_]\w*|\.?\d(?:[eEpP][+-]|[\w.])*|->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\S")
NOT_CODE = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|^[ \t]*#(?:\\\n|[^\n])*",
    re.DOTALL | re.MULTILINE)
ASSERTION = re.compile(r"\b(?:assert|_Static_assert|static_assert)\s*\(")
TABLE = re.compile(r"\bstatic\s+const\b[^;{]*=\s*\{")
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


@dataclass(frozen=True)
class Token:
    text: str
    begin: int

    @property
    def end(self) -> int:
        return self.begin + len(self.text)

    @property
    def is_name(self) -> bool:
        return self.text[0].isalpha() or self.text[0] == "_"


@dataclass(frozen=True)
class Body:
    function: str
    tokens: list[Token]


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def closing(text: str, begin: int) -> int:
    """The place after the bracket that closes the one at `begin`."""
    depth = 0
    for at in range(begin, len(text)):
        if text[at] in "([{":
            depth += 1
        elif text[at] in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
    return len(text)


def _blank_from(pattern: re.Pattern[str], text: str) -> str:
    """Blanks what begins with the pattern, up to the bracket that closes the pattern's last one."""
    while match := pattern.search(text):
        end = closing(text, match.end() - 1)
        text = text[: match.start()] + _blank(text[match.start() : end]) + text[end:]
    return text


def code_of(source: str) -> str:
    """The source with blanks, in the same places, for all that is not code."""
    text = NOT_CODE.sub(lambda match: _blank(match[0]), source)
    return _blank_from(TABLE, _blank_from(ASSERTION, text))


def bodies(source: str) -> list[Body]:
    code, out = code_of(source), []
    for opening in re.finditer(r"^\{", code, re.MULTILINE):
        end = re.compile(r"^\}", re.MULTILINE).search(code, opening.end())
        if not end:
            break
        head = code[code.rfind("\n\n", 0, opening.start()) + 1 : opening.start()]
        names = [name for name in NAME.findall(head) if not name.startswith("__")]
        tokens = [Token(match[0], match.start()) for match in TOKEN.finditer(code, opening.end(), end.start())]
        out.append(Body(names[0] if names else "?", tokens))
    return out
