"""What each document of a packed batch costs a language model, and its bits per byte: python3 documents.py

Documents of any length are packed into sequences of one length; what is left over is padding. One request tells the
sums of each document, whichever sequences it lies in. Needs nothing but Python's standard library.
"""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("LOSSD_URL", "http://127.0.0.1:8080")
IGNORED = -100  # the target of padding

# Two documents in two sequences of four tokens; the last token is padding. A model would have made the logits.
TOKENS = [[2, 0, 1, 2], [0, 1, 0, IGNORED]]
DOCUMENTS = [[0, 0, 0, 1], [1, 1, 1, -1]]  # of each token; -1: of none
BYTES = [12, 9]  # of each document's text, as UTF-8
LOGITS = [
    [[2.0, 0.5, -1.0], [0.1, 0.2, 0.3], [1.0, 0.0, -2.0], [0.0, 0.5, 0.0]],
    [[0.0, 1.0, 0.0], [1.5, -0.5, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
]


def evaluate(problem):
    request = urllib.request.Request(
        f"{URL}/v1/losses/cross_entropy", json.dumps(problem).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["detail"])


def main():
    reply = evaluate({
        "logits": LOGITS,
        "targets": TOKENS,
        "class_axis": -1,
        "shift": True,  # the logits of a token are about the next one; documents and bytes shift with the targets
        "groups": DOCUMENTS,
        "n_groups": len(BYTES),
        "bytes": BYTES,
        "outputs": ["loss", "group_loss_sum", "group_counted", "group_loss", "bits_per_byte"],
    })
    for document, nats in enumerate(reply["group_loss_sum"]):
        tokens, mean = reply["group_counted"][document], reply["group_loss"][document]
        print(f"document {document} tokens {tokens} nats {nats:.6f} mean {mean:.6f}")
    print(f"bits_per_byte {reply['bits_per_byte']:.6f}")


if __name__ == "__main__":
    main()
