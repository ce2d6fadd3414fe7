"""The mutations: small slips of the kind that people make, one for each place where it can be made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from source import Body, Token, bodies

SWAPS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "+=": ("-=",), "-=": ("+=",),
    "true": ("false",), "false": ("true",),
}
STRICT = ({"<", "<="}, {">", ">="})
# Where one of these comes before, + and - are signs and < is none of ours.
NO_OPERAND = set("([{,;=<>!&|?:+-*/%^~") | set(SWAPS) | {"return", "case", "<<", ">>", "*=", "/=", "|=", "&="}
INTEGER = re.compile(r"(\d+)([uUlL]*)$")
SMALL = 64  # larger integers are sizes and constants of formulas
# What begins no statement that could be dropped by itself.
KEYWORDS = set("""return if else for while do switch case default goto break continue struct enum union static const
    unsigned signed int long short char float double void bool size_t extern register sizeof typedef""".split())
STARTS = {";", "{", "}", ")", "else", ":"}  # what may stand before a statement
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}

Edit = tuple[int, int, str]  # from, to, and what stands there then


@dataclass(frozen=True)
class Mutant:
    path: str
    function: str
    line: int
    before: str  # the lines that change, without indentation
    after: str
    edit: Edit

    def apply(self, source: str) -> str:
        begin, end, text = self.edit
        return source[:begin] + text + source[end:]

    def show(self) -> str:
        return f"{self.path}:{self.line}: in {self.function}\n    - {self.before}\n    + {self.after}"


# ---------------------------------------------------------------- operators


def _until(tokens: list[Token], at: int, ends: set[str]) -> int:
    """The place of the first of some tokens from a place on, outside brackets that open there."""
    while at < len(tokens) and tokens[at].text not in ends:
        at = _closing(tokens, at) + 1 if tokens[at].text in ("(", "[", "{") else at + 1
    return at


def _is_extreme(tokens: list[Token], at: int) -> bool:
    """Whether the comparison at a place is that of `a < b ? a : b`, which may as well be <=."""
    question = _until(tokens, at + 1, {"?", ":", ";", ",", ")", "]", "}"})
    colon = _until(tokens, question + 1, {"?", ":", ";"})
    end = _until(tokens, colon + 1, {"?", ":", ";", ",", ")", "]", "}"})
    if [token.text for token in tokens[question : question + 1] + tokens[colon : colon + 1]] != ["?", ":"]:
        return False
    texts = [token.text for token in tokens]
    right, choices = texts[at + 1 : question], [texts[question + 1 : colon], texts[colon + 1 : end]]
    return any(one == right and other and texts[at - len(other) : at] == other
               for one, other in (choices, reversed(choices)))


def swap_operators(tokens: list[Token], _: str) -> Iterator[Edit]:
    for at, (before, token) in enumerate(zip(tokens, tokens[1:]), 1):
        if token.is_name or before.text not in NO_OPERAND:
            for other in SWAPS.get(token.text, ()):
                if {token.text, other} not in STRICT or not _is_extreme(tokens, at):
                    yield token.begin, token.end, other


def _is_length(tokens: list[Token], at: int) -> bool:
    """Of an array that is declared, like `char name[SIZE + 1]`: one more hurts nobody."""
    opening = at
    while opening > 0 and tokens[opening].text not in ("[", "]", ";", "(", ",", "="):
        opening -= 1
    return (opening > 1 and tokens[opening].text == "[" and tokens[opening - 1].is_name
            and (tokens[opening - 2].is_name and tokens[opening - 2].text != "return"
                 or tokens[opening - 2].text == ","))


def shift_integers(tokens: list[Token], _: str) -> Iterator[Edit]:
    for at, token in enumerate(tokens):
        match = INTEGER.fullmatch(token.text)
        if match and int(match[1]) <= SMALL:
            number = int(match[1])
            for other in sorted({number + 1, abs(number - 1)}):
                if other < number or not _is_length(tokens, at):
                    yield token.begin, token.end, f"{other}{match[2]}"


def _closing(tokens: list[Token], at: int) -> int:
    """The place of the bracket that closes the one at a place."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += tokens[place].text in ("(", "[", "{")
        depth -= tokens[place].text in (")", "]", "}")
        if depth == 0:
            return place
    return len(tokens) - 1


def negate_conditions(tokens: list[Token], source: str) -> Iterator[Edit]:
    for at, token in enumerate(tokens[:-1]):
        if token.text in ("if", "while") and tokens[at + 1].text == "(":
            begin, end = tokens[at + 1].begin, tokens[_closing(tokens, at + 1)].end
            yield begin, end, f"(!{source[begin:end]})"


def _statement_end(tokens: list[Token], at: int) -> int:
    """The place of the `;` that ends the statement at a place; -1: it has none, or a block before it."""
    while at < len(tokens) and tokens[at].text not in (";", "{", "}", ")", "]"):
        at = _closing(tokens, at) + 1 if tokens[at].text in ("(", "[") else at + 1
    return at if at < len(tokens) and tokens[at].text == ";" else -1


def _is_droppable(statement: list[Token]) -> bool:
    """A call or an assignment, and no declaration."""
    first, texts = statement[0], [token.text for token in statement]
    if first.text in ("break", "continue"):
        return True
    if first.text in KEYWORDS or not (first.is_name or first.text in ("*", "(", "++", "--")):
        return False
    if first.is_name and len(statement) > 1 and (statement[1].is_name or texts[1] == "*"):
        return False
    return bool(ASSIGNMENTS & set(texts)) or texts[-1] in (")", "++", "--")


def drop_statements(tokens: list[Token], _: str) -> Iterator[Edit]:
    for at, token in enumerate(tokens):
        if at and tokens[at - 1].text not in STARTS:
            continue
        end = _statement_end(tokens, at)
        if end > at and _is_droppable(tokens[at:end]):
            yield token.begin, tokens[end].begin, ""


OPERATORS: tuple[Callable[[list[Token], str], Iterator[Edit]], ...] = (
    swap_operators, shift_integers, negate_conditions, drop_statements)


# ---------------------------------------------------------------- mutants


def _lines(text: str, begin: int, end: int) -> str:
    """The lines around a piece of text, each without its indentation."""
    first = text.rfind("\n", 0, begin) + 1
    last = text.find("\n", max(begin, end))
    lines = text[first : last if last >= 0 else len(text)].splitlines()
    return " ".join(line.strip() for line in lines).strip()


def _mutant(path: str, source: str, body: Body, edit: Edit) -> Mutant:
    begin, end, text = edit
    text += "\n" * (source.count("\n", begin, end) - text.count("\n"))
    after = source[:begin] + text + source[end:]
    return Mutant(path, body.function, source.count("\n", 0, begin) + 1, _lines(source, begin, end),
                  _lines(after, begin, begin + len(text)), (begin, end, text))


def mutants_of(path: str, source: str) -> list[Mutant]:
    return [_mutant(path, source, body, edit)
            for body in bodies(source) for operator in OPERATORS for edit in operator(body.tokens, source)]
