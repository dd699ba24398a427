"""What transformers would load of a checkpoint into a model, found without the memory for either.

The model is built on torch's meta device and transformers itself says what would be loaded, so its renaming of old names,
prefixes, tied weights and names to ignore are all taken into account.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError
from bertft_core.data.examples import shorten
from bertft_core.storage.weight_files import read_headers


class LoadedNames(NamedTuple):
    """What transformers reports of loading a model; names as the model has them, unexpected ones as the file has them."""

    prefix: str
    body_children: frozenset[str]
    body: frozenset[str]
    """Weights of the encoder."""
    head: frozenset[str]
    missing: frozenset[str]
    unexpected: frozenset[str]
    mismatched: dict[str, tuple[Any, Any]]
    """Name → shapes in the file and in the model."""
    twice: dict[str, tuple[str, ...]]
    """Name → the names in the file of which transformers would load one and drop the others."""

    def in_body(self, name: str) -> bool:
        """Whether a weight belongs to the encoder, and not to a head."""
        return name.startswith(self.prefix) or name.partition(".")[0] in self.body_children

    def module(self, name: str) -> str:
        return name.removeprefix(self.prefix).partition(".")[0]


def load_without_memory(directory: Path, files: Sequence[Path], auto_class: str, n_outputs: int | None) -> LoadedNames:
    """The names of the model of `auto_class`; raises `UserError` where no such model can be made of the config."""
    import torch  # slow
    import transformers
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.modeling_utils import LoadStateDictConfig

    nowhere = torch.device("meta")
    try:
        with _quiet(transformers.logging):
            config = transformers.AutoConfig.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
            if n_outputs is not None and n_outputs != config.num_labels:
                config.num_labels = n_outputs
            with nowhere:
                model = getattr(transformers, auto_class).from_config(config, dtype=torch.float32)
            how = LoadStateDictConfig(
                pretrained_model_name_or_path=str(directory),
                ignore_mismatched_sizes=True,
                device_map={"": nowhere},
                weight_mapping=get_model_conversion_mapping(model),  # type: ignore[arg-type]
                dtype=torch.float32,
            )
            info, _ = model._load_pretrained_model(model, None, [str(path) for path in files], how)
            report = model._finalize_model_loading(model, how, info).to_dict()
            twice = _loaded_twice(model, how.weight_mapping, read_headers(files))
    except Exception as error:  # of many kinds, all meaning that the settings do not describe such a model
        raise _unusable(directory, auto_class, error) from None
    prefix = f"{model.base_model_prefix}."
    names = frozenset(model.state_dict())
    head = frozenset(name for name in names if not name.startswith(prefix))
    return LoadedNames(
        prefix=prefix,
        body_children=frozenset(name for name, _ in model.base_model.named_children()),
        body=names - head,
        head=head,
        missing=frozenset(report["missing_keys"]),
        unexpected=frozenset(report["unexpected_keys"]),
        mismatched={name: (tuple(there), tuple(wanted)) for name, there, wanted in report["mismatched_keys"]},
        twice=twice,
    )


def _loaded_twice(model: Any, mapping: Any, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Weights of the model with more than one source, such as `bert.X` and `X`; a converter may join several on purpose."""
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    own, sources = model.state_dict(), defaultdict[str, list[str]](list)
    for name in names:
        target, joined = rename_source_key(name, renamings, converters, model.base_model_prefix, own)
        if target not in own and name in own:
            target, joined = rename_source_key(name, [], [], model.base_model_prefix, own)
        if target in own and joined is None:
            sources[target].append(name)
    return {target: tuple(sorted(given)) for target, given in sources.items() if len(given) > 1}


def _unusable(directory: Path, auto_class: str, error: Exception) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"no {auto_class.removeprefix('AutoModelFor')} model can be made of the encoder's config.json",
        code="encoder.config-unusable",
        path=directory / "config.json",
        found=shorten(reason, 200),
        expected="settings that fit each other, of a model that has such a head",
        hint="copy config.json from the checkpoint again, or choose another encoder",
    )


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the report and the progress bar that transformers prints: what matters is raised."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
