"""What pydicom 3.0.1 (decoding by pylibjpeg 2.0.1: libjpeg, openjpeg) makes of the compressed test files of pydicom 2.3.1 and of jpeg-lossless-decoder-js 2.0.7.

    python3 dicom.py FOLDER_OF_PYDICOM_TEST_FILES FOLDER_OF_JPEG_LOSSLESS_FILES > dicom.json

Of each file: the first frame's shape, its sum, and every 1499th number in the order of rows, at most 600 of them.
"""
import json
import sys
from pathlib import Path

import pydicom
from pydicom.pixels import apply_rescale, pixel_array

files = {
    0: ["693_J2KI", "J2K_pixelrep_mismatch", "JPEG2000", "MR_small_jp2klossless",
        "MR_small_jpeg_ls_lossless", "image_dfl", "SC_rgb_jpeg_gdcm", "SC_rgb_gdcm_KY", "GDCMJ2K_TextGBR", "SC_rgb_jpeg_dcmtk",
        "SC_rgb_dcmtk_+eb+cy+np", "SC_rgb_dcmtk_+eb+cr", "SC_rgb_rle", "ExplVR_BigEnd"],
    1: [f"jpeg_lossless_sel{i}" for i in (1, 2, 3, 4, 5, 6, 7)] + ["jpeg_lossless_sel1-8bit"],
}
found = {}
for place, names in files.items():
    for name in names:
        path = Path(sys.argv[1 + place]) / f"{name}.dcm"
        data = pydicom.dcmread(path)
        # Colours as red, green and blue; numbers in their unit.
        frame = apply_rescale(pixel_array(data, index=0), data)
        found[name] = {
            "syntax": data.file_meta.TransferSyntaxUID,
            "shape": list(frame.shape),
            "sum": int(frame.astype("int64").sum()),
            "some": [int(x) for x in frame.reshape(-1)[::1499][:600]],
        }
json.dump(found, sys.stdout, separators=(",", ":"))
