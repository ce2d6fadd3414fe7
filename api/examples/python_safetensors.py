"""The cross entropy of one row as safetensors, both ways: python3 python_safetensors.py

A batch of NumPy arrays goes as it is, without a digit being printed or read.
"""

import os
import sys

import numpy as np
import requests
from safetensors.numpy import load, save

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")
MEDIA = "application/x-safetensors"


def cross_entropy(session, tensors, **arguments):
    """Returns the outputs as arrays. Arguments are those of the JSON form, such as reduction="sum"."""
    reply = session.post(
        f"{URL}/v1/losses/cross_entropy",
        params={"outputs": "loss,grad", **arguments},
        data=save(tensors),
        headers={"Content-Type": MEDIA, "Accept": MEDIA},
        timeout=30,
    )
    if not reply.ok:
        error = reply.json()
        sys.exit(f"{error['code']}: {error['detail']} (request {error['request_id']})")
    return load(reply.content)


def main():
    # 64-bit targets are written before the logits, so that the server evaluates rows as they arrive.
    tensors = {
        "logits": np.array([[-0.7715, -0.6205, -0.2562]], np.float32),
        "targets": np.array([0], np.int64),
    }
    with requests.Session() as session:
        outputs = cross_entropy(session, tensors)
    print("loss", outputs["loss"])
    print("grad", *outputs["grad"][0])


if __name__ == "__main__":
    main()
