"""`@project`: flows that belong together, with branches."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Tuple

from ..errors import MetaflowException
from .base import FlowDecorator

#: What a project's or branch's name may not hold.
VALID_NAME_RE = "[^a-z0-9_]"
VALID_NAME_LEN = 128


class ProjectDecorator(FlowDecorator):
    """Makes a flow part of a project.

    name: lower-case letters, digits, `_`. branch, production: as the options `--branch` and `--production`. The branch is
    `user.<user>` (neither), `test.<branch>`, `prod` (production), or `prod.<branch>` (both).
    """

    name = "project"
    options = {
        "production": {
            "is_flag": True,
            "default": False,
            "show_default": True,
            "help": "Use the @project's production branch. To use a custom branch, use --branch.",
        },
        "branch": {
            "default": None,
            "show_default": False,
            "help": "Use the given branch name under @project. The default is the user name if --production is not "
            "specified.",
        },
    }
    defaults: Dict[str, Any] = {"name": None, "production": False, "branch": None}

    def flow_init(self, flow: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        self._option_values = options
        branch = self._settle("branch", options)
        production = self._settle("production", options)
        from ..current import current
        from ..identity import get_username

        project_name = self.attributes["name"]
        project_flow_name, branch_name = format_name(flow.name, project_name, production, branch, get_username())
        echo("Project: *%s*, Branch: *%s*" % (project_name, branch_name), fg="magenta", highlight="green")
        current._update_env(
            {
                "project_name": project_name,
                "branch_name": branch_name,
                "is_user_branch": branch is None and not production,
                "is_production": production,
                "project_flow_name": project_flow_name,
            }
        )
        metadata.add_sticky_tags(sys_tags=["project:%s" % project_name, "project_branch:%s" % branch_name])

    def _settle(self, option: str, options: Dict[str, Any]) -> Any:
        """The decorator's value if it has one, else the command line's; they must not contradict."""
        if option not in self._user_defined_attributes:
            return options[option]
        if options[option] not in (self.defaults[option], self.attributes[option]):
            raise MetaflowException(
                "You cannot pass %s as both a command-line argument and an attribute of the @project decorator." % option
            )
        return self.attributes[option]

    def get_top_level_options(self) -> List[Tuple[str, Any]]:
        return list(self._option_values.items())


ProjectDecorator.__module__ = "metaflow.plugins.project_decorator"


def format_name(
    flow_name: str, project_name: Optional[str], deploy_prod: bool, given_branch: Optional[str], user_name: Optional[str]
) -> Tuple[str, str]:
    """The flow's name within its project and the branch's full name. MetaflowException for a name not allowed."""
    import re

    if not project_name:
        raise MetaflowException("@project needs a name. Try @project(name='some_name')")
    if re.search(VALID_NAME_RE, project_name):
        raise MetaflowException(
            "The @project name must contain only lowercase alphanumeric characters and underscores."
        )
    if len(project_name) > VALID_NAME_LEN:
        raise MetaflowException("The @project name must be shorter than %d characters." % VALID_NAME_LEN)
    if given_branch:
        if re.search(VALID_NAME_RE, given_branch):
            raise MetaflowException(
                "The branch name must contain only lowercase alphanumeric characters and underscores."
            )
        if len(given_branch) > VALID_NAME_LEN:
            raise MetaflowException("Branch name is too long. The maximum is %d characters." % VALID_NAME_LEN)
        branch = "%s.%s" % ("prod" if deploy_prod else "test", given_branch)
    elif deploy_prod:
        branch = "prod"
    else:
        branch = "user.%s" % os.environ.get("METAFLOW_OWNER", str(user_name))
    return ".".join((project_name, branch, flow_name)), branch
