"""The cross entropy of one row with requests: python3 python_requests.py"""

import os
import sys

import requests

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")


def cross_entropy(session, logits, targets, **arguments):
    """Returns the reply: a dict with loss, grad, totals and metrics.

    logits and targets are nested lists (a NumPy array or a tensor: its .tolist()); arguments are those of
    torch.nn.functional.cross_entropy, such as reduction="sum" or label_smoothing=0.1.
    """
    problem = {"logits": logits, "targets": targets, "outputs": ["loss", "grad"], **arguments}
    reply = session.post(f"{URL}/v1/losses/cross_entropy", json=problem, timeout=30)
    if not reply.ok:
        error = reply.json()
        sys.exit(f"{error['code']}: {error['detail']} (request {error['request_id']})")
    return reply.json()


def main():
    with requests.Session() as session:  # keeps the connection for the next batch
        reply = cross_entropy(session, [[-0.7715, -0.6205, -0.2562]], [0])
    print("loss", reply["loss"])
    print("grad", *reply["grad"][0])


if __name__ == "__main__":
    main()
