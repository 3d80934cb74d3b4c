"""Profile, language, password, devices."""

from sqlalchemy import func, select

from eventapp.extensions import db
from eventapp.models import SignIn
from tests.world import fresh

EMAIL = "participant@seoul-ubf.example"


def sign_ins() -> list[SignIn]:
    db.session.rollback()
    return list(db.session.scalars(select(SignIn).order_by(SignIn.id)))


def test_name_and_phone_are_kept_as_they_were_meant(participant, world):
    answer = participant.post("/account", {"name": "  박 참가 ", "phone": "010-1234-5678"})
    assert (answer.status_code, answer.location) == (303, "/account")
    user = fresh(world.user(EMAIL))
    assert (user.name, user.phone) == ("박 참가", "+821012345678")
    participant.post("/account", {"name": "Park", "phone": "+1 415 555 2671"})
    assert fresh(user).phone == "+14155552671"
    participant.post("/account", {"name": "Park", "phone": ""})
    assert fresh(user).phone == ""


def test_what_is_wrong_is_said_and_nothing_is_lost(participant, world):
    before = world.user(EMAIL).name
    answer = participant.post("/account", {"name": "박" * 101, "phone": "12 34"})
    assert answer.status_code == 422
    assert 'data-error-for="name"' in answer.text and 'data-error-for="phone"' in answer.text
    assert "박" * 101 in answer.text and "12 34" in answer.text
    assert fresh(world.user(EMAIL)).name == before


def test_nothing_else_can_be_bound(participant, world):
    participant.post(
        "/account",
        {"name": "Park", "is_operator": "1", "email": "owner@seoul-ubf.example", "id": "1", "disabled_at": ""},
    )
    user = fresh(world.user(EMAIL))
    assert (user.name, user.is_operator) == ("Park", False)


def test_the_language_of_the_account_goes_before_cookie_and_browser(participant, world):
    assert participant.post("/account/language", {"language": "en"}).status_code == 303
    assert fresh(world.user(EMAIL)).locale == "en"
    assert '<html lang="en"' in participant.get("/account", headers={"Accept-Language": "ko"}).text
    participant.post("/account/language", {"language": "ko"})
    assert '<html lang="ko"' in participant.get("/account", headers={"Accept-Language": "en"}).text
    assert participant.post("/account/language", {"language": "fr"}).status_code == 422


def test_a_new_password_ends_every_other_sign_in(sign_in, app, letters):
    here, there = sign_in(EMAIL), sign_in(EMAIL)
    before = here.get_cookie("session").value
    answer = here.post("/account/password", {"password": "demo-password", "new_password": "six blue bicycles"})
    assert (answer.status_code, answer.location) == (303, "/account/security")
    assert here.get_cookie("session").value != before
    assert here.get("/account").status_code == 200
    assert there.get("/account").location == "/auth/login?next=/account"
    old = app.test_client()
    old.set_cookie("session", before)
    assert old.get("/account").location == "/auth/login?next=/account"
    assert [kind for kind, _ in letters] == ["mail_password_changed"]


def test_the_present_password_is_asked_for(participant, world):
    before = world.user(EMAIL).password_hash
    answer = participant.post("/account/password", {"password": "a wrong guess", "new_password": "six blue bicycles"})
    assert answer.status_code == 422 and 'data-error-for="password"' in answer.text
    answer = participant.post("/account/password", {"password": "demo-password", "new_password": "password1"})
    assert answer.status_code == 422 and 'data-error-for="new_password"' in answer.text
    assert fresh(world.user(EMAIL)).password_hash == before


def test_devices_are_listed_and_logged_out_at_once(sign_in, app):
    here = sign_in(EMAIL)
    phone = app.test_client()
    phone.post(
        "/auth/login",
        {"email": EMAIL, "password": "demo-password"},
        headers={"User-Agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"},
    )
    page = here.get("/account/security").text
    assert page.count("data-sign-in=") == 2 and "Chrome, Android" in page
    theirs = sign_ins()[-1].id
    assert here.post(f"/account/sign-ins/{theirs}/revoke").location == "/account/security"
    assert phone.get("/account").location == "/auth/login?next=/account"
    assert here.get("/account").status_code == 200


def test_all_others_are_logged_out_together(sign_in):
    here, *others = (sign_in(EMAIL) for _ in range(4))
    here.post("/account/sign-ins/revoke-others")
    assert [other.get("/account").status_code for other in others] == [303] * 3
    assert here.get("/account").status_code == 200


def test_somebody_elses_device_is_like_one_that_is_not_there(participant, seoul_owner):
    db.session.rollback()
    theirs = db.session.scalar(select(func.max(SignIn.id)))
    foreign = participant.post(f"/account/sign-ins/{theirs}/revoke")
    missing = participant.post("/account/sign-ins/999999/revoke")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert seoul_owner.get("/account").status_code == 200


def test_pages_with_a_person_in_them_are_kept_nowhere(participant):
    for path in ("/account", "/account/security", "/auth/reset", "/seoul-ubf", "/seoul-ubf/wmc-2026"):
        assert participant.get(path).headers["Cache-Control"] == "no-store"
