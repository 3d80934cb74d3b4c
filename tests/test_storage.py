import pytest
from moto.server import ThreadedMotoServer

from eventapp import storage
from eventapp.config import Settings


@pytest.fixture(scope="module")
def s3():
    """A server that speaks S3, on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def files(request, tmp_path):
    if request.param == "folder":
        yield storage.connect(Settings(var=tmp_path))
        return
    found = storage.connect(Settings(s3_bucket="files", s3_endpoint_url=request.getfixturevalue("s3"), s3_access_key="k",
                                     s3_secret_key="s", var=tmp_path))
    found.client.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "ap-northeast-2"})
    yield found
    for each in found.client.list_objects_v2(Bucket="files").get("Contents", []):
        found.client.delete_object(Bucket="files", Key=each["Key"])
    found.client.delete_bucket(Bucket="files")


def test_what_was_put_can_be_got_until_it_is_deleted(files):
    key = storage.key(3, "covers", "a1b2.webp")
    files.put(key, b"picture", "image/webp")
    assert (key, files.get(key)) == ("org/3/covers/a1b2.webp", b"picture")
    files.put(key, b"another", "image/webp")
    assert files.get(key) == b"another"
    files.delete(key)
    with pytest.raises(storage.NotStored):
        files.get(key)
    files.delete(key)


@pytest.mark.parametrize("part", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a\0", "한글", "x" * 200])
def test_a_key_never_leaves_its_organisation(part):
    with pytest.raises(ValueError):
        storage.key(3, part)


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "org/../../x", "x", "org"])
def test_what_is_no_key_is_refused(files, key):
    with pytest.raises(ValueError):
        files.put(key, b"x", "text/plain")


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.write(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []
