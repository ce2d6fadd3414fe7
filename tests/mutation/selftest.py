#!/usr/bin/env python3
"""The tool tried on a toy: a good test kills all of its mutants, one that looks at nothing kills none.

    python3 -m unittest discover -s tests/mutation -p selftest.py
"""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from engine import Engine, Test, Verdict
from operators import Mutant, mutants_of
from project import Rule, rule_for
from source import bodies, code_of

CLAMP = """\
#include "clamp.h"

/* x < low is not code here, nor is "a + b" there. */
static const int table[] = {1, 2};

int clamp(int x, int low, int high)
{
	static const char *const names[] = {"0", "1"};
	assert(low < high);
	int y = x;
	if (x < low)
		y = low;
	if (x > high)
		y = high;
	return y + (names[0] == (const char *)table);
}
"""
HEADER = "#include <assert.h>\nint clamp(int x, int low, int high);\n"
MAIN = '#include "../clamp.h"\nint main(void) { return %s; }\n'
BAD = "clamp(5, 0, 10) < -1"
GOOD = "clamp(5, 0, 10) != 5 || clamp(-1, 0, 10) != 0 || clamp(11, 0, 10) != 10"
BUILD = "cc -O2 -c clamp.c -o clamp.o && cc tests/test_clamp.c clamp.o -o test_clamp"
# What clamps in both ways, or compares with what can not be equal.
EQUIVALENT = {"x <= low", "x >= high"}


def changes(mutants: list[Mutant]) -> set[str]:
    return {f"{m.before} -> {m.after}" for m in mutants}


class Source(unittest.TestCase):
    def test_only_code_is_seen(self) -> None:
        code = code_of(CLAMP)
        self.assertEqual(len(code), len(CLAMP))
        self.assertEqual(code.count("\n"), CLAMP.count("\n"))
        for word in ("include", "not code", "low < high", "names[] = {"):
            self.assertNotIn(word, code)

    def test_bodies_have_their_function(self) -> None:
        self.assertEqual([body.function for body in bodies(CLAMP)], ["clamp"])


class Operators(unittest.TestCase):
    def of(self, statement: str) -> set[str]:
        return {m.after for m in mutants_of("a.c", f"int f(int a)\n{{\n\t{statement}\n}}\n")}

    def test_comparisons(self) -> None:
        self.assertLessEqual({"return a <= b;", "return a >= b;"}, self.of("return a < b;"))
        self.assertEqual(self.of("return a->b << c;"), set())

    def test_logic_and_arithmetic(self) -> None:
        self.assertEqual(self.of("return a || -b;"), {"return a && -b;"})
        self.assertEqual(self.of("return a + b;"), {"return a - b;"})

    def test_integers(self) -> None:
        self.assertEqual(self.of("return 0;"), {"return 1;"})
        self.assertEqual(self.of("return 7U;"), {"return 6U;", "return 8U;"})
        self.assertEqual(self.of("return 4096 * 0x10 * 1.0;"), set())

    def test_a_minimum_has_no_order(self) -> None:
        self.assertEqual(self.of("return f(a) < b ? f(a) : b;"), {"return f(a) >= b ? f(a) : b;"})
        self.assertEqual(self.of("n = a.x > y ? y : a.x, b;"), {"n = a.x <= y ? y : a.x, b;", ";"})
        self.assertIn("return a <= b ? a : c;", self.of("return a < b ? a : c;"))
        self.assertIn("return g(a <= b) ? a : b;", self.of("return g(a < b) ? a : b;"))

    def test_lengths_of_arrays_do_not_grow(self) -> None:
        self.assertEqual(self.of("char a[8];"), {"char a[7];"})
        self.assertEqual(self.of("return a[8];"), {"return a[7];", "return a[9];"})

    def test_conditions(self) -> None:
        self.assertIn("if (!(f(a) )) return a;", self.of("if (f(a) ) return a;"))

    def test_statements(self) -> None:
        self.assertEqual(self.of("f(a, (b));"), {";"})
        self.assertEqual(self.of("int a = b;"), set())
        self.assertEqual(self.of("for (;;) break;"), {"for (;;) ;"})

    def test_booleans(self) -> None:
        self.assertEqual(self.of("return true;"), {"return false;"})

    def test_a_dropped_statement_moves_no_line(self) -> None:
        source = "int f(int a)\n{\n\tf(a,\n\t  b);\n\treturn a;\n}\n"
        (mutant,) = mutants_of("a.c", source)
        self.assertEqual(mutant.apply(source).count("\n"), source.count("\n"))
        self.assertEqual((mutant.line, mutant.before, mutant.after), (3, "f(a, b);", ";"))


class Rules(unittest.TestCase):
    def test_brackets_are_text(self) -> None:
        mutant = mutants_of("src/a.c", "int f(int a)\n{\n\treturn a[i] + 1;\n}\n")[0]
        self.assertIsNotNone(rule_for([Rule("src/*", "f", "return a[i]*", "why")], mutant))
        self.assertIsNone(rule_for([Rule("server/*", "f", "return a[i]*", "why")], mutant))


class Order(unittest.TestCase):
    def test_only_tests_that_run_the_file_and_its_own_first(self) -> None:
        tests = [Test("tests/property/test_b", (), "", ("src/",)), Test("tests/http/test_c", (), ""),
                 Test("tests/unit/test_a", (), "")]
        engine = Engine(Path("."), (), tests)
        self.assertEqual([test.name for test in engine._order("server/a.c")], ["tests/unit/test_a", "tests/http/test_c"])
        self.assertEqual(len(engine._order("src/a.c")), 3)


class Toy(unittest.TestCase):
    def verdicts(self, expression: str) -> dict[str, Verdict]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "tests").mkdir()
            (folder / "clamp.c").write_text(CLAMP)
            (folder / "clamp.h").write_text(HEADER)
            (folder / "tests/test_clamp.c").write_text(MAIN % expression)
            engine = Engine(folder, ("sh", "-c", BUILD), [Test("tests/test_clamp", ("./test_clamp",), "clamp")],
                            ("test_clamp",))
            engine.prepare()
            mutants = mutants_of("clamp.c", CLAMP)
            out = {f"{m.before} -> {m.after}": engine.try_mutant(m, 60).verdict for m in mutants}
            self.assertEqual((folder / "clamp.c").read_text(), CLAMP)
            self.assertEqual((folder / "test_clamp").read_bytes(), (folder / "kept/test_clamp").read_bytes())
            return out

    def test_a_good_test_kills(self) -> None:
        verdicts = self.verdicts(GOOD)
        survivors = {change for change, verdict in verdicts.items() if verdict is Verdict.SURVIVED}
        self.assertFalse([s for s in survivors if not any(e in s for e in EQUIVALENT)], survivors)
        self.assertGreater(list(verdicts.values()).count(Verdict.KILLED), 6)

    def test_a_bad_test_kills_none(self) -> None:
        verdicts = self.verdicts(BAD)
        self.assertNotIn(Verdict.KILLED, verdicts.values())
        self.assertGreater(list(verdicts.values()).count(Verdict.SURVIVED), 7)

    def test_tests_must_pass_unmutated(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "tests/test_clamp fails unmutated"):
            self.verdicts("1")

    def test_one_failure_kills_none(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "clamp.c").write_text("int f(void)\n{\n\treturn 1;\n}\n")
            command = ("sh", "-c", "grep -q 1 clamp.c || test -e failed || { touch failed; false; }")
            engine = Engine(folder, ("cc", "-c", "clamp.c"), [Test("t", command, "")])
            engine.prepare()
            mutant = mutants_of("clamp.c", (folder / "clamp.c").read_text())[0]
            self.assertIs(engine.try_mutant(mutant, 60).verdict, Verdict.SURVIVED)
            self.assertTrue((folder / "failed").exists())

    def test_a_mutant_that_does_not_compile_is_drawn_again(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "clamp.c").write_text(CLAMP)
            mutant = Mutant("clamp.c", "clamp", 1, "", "", (0, 0, "no C at all"))
            engine = Engine(folder, ("sh", "-c", "cc -c clamp.c"), [])
            self.assertIs(engine.try_mutant(mutant, 60).verdict, Verdict.BROKEN)


if __name__ == "__main__":
    unittest.main()
