"""The Python package, timed for tests/bench/peer.h: questions on standard input, seconds on standard output.

    forward ROWS CLASSES THREADS    of random logits, F32, in arrays of NumPy

Its argument is the folder that the package lies in. Calls go through as many arrays as pool.h has slices.
"""

import gc
import sys

from pytorch import TIMED_SECONDS, seconds_of

POOL_BYTES = 512 << 20
CACHED_BYTES = 1 << 20


def make_call(numpy, lossd, rows, classes):
    random = numpy.random.default_rng(1)
    targets = random.integers(0, classes, rows)
    bytes_each = rows * classes * 4
    n = 1 if bytes_each <= CACHED_BYTES else -(-POOL_BYTES // bytes_each)
    pool = [random.random((rows, classes), dtype="f4") * 16 - 8 for _ in range(n)]
    cross_entropy = lossd.functional.cross_entropy
    if n == 1:
        logits = pool[0]
        return lambda: cross_entropy(logits, targets)
    turn = iter(())

    def call():
        nonlocal turn
        logits = next(turn, None)
        if logits is None:
            turn = iter(pool)
            logits = next(turn)
        cross_entropy(logits, targets)

    return call


def main():
    sys.path.insert(0, sys.argv[1])
    try:
        import lossd
        import numpy
    except Exception as reason:
        print("absent is not there:", str(reason).split("\n")[0], flush=True)
        return
    print(f"ready the Python package, NumPy {numpy.__version__}", flush=True)
    gc.disable()
    asked, call = None, None
    for line in sys.stdin:
        _, rows, classes, threads = line.split()
        lossd.set_num_threads(int(threads))
        if (rows, classes) != asked:
            asked, call = (rows, classes), None
            call = make_call(numpy, lossd, int(rows), int(classes))
        print(seconds_of(call, TIMED_SECONDS), flush=True)


if __name__ == "__main__":
    main()
