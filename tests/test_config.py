"""The environment: what production needs, what it refuses, and that every problem is named."""
import pytest

from eventapp import config

SOUND = {"APP_ENV": "production", "SECRET_KEY": "s" * 32, "ENCRYPTION_KEY": "e" * 32, "DATABASE_URL": "postgresql://owner:x@db/events",
         "SMTP_URL": "smtp://mail.example", "FROM_EMAIL": "tickets@events.example", "PLATFORM_HOST": "events.example"}


def problems(**environ):
    with pytest.raises(config.WrongConfiguration) as caught:
        config.read({name: value for name, value in (SOUND | environ).items() if value is not None})
    return [problem.partition(":")[0] for problem in caught.value.problems]


def test_a_sound_environment_is_taken():
    settings = config.read(SOUND)
    assert settings.production and settings.platform_hosts == {"events.example"}


@pytest.mark.parametrize("name", config.NEEDED_IN_PRODUCTION)
def test_what_production_needs(name):
    assert problems(**{name: None}) == [name]


@pytest.mark.parametrize(("name", "value"), [
    ("BACKOFF_SCALE", "0"), ("CLOCK_OFFSET", "60"), ("SANDBOX_AUTOPAY", "1"), ("FAULTS", "toss.confirm.after=exit"),
    ("GUARDS_OFF", "csrf"), ("RATE_LIMIT_SCALE", "0"), ("FLASK_DEBUG", "1"), ("SECRET_KEY", "short"),
    ("TOSS_API_URL", "http://127.0.0.1:5001/toss")])
def test_what_production_refuses(name, value):
    assert problems(**{name: value}) == [name]


def test_every_wrong_value_is_named_at_once_and_no_secret_is_told():
    with pytest.raises(config.WrongConfiguration) as caught:
        config.read(SOUND | {"PORT": "many", "TRUSTED_HOPS": "-1", "DATABASE_URL": "mysql://owner:geheim@db/x"})
    told = str(caught.value)
    assert all(name in told for name in ("PORT", "TRUSTED_HOPS", "DATABASE_URL")) and "geheim" not in told


def test_development_needs_nothing(tmp_path):
    assert len(config.read({"VAR": str(tmp_path)}).secret_key) > 32
    assert config.read({"VAR": str(tmp_path)}).secret_key == config.read({"VAR": str(tmp_path)}).secret_key
