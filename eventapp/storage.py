"""Files: a local folder by default, an S3 bucket in production. Every key begins with its organisation.

    files = storage.connect(settings)
    files.put(storage.key(org_id, "uploads", "a1b2.pdf"), content, "application/pdf")
"""
import os
import re
import secrets
from functools import cache
from pathlib import Path

from eventapp.config import Settings

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


@cache
def connect(settings: Settings) -> "Folder | Bucket":
    if not settings.s3_bucket:
        return Folder(settings.var / "files")
    return Bucket(settings.s3_bucket, settings.s3_endpoint_url, settings.s3_access_key, settings.s3_secret_key)


class Folder:
    """The embedded default."""

    def __init__(self, root: Path):
        self.root = root.resolve()

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

    def _path(self, key: str) -> Path:
        return self.root / _checked(key)


class Bucket:
    """S3 or what speaks like it."""

    def __init__(self, bucket: str, endpoint: str, access_key: str, secret_key: str):
        import boto3  # half a second that only those pay who have a bucket
        from botocore.config import Config

        self.bucket = bucket
        self.client = boto3.client("s3", endpoint_url=endpoint or None, aws_access_key_id=access_key or None,
                                   aws_secret_access_key=secret_key or None,
                                   config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3}))

    def look(self) -> None:
        """Raises when the bucket is out of reach."""
        self.client.head_bucket(Bucket=self.bucket)

    def put(self, key: str, content: bytes, content_type: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=_checked(key), Body=content, ContentType=content_type)

    def get(self, key: str) -> bytes:
        try:
            return self.client.get_object(Bucket=self.bucket, Key=_checked(key))["Body"].read()
        except self.client.exceptions.NoSuchKey:
            raise NotStored(key) from None

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=_checked(key))
