#!/usr/bin/env python3
"""What perf_analyzer reads of metadata, configuration and statistics without checking that it is there.

It does not install from a package index; the reads below are those of its model parser and of its client backend for
this protocol over HTTP: a member that it takes without looking first must be there, of its type.
"""

import json
import struct
import urllib.request

from harness import tap
from harness.daemon import daemon

COUNTERS = ("success", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
# What turns on schedulers, batches, caches and streams in it, all of them wrong here.
SWITCHES = ("sequence_batching", "dynamic_batching", "ensemble_scheduling", "response_cache", "model_transaction_policy")
INPUTS = {
    "logits": ([2, 3], "FP32", struct.pack("<6f", 1, 2, 3, 4, 5, 6)),
    "targets": ([2], "INT64", struct.pack("<2q", 0, 2)),
}
FORM = "application/x-www-form-urlencoded"  # what its HTTP library says where it says nothing


def ask(server, path, body=None, **headers):
    """A GET; a POST where there is a body. Statuses but 200 raise."""
    headers = {"Content-Type": FORM, **{name.replace("_", "-"): text for name, text in headers.items()}}
    request = urllib.request.Request(f"{server.url}/{path}", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        text = reply.read()
        tap.expect(reply.status == 200, path, reply.status)
        return json.loads(text) if text else None


def infer(server, model):
    """As its client writes it: binary inputs, the length of the document in a header."""
    inputs, data = [], b""
    for name, (shape, datatype, raw) in INPUTS.items():
        size = {"binary_data_size": len(raw)}
        inputs.append({"name": name, "shape": shape, "datatype": datatype, "parameters": size})
        data += raw
    text = json.dumps({"id": "7", "parameters": {"binary_data_output": False}, "inputs": inputs}).encode()
    return ask(
        server,
        f"v2/models/{model}/infer",
        text + data,
        Content_Type="application/octet-stream",
        Inference_Header_Content_Length=str(len(text)),
    )


def models(server):
    return [model["name"] for model in ask(server, "v2/repository/index", b"")]


def integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def test_server_extensions(server):
    extensions = ask(server, "v2")["extensions"]
    tap.expect(all(isinstance(name, str) for name in extensions), extensions)
    tap.expect("statistics" in extensions, "it measures the server's side only with", extensions)
    tap.expect("system_shared_memory" in extensions, extensions)


def test_metadata_names_types_and_dimensions(server):
    for model in models(server):
        metadata = ask(server, f"v2/models/{model}")
        tap.expect(metadata["name"] == model, metadata["name"])
        for tensor in metadata["inputs"] + metadata["outputs"]:
            tap.expect(isinstance(tensor["name"], str), model, tensor)
            tap.expect(isinstance(tensor["datatype"], str), model, tensor)
            tap.expect(all(integer(d) and d >= -1 for d in tensor["shape"]), model, tensor)


def test_configuration_is_of_the_tensors_in_the_metadata(server):
    for model in models(server):
        metadata = ask(server, f"v2/models/{model}/versions/1")
        config = ask(server, f"v2/models/{model}/versions/1/config")
        tap.expect(config["name"] == model and isinstance(config["platform"], str), config)
        tap.expect(config["platform"] != "ensemble", model)
        tap.expect(config["max_batch_size"] == 0, "it would cut the first dimension off:", config)
        for ours, theirs in (("input", "inputs"), ("output", "outputs")):
            known = {tensor["name"] for tensor in metadata[theirs]}
            tap.expect({tensor["name"] for tensor in config[ours]} == known, model, ours)
        for tensor in config["input"]:
            tap.expect(isinstance(tensor.get("optional", False), bool), model, tensor)
        tap.expect(not set(SWITCHES) & set(config), model, "turns on", set(SWITCHES) & set(config))


def test_the_required_inputs_of_the_configuration_suffice(server):
    """It sends all inputs but the optional ones that it was given no data for."""
    config = ask(server, "v2/models/cross_entropy/config")
    required = {tensor["name"] for tensor in config["input"] if not tensor["optional"]}
    tap.expect(required == set(INPUTS), required)
    reply = infer(server, "cross_entropy")
    tap.expect(reply["outputs"][0]["name"] == "loss" and reply["id"] == "7", reply)


def statistics(server, path):
    found = {}
    for model in ask(server, path)["model_stats"]:
        tap.expect(isinstance(model["name"], str) and isinstance(model["version"], str), model)
        for name in ("inference_count", "execution_count"):
            tap.expect(integer(model[name]) and model[name] >= 0, model["name"], name, model[name])
        for name in COUNTERS:
            counter = model["inference_stats"][name]
            for part in ("count", "ns"):
                value = counter[part]
                tap.expect(integer(value) and value >= 0, model["name"], name, part, value)
        found[model["name"]] = model
    return found


def test_statistics_have_every_counter(server):
    tap.expect(set(statistics(server, "v2/models/stats")) == set(models(server)))
    for model in models(server):
        tap.expect(list(statistics(server, f"v2/models/{model}/stats")) == [model], model)
        tap.expect(list(statistics(server, f"v2/models/{model}/versions/1/stats")) == [model], model)


def test_statistics_count_what_it_sends(server):
    """It reads before and after, and divides the difference by the successes."""
    path = "v2/models/cross_entropy/versions/1/stats"
    before = statistics(server, path)["cross_entropy"]
    for _ in range(5):
        infer(server, "cross_entropy/versions/1")
    after = statistics(server, path)["cross_entropy"]
    for name in ("inference_count", "execution_count"):
        tap.expect(after[name] - before[name] == 5, name, before[name], after[name])
    for name in ("success", "compute_input", "compute_infer", "compute_output"):
        old, new = before["inference_stats"][name], after["inference_stats"][name]
        tap.expect(new["count"] - old["count"] == 5, name, old, new)
        tap.expect(new["ns"] > old["ns"], name, old, new)


def test_it_may_clear_both_kinds_of_shared_memory(server):
    ask(server, "v2/systemsharedmemory/unregister", b"")
    ask(server, "v2/cudasharedmemory/unregister", b"")


if __name__ == "__main__":
    tap.main(globals(), daemon)
