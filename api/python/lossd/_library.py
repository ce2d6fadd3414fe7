"""libloss through ctypes: its structs, as src/loss/*.h have them, and what is called of it."""

from __future__ import annotations

import ctypes
import glob
import os
from ctypes import POINTER, c_bool, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_void_p

from ._tables import TABLES

FOLDER = os.path.dirname(os.path.abspath(__file__))

VALUE_NULL, VALUE_BOOLEAN, VALUE_INTEGER, VALUE_NUMBER, VALUE_STRING, VALUE_OTHER = range(6)


class Tensor(ctypes.Structure):
    _fields_ = [
        ("dtype", c_int),
        ("rank", c_int),
        ("shape", c_size_t * TABLES["max_rank"]),
        ("count", c_size_t),
        ("data", c_void_p),
    ]


class Value(ctypes.Structure):
    _fields_ = [
        ("type", c_int),
        ("boolean", c_bool),
        ("integer_overflow", c_bool),
        ("integer", c_int64),
        ("number", c_double),
        ("text", c_char_p),
    ]


class Output(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("tensor", Tensor)]


class Totals(ctypes.Structure):
    _fields_ = [
        ("loss_sum", c_double),
        ("denominator", c_double),
        ("rows", c_size_t),
        ("counted", c_size_t),
        ("ignored", c_size_t),
        ("state", c_char_p),
    ]


class Result(ctypes.Structure):
    _fields_ = [
        ("n_outputs", c_size_t),
        ("outputs", Output * TABLES["max_outputs"]),
        ("has_totals", c_bool),
        ("totals", Totals),
        ("n_warnings", c_size_t),
        ("warnings", c_char_p * TABLES["max_warnings"]),
    ]


class Error(ctypes.Structure):
    pass


Error._fields_ = [
    ("status", c_int),
    ("field", c_char * TABLES["field_chars"]),
    ("has_index", c_bool),
    ("index_rank", c_int),
    ("index", c_size_t * TABLES["max_rank"]),
    ("flat_index", c_size_t),
    ("detail", c_char * TABLES["detail_chars"]),
    ("more", POINTER(Error)),
]


class Call(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("loss", c_void_p),
        ("arena", c_void_p),
        ("tensors", POINTER(POINTER(Tensor))),
        ("arguments", POINTER(Value)),
        ("outputs", POINTER(c_char_p)),
        ("n_outputs", c_size_t),
        ("threads", c_int),
        ("scalar", c_double),
        ("result", Result),
        ("error", Error),
    ]


def _load() -> ctypes.CDLL:
    if ctypes.sizeof(Call) != TABLES["call_size"]:
        raise ImportError("lossd._library does not fit the libloss that it was made for")
    paths = glob.glob(os.path.join(FOLDER, "lib", "libloss.so*"))
    if not paths:
        raise ImportError(f"there is no libloss.so in {os.path.join(FOLDER, 'lib')}")
    return ctypes.CDLL(paths[0])


_FUNCTIONS = {
    "loss_find": (c_void_p, [c_char_p, c_size_t]),
    "loss_hint_loss": (None, [c_char_p, c_size_t, c_char_p, c_size_t]),
    "loss_isa": (c_char_p, []),
    "loss_budget_create": (c_void_p, [c_size_t]),
    "loss_budget_trim": (None, [c_void_p]),
    "loss_budget_age": (None, [c_void_p]),
    "loss_budget_held": (c_size_t, [c_void_p]),
    "loss_budget_kept": (c_size_t, [c_void_p]),
    "loss_arena_create": (c_void_p, [c_void_p]),
    "loss_arena_destroy": (None, [c_void_p]),
    "loss_arena_reset": (None, [c_void_p]),
    "loss_problem_create": (c_void_p, [c_void_p, c_void_p]),
    "loss_problem_set": (c_int, [c_void_p, c_char_p, POINTER(Tensor), POINTER(Error)]),
    "loss_problem_set_text": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(Error)]),
    "loss_totals_merge": (
        c_int,
        [POINTER(c_char_p), c_size_t, c_void_p, POINTER(Result), POINTER(Error)],
    ),
}

library = _load()
for _name, (_result, _arguments) in _FUNCTIONS.items():
    _function = getattr(library, _name)
    _function.restype, _function.argtypes = _result, _arguments

#: Without argtypes: what is called most is handed a ctypes.byref and nothing to convert.
call_run = library.loss_call_run
call_run.restype = c_int
