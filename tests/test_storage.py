import pytest

from eventapp import storage


@pytest.fixture
def files(tmp_path):
    return storage.connect(tmp_path, "secret")


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


def test_a_link_is_for_one_file_and_ends(files):
    link = files.url("org/3/a", 60)
    token = link.removeprefix("/files/")
    assert files.key_of(token) == "org/3/a"
    assert files.key_of(token + "x") is None
    assert files.key_of(files.url("org/3/a", -1).removeprefix("/files/")) is None


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.write(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []
