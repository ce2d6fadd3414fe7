"""What a team would write first: FastAPI, uvicorn and PyTorch, set up for speed.

    fastapi_server.py THREADS      prints "ready PORT VERSIONS", or why it is absent; serves until SIGTERM

Two workers share a socket. PyTorch has THREADS threads in each. Bodies are parsed by orjson, or by safetensors; the
loop is uvloop's, the parser of HTTP httptools', and nothing is logged.
"""

import ctypes
import os
import signal
import socket
import sys

WORKERS = 2
PR_SET_PDEATHSIG = 1


def import_all():
    """The modules by name. A broken installation raises more than ImportError."""
    try:
        import fastapi
        import httptools  # noqa: F401 - uvicorn's
        import numpy
        import orjson
        import safetensors.torch
        import torch
        import uvicorn
        import uvloop  # noqa: F401 - uvicorn's
    except Exception as reason:
        print("FastAPI is not installed (make bench-peers):", str(reason).split("\n")[0], flush=True)
        sys.exit(1)
    return fastapi, numpy, orjson, safetensors.torch, torch, uvicorn


def make_app(fastapi, numpy, orjson, safetensors, torch):
    app = fastapi.FastAPI(openapi_url=None)

    def tensors_of_json(body):
        fields = orjson.loads(body)
        # An array of numpy first: from a list of lists it is made in half the time of a tensor.
        return (
            torch.from_numpy(numpy.array(fields["logits"], dtype=numpy.float32)),
            torch.from_numpy(numpy.array(fields["targets"], dtype=numpy.int64)),
        )

    def tensors_of_safetensors(body):
        fields = safetensors.load(body)
        return fields["logits"], fields["targets"]

    readers = {"application/json": tensors_of_json, "application/x-safetensors": tensors_of_safetensors}

    @app.post("/v1/losses/cross_entropy")
    async def cross_entropy(request: fastapi.Request):
        read = readers[request.headers["content-type"]]
        logits, targets = read(await request.body())
        with torch.inference_mode():
            loss = torch.nn.functional.cross_entropy(logits, targets)
        return fastapi.Response(orjson.dumps({"loss": loss.item()}), media_type="application/json")

    return app


def listen():
    """Accepted sockets inherit that small segments are not held back."""
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    listener.setblocking(False)
    return listener


def work(uvicorn, app, listener, parent):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_level="critical"
    )
    uvicorn.Server(config).run(sockets=[listener])
    os._exit(0)


def main():
    fastapi, numpy, orjson, safetensors, torch, uvicorn = import_all()
    torch.set_num_threads(int(sys.argv[1]))
    app = make_app(fastapi, numpy, orjson, safetensors, torch)
    listener, parent, workers = listen(), os.getpid(), []

    def end(*_):
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        for worker in workers:
            os.waitpid(worker, 0)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    for _ in range(WORKERS):
        worker = os.fork()
        if worker == 0:
            work(uvicorn, app, listener, parent)
        workers.append(worker)
    print(
        "ready", listener.getsockname()[1],
        f"FastAPI {fastapi.__version__}, uvicorn {uvicorn.__version__}, PyTorch {torch.__version__}",
        flush=True,
    )
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
