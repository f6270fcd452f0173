"""MetaflowData: a task's artifacts by attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List

if TYPE_CHECKING:
    from headrace.client.artifact import DataArtifact


class MetaflowData:
    """`task.data.x` loads the artifact `x`; `"x" in task.data` tells whether there is one."""

    __module__ = "metaflow.client.core"

    def __init__(self, artifacts: Iterable["DataArtifact"]) -> None:
        self._artifacts: Dict[str, "DataArtifact"] = {artifact.id: artifact for artifact in artifacts}

    def __getattr__(self, name: str) -> Any:
        # Unpickling and copying look for attributes before `_artifacts` is there.
        artifacts = self.__dict__.get("_artifacts", {})
        if name not in artifacts:
            raise AttributeError(name)
        return artifacts[name].data

    def __contains__(self, var: str) -> bool:
        return var in self._artifacts

    def __dir__(self) -> List[str]:
        return list(self._artifacts) + list(object.__dir__(self))

    def __str__(self) -> str:
        return "<MetaflowData: %s>" % ", ".join(self._artifacts)

    def __repr__(self) -> str:
        return str(self)
