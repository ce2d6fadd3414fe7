"""The ways from a problem to its result through other people's programs, one class each.

A wire has a name; carries(problem), whether it has names for the tensors' types; evaluate(problem).
"""

import asyncio
import gzip
import json
import os
import subprocess
import tempfile

import numpy as np
import requests
import safetensors
import safetensors.numpy
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
import tritonclient.http as triton
import tritonclient.utils.shared_memory as shared_memory
from tritonclient.utils import np_to_triton_dtype

from .daemon import LOSSD, SHM_PREFIX
from .problem import DTYPES, INPUTS, NAMES, Result

FIXED_DTYPES = {"predicted": "I64", "rank": "I64", "correct": "BOOL"}
FIXED_DTYPES.update({"accuracy": "F64", "topk_accuracy": "F64", "perplexity": "F64", "ece": "F64"})
FIXED_DTYPES.update({"group_loss_sum": "F64", "group_denominator": "F64", "group_counted": "I64"})
FIXED_DTYPES.update({"group_loss": "F64", "bits_per_byte": "F64"})
FIXED_DTYPES.update({"loss_quantiles": "F64", "agrees": "BOOL", "agreement": "F64"})
FIXED_DTYPES.update({"clip_fraction": "F64", "kl": "F64"})
NARROW = {"F8_E4M3", "F8_E5M2"}
TOTALS = ("loss_sum", "denominator", "rows", "counted", "ignored")
JSON = "application/json"
SAFETENSORS = "application/x-safetensors"


def totals_of(members):
    return {name: members[name] for name in TOTALS if name in members}


# ------------------------------------------------------------------ /v1


def number_text(number, dtype):
    """The shortest digits that tell it from all others of its type."""
    if dtype.kind in "iub":
        return str(int(number))
    if not np.isfinite(number):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(number))]
    return str(number if dtype == np.float32 else float(number))


def to_json(problem):
    """The body, with typed tensors: digits of the type's own."""
    members = [f'"outputs": {json.dumps(problem.outputs)}'] if problem.outputs else []
    members += [f'"{name}": {json.dumps(value)}' for name, value in problem.arguments.items()]
    for name, tensor in problem.tensors.items():
        data = ", ".join(number_text(number, tensor.dtype) for number in tensor.reshape(-1))
        if tensor.dtype == np.bool_:
            data = ", ".join(str(bool(number)).lower() for number in tensor.reshape(-1))
        head = f'"dtype": "{NAMES[tensor.dtype]}", "shape": {json.dumps(tensor.shape)}'
        members.append(f'"{name}": {{{head}, "data": [{data}]}}')
    return ("{" + ", ".join(members) + "}").encode()


def flat_query(problem):
    query = {name: str(value) for name, value in problem.arguments.items()}
    if problem.outputs:
        query["outputs"] = ",".join(problem.outputs)
    return query


def output_dtype(problem, name):
    """Of an output in a JSON reply, which does not say."""
    if name in FIXED_DTYPES:
        return DTYPES[FIXED_DTYPES[name]]
    given = {tensor: problem.tensors[tensor].dtype for tensor in problem.tensors}
    first = next(given[name] for name in INPUTS if name in given)
    if name in ("grad", "log_probs", "probs"):
        return DTYPES[problem.arguments.get("grad_dtype", NAMES[first])]
    return first if first == np.float64 else DTYPES["F32"]


def floats(value):
    return [floats(part) for part in value] if isinstance(value, list) else float(value)


def from_json_reply(problem, reply):
    outputs = {}
    for name in problem.outputs or ["loss"]:
        dtype = output_dtype(problem, name)
        numbers = floats(reply[name]) if dtype.kind not in "iub" else reply[name]
        outputs[name] = np.array(numbers, np.float64 if dtype.kind not in "iub" else dtype).astype(dtype)
    return Result(outputs, totals_of(reply.get("totals", {})))


def to_safetensors(problem):
    """Python's own writer, as its users call it; of types that NumPy lacks, its inner function."""
    tensors = {name: np.ascontiguousarray(t).reshape(t.shape) for name, t in problem.tensors.items()}
    return safetensors.numpy.save(tensors)


def from_safetensors(body):
    parts = dict(safetensors.deserialize(body))
    outputs = {
        name: np.frombuffer(bytes(part["data"]), DTYPES[part["dtype"]]).reshape(part["shape"])
        for name, part in parts.items()
    }
    return Result(outputs, totals_of(json.loads(metadata_of(body).get("totals", "{}"))))


def metadata_of(body):
    """The library reads it of files only."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(body)
        file.flush()
        with safetensors.safe_open(file.name, "numpy") as opened:
            return opened.metadata() or {}


class V1:
    """JSON or safetensors either way, compressed or not."""

    def __init__(self, url, sends, gets, zipped=False):
        short = {JSON: "JSON", SAFETENSORS: "safetensors"}
        self.name = f"{short[sends]} to {short[gets]}" + (", gzip" if zipped else "")
        self.url, self.sends, self.gets, self.zipped = url, sends, gets, zipped
        self.session = requests.Session()

    def carries(self, problem):
        """Nested arrays do not tell a shape with a zero in it."""
        return self.gets != JSON or all(tensor.size for tensor in problem.tensors.values())

    def evaluate(self, problem):
        is_json = self.sends == JSON
        body = to_json(problem) if is_json else to_safetensors(problem)
        headers = {"Content-Type": self.sends, "Accept": self.gets, "Accept-Encoding": "identity"}
        if self.zipped:
            body = gzip.compress(body, 1)
            headers.update({"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
        reply = self.session.post(
            f"{self.url}/v1/losses/{problem.loss}",
            params={} if is_json else flat_query(problem),
            data=body,
            headers=headers,
            timeout=60,
        )
        if reply.status_code != 200:
            raise RuntimeError(f"{reply.status_code}: {reply.text}")
        if self.gets == JSON:
            return from_json_reply(problem, reply.json())
        return from_safetensors(reply.content)


class Eval:
    """`lossd eval`, without a server: from a file or from standard input."""

    def __init__(self, sends, piped):
        self.name = f"lossd eval, {sends}, {'piped' if piped else 'a file'}"
        self.to_bytes = to_json if sends == "json" else to_safetensors
        self.is_json, self.piped = sends == "json", piped

    def carries(self, problem):
        return True

    def evaluate(self, problem):
        body = self.to_bytes(problem)
        flags = [] if self.is_json else [f"--{k}={v}" for k, v in flat_query(problem).items()]
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            done = subprocess.run(
                [LOSSD, "eval", "-" if self.piped else file.name, "--loss", problem.loss, *flags],
                input=body if self.piped else b"",
                capture_output=True,
                check=True,
            )
        return from_json_reply(problem, json.loads(done.stdout))


# ------------------------------------------------------------------ /v2


def v2_totals(response):
    return totals_of(response.get("parameters") or {})


class Triton:
    """tritonclient's HTTP client."""

    def __init__(self, address, binary=True, compression=None):
        self.name = f"tritonclient, {'binary' if binary else 'JSON'}"
        if compression:
            self.name += f", {compression}"
        self.client = triton.InferenceServerClient(address, network_timeout=60, connection_timeout=60)
        self.binary, self.compression = binary, compression

    def carries(self, problem):
        """It has no JSON for BF16."""
        return not problem.dtypes() & (NARROW if self.binary else NARROW | {"BF16"})

    def inputs(self, problem):
        inputs = []
        for name, tensor in problem.tensors.items():
            one = triton.InferInput(name, list(tensor.shape), np_to_triton_dtype(tensor.dtype))
            one.set_data_from_numpy(tensor, binary_data=self.binary)
            inputs.append(one)
        return inputs

    def outputs(self, problem):
        names = problem.outputs or ["loss"]
        return [triton.InferRequestedOutput(name, binary_data=self.binary) for name in names]

    def infer(self, problem, inputs, outputs):
        return self.client.infer(
            problem.loss,
            inputs,
            outputs=outputs,
            parameters=problem.arguments,
            request_compression_algorithm=self.compression,
            response_compression_algorithm=self.compression,
        )

    def evaluate(self, problem):
        result = self.infer(problem, self.inputs(problem), self.outputs(problem))
        names = problem.outputs or ["loss"]
        return Result({name: result.as_numpy(name) for name in names}, v2_totals(result.get_response()))


class TritonMemory(Triton):
    """tritonclient with all tensors, in and out, in shared memory."""

    def __init__(self, address):
        super().__init__(address)
        self.name = "tritonclient, shared memory"
        self.sizes = Triton(address)  # tells how large the outputs are

    def evaluate(self, problem):
        whole = self.sizes.evaluate(problem)
        sizes = {name: max(array.nbytes, 1) for name, array in whole.outputs.items()}
        key = f"/{SHM_PREFIX}{os.getpid()}"
        room = sum(t.nbytes for t in problem.tensors.values()) + sum(sizes.values())
        region = shared_memory.create_shared_memory_region("tensors", key, room, create_only=True)
        try:
            self.client.register_system_shared_memory("tensors", key, room)
            return self.through(problem, region, whole)
        finally:
            self.client.unregister_system_shared_memory("tensors")
            shared_memory.destroy_shared_memory_region(region)

    def through(self, problem, region, whole):
        offset, inputs, outputs, places = 0, [], [], {}
        for name, tensor in problem.tensors.items():
            if tensor.size:
                flat = np.ascontiguousarray(tensor).reshape(-1)  # it can not set scalars
                shared_memory.set_shared_memory_region(region, [flat], offset=offset)
            one = triton.InferInput(name, list(tensor.shape), np_to_triton_dtype(tensor.dtype))
            one.set_shared_memory("tensors", tensor.nbytes, offset=offset)
            inputs.append(one)
            offset += tensor.nbytes
        for name, array in whole.outputs.items():
            one = triton.InferRequestedOutput(name)
            one.set_shared_memory("tensors", array.nbytes, offset=offset)
            outputs.append(one)
            places[name] = offset
            offset += array.nbytes
        response = self.infer(problem, inputs, outputs).get_response()
        found = {}
        for output in response["outputs"]:
            array = whole.outputs[output["name"]]
            found[output["name"]] = shared_memory.get_contents_as_numpy(
                region, array.dtype, output["shape"], places[output["name"]]
            ).copy()
        return Result(found, v2_totals(response))


class KServe:
    """KServe's asynchronous inference client; its sessions end with their loop, hence one of our own."""

    def __init__(self, url, binary=True):
        self.name = f"kserve, {'binary' if binary else 'JSON'}"
        self.url, self.binary = url, binary
        self.loop = asyncio.new_event_loop()
        self.client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=60))

    def carries(self, problem):
        """Its JSON writer knows no NaN; its binary form leaves out empty tensors."""
        none = NARROW | {"BF16"} | (set() if self.binary else {"F16"})
        tensors = problem.tensors.values()
        if self.binary:
            return not problem.dtypes() & none and all(t.size for t in tensors)
        return not problem.dtypes() & none and all(np.isfinite(t).all() for t in tensors)

    def request(self, problem):
        inputs = []
        for name, tensor in problem.tensors.items():
            one = InferInput(name, list(tensor.shape), np_to_triton_dtype(tensor.dtype))
            one.set_data_from_numpy(tensor, binary_data=self.binary)
            inputs.append(one)
        wanted = {"binary_data": self.binary}
        outputs = [RequestedOutput(name, dict(wanted)) for name in problem.outputs or ["loss"]]
        return InferRequest(
            problem.loss,
            inputs,
            request_id="1",
            parameters=dict(problem.arguments),
            request_outputs=outputs,
        )

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def evaluate(self, problem):
        response = self.run(self.client.infer(self.url, self.request(problem), problem.loss))
        outputs = {output.name: output.as_numpy() for output in response.outputs}
        return Result(outputs, totals_of(response.parameters or {}))
