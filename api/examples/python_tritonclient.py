"""The cross entropy of one row with tritonclient: python3 python_tritonclient.py

Any client of the Open Inference Protocol will do; the losses are its models.
"""

import os
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")


def tensor(name, array):
    made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


def cross_entropy(client, logits, targets, **arguments):
    """Returns the client's result. Arguments are those of the JSON form, such as reduction="sum"."""
    return client.infer(
        "cross_entropy",
        [tensor("logits", logits), tensor("targets", targets)],
        outputs=[triton.InferRequestedOutput("loss"), triton.InferRequestedOutput("grad")],
        parameters=arguments,
    )


def main():
    logits = np.array([[-0.7715, -0.6205, -0.2562]], np.float32)
    with triton.InferenceServerClient(URL.removeprefix("http://")) as client:
        try:
            result = cross_entropy(client, logits, np.array([0]))
        except InferenceServerException as error:
            sys.exit(str(error))
    print("loss", result.as_numpy("loss"))
    print("grad", *result.as_numpy("grad")[0])


if __name__ == "__main__":
    main()
