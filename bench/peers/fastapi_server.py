"""The same ONNX model behind FastAPI and onnxruntime, as its users write it: usage: fastapi_server.py PORT MODEL WORKERS"""

import os
import sys

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
# One thread in each of the worker processes, as ours has in each of its threads.
options.intra_op_num_threads = 1
session = ort.InferenceSession(os.environ.get("MODEL") or sys.argv[2], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Input(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[int]


class Request(BaseModel):
    inputs: list[Input]


# A function that is not async runs in a pool of threads, as FastAPI's documentation asks for work that computes.
@app.post("/v2/models/mlp/infer")
def infer(request: Request):
    given = request.inputs[0]
    pixels = np.array(given.data, dtype=np.uint8).reshape(given.shape)
    (result,) = session.run(None, {"pixels": pixels})
    data = result.ravel().tolist()
    output = {"name": "probabilities", "shape": list(result.shape), "datatype": "FP32", "data": data}
    return {"model_name": "mlp", "model_version": "1", "outputs": [output]}


if __name__ == "__main__":
    import uvicorn

    os.environ["MODEL"] = sys.argv[2]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    os.environ["PYTHONPATH"] = sys.path[0]
    # What `fastapi[standard]` brings: without uvloop, uvicorn's workers leave Nagle's algorithm on, and answers wait 40 ms for an acknowledgement.
    uvicorn.run(
        "fastapi_server:app",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        workers=int(sys.argv[3]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
