"""Which of two forecasts of the same hours is better, and by how much: python3 regression.py

A forecast that says how sure it is (a mean and a variance) is judged by its likelihood, one that says a range by
the quantiles it ends at. Hours that nobody measured are masked out. Needs nothing but Python's standard library.
"""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")

MEASURED = [21.5, 22.0, 24.5, None, 23.0]  # None: not measured
MEANS = [21.0, 22.5, 24.0, 24.5, 22.0]
VARIANCES = [0.5, 0.5, 1.0, 1.0, 2.0]
RANGES = {0.1: [20.0, 21.5, 22.5, 23.0, 20.0], 0.9: [22.0, 23.5, 25.5, 26.0, 24.0]}


def evaluate(loss, problem):
    request = urllib.request.Request(
        f"{URL}/v1/losses/{loss}", json.dumps(problem).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["detail"])


def main():
    common = {
        "targets": [0 if measured is None else measured for measured in MEASURED],
        "mask": [measured is not None for measured in MEASURED],
    }
    reply = evaluate("gaussian_nll_loss", {"predictions": MEANS, "var": VARIANCES, "full": True, **common})
    print(f"nats {reply['loss']:.6f} of {reply['totals']['counted']} hours")
    reply = evaluate("l1_loss", {"predictions": MEANS, **common})
    print(f"degrees {reply['loss']:.6f}")
    for quantile, predictions in RANGES.items():
        reply = evaluate("quantile_loss", {"predictions": predictions, "quantile": quantile, **common})
        print(f"quantile {quantile} loss {reply['loss']:.6f}")


if __name__ == "__main__":
    main()
