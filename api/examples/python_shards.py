"""A data set in shards, some evaluated here and some by a server, which come to the bits of the whole.

    pip install lossd
    python3 python_shards.py
"""

import lossd
import numpy

random = numpy.random.default_rng(1)
logits = random.standard_normal((1000, 7)).astype("f4") * 5
targets = random.integers(0, 7, 1000)


def evaluate(where, rows):
    tensors = {"logits": logits[rows], "targets": targets[rows]}
    return where.evaluate("cross_entropy", tensors, ["loss", "accuracy", "perplexity"])


with lossd.serve() as server, lossd.connect("local") as here:
    shards = [evaluate((server, here)[i % 2], slice(i, i + 90)) for i in range(0, 1000, 90)]
    merged = lossd.merge(shards)
    whole = evaluate(here, slice(None))
for name in whole:
    print(name, "is the same:", merged[name] == whole[name])
print("totals are the same:", merged.totals == whole.totals)
