"""torch_image_loader.py FOLDER [side] [passes]: JPEGs of a folder through PyTorch's DataLoader and PIL with two workers, as uint8 batches of 32. Tries
the ways that people write and measures the fastest: reading whole, or PIL's draft mode (JPEG decoded at a smaller scale), the workers kept between epochs."""
import json, os, sys, time

import numpy as np
import PIL
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

folder, side, passes = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 224, int(sys.argv[3]) if len(sys.argv) > 3 else 3
torch.set_num_threads(1)


class Folder(Dataset):
    def __init__(self, draft):
        self.draft = draft
        names = sorted(os.listdir(folder))
        self.files = [(os.path.join(folder, name, file), label) for label, name in enumerate(names) for file in sorted(os.listdir(os.path.join(folder, name)))]

    def __len__(self): return len(self.files)

    def __getitem__(self, index):
        path, label = self.files[index]
        with Image.open(path) as image:
            if self.draft: image.draft('RGB', (side, side))
            fitted = ImageOps.fit(image.convert('RGB'), (side, side), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(fitted).transpose(2, 0, 1).copy()), label


def loader(draft):
    return DataLoader(Folder(draft), batch_size=32, num_workers=2, persistent_workers=True)


def one_pass(batches):
    total, count = 0.0, 0
    for pixels, _ in batches:
        count += len(pixels)
        total += float(pixels.float().mean()) * len(pixels)
    return count, total / count


def used():
    """processor seconds of this process and, by /proc, of its workers"""
    ticks, own = os.sysconf('SC_CLK_TCK'), os.getpid()
    total = 0
    for name in os.listdir('/proc'):
        if not name.isdigit(): continue
        try: fields = open(f'/proc/{name}/stat').read().rsplit(') ', 1)[1].split()
        except OSError: continue
        if int(name) == own or int(fields[1]) == own: total += int(fields[11]) + int(fields[12])
    return total / ticks


ways = {'whole': loader(False), 'draft': loader(True)}
times = {}
for name, batches in ways.items():
    one_pass(batches)
    start = time.perf_counter(); one_pass(batches)
    times[name] = time.perf_counter() - start
way = min(times, key=times.get)
start, before = time.perf_counter(), used()
for _ in range(passes): pictures, mean = one_pass(ways[way])
seconds, processor = (time.perf_counter() - start) / passes, (used() - before) / passes
print(json.dumps(dict(seconds=seconds, pictures=pictures, mean=mean, processor=processor, way=way, ways={name: pictures / spent for name, spent in times.items()}, version=f'torch {torch.__version__}, Pillow {PIL.__version__}')))
