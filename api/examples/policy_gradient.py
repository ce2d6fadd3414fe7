"""A step of reinforcement learning whose loss is the server's: python3 policy_gradient.py

PyTorch has the model, the server the loss (PPO here) and its gradient with respect to the logits, which
goes back into PyTorch's graph as if it had been made there. Needs torch; without it, it says so.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.request

try:
    import torch
except ImportError:
    sys.exit("policy_gradient.py needs PyTorch: pip install torch")

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}


def encode(tensor):
    data = tensor.detach().cpu().contiguous()
    return {"dtype": DTYPES[data.dtype], "shape": list(data.shape),
            "base64": base64.b64encode(data.numpy().tobytes()).decode()}


def decode(member):
    """Scalars are numbers, whatever the form of the rest."""
    if not isinstance(member, dict):
        return torch.tensor(float(member))
    dtype = {name: dtype for dtype, name in DTYPES.items()}[member["dtype"]]
    data = bytearray(base64.b64decode(member["base64"]))
    return torch.frombuffer(data, dtype=dtype).reshape(member["shape"])


def evaluate(tensors, **arguments):
    body = {name: encode(tensor) for name, tensor in tensors.items()}
    body.update(arguments, tensors="base64")
    request = urllib.request.Request(URL + "/v1/losses/policy_gradient", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as refused:
        error = json.load(refused)
        sys.exit(f"{error['code']}: {error['detail']}")


class PolicyLoss(torch.autograd.Function):
    """The loss of logits (B, T, V), class last; all other tensors are of the shape (B, T)."""

    @staticmethod
    def forward(ctx, logits, targets, sampling_log_probs, advantages, mask):
        reply = evaluate(
            {"targets": targets, "sampling_log_probs": sampling_log_probs,
             "advantages": advantages, "mask": mask, "logits": logits},
            objective="ppo", class_axis=-1, reduction="sequence_mean",
            outputs=["loss", "grad", "clip_fraction", "kl"])
        ctx.save_for_backward(decode(reply["grad"]))
        print("clip_fraction", reply["clip_fraction"], "kl %.6f" % reply["kl"])
        return decode(reply["loss"])

    @staticmethod
    def backward(ctx, upstream):
        (grad,) = ctx.saved_tensors
        return upstream * grad, None, None, None, None


def in_pytorch(logits, targets, sampled, advantages, mask):
    """The same, all of it here: to see that the gradients are the same."""
    lp = torch.log_softmax(logits.double(), -1).gather(-1, targets[..., None])[..., 0]
    ratio = torch.exp(lp - sampled.double())
    rows = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
    return ((rows * mask).sum(1) / mask.sum(1)).mean()


def main():
    torch.manual_seed(1)
    policy = torch.nn.Linear(4, 6)
    states = torch.randn(2, 3, 4)
    targets = torch.tensor([[5, 0, 2], [1, 3, 0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    advantages = torch.tensor([[1.0, -0.5, 2.0], [-1.0, 0.25, 0.0]])
    with torch.no_grad():
        logs = torch.log_softmax(policy(states), -1)
        sampled = logs.gather(-1, targets[..., None])[..., 0]
        sampled += torch.tensor([[0.1, -0.4, 0.0], [0.3, 0.05, 0.0]])
    rows = (targets, sampled, advantages, mask)

    loss = PolicyLoss.apply(policy(states), *rows)
    loss.backward()
    ours = policy.weight.grad.clone()
    policy.zero_grad()
    in_pytorch(policy(states), *rows).backward()
    print("loss %.6f" % loss.item())
    print("gradient as in PyTorch", torch.allclose(ours, policy.weight.grad, rtol=1e-5, atol=1e-7))
    with torch.no_grad():  # the step
        for parameter in policy.parameters():
            parameter -= 0.1 * parameter.grad


if __name__ == "__main__":
    main()
