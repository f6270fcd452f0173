"""`session_vars` and `client_params` of an S3, and those of the configuration: what boto3 is told in Metaflow, as settings of the
store process.

METAFLOW_DATATOOLS_CLIENT_PARAMS stands for `client_params` where an S3 has none, and is of the datastore too.
METAFLOW_DATATOOLS_SESSION_VARS has no effect, as in Metaflow, which looks at it for `role` only.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from .. import settings
from .errors import MetaflowS3Exception

#: Names that both dictionaries may have.
_VARIABLES = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "region_name": "AWS_REGION",
    "profile_name": "AWS_PROFILE",
    "endpoint_url": "METAFLOW_S3_ENDPOINT_URL",
    "verify": "METAFLOW_S3_VERIFY_CERTIFICATE",
}
#: Of boto3's way of working; there is nothing like it here.
_WITHOUT_EFFECT = ("config", "use_ssl", "api_version", "service_name")


def environment_of(encryption: Optional[str], options: Dict[str, Any]) -> Dict[str, str]:
    """Changes of the environment for the store process; an empty text takes a variable away.

    Raises MetaflowS3Exception for an option that Headrace cannot heed, TypeError for one that nobody knows.
    """
    changes = {"METAFLOW_S3_SERVER_SIDE_ENCRYPTION": encryption or ""}
    if not options.get("client_params"):
        changes.update(configured())
    for name, value in options.items():
        if name in ("session_vars", "client_params"):
            changes.update(_variables("S3(%s={'%%s': ...})" % name, value or {}))
        elif name in ("role", "external_client"):
            if value is not None:
                raise MetaflowS3Exception(
                    "S3(%s=...) cannot be used with Headrace, whose S3 client is not boto3's. %s"
                    % (
                        name,
                        "Name the role in a profile (role_arn, source_profile) of ~/.aws/config and set AWS_PROFILE."
                        if name == "role"
                        else "Give client_params or session_vars instead.",
                    )
                )
        elif name != "inject_failure_rate":
            raise TypeError("S3() got an unexpected keyword argument '%s'" % name)
    return _of_one_source(changes)


def configured(strict: bool = True) -> Dict[str, str]:
    """What METAFLOW_DATATOOLS_CLIENT_PARAMS says, as changes of the environment.

    Raises MetaflowS3Exception for an option that Headrace cannot heed; if not strict, leaves it out.
    """
    params: Dict[str, Any] = settings.from_conf("DATATOOLS_CLIENT_PARAMS", {})
    if not strict:
        params = {name: value for name, value in params.items() if name in _VARIABLES}
    changes = _variables("METAFLOW_DATATOOLS_CLIENT_PARAMS={'%s': ...}", params)
    if settings.from_conf("S3_VERIFY_CERTIFICATE"):
        changes.pop("METAFLOW_S3_VERIFY_CERTIFICATE", None)  # it comes first, as in Metaflow
    return _of_one_source(changes)


def _variables(named: str, values: Dict[str, Any]) -> Dict[str, str]:
    """named: how a person has said an option."""
    changes: Dict[str, str] = {}
    for name, value in values.items():
        if name in _VARIABLES:
            if value is not None:
                changes[_VARIABLES[name]] = str(value)
            elif name == "endpoint_url":
                changes[_VARIABLES[name]] = ""
        elif name not in _WITHOUT_EFFECT:
            raise MetaflowS3Exception(
                "%s cannot be used with Headrace. It knows %s." % (named % name, ", ".join(sorted(_VARIABLES)))
            )
    if "AWS_ACCESS_KEY_ID" in changes and "AWS_SESSION_TOKEN" not in changes:
        changes["AWS_SESSION_TOKEN"] = ""  # of other credentials
    return changes


def _of_one_source(changes: Dict[str, str]) -> Dict[str, str]:
    if "AWS_PROFILE" in changes and "AWS_ACCESS_KEY_ID" not in changes:
        # Keys of the environment would come first.
        changes.update(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_SESSION_TOKEN="")
    return changes
