#!/usr/bin/env python3
"""tritonclient's HTTP client, as it is: every method that applies, and all PyTorch fixtures."""

import asyncio
import os

from harness import tap

tap.need("numpy", "ml_dtypes", "tritonclient.http.aio", "requests", "kserve", "safetensors")

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, shared_memory

from harness import wires
from harness.daemon import SHM_PREFIX, daemon
from harness.problem import Problem, check_fixtures

LOGITS = np.array([[-0.7715, -0.6205, -0.2562]], np.float32)
TARGETS = np.array([0], np.int64)
LOSS = np.float32(1.3447266)
EXTENSIONS = {"binary_tensor_data", "statistics", "model_repository", "system_shared_memory"}


def client(server, **options):
    return triton.InferenceServerClient(server.address, network_timeout=60, **options)


def inputs(binary=True, targets=TARGETS):
    tensors = {"logits": ("FP32", LOGITS), "targets": ("INT64", targets)}
    found = []
    for name, (datatype, array) in tensors.items():
        one = triton.InferInput(name, list(array.shape), datatype)
        found.append(one.set_data_from_numpy(array, binary_data=binary))
    return found


# ------------------------------------------------------------------ pages


def test_health(server):
    with client(server) as c:
        tap.expect(c.is_server_live() is True)
        tap.expect(c.is_server_ready() is True)
        tap.expect(c.is_model_ready("cross_entropy") is True)
        tap.expect(c.is_model_ready("cross_entropy", "1") is True)
        tap.expect(c.is_model_ready("cross_entropy", "2") is False)
        tap.expect(c.is_model_ready("no_such_loss") is False)


def test_server_metadata(server):
    with client(server) as c:
        metadata = c.get_server_metadata()
        tap.expect(metadata["name"] == "lossd" and metadata["version"], metadata)
        tap.expect(set(metadata["extensions"]) == EXTENSIONS, metadata)


def test_model_metadata_and_config(server):
    with client(server) as c:
        for version in ("", "1"):
            metadata = c.get_model_metadata("kl_div", version)
            config = c.get_model_config("kl_div", version)
            tap.expect(metadata["name"] == config["name"] == "kl_div", metadata, config)
            tap.expect(metadata["versions"] == ["1"], metadata)
            tap.expect(metadata["platform"] == config["platform"] == "lossd", metadata, config)
            names = [one["name"] for one in metadata["inputs"]]
            tap.expect(names[:2] == ["log_probs", "targets"], names)
            tap.expect([one["name"] for one in config["input"]] == names, config)


def test_repository(server):
    with client(server) as c:
        index = c.get_model_repository_index()
        tap.expect({one["state"] for one in index} == {"READY"}, index)
        tap.expect("cross_entropy" in {one["name"] for one in index}, index)
        c.load_model("cross_entropy")
        c.load_model("cross_entropy", config="{}")
        c.unload_model("cross_entropy")
        c.unload_model("cross_entropy", unload_dependents=True)
        tap.expect(c.is_model_ready("cross_entropy"))
        tap.expect_raises(InferenceServerException, lambda: c.load_model("no"), "no")


def test_statistics(server):
    with client(server) as c:
        before = c.get_inference_statistics("cross_entropy", "1")["model_stats"][0]
        c.infer("cross_entropy", inputs())
        after = c.get_inference_statistics("cross_entropy")["model_stats"][0]
        tap.expect(after["inference_count"] == before["inference_count"] + 1, before, after)
        everything = c.get_inference_statistics()["model_stats"]
        tap.expect(len(everything) == len(c.get_model_repository_index()), everything)


def test_what_it_does_not_have_is_a_readable_error(server):
    """Settings of traces and logs, and GPU memory: methods of the client that do not apply."""
    with client(server) as c:
        calls = [
            c.get_trace_settings,
            c.get_log_settings,
            lambda: c.update_log_settings({"log_info": True}),
            lambda: c.update_trace_settings(settings={"trace_rate": "1"}),
            c.get_cuda_shared_memory_status,
            lambda: c.register_cuda_shared_memory("gpu", b"handle".hex(), 0, 64),
        ]
        for call in calls:
            error = tap.expect_raises(InferenceServerException, call, "there is no path")
            tap.expect(error.status() == "404", error.status())
        c.unregister_cuda_shared_memory()


# ------------------------------------------------------------------ infer


def test_infer_without_outputs_is_the_loss(server):
    with client(server) as c:
        result = c.infer("cross_entropy", inputs(), request_id="a-1", model_version="1")
        tap.expect(result.as_numpy("loss") == LOSS, result.get_response())
        tap.expect(result.get_response()["id"] == "a-1", result.get_response())
        tap.expect(result.get_response()["model_name"] == "cross_entropy", result.get_response())
        tap.expect(result.get_output("loss")["shape"] == [], result.get_output("loss"))
        tap.expect(result.as_numpy("grad") is None, "what was not asked for")


def test_mixed_json_and_binary(server):
    """Each tensor may go its own way, in and out."""
    with client(server) as c:
        mixed = [inputs(binary=False)[0], inputs(binary=True)[1]]
        outputs = [
            triton.InferRequestedOutput("grad", binary_data=True),
            triton.InferRequestedOutput("loss", binary_data=False),
            triton.InferRequestedOutput("predicted", binary_data=True),
        ]
        result = c.infer("cross_entropy", mixed, outputs=outputs)
        tap.expect(result.as_numpy("loss") == LOSS, result.get_response())
        tap.expect(result.as_numpy("grad").shape == (1, 3), result.get_response())
        tap.expect(result.as_numpy("predicted").tolist() == [2], result.get_response())


def test_parameters_priority_and_timeout(server):
    with client(server) as c:
        parameters = {"reduction": "sum", "label_smoothing": 0.5}
        result = c.infer("cross_entropy", inputs(), parameters=parameters, priority=3, timeout=60_000_000)
        answer = result.get_response()["parameters"]
        tap.expect(answer["rows"] == 1 and answer["counted"] == 1, answer)
        tap.expect(result.as_numpy("loss") < LOSS, "smoothing makes this loss smaller")


def test_errors_are_read_by_the_client(server):
    with client(server) as c:
        wrong = {
            "there are 3 classes": lambda: c.infer("cross_entropy", inputs(targets=TARGETS + 9)),
            "reductoin": lambda: c.infer("cross_entropy", inputs(), parameters={"reductoin": "sum"}),
            "cross_entropy": lambda: c.infer("cros_entropy", inputs()),
            "version": lambda: c.infer("cross_entropy", inputs(), model_version="7"),
            "sequence": lambda: c.infer("cross_entropy", inputs(), sequence_id=5, sequence_start=True),
            "targets": lambda: c.infer("cross_entropy", inputs()[:1]),
        }
        for word, call in wrong.items():
            error = tap.expect_raises(InferenceServerException, call, word)
            tap.expect(error.status() in ("400", "404"), error.status())


def test_request_body_made_and_sent_apart(server):
    import requests

    body, size = triton.InferenceServerClient.generate_request_body(inputs())
    headers = {"Inference-Header-Content-Length": str(size)}
    reply = requests.post(f"{server.url}/v2/models/cross_entropy/infer", body, headers=headers, timeout=60)
    size = int(reply.headers["Inference-Header-Content-Length"])
    result = triton.InferenceServerClient.parse_response_body(reply.content, header_length=size)
    tap.expect(result.as_numpy("loss") == LOSS, result.get_response())


def test_compression_of_large_replies(server):
    """Below 1 KiB nothing is compressed; this gradient is larger."""
    logits = np.zeros((64, 100), np.float32)
    problem = Problem("cross_entropy", {"logits": logits, "targets": np.zeros(64, np.int32)}, ["grad"])
    plain = wires.Triton(server.address).evaluate(problem)
    for algorithm in ("gzip", "deflate"):
        result = wires.Triton(server.address, compression=algorithm).evaluate(problem)
        same = result.outputs["grad"].tobytes() == plain.outputs["grad"].tobytes()
        tap.expect(same, algorithm)


def test_async_infer(server):
    with client(server, concurrency=4) as c:
        pending = [c.async_infer("cross_entropy", inputs(), request_id=str(i)) for i in range(20)]
        for i, one in enumerate(pending):
            result = one.get_result()
            tap.expect(result.as_numpy("loss") == LOSS, result.get_response())
            tap.expect(result.get_response()["id"] == str(i), result.get_response())


def test_asyncio_client(server):
    async def everything():
        async with triton_aio.InferenceServerClient(server.address) as c:
            tap.expect(await c.is_server_live() and await c.is_server_ready())
            tap.expect(await c.is_model_ready("softmax"))
            tap.expect((await c.get_server_metadata())["name"] == "lossd")
            tap.expect((await c.get_model_metadata("softmax"))["name"] == "softmax")
            tap.expect((await c.get_model_config("softmax"))["name"] == "softmax")
            tap.expect(await c.get_model_repository_index())
            tap.expect(await c.get_inference_statistics("softmax"))
            tap.expect(await c.get_system_shared_memory_status() == [])
            await c.load_model("softmax")
            await c.unload_model("softmax")
            await c.unregister_system_shared_memory()
            calls = [c.infer("cross_entropy", inputs(binary=i % 2 == 0)) for i in range(20)]
            for result in await asyncio.gather(*calls):
                tap.expect(result.as_numpy("loss") == LOSS, result.get_response())
            for algorithm in ("gzip", "deflate"):
                result = await c.infer(
                    "cross_entropy",
                    inputs(),
                    request_compression_algorithm=algorithm,
                    response_compression_algorithm=algorithm,
                )
                tap.expect(result.as_numpy("loss") == LOSS, algorithm)

    asyncio.run(everything())


# ------------------------------------------------------------------ shared memory


def test_shared_memory(server):
    key, size = f"/{SHM_PREFIX}{os.getpid()}-t", LOGITS.nbytes + TARGETS.nbytes + 4
    region = shared_memory.create_shared_memory_region("batch", key, size, create_only=True)
    try:
        with client(server) as c:
            c.register_system_shared_memory("batch", key, size)
            status = c.get_system_shared_memory_status()
            want = {"name": "batch", "key": key, "offset": 0, "byte_size": size}
            tap.expect(status == [want], status)
            tap.expect(c.get_system_shared_memory_status("batch") == [want], "of one region")
            infer_in(c, region)
            c.unregister_system_shared_memory("batch")
            tap.expect(c.get_system_shared_memory_status() == [], "still registered")
            c.register_system_shared_memory("batch", key, 8, offset=4)
            c.unregister_system_shared_memory()
            tap.expect(c.get_system_shared_memory_status() == [], "still registered")
            gone = lambda: c.get_system_shared_memory_status("batch")
            tap.expect_raises(InferenceServerException, gone, "batch")
    finally:
        shared_memory.destroy_shared_memory_region(region)


def infer_in(c, region):
    shared_memory.set_shared_memory_region(region, [LOGITS, TARGETS])
    shared = [
        triton.InferInput("logits", [1, 3], "FP32").set_shared_memory("batch", 12),
        triton.InferInput("targets", [1], "INT64").set_shared_memory("batch", 8, offset=12),
    ]
    loss = triton.InferRequestedOutput("loss")
    loss.set_shared_memory("batch", 4, offset=20)
    c.infer("cross_entropy", shared, outputs=[loss])
    found = shared_memory.get_contents_as_numpy(region, np.float32, [], offset=20)
    tap.expect(found == LOSS, found)
    result = c.infer("cross_entropy", shared)  # the loss in the reply
    tap.expect(result.as_numpy("loss") == LOSS, result.get_response())


def test_a_key_of_others_is_refused(server):
    with client(server) as c:
        call = lambda: c.register_system_shared_memory("x", "/someone-elses", 64)
        tap.expect_raises(InferenceServerException, call, "/someone-elses")


# ------------------------------------------------------------------ fixtures


def test_fixtures_binary(server):
    check_fixtures(wires.Triton(server.address))


def test_fixtures_json(server):
    check_fixtures(wires.Triton(server.address, binary=False))


def test_fixtures_gzip(server):
    check_fixtures(wires.Triton(server.address, compression="gzip"))


def test_fixtures_shared_memory(server):
    check_fixtures(wires.TritonMemory(server.address))


if __name__ == "__main__":
    tap.main(globals(), daemon)
