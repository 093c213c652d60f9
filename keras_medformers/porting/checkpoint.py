"""Official checkpoint files as arrays by name; nothing in a file is ever run."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

TORCH_SUFFIXES = (".pt", ".pth", ".bin")
SAFETENSORS_SUFFIX = ".safetensors"

TENSORS_UNDER = ("state_dict", "model", "net")
"""Keys under which training programs put the model's tensors, beside the optimizer's and others."""

DATA_PARALLEL_PREFIX = "module."

FIRST_SAFE_TORCH = (2, 6)
"""Before it, a crafted file ran code in spite of `weights_only` (CVE-2025-32434)."""


def read_checkpoint(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch checkpoint.

    A `.safetensors` file is read without torch, a `.pt`, `.pth` or `.bin` file with torch's weights-only
    loading. In the latter the model's state dict is the whole content, as `torch.save(model.state_dict(),
    path)` writes it, or stands under `"state_dict"`, `"model"` or `"net"`. Names lose the `module.` that
    DataParallel puts before all of them. A pickled model, `torch.save(model, path)`, cannot be read without
    running its code and is refused.

    Args:
        path: The file.

    Returns:
        From the official names to arrays in PyTorch's layout; float16 and bfloat16 become float32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not such a checkpoint, or if the package that reads it is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a checkpoint file. There is none at {path}")

    if path.suffix == SAFETENSORS_SUFFIX:
        tensors = _read_safetensors(path)
    elif path.suffix in TORCH_SUFFIXES:
        tensors = _read_torch(path)
    else:
        raise ValueError(
            f"Expected a checkpoint ending in {SAFETENSORS_SUFFIX}, {', '.join(TORCH_SUFFIXES)}. "
            f"Received: path={str(path)!r}"
        )

    if tensors and all(name.startswith(DATA_PARALLEL_PREFIX) for name in tensors):
        tensors = {
            name.removeprefix(DATA_PARALLEL_PREFIX): array
            for name, array in tensors.items()
        }
    return tensors


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:  # inside, since it is an extra
        import ml_dtypes  # noqa: F401  (numpy knows bfloat16 by its name then)
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise _not_installed(path, "safetensors") from error
    try:
        tensors = load_file(path)
    except (SafetensorError, TypeError) as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error
    return {name: _as_float32_if_short(array) for name, array in tensors.items()}


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:  # inside, since it is an extra
        import torch
    except ImportError as error:
        raise _not_installed(path, "torch") from error

    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < FIRST_SAFE_TORCH:
        raise ValueError(
            f"Reading {path} safely needs torch {'.'.join(map(str, FIRST_SAFE_TORCH))} or later. "
            f"Received: torch {torch.__version__}"
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about torch's own storages
            content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # on damaged files torch raises nearly anything
        raise _refusal(path, error) from error

    return {
        name: _as_array(path, name, tensor)
        for name, tensor in _tensors(path, content).items()
    }


def _refusal(path: Path, error: Exception) -> ValueError:
    """What torch's message, which recommends to read the file all the same, means for this package's user."""
    runs_code = re.search(r"GLOBAL (\S*[^\s.])\s", str(error))
    if runs_code:
        return ValueError(
            f"{path} is a pickle that cannot be read without running its code (it names {runs_code[1]}): a "
            "whole model saved by `torch.save(model, ...)`, or other objects beside the tensors. "
            "If you trust it, write the tensors alone on the machine where its code is: "
            "`torch.save(model.state_dict(), 'weights.pth')`, and give that file."
        )
    if "TorchScript" in str(error):
        return ValueError(
            f"{path} is a TorchScript program, not a checkpoint. Expected the tensors alone: "
            "`torch.save(torch.jit.load(...).state_dict(), 'weights.pth')`, and give that file."
        )

    reason = str(error).partition("WeightsUnpickler error:")[2] or str(error)
    reason = " ".join(
        reason.partition("Check the documentation")[0].split(". ")[0].split()
    )
    return ValueError(
        f"{path} is no PyTorch checkpoint, or a truncated one. Received: {type(error).__name__} {reason}"
    )


def _tensors(path: Path, content) -> Mapping:
    """The one mapping in the file from names to nothing but tensors."""
    import torch  # inside, since it is an extra

    def holds_tensors(value):
        return (
            isinstance(value, Mapping)
            and value
            and all(
                isinstance(name, str) and torch.is_tensor(tensor)
                for name, tensor in value.items()
            )
        )

    found = [
        key
        for key in TENSORS_UNDER
        if isinstance(content, Mapping) and holds_tensors(content.get(key))
    ]
    if holds_tensors(content):
        return content
    if len(found) == 1:
        return content[found[0]]
    received = (
        list(content)[:20] if isinstance(content, Mapping) else type(content).__name__
    )
    raise ValueError(
        f"Expected the model's tensors at the top level of {path} or under one of the keys "
        f"{', '.join(TENSORS_UNDER)}. Received: {received}"
    )


def _as_array(path: Path, name: str, tensor) -> np.ndarray:
    import torch  # inside, since it is an extra

    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    try:
        return tensor.numpy(force=True)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds {name} in a form that is no plain array: {error}"
        ) from error


def _as_float32_if_short(array: np.ndarray) -> np.ndarray:
    return (
        array.astype("float32")
        if array.dtype.name in ("float16", "bfloat16")
        else array
    )


def _not_installed(path: Path, package: str) -> ValueError:
    return ValueError(
        f"Reading {path} needs {package}: pip install 'keras_medformers[porting]'"
    )
