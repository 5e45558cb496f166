"""Read `aws:NAME-or-ARN` and `aws:NAME-or-ARN#key` from AWS Secrets Manager. Needs the extra `aws`."""

from __future__ import annotations

import re
import threading
from functools import partial
from typing import Any

from reconciler.model.extras import Extra, describe_installation
from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext, StoreTimeout, decode_text
from reconciler.secrets.bounded_call import call_within

_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):\d{12}:secret:" + _NAME.pattern)
_MESSAGES_BY_CODE = {
    "ResourceNotFoundException": "AWS has no secret of this name in region `{region}`",
    "AccessDeniedException": "AWS does not let these credentials read it",
    "DecryptionFailure": "AWS cannot decrypt it with its KMS key",
    "InvalidRequestException": "AWS does not give it out; it may be marked for deletion",
    "InvalidParameterException": "AWS does not take this name",
    "UnrecognizedClientException": "AWS does not know these credentials",
    "InvalidClientTokenId": "AWS does not know these credentials",
    "InvalidSignatureException": "AWS finds these credentials wrong",
    "SignatureDoesNotMatch": "AWS finds these credentials wrong",
    "ExpiredTokenException": "the AWS session has expired",
    "ExpiredToken": "the AWS session has expired",
    "ThrottlingException": "AWS is asked too often; try again later",
}
_MESSAGES_BY_EXCEPTION = {
    "NoCredentialsError": "there are no AWS credentials",
    "PartialCredentialsError": "the AWS credentials are incomplete",
    "ProfileNotFound": "there is no AWS profile of the name in `AWS_PROFILE`",
    "EndpointConnectionError": "AWS cannot be reached",
}
_TIMEOUTS = {
    "ConnectTimeoutError": "AWS cannot be reached",
    "ReadTimeoutError": "AWS did not answer in time",
    "TimeoutError": "AWS did not answer in time",
}


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    if _NAME.fullmatch(reference.locator) or _ARN.fullmatch(reference.locator):
        return None
    return (
        "this is neither the name nor the ARN of a secret in AWS Secrets Manager",
        "write for example `aws:prod/database#password`",
    )


class SecretsManager:
    """Client of AWS Secrets Manager, for the current version of secrets.

    Credentials of the given environment win over the credentials that the AWS library finds itself
    (profiles, single sign-on, roles).
    """

    def __init__(self, context: StoreContext) -> None:
        self._environ = context.environ
        self._timeout = context.timeout
        self._clients: dict[str | None, Any] = {}
        self._lock = threading.Lock()  # a client serves any number of threads, but must be made by one

    def read(self, reference: Reference) -> str:
        """Read the text of a secret. A binary secret must be UTF-8 text. Raises SecretUnavailable."""
        try:
            from botocore.exceptions import ClientError
        except ModuleNotFoundError:
            raise SecretUnavailable(
                reference,
                f"the library for AWS is not installed: {describe_installation(Extra.AWS)}",
            ) from None
        region = self._resolve_region(reference)
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        if len({bool(self._environ.get(name)) for name in keys}) > 1:
            raise SecretUnavailable(reference, f"only one of `{keys[0]}` and `{keys[1]}` is set")
        try:
            response = call_within(self._timeout, partial(self._request, region, reference))
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            message = _MESSAGES_BY_CODE.get(code, "AWS refuses to give it out")
            raise SecretUnavailable(reference, message.format(region=region)) from None
        except Exception as error:  # the library lets exceptions of its parsers escape
            name = type(error).__name__
            if name in _TIMEOUTS:
                raise StoreTimeout(reference, _TIMEOUTS[name]) from None
            message = _MESSAGES_BY_EXCEPTION.get(name, f"AWS cannot be asked ({name})")
            raise SecretUnavailable(reference, message) from None
        if isinstance(text := response.get("SecretString"), str):
            return text
        if isinstance(content := response.get("SecretBinary"), bytes):
            return decode_text(content, reference)
        raise SecretUnavailable(reference, "the answer of AWS holds no secret")

    def _resolve_region(self, reference: Reference) -> str:
        """Resolve the region: the region of an ARN wins over the region of the environment."""
        if arn := _ARN.fullmatch(reference.locator):
            return arn["region"]
        region = self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION")
        if not region:
            raise SecretUnavailable(
                reference, "no AWS region is known: set `AWS_REGION`, or refer to the secret by its ARN"
            )
        return region

    def _request(self, region: str, reference: Reference) -> Any:
        return self._get_client(region).get_secret_value(SecretId=reference.locator)

    def _get_client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = self._make_client(region)
            return self._clients[region]

    def _make_client(self, region: str) -> Any:
        import boto3
        from botocore.config import Config

        environ = self._environ
        session = boto3.Session(
            aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID") or None,
            aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
            aws_session_token=environ.get("AWS_SESSION_TOKEN") or None,
            profile_name=environ.get("AWS_PROFILE") or None,
            region_name=region,
        )
        return session.client(
            "secretsmanager",
            endpoint_url=environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER")
            or environ.get("AWS_ENDPOINT_URL")
            or None,
            config=Config(
                connect_timeout=self._timeout,
                read_timeout=self._timeout,
                retries={"mode": "standard", "total_max_attempts": 2},
            ),
        )
