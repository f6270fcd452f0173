"""Small functions about values of clouds and clusters that extensions import from `metaflow.plugins`."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

from ..errors import CommandException, MetaflowException

_TAG_CHARS = r"A-Za-z0-9\s\+\-\=\.\_\:\/\@"


def parse_s3_full_path(s3_uri: str) -> Tuple[str, Optional[str]]:
    """Bucket and key of `s3://bucket/key`; the key is None if there is none."""
    from urllib.parse import urlparse

    parts = urlparse(s3_uri)
    assert parts.scheme == "s3", "%s is no s3:// address" % s3_uri
    return parts.netloc, parts.path.strip("/") or None


def sanitize_batch_tag(key: str, value: str) -> Tuple[str, str]:
    """A tag without the characters that AWS Batch refuses, and no longer than it takes (128 and 256)."""
    import re

    def clean(text: str) -> str:
        return re.sub("[^%s]" % _TAG_CHARS, "", text)

    return clean(key)[:128], clean(value)[:256]


def validate_aws_tag(key: str, value: str) -> None:
    """MetaflowException for a tag that AWS refuses: an `aws:` prefix, too long, or beginning with a bad character."""
    import re

    if key.lower().startswith("aws:") or value.lower().startswith("aws:"):
        raise MetaflowException("'aws:' is not an allowed prefix for either tag keys or values")
    for what, text, longest in (("key", key, 128), ("value", value, 256)):
        if len(text) > longest:
            raise MetaflowException(
                "Tag %s *%s* is too long. Maximum allowed tag %s length is %d." % (what, text, what, longest)
            )
    for what, text in (("Key", key), ("Value", value)):
        if not re.match("[%s]" % _TAG_CHARS, text):
            raise MetaflowException("%s *%s* is not permitted. Tags must match pattern: [%s]" % (what, text, _TAG_CHARS))


def get_ec2_instance_metadata() -> Dict[str, Any]:
    """What is known of the EC2 instance: nothing, since this version asks no cloud."""
    return {}


def parse_cli_options(flow_name: str, run_id: Optional[str], user: Optional[str], my_runs: bool,
                      echo: Callable[..., Any]) -> Tuple[str, Optional[str], Optional[str]]:
    """Which flow, run and user a command on pods is about; the newest run unless a run or a user is named."""
    if user and my_runs:
        raise CommandException("--user and --my-runs are mutually exclusive.")
    if run_id and my_runs:
        raise CommandException("--run_id and --my-runs are mutually exclusive.")
    if my_runs:
        from ..identity import get_username

        user = get_username()
    if not run_id and not user:
        from metaflow.util import get_latest_run_id

        run_id = get_latest_run_id(echo, flow_name)
        if run_id is None:
            raise CommandException("A previous run id was not found. Specify --run-id.")
    return flow_name, run_id, user


def qos_requests_and_limits(qos: str, cpu: Any, memory: Any, storage: Any) -> Tuple[Dict[str, str], Dict[str, str]]:
    """Requests and limits of a pod: equal for the class Guaranteed, else no limits. memory, storage: megabytes."""
    requests = {"cpu": str(cpu), "memory": "%sM" % memory, "ephemeral-storage": "%sM" % storage}
    return requests, requests if qos.lower() == "guaranteed" else {}


def sanitize_for_argo(text: str) -> str:
    """A name that Argo Workflows takes: lower case, without what it refuses, letters and digits beside each dot."""
    import re

    text = re.sub(r"[_@+]", "", re.sub(r"^[^A-Za-z0-9]+", "", text)).lower()
    return re.sub(r"[^a-z0-9]*\.[^a-z0-9]*", ".", text)
