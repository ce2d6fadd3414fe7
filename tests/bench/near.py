"""How far off a divergence is where student and teacher nearly agree: PyTorch's float32 formula and lossd's.

    build/peers/bin/python tests/bench/near.py [LOSSD]        prints the table of docs/accuracy.md

Rows of standard normal logits times 2, and the same with noise of a deviation (the distance) added, both F32. Exact is the
sum of p (log p - log q) in NumPy's long double, whose own error is some 1e-18. Both sides are given the same tensors.
"""

import json
import subprocess
import sys
import tempfile

import numpy as np
import torch

ROWS = 64
SIZES = (1000, 32000)
DISTANCES = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)
KINDS = ("forward", "reverse", "jsd")


def log_softmax(x):
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def exact(kind, u, v):
    log_q, log_p = log_softmax(u.astype(np.longdouble)), log_softmax(v.astype(np.longdouble))
    p, q = np.exp(log_p), np.exp(log_q)
    if kind == "forward":
        return (p * (log_p - log_q)).sum(1)
    if kind == "reverse":
        return (q * (log_q - log_p)).sum(1)
    log_m = np.log((p + q) / 2)
    return ((p * (log_p - log_m)).sum(1) + (q * (log_q - log_m)).sum(1)) / 2


def of_pytorch(kind, u, v):
    """As one writes it, for each row."""
    kl_div = torch.nn.functional.kl_div
    log_q, log_p = torch.log_softmax(torch.tensor(u), 1), torch.log_softmax(torch.tensor(v), 1)

    def each(to, of):
        return kl_div(to, of, reduction="none", log_target=True).sum(1)

    if kind == "forward":
        return each(log_q, log_p).numpy()
    if kind == "reverse":
        return each(log_p, log_q).numpy()
    log_m = torch.logaddexp(log_p, log_q) - float(np.log(2))
    return ((each(log_m, log_p) + each(log_m, log_q)) / 2).numpy()


def of_lossd(lossd, kind, u, v):
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/rows.npz"
        np.savez(path, logits=u, teacher_logits=v)
        done = subprocess.run([lossd, "eval", path, "--loss", "divergence", "--kind", kind, "--reduction", "none"],
                              check=True, capture_output=True)
    return np.array(json.loads(done.stdout)["loss"], dtype=np.float32)


def worst(values, right):
    """The largest error over the exact value."""
    return float((abs(values.astype(np.longdouble) - right) / right).max())


def main():
    lossd = sys.argv[1] if len(sys.argv) > 1 else "build/lossd"
    torch.set_num_threads(1)
    print("| kind | classes | distance | exact, mean | PyTorch, worst | below 0 | lossd, worst |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        for classes in SIZES:
            for distance in DISTANCES:
                random = np.random.default_rng(classes)
                v = (2 * random.standard_normal((ROWS, classes))).astype(np.float32)
                u = (v + distance * random.standard_normal((ROWS, classes))).astype(np.float32)
                right, theirs = exact(kind, u, v), of_pytorch(kind, u, v)
                ours = of_lossd(lossd, kind, u, v)
                print(f"| {kind} | {classes} | {distance:g} | {float(right.mean()):.2e} | {worst(theirs, right):.1e} | "
                      f"{(theirs < 0).sum()} of {ROWS} | {worst(ours, right):.1e} |")


if __name__ == "__main__":
    main()
