"""What a user of PyTorch writes for each case of sweep_cases.c; `t` has the tensors."""

import math

SOFTCAP, TEMPERATURE, SMOOTHING, Z_LOSS = 30.0, 0.7, 0.1, 1e-4  # as in sweep_cases.c
ALPHA, GAMMA = 0.25, 2.0
BINS = 15


class Tensors:
    """Those of sweep_tensors.h, in its order; the narrow types become float32."""

    def __init__(self, torch, path, dtype, shape):
        kinds = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
        sizes = {torch.float16: 2, torch.bfloat16: 2, torch.float32: 4}
        kind = kinds[dtype]
        rows = [d for axis, d in enumerate(shape) if axis != 1]
        with open(path, "rb") as file:

            def read(kind, shape):
                size = sizes.get(kind, 8)
                data = bytearray(file.read(math.prod(shape) * size))
                tensor = torch.frombuffer(data, dtype=kind).reshape(shape)
                return tensor.float() if size == 2 else tensor.clone()

            self.x = read(kind, shape)
            self.p = read(kind, shape)
            self.t = read(kind, shape)
            self.weight = read(kind, shape[1:2])
            self.y = read(torch.int64, rows)


def rank(torch, t):
    return (t.x > t.x.gather(1, t.y.unsqueeze(1))).sum(1)


def entropy(torch, t):
    log_p = torch.log_softmax(t.x, 1)
    return -(log_p.exp() * log_p).sum(1)


def ece(torch, t):
    """As torchmetrics has it."""
    confidence, predicted = torch.softmax(t.x, 1).max(1)
    confidence, correct = confidence.flatten(), predicted.eq(t.y).flatten().to(confidence.dtype)
    borders = torch.linspace(0, 1, BINS + 1, dtype=confidence.dtype)
    bins = torch.bucketize(confidence, borders, right=True) - 1
    count = torch.zeros(BINS + 1, dtype=confidence.dtype)
    count.scatter_add_(0, bins, torch.ones_like(confidence))
    sure = torch.zeros_like(count).scatter_add_(0, bins, confidence)
    right = torch.zeros_like(count).scatter_add_(0, bins, correct)
    gap = torch.nan_to_num((right / count - sure / count).abs())
    return (gap * count / count.sum()).sum()


def z_loss(torch, t):
    loss = torch.nn.functional.cross_entropy(t.x, t.y)
    return loss + Z_LOSS * torch.logsumexp(t.x, 1).square().mean()


def focal(torch, t):
    """As torchvision has it."""
    p = torch.sigmoid(t.x)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(t.x, t.t, reduction="none")
    p_t = p * t.t + (1 - p) * (1 - t.t)
    loss = loss * (1 - p_t) ** GAMMA
    return ((ALPHA * t.t + (1 - ALPHA) * (1 - t.t)) * loss).mean()


def brier(torch, t):
    p = torch.softmax(t.x, 1)
    hit = p.gather(1, t.y.unsqueeze(1)).squeeze(1)
    return (p.square().sum(1) - 2 * hit + 1).mean()


def losses(torch):
    f = torch.nn.functional
    return {
        "cross_entropy plain": lambda t: f.cross_entropy(t.x, t.y),
        "cross_entropy weight": lambda t: f.cross_entropy(t.x, t.y, weight=t.weight),
        "cross_entropy smoothing": lambda t: f.cross_entropy(t.x, t.y, label_smoothing=SMOOTHING),
        "cross_entropy probabilities": lambda t: f.cross_entropy(t.x, t.t),
        "cross_entropy temperature": lambda t: f.cross_entropy(t.x / TEMPERATURE, t.y),
        "cross_entropy softcap": lambda t: f.cross_entropy(SOFTCAP * torch.tanh(t.x / SOFTCAP), t.y),
        "cross_entropy z_loss": lambda t: z_loss(torch, t),
        "cross_entropy none": lambda t: f.cross_entropy(t.x, t.y, reduction="none"),
        "cross_entropy rank": lambda t: rank(torch, t),
        "cross_entropy entropy": lambda t: entropy(torch, t),
        "cross_entropy ece": lambda t: ece(torch, t),
        "log_softmax": lambda t: f.log_softmax(t.x, 1),
        "softmax": lambda t: f.softmax(t.x, 1),
        "nll_loss": lambda t: f.nll_loss(t.x, t.y),
        "kl_div": lambda t: f.kl_div(t.x, t.t),
        "binary_cross_entropy_with_logits": lambda t: f.binary_cross_entropy_with_logits(t.x, t.t),
        "binary_cross_entropy": lambda t: f.binary_cross_entropy(t.p, t.t),
        "sigmoid_focal_loss": lambda t: focal(torch, t),
        "mse_loss": lambda t: f.mse_loss(t.x, t.t),
        "l1_loss": lambda t: f.l1_loss(t.x, t.t),
        "smooth_l1_loss": lambda t: f.smooth_l1_loss(t.x, t.t),
        "huber_loss": lambda t: f.huber_loss(t.x, t.t),
        "poisson_nll_loss": lambda t: f.poisson_nll_loss(t.x, t.t),
        "gaussian_nll_loss": lambda t: f.gaussian_nll_loss(t.x, t.t, t.p),
        "quantile_loss": lambda t: torch.maximum(0.5 * (t.t - t.x), -0.5 * (t.t - t.x)).mean(),
        "multilabel_soft_margin_loss": lambda t: f.multilabel_soft_margin_loss(t.x, t.t),
        "brier_score": lambda t: brier(torch, t),
        "multi_margin_loss": lambda t: f.multi_margin_loss(t.x, t.y),
    }


def call_of(torch, t, words):
    """A call of no arguments: forward, or with `grad` after its name forward and backward."""
    grad = words[-1] == "grad"
    loss = losses(torch)[" ".join(words[:-1] if grad else words)]
    leaf = t.p if words[0] == "binary_cross_entropy" else t.x
    leaf.requires_grad_(grad)
    if not grad:
        return lambda: loss(t)

    def backward():
        leaf.grad = None
        result = loss(t)
        result.backward(None if result.dim() == 0 else t.t)

    return backward
