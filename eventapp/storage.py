"""Files: a local folder by default, an S3 bucket in production. Every key begins with its organisation.

    files = storage.connect(folder, secret)   or   storage.connect(folder, secret, bucket="…", endpoint="…", …)
    files.put(storage.key(org.id, "covers", "a1b2.webp"), content, "image/webp")
"""
import os
import re
import secrets
import time
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

KEY = re.compile(r"org/[0-9]+(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127})+")


class NotStored(KeyError):
    """There is nothing under this key."""


def key(org_id: int, *parts: str) -> str:
    """`org/<id>/…`, from names we made ourselves: no slashes, no dots in front."""
    return _checked("/".join(("org", str(int(org_id)), *parts)), len(parts))


def _checked(key: str, parts: int | None = None) -> str:
    if not KEY.fullmatch(key) or (parts is not None and key.count("/") != parts + 1):
        raise ValueError(f"not a storage key: {key!r}")
    return key


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, also when the power goes: temporary file, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def connect(folder: Path, secret: str, bucket: str = "", endpoint: str = "", access_key: str = "",
            secret_key: str = "") -> "Folder | Bucket":
    return Bucket(bucket, endpoint, access_key, secret_key) if bucket else Folder(folder, secret)


class Folder:
    """The embedded default. `url` is a path of ours, `/files/<token>`, good until its time is over."""

    def __init__(self, root: Path, secret: str):
        self.root = root.resolve()
        self.signer = URLSafeSerializer(secret, salt="storage")

    def put(self, key: str, content: bytes, content_type: str) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise NotStored(key) from None

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def url(self, key: str, seconds: int) -> str:
        return "/files/" + self.signer.dumps([key, int(time.time()) + seconds])

    def key_of(self, token: str) -> str | None:
        """The key a link of `url` is for, while it is good."""
        try:
            key, until = self.signer.loads(token)
        except BadSignature:
            return None
        return key if time.time() < until else None

    def _path(self, key: str) -> Path:
        return self.root / _checked(key)


class Bucket:
    """S3 or what speaks like it; links are the store's own, signed, and download rather than show."""

    def __init__(self, bucket: str, endpoint: str, access_key: str, secret_key: str):
        import boto3  # half a second that only those pay who have a bucket
        from botocore.config import Config

        self.bucket = bucket
        self.client = boto3.client("s3", endpoint_url=endpoint or None, aws_access_key_id=access_key or None,
                                   aws_secret_access_key=secret_key or None,
                                   config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3}))

    def put(self, key: str, content: bytes, content_type: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=_checked(key), Body=content, ContentType=content_type)

    def get(self, key: str) -> bytes:
        try:
            return self.client.get_object(Bucket=self.bucket, Key=_checked(key))["Body"].read()
        except self.client.exceptions.NoSuchKey:
            raise NotStored(key) from None

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=_checked(key))

    def url(self, key: str, seconds: int) -> str:
        return self.client.generate_presigned_url("get_object", ExpiresIn=seconds, Params={
            "Bucket": self.bucket, "Key": key, "ResponseContentDisposition": "attachment"})
