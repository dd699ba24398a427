"""How two recorded environments differ, and which differences can change numbers."""

from collections.abc import Iterator, Mapping

from bertft_core.records import Environment
from bertft_core.records.verification_record import EnvironmentChange, EnvironmentPart


def environment_changes(left: Environment | None, right: Environment | None) -> list[EnvironmentChange]:
    """What differs, the changes that can change numbers first. A value that one of the two never recorded is no difference."""
    if left is None or right is None:
        return []
    device: EnvironmentPart = "processor" if left.gpu_driver is None and right.gpu_driver is None else "device"
    values: tuple[tuple[EnvironmentPart, str | None, str | None], ...] = (
        (device, left.device, right.device),
        ("cpu_capability", left.cpu_capability, right.cpu_capability),
        ("kernels", left.kernels, right.kernels),
        ("threads", str(left.threads), str(right.threads)),
        ("gpu_driver", left.gpu_driver, right.gpu_driver),
        ("bertft_code", _code(left), _code(right)),
        ("python", left.python, right.python),
        ("platform", left.platform, right.platform),
        ("lock_file", (left.lock_sha256 or "")[:12] or None, (right.lock_sha256 or "")[:12] or None),
        ("host", left.host, right.host),
    )
    changes = [EnvironmentChange(part=part, a=a, b=b) for part, a, b in values if a is not None and b is not None and a != b]
    changes += _named("package", left.packages, right.packages)
    shared = left.flags.keys() & right.flags.keys()
    flags = [{name: "on" if flags[name] else "off" for name in shared} for flags in (left.flags, right.flags)]
    changes += _named("torch_setting", *flags)
    if left.flags and right.flags:  # otherwise one record is older than the list of variables
        changes += _named("variable", left.variables, right.variables)
    return sorted(changes, key=lambda change: not change.decides)


def _named(part: EnvironmentPart, left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[EnvironmentChange]:
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield EnvironmentChange(part=part, name=name, a=left.get(name), b=right.get(name))


def _code(environment: Environment) -> str | None:
    return None if environment.commit is None else environment.commit[:12] + "-dirty" * bool(environment.dirty)
