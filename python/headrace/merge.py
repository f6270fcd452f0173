"""`merge_artifacts`: what the branches of a join have in common becomes the join's, by reference."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from .errors import MetaflowException, MissingInMergeArtifactsException, UnhandledInMergeArtifactsException


def merge_artifacts(flow: Any, inputs: Any, exclude: List[str], include: List[str]) -> None:
    """See `FlowSpec.merge_artifacts`. Equality is that of content keys: nothing is loaded."""
    step = flow._current_step
    if flow._graph[step].type != "join":
        raise MetaflowException(
            "merge_artifacts can only be called in a join and step *%s* is not a join" % step
        )
    if exclude and include:
        raise MetaflowException("`exclude` and `include` are mutually exclusive in merge_artifacts")

    chosen: Dict[str, Tuple[Any, str]] = {}
    conflicts: List[str] = []
    present: Dict[str, bool] = {}
    for branch in inputs:
        for name, key in branch._datastore.items():
            if not _is_candidate(name, exclude, include):
                continue
            if name not in present:
                present[name] = hasattr(flow, name)
            if present[name]:
                continue
            if chosen.setdefault(name, (branch, key))[1] != key:
                conflicts.append(name)

    if conflicts:
        raise UnhandledInMergeArtifactsException(
            "Step *%s* cannot merge the following artifacts due to them having conflicting values:\n[%s].\nTo remedy "
            "this issue, be sure to explicitly set those artifacts (using self.<artifact_name> = ...) prior to "
            "calling merge_artifacts." % (step, ", ".join(conflicts)),
            conflicts,
        )
    missing = [name for name in include if name not in chosen and not hasattr(flow, name)]
    if missing:
        raise MissingInMergeArtifactsException(
            "Step *%s* specifies that [%s] should be merged but [%s] are not present.\nTo remedy this issue, make "
            "sure that the values specified in only come from at least one branch"
            % (step, ", ".join(include), ", ".join(missing)),
            missing,
        )
    for name, (branch, _) in chosen.items():
        flow._datastore.passdown_partial(branch._datastore, [name])


def _is_candidate(name: str, exclude: List[str], include: List[str]) -> bool:
    from .flowspec import INTERNAL_ARTIFACTS_SET

    if include:
        return name in include
    return name not in exclude and name not in INTERNAL_ARTIFACTS_SET
