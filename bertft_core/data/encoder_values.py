"""The numbers in an encoder's weights: finite as they are trained, and not all zero."""

from collections.abc import Sequence
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.data.encoder_parts import some_names
from bertft_core.storage.weight_files import damaged_weights

MOST_ZEROS = 0.5
"""Of the matrices: a few may be zero on purpose, as those of added layers are; more means that nothing was ever saved."""


def refuse_bad_values(files: Sequence[Path]) -> None:
    """Raise `UserError` for weights that are NaN or infinite in float32, in which all are trained, and for those of zeros.

    Every value is read, one tensor at a time.
    """
    import torch  # slow
    from safetensors import SafetensorError, safe_open

    zeros, n_matrices = [], 0
    for path in files:
        bad = []
        try:
            with safe_open(path, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118  (no mapping)
                    tensor = opened.get_tensor(name)
                    if not tensor.is_floating_point():
                        continue
                    n_matrices += tensor.ndim > 1
                    ends = torch.stack(tensor.float().aminmax()) if tensor.numel() else tensor  # NaN if any value is
                    if not torch.isfinite(ends).all():
                        bad.append(name)
                    elif tensor.ndim > 1 and not ends.any() and not tensor.any():
                        zeros.append(name)
        except (SafetensorError, OSError) as error:
            raise damaged_weights(path, str(error)) from None
        if bad:
            raise _refusal(
                path,
                "the encoder weights hold NaN or infinite values",
                some_names(bad, "not finite in float32"),
                "finite numbers",
                "download the checkpoint again; if it is your own, its training diverged: use an earlier one",
                code="encoder.weights-not-finite",
            )
    if len(zeros) > MOST_ZEROS * n_matrices:
        raise _refusal(
            files[0],
            "most of the encoder weights are zero",
            some_names(zeros, f"of {n_matrices} matrices hold zeros only"),
            "the weights of a trained model",
            "download the checkpoint again, or save the trained model with save_pretrained",
            code="encoder.weights-zero",
        )


def _refusal(path: Path, problem: str, found: str, expected: str, hint: str, *, code: str) -> UserError:
    return UserError(problem, code=code, path=path, found=found, expected=expected, hint=hint)
