"""The same ONNX model behind BentoML and onnxruntime, as its documentation writes services.

usage: MODEL=model.onnx WORKERS=2 BATCHED=0 python -m bentoml serve bentoml_service:Mlp --port PORT --working-dir bench/peers
"""

import os

import bentoml
import numpy as np
import onnxruntime as ort
from pydantic import BaseModel

batched = os.environ.get("BATCHED") == "1"


class Input(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[int]


class Output(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


# No line for each request: neither of the others writes one.
@bentoml.service(workers=int(os.environ["WORKERS"]), traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Mlp:
    def __init__(self) -> None:
        options = ort.SessionOptions()
        # One thread in each of the worker processes, as ours has in each of its threads.
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    # With batches, BentoML joins the lists of several requests and cuts the answers apart again.
    @bentoml.api(route="/v2/models/mlp/infer", batchable=batched, max_batch_size=32, max_latency_ms=1000)
    def infer(self, inputs: list[Input]) -> list[Output]:
        pixels = np.concatenate([np.array(given.data, dtype=np.uint8).reshape(given.shape) for given in inputs])
        (results,) = self.session.run(None, {"pixels": pixels})
        return [Output(name="probabilities", shape=[1, row.size], datatype="FP32", data=row.tolist()) for row in results]
