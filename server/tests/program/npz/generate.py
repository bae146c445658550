"""Writes the archives in this folder, as NumPy does."""

from pathlib import Path

import numpy as np

folder = Path(__file__).parent
for file in range(2):
    arrays = {
        "w": np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4) * 0.1 + file),
        "steps": np.array([2**53 + 1 + 4 * file, -7], dtype=np.int64),
        "half": np.linspace(-1, file, 5).astype(np.float16),
    }
    np.savez(folder / f"{file}.npz", **arrays)
    np.savez_compressed(folder / f"compressed-{file}.npz", **arrays)
