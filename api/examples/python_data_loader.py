"""Batches that the workers of a DataLoader evaluate, and totals that add up exactly in the end.

    pip install lossd torch
    python3 python_data_loader.py

In a worker, which is forked, an evaluation has one thread; the workers are what runs at the same time.
"""

import lossd
import torch


def batch(i):
    generator = torch.Generator().manual_seed(i)
    logits = torch.randn(64, 10, generator=generator)
    return logits, torch.randint(10, (64,), generator=generator)


class Evaluated(torch.utils.data.Dataset):
    """The totals of each batch."""

    def __len__(self):
        return 20

    def __getitem__(self, i):
        logits, targets = batch(i)
        return lossd.evaluate("cross_entropy", {"logits": logits, "targets": targets}).totals


def main():
    loader = torch.utils.data.DataLoader(Evaluated(), batch_size=None, num_workers=2)
    parts = list(loader)
    logits, targets = map(torch.cat, zip(*map(batch, range(20))))
    whole = lossd.evaluate("cross_entropy", {"logits": logits, "targets": targets}).totals
    print(f"{len(parts)} batches, {whole.rows} rows, the same bits as all at once: {sum(parts) == whole}")


if __name__ == "__main__":
    main()
