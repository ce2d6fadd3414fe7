"""A training step whose loss lossd computes: loss and gradient in one pass, in PyTorch's graph.

    pip install lossd torch
    python3 python_training.py
"""

import lossd.functional as F
import torch

torch.manual_seed(0)
x = torch.randn(256, 20)
y = (x[:, :4]).argmax(1)
model = torch.nn.Linear(20, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
losses = []
for step in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y, label_smoothing=0.05)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(f"loss {losses[0]:.2f} at first, less than half of it at last: {losses[-1] < losses[0] / 2}")
