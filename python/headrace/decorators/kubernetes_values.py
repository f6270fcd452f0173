"""Reads the values of `@kubernetes`: lists of pairs, labels, tolerations, images."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from ..errors import MetaflowException

#: What a toleration may say.
TOLERATION_KEYS = {"effect", "key", "operator", "toleration_seconds", "value"}


class KubernetesException(MetaflowException):
    headline = "Kubernetes error"


KubernetesException.__module__ = "metaflow.plugins.kubernetes.kube_utils"


def parse_kube_keyvalue_list(items: Iterable[str], requires_both: bool = True) -> Dict[str, Optional[str]]:
    """`["k=v", ...]` as a dictionary; without `requires_both` a bare `k` means None."""
    pairs: Dict[str, Optional[str]] = {}
    items = list(items)
    for item in items:
        key, equals, value = str(item).partition("=")
        if not equals and requires_both:
            raise KubernetesException("Unable to parse kubernetes list: %s" % items)
        if key in pairs:
            raise KubernetesException("Duplicate key found: %s" % key)
        pairs[key] = value if equals else None
    return pairs


def validate_kube_labels(labels: Optional[Dict[str, Optional[str]]]) -> bool:
    """True; KubernetesException for a value that Kubernetes would refuse."""
    import re

    for value in (labels or {}).values():
        if value and not re.search(r"^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$", str(value)):
            raise KubernetesException(
                'Invalid value: "%s"\nA valid label must be an empty string or one that\n'
                "  - Consist of alphanumeric, '-', '_' or '.' characters\n"
                "  - Begins and ends with an alphanumeric character\n"
                "  - Is at most 63 characters" % value
            )
    return True


def check_tolerations(tolerations: Any) -> None:
    """KubernetesException unless it is a list of dictionaries with known keys."""
    if not isinstance(tolerations, (list, tuple)) or not all(hasattr(each, "keys") for each in tolerations):
        raise KubernetesException("Unable to parse tolerations: %s" % (tolerations,))
    for toleration in tolerations:
        unknown: List[str] = [key for key in toleration if key not in TOLERATION_KEYS]
        if unknown:
            raise KubernetesException("Tolerations parameter contains invalid keys: %s" % unknown)


def get_docker_registry(image: str) -> Optional[str]:
    """The registry of an image's name, None if it names none: text with `.` or `:` before the first `/`."""
    import re

    match = re.match(r"^(.+?(?:[:.].+?)\/)?(.*?)(?:[@:])?((?<=[@:]).*)?$", image)
    registry: Optional[str] = match.group(1) if match else None
    return registry.rstrip("/") if registry else None


def default_image(configured: Optional[str]) -> str:
    """The configured image, else Python's own of the version that runs."""
    import sys

    return configured or "python:%d.%d" % sys.version_info[:2]


def with_registry(image: str, registry: Optional[str]) -> str:
    """The image with the configured registry, unless it names one."""
    if registry and not get_docker_registry(image):
        return "%s/%s" % (registry.rstrip("/"), image)
    return image
