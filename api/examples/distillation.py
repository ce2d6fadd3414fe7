"""What a student pays for not being its teacher, of whom the top classes were stored: python3 distillation.py

A teacher has said of each token its two likeliest classes, with their log-probabilities; what it thinks of the others is
one more class, the rest of 1 (tail: bucket). The gradient with respect to the student's logits comes with the loss, so
that a training loop needs nothing else. Needs nothing but Python's standard library.
"""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")

# Three tokens of a vocabulary of four. A store of teachers has these for every token of a data set.
TOP = [[2, 0], [1, 3], [3, -1]]  # of the third token it has kept one class; -1 is an empty place
LOG_PROBS = [[-0.25, -1.75], [-0.5, -1.25], [-0.1, 0.0]]
LABELS = [2, 1, -100]  # of the data; -100: there is none, and the token does not count
LOGITS = [[0.5, -0.5, 2.0, 0.0], [-1.0, 1.5, 0.0, 1.0], [0.0, 0.0, 0.0, 3.0]]  # of the student


def evaluate(problem):
    request = urllib.request.Request(
        f"{URL}/v1/losses/divergence", json.dumps(problem).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["detail"])


def main():
    reply = evaluate({
        "logits": LOGITS,
        "teacher_indices": TOP,
        "teacher_log_probs": LOG_PROBS,
        "targets": LABELS,
        "hard_weight": 0.25,  # a quarter of the loss is the cross entropy with the labels
        "tail": "bucket",
        "outputs": ["loss", "grad", "agreement"],
    })
    print(f"loss {reply['loss']:.6f} agreement {reply['agreement']:.6f} tokens {reply['totals']['counted']}")
    for token, grad in enumerate(reply["grad"]):
        print(f"grad {token}", *(f"{g:.6f}" for g in grad))


if __name__ == "__main__":
    main()
