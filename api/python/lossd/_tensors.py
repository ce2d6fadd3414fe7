"""Tensors of other libraries: where their elements lie, and how answers are made in their kind.

Nothing is imported that the caller has not imported, NumPy apart. A tensor whose elements lie side
by side is never copied.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import Any, Callable, NamedTuple, Protocol

import numpy as np

from . import errors
from ._losses import DTYPE_SIZE, DTYPES

_NUMPY_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_NAMES = {ours: theirs for theirs, ours in _NUMPY_NAMES.items()}
#: NumPy knows these only where ml_dtypes does; other libraries look at the bits.
_FOREIGN = {"BF16": "uint16", "F8_E4M3": "uint8", "F8_E5M2": "uint8"}
#: __dlpack_device__ of memory that the processor reads: the machine's own, and what is pinned of it.
_DLPACK_CPU = (1, 3, 11)

#: np.dtype -> "F32", filled as they come: names of dtypes are slow.
_dtype_names: dict[Any, str] = {}


class Kind(Protocol):
    """A library of tensors: how an answer of it is made."""

    def answer(self, array: np.ndarray, dtype: str) -> Any:
        """From an array that nobody else has; of a dtype that NumPy lacks, its bits."""

    def number(self, dtype: str) -> Callable[[float], Any]:
        """What makes answers of one number, of F64 or F32."""


class View(NamedTuple):
    """A tensor's elements, side by side, row-major, for as long as ``owner`` is there."""

    dtype: str
    shape: tuple[int, ...]
    address: int
    owner: Any
    kind: Kind

    @property
    def nbytes(self) -> int:
        count = 1
        for n in self.shape:
            count *= n
        return count * DTYPE_SIZE[self.dtype]

    def memory(self) -> memoryview:
        """Its bytes, without a copy; the view must outlive it."""
        if self.nbytes == 0:
            return memoryview(b"")
        return memoryview((ctypes.c_char * self.nbytes).from_address(self.address)).cast("B")


# ---------------------------------------------------------------- NumPy


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype of a name such as "F32"; of BF16 and F8 that of ml_dtypes."""
    if name not in _FOREIGN:
        return np.dtype(_NAMES[name])
    import ml_dtypes  # who has such arrays has imported it

    return np.dtype(getattr(ml_dtypes, _NAMES[name]))


class _Numpy:
    def answer(self, array: np.ndarray, dtype: str) -> Any:
        if dtype in _FOREIGN:
            array = array.view(numpy_dtype(dtype))
        return array if array.ndim else array[()]

    def number(self, dtype: str) -> Callable[[float], Any]:
        return numpy_dtype(dtype).type


NUMPY = _Numpy()


def name_of(dtype: np.dtype) -> str | None:
    """"F32" of a dtype of the machine's byte order; None of those that libloss does not have."""
    if dtype not in _dtype_names:
        if dtype.name not in _NUMPY_NAMES or not dtype.isnative:
            return None
        _dtype_names[dtype] = _NUMPY_NAMES[dtype.name]
    return _dtype_names[dtype]


def address_of(array: Any) -> int:
    """Where a contiguous array begins. What can be written to tells it quickly."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError, BufferError):
        return array.__array_interface__["data"][0]


def _view_numpy(array: np.ndarray, name: str, kind: Kind) -> View:
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    dtype = name_of(array.dtype)
    if dtype is None:
        raise errors.make(
            f"{name} is {array.dtype}, but must be one of {', '.join(DTYPES)}", "dtype_mismatch", name
        )
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    return View(dtype, array.shape, address_of(array), array, kind)


# ---------------------------------------------------------------- PyTorch


class _Torch:
    def answer(self, array: np.ndarray, dtype: str) -> Any:
        torch = sys.modules["torch"]
        tensor = torch.from_numpy(np.asarray(array))
        return tensor.view(getattr(torch, _NAMES[dtype])) if dtype in _FOREIGN else tensor

    def number(self, dtype: str) -> Callable[[float], Any]:
        torch = sys.modules["torch"]
        return functools.partial(torch.scalar_tensor, dtype=getattr(torch, _NAMES[dtype]))


TORCH = _Torch()
_torch_names: dict[Any, str] = {}


def is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def _torch_name(dtype: Any) -> str | None:
    if not _torch_names:
        torch = sys.modules["torch"]
        for theirs, ours in _NUMPY_NAMES.items():
            if hasattr(torch, theirs):
                _torch_names[getattr(torch, theirs)] = ours
    return _torch_names.get(dtype)


def _refuse_torch(tensor: Any, name: str, dtype: str | None) -> None:
    """Says what is wrong with a tensor, if anything is."""
    why = None
    if tensor.device.type != "cpu":
        why = f"on {tensor.device}, but must be in the processor's memory: {name}.cpu()"
    elif str(tensor.layout) != "torch.strided":
        why = f"{tensor.layout}, but must be dense: {name}.to_dense()"
    elif dtype is None:
        why = f"{tensor.dtype}, but must be one of {', '.join(DTYPES)}"
    if why is not None:
        raise errors.make(f"{name} is {why}", "dtype_mismatch", name)


def _view_torch(tensor: Any, name: str) -> View:
    dtype = _torch_name(tensor.dtype)
    if dtype is None or not tensor.is_cpu or tensor.layout is not sys.modules["torch"].strided:
        _refuse_torch(tensor, name, dtype)
    if tensor.is_neg() or not tensor.is_contiguous():
        tensor = tensor.detach().resolve_neg().contiguous()
    return View(str(dtype), tuple(tensor.shape), tensor.data_ptr(), tensor, TORCH)


# ---------------------------------------------------------------- JAX and all others


class _Jax:
    def answer(self, array: np.ndarray, dtype: str) -> Any:
        return sys.modules["jax"].numpy.asarray(NUMPY.answer(array, dtype))

    def number(self, dtype: str) -> Callable[[float], Any]:
        return functools.partial(sys.modules["jax"].numpy.asarray, dtype=numpy_dtype(dtype))


JAX = _Jax()


def _is_jax(value: Any) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, getattr(jax, "Array", ()))


def _check_device(value: Any, name: str) -> None:
    device = value.__dlpack_device__() if hasattr(value, "__dlpack_device__") else (1, 0)
    if int(device[0]) not in _DLPACK_CPU:
        raise errors.make(
            f"{name} is on a device, but must be in the processor's memory", "dtype_mismatch", name
        )


def _foreign_array(value: Any, name: str) -> np.ndarray | None:
    """An array over the elements of whatever says where they are; None of what does not."""
    if hasattr(value, "__array_interface__") or hasattr(value, "__array_struct__"):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        _check_device(value, name)
        try:
            return np.from_dlpack(value)
        except (TypeError, BufferError, RuntimeError, ValueError):  # dtypes that NumPy lacks
            return np.asarray(value) if hasattr(value, "__array__") else None
    if hasattr(value, "__array__"):
        return np.asarray(value)
    try:
        return np.asarray(memoryview(value))
    except TypeError:
        return None


def view(value: Any, name: str) -> View:
    """The elements of a tensor of any library. ``name`` is for what is said if there are none.

    Raises :class:`LossTypeError` for what is no tensor, is not in the processor's memory, or has a
    dtype that libloss does not.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise errors.make(
            f"{name} is a masked array, whose mask would be lost: give its data, and the mask where "
            "the loss has one",
            "wrong_type",
            name,
        )
    if isinstance(value, (np.ndarray, np.generic)):
        return _view_numpy(np.asarray(value), name, NUMPY)
    if is_torch(value):
        return _view_torch(value, name)
    if _is_jax(value):
        _check_device(value, name)
        return _view_numpy(np.asarray(value), name, JAX)
    array = None if isinstance(value, (str, list, tuple)) else _foreign_array(value, name)
    if array is None:
        raise errors.make(
            f"{name} is a {type(value).__name__}, but must be a tensor: an array of NumPy, PyTorch or "
            "JAX, or something with __dlpack__, __array_interface__ or the buffer protocol",
            "wrong_type",
            name,
        )
    return _view_numpy(array, name, NUMPY)


# ---------------------------------------------------------------- answers


class _Memory:
    """Memory at an address for NumPy, which keeps this, and so the owner, as long as it needs it."""

    def __init__(self, owner: Any, address: int, dtype: str, shape: tuple[int, ...]) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": np.dtype(_FOREIGN.get(dtype, _NAMES[dtype])).str,
            "data": (address, False),
        }


def over(owner: Any, address: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array over memory that is there as long as its owner: no copy."""
    return np.asarray(_Memory(owner, address, dtype, shape))


def empty(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Room for an answer; of a dtype that NumPy lacks, for its bits."""
    return np.empty(shape, _FOREIGN.get(dtype, _NAMES[dtype]))


def copied(address: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of its own with what is at an address."""
    array = empty(dtype, shape)
    if array.nbytes:
        ctypes.memmove(address_of(array), address, array.nbytes)
    return array
