"""Requests to the S3 server itself, signed by curl, for what Headrace does not do: removing many objects, temporary credentials."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from typing import Dict, List
from urllib.parse import quote

import pytest


def signed(s3: Dict[str, str], method: str, path: str, body: str = "", service: str = "s3", kind: str = "application/xml") -> str:
    """The body of the answer, whatever its status is."""
    sent = body.encode()
    headers = {"Content-Type": kind, "Content-MD5": base64.b64encode(hashlib.md5(sent).digest()).decode(),
               "x-amz-content-sha256": hashlib.sha256(sent).hexdigest()}
    command = ["curl", "-sS", "--noproxy", "*", "--aws-sigv4", "aws:amz:%s:%s" % (s3["AWS_DEFAULT_REGION"], service),
               "-u", "%s:%s" % (s3["AWS_ACCESS_KEY_ID"], s3["AWS_SECRET_ACCESS_KEY"]), "-X", method, "--data-binary", "@-"]
    for header in headers.items():
        command += ["-H", "%s: %s" % header]
    done = subprocess.run(command + [s3["METAFLOW_S3_ENDPOINT_URL"] + path], input=sent, stdout=subprocess.PIPE, timeout=60, check=True)
    return done.stdout.decode()


def remove_below(s3: Dict[str, str], root: str) -> None:
    """Removes all objects below s3://BUCKET/PREFIX."""
    bucket, _, prefix = root[len("s3://"):].partition("/")
    place = "/%s?list-type=2&prefix=%s" % (bucket, quote(prefix + "/", safe=""))
    while True:
        keys: List[str] = re.findall("<Key>(.*?)</Key>", signed(s3, "GET", place))
        if not keys:
            return
        objects = "".join("<Object><Key>%s</Key></Object>" % key for key in keys)
        answer = signed(s3, "POST", "/%s?delete=" % bucket, "<Delete><Quiet>true</Quiet>%s</Delete>" % objects)
        assert "<Error>" not in answer, answer


def temporary_credentials(s3: Dict[str, str]) -> Dict[str, str]:
    """AccessKeyId, SecretAccessKey, SessionToken and Expiration as the server gives them (MinIO does); skips where it gives none."""
    asked = "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600"
    answer = signed(s3, "POST", "/", asked, service="sts", kind="application/x-www-form-urlencoded")
    found = dict(re.findall("<(AccessKeyId|SecretAccessKey|SessionToken|Expiration)>(.*?)</", answer))
    if len(found) < 4:
        pytest.skip("the S3 server gives no temporary credentials: %s" % answer[:200])
    return found
