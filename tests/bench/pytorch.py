"""PyTorch, timed for tests/bench/peer.h: questions on standard input, seconds on standard output.

    forward|backward|divergence|divergence_backward|log_softmax|onednn_softmax ROWS CLASSES THREADS    of random logits, F32
    tensors DTYPE DIMENSION...           reads those of sweep_tensors.h from the file that is this program's argument
    sweep THREADS SECONDS LOSS [VARIANT] [grad]       pytorch_losses.py's, of those tensors, repeated for so long
"""

import gc
import sys
import time
import warnings

TIMED_SECONDS = 0.08


def seconds_of(call, timed_seconds):
    """Seconds of one call, as time_call_for of timing.c measures them."""
    call()
    repeats = 1
    while True:
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        taken = time.perf_counter() - start
        if taken >= timed_seconds:
            return taken / repeats
        repeats *= 2


def make_call(torch, what, rows, classes):
    cross_entropy = torch.nn.functional.cross_entropy
    torch.manual_seed(1)
    logits = torch.randn(rows, classes)
    targets = torch.randint(classes, (rows,))
    if what == "forward":
        return lambda: cross_entropy(logits, targets)
    if what == "log_softmax":
        return lambda: torch.log_softmax(logits, 1)
    if what == "onednn_softmax":  # there is no log_softmax of such tensors
        foreign = logits.to_mkldnn()
        return lambda: torch.softmax(foreign, 1)
    if what.startswith("divergence"):
        return make_divergence(torch, logits, what == "divergence_backward")
    logits.requires_grad_()

    def backward():
        logits.grad = None
        cross_entropy(logits, targets).backward()

    return backward


def make_divergence(torch, logits, grad):
    """As one writes it: the teacher needs no gradient."""
    f = torch.nn.functional
    teacher = logits + 0.3 * torch.randn(*logits.shape)

    def forward():
        log_q, log_p = f.log_softmax(logits, 1), f.log_softmax(teacher, 1)
        return f.kl_div(log_q, log_p, reduction="batchmean", log_target=True)

    def backward():
        logits.grad = None
        forward().backward()

    logits.requires_grad_(grad)
    return backward if grad else forward


class Peer:
    """What lasts from question to question: the last call, which is likely to be asked for again, and its tensors."""

    def __init__(self, torch, path):
        self.torch, self.path = torch, path
        self.asked = self.call = self.tensors = None

    def remember(self, asked, make):
        if asked != self.asked:
            self.call = None  # gives its memory back first
            self.asked, self.call = asked, make()
        return self.call

    def read_tensors(self, dtype, *shape):
        from pytorch_losses import Tensors

        self.asked = self.call = self.tensors = None
        start = time.perf_counter()
        self.tensors = Tensors(self.torch, self.path, dtype, [int(d) for d in shape])
        return time.perf_counter() - start

    def sweep(self, threads, timed_seconds, *words):
        from pytorch_losses import call_of

        self.torch.set_num_threads(int(threads))
        call = self.remember(words, lambda: call_of(self.torch, self.tensors, words))
        return seconds_of(call, float(timed_seconds))

    def answer(self, what, *words):
        if what == "tensors":
            return self.read_tensors(*words)
        if what == "sweep":
            return self.sweep(*words)
        rows, classes, threads = (int(word) for word in words)
        self.torch.set_num_threads(threads)
        call = self.remember((what, rows, classes), lambda: make_call(self.torch, what, rows, classes))
        return seconds_of(call, TIMED_SECONDS)


def about(torch):
    """Its version, and those of what it is made of: "PyTorch 2.15.0, AVX512, oneDNN 3.13.3"."""
    for line in torch.__config__.show().splitlines():
        if "MKL-DNN v" in line:
            onednn = ", oneDNN " + line.split("MKL-DNN v")[1].split()[0]
            break
    else:
        onednn = ""
    capability = torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") else "unknown"
    return f"PyTorch {torch.__version__}, {capability}{onednn}"


def main():
    try:
        import torch
    except Exception as reason:  # a broken installation raises more than ImportError
        print("absent is not installed (make bench-peers):", str(reason).split("\n")[0], flush=True)
        return
    warnings.simplefilter("ignore")
    print("ready", about(torch), flush=True)
    peer = Peer(torch, sys.argv[1])
    gc.disable()
    for line in sys.stdin:
        seconds = peer.answer(*line.split())
        gc.collect()  # before the answer: afterwards the other side's time runs
        print(seconds, flush=True)


if __name__ == "__main__":
    main()
