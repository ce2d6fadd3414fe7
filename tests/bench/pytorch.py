"""PyTorch's cross_entropy, timed for tests/bench/peer.h: questions on standard input, seconds on standard output."""

import sys
import time

TIMED_SECONDS = 0.08


def seconds_of(call):
    """Seconds of one call, as time_call of timing.c measures them."""
    call()
    repeats = 1
    while True:
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        taken = time.perf_counter() - start
        if taken >= TIMED_SECONDS:
            return taken / repeats
        repeats *= 2


def make_call(torch, what, rows, classes):
    cross_entropy = torch.nn.functional.cross_entropy
    torch.manual_seed(1)
    logits = torch.randn(rows, classes)
    targets = torch.randint(classes, (rows,))
    if what == "forward":
        return lambda: cross_entropy(logits, targets)
    logits.requires_grad_()

    def backward():
        logits.grad = None
        cross_entropy(logits, targets).backward()

    return backward


def main():
    try:
        import torch
    except Exception as reason:  # a broken installation raises more than ImportError
        print("absent is not installed (make bench-peers):", str(reason).split("\n")[0], flush=True)
        return
    print("ready PyTorch", torch.__version__, flush=True)
    case, call = None, None
    for line in sys.stdin:
        what, rows, classes, threads = line.split()
        torch.set_num_threads(int(threads))
        if case != (what, rows, classes):
            call = None  # gives the memory back first
            case, call = (what, rows, classes), make_call(torch, what, int(rows), int(classes))
        print(seconds_of(call), flush=True)


if __name__ == "__main__":
    main()
