"""Golden values of features of columns: /usr/bin/python3 test/golden/features.py needs torch; scikit-learn from bench/python-peers.ts' environment is used where that is the
interpreter. Writes features.json beside this file.

Numbers: scikit-learn's scalers, fitted on `train`, on `test`. Sets: MultiLabelBinarizer. Sounds: PyTorch's STFT (Hann window, no padding), log(power + 1e-6); triangular bands of the
mel scale as HTK's, written out; SciPy's orthonormal DCT-II.
"""
import json
import pathlib

import numpy as np

path = pathlib.Path(__file__).with_name("features.json")
golden = json.loads(path.read_text()) if path.exists() else {}


def flat(values):
    return [float(f"{v:.7g}") for v in np.asarray(values, dtype=np.float64).ravel()]


def numbers():
    import sklearn
    from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, MultiLabelBinarizer, RobustScaler, StandardScaler

    random = np.random.default_rng(3)
    train, test = random.lognormal(1, 1.2, (40, 1)).round(4), random.lognormal(1, 1.2, (12, 1)).round(4)
    signed_log = FunctionTransformer(lambda x: np.sign(x) * np.log1p(np.abs(x)))
    log_train, log_test = signed_log.fit_transform(train), signed_log.transform(test)
    sets = [["a", "b"], ["b"], [], ["c", "b", "a"], ["c"], ["b", "c"]]
    binarizer = MultiLabelBinarizer().fit(sets)
    # Ours stand in the order of how common they are: b 4, c 3, a 2.
    order = [list(binarizer.classes_).index(name) for name in "bca"]
    golden["scikit-learn"] = {
        "version": sklearn.__version__, "train": flat(train), "test": flat(test), "sets": sets,
        "standard": flat(StandardScaler().fit(train).transform(test)), "minMax": flat(MinMaxScaler().fit(train).transform(test)),
        "robust": flat(RobustScaler().fit(train).transform(test)), "log": flat(StandardScaler().fit(log_train).transform(log_test)),
        "multiHot": flat(binarizer.transform(sets)[:, order]),
    }


def sounds():
    import torch

    rate, frame, step, mels, count = 8000, 200, 80, 12, 5
    t = np.arange(800) / rate
    # With noise, so that no power is so small that single precision decides it.
    noise = np.random.default_rng(4).normal(size=t.shape) / 50
    samples = (0.5 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 1900 * t) * t * 10 + noise).astype(np.float32)
    window = torch.hann_window(frame, periodic=True, dtype=torch.float64)
    spectrum = torch.stft(torch.tensor(samples, dtype=torch.float64), frame, step, window=window, center=False, return_complex=True)
    power = spectrum.abs().numpy() ** 2
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)
    edges = 700 * (10 ** (np.linspace(0, mel(rate / 2), mels + 2) / 2595) - 1)
    hertz = np.arange(frame // 2 + 1) * rate / frame
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bands = np.maximum(0, np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)))
    log_mel = np.log(bands @ power + 1e-6)
    n = np.arange(mels)
    cosines = np.sqrt(2 / mels) * np.cos(np.pi / mels * (n[None] + 0.5) * np.arange(count)[:, None])
    cosines[0] /= np.sqrt(2)
    golden["torch"] = {
        "version": torch.__version__, "rate": rate, "samples": flat(samples),
        "stft": flat(np.log(power[:, :2] + 1e-6)), "logMel": flat(log_mel), "mfcc": flat(cosines @ log_mel),
    }


for part in (numbers, sounds):
    try:
        part()
    except ImportError as error:
        print(f"{part.__name__} stay as they are: {error}")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
