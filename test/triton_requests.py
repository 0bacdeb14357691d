"""NVIDIA's tritonclient, unchanged, against a server with the sample bundle: python triton_requests.py HOST:PORT KEY. Prints one JSON object."""
import json
import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

host, key = sys.argv[1:]
client = http.InferenceServerClient(host)


def headers():
    # The client writes headers of its own into what it is given.
    return {"Authorization": "Bearer " + key}


def answer(binary):
    pixels = (np.arange(432) % 251).astype(np.uint8).reshape(3, 1, 12, 12)
    given = http.InferInput("pixels", pixels.shape, "UINT8")
    given.set_data_from_numpy(pixels, binary_data=binary)
    asked = [http.InferRequestedOutput("probabilities", binary_data=binary)]
    result = client.infer("tiny", [given], outputs=asked, headers=headers(), request_id="a1")
    return result.get_response()["id"], result.as_numpy("probabilities")


def failure(name):
    given = http.InferInput("pixels", (1, 2), "UINT8")
    given.set_data_from_numpy(np.zeros((1, 2), np.uint8))
    try:
        client.infer(name, [given], headers=headers())
    except InferenceServerException as error:
        return [error.status(), error.message()]


(first, binary), (second, text) = answer(True), answer(False)
print(json.dumps({
    "live": client.is_server_live(headers=headers()),
    "ready": client.is_server_ready(headers=headers()),
    "model": client.is_model_ready("tiny", headers=headers()),
    "metadata": client.get_model_metadata("tiny", headers=headers()),
    "index": client.get_model_repository_index(headers=headers()),
    "ids": [first, second],
    "probabilities": binary.tolist(),
    "difference": float(np.abs(binary - text).max()),
    "failures": [failure("tony"), failure("tiny")],
}))
