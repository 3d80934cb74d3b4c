"""One registration's page and the panel beside the desk."""
from eventapp.extensions import db
from tests import make
from tests.make import Participant


def placed(world, *people, **values):
    """An order of the conference, committed."""
    with world.seoul.inside():
        people = people or (Participant("김하나", "hana@example.com", "010-1234-5678", {"main-conference": 1}, {"church": ["종로"]}),)
        order = make.order(world.seoul.event(), *people, **{"method": "manual_transfer"} | values)
        db.session.commit()
        return [one.number for one in order.registrations]


def path(number: str, rest: str = "") -> str:
    return f"/seoul-ubf/admin/registrations/{number}{rest}"


def test_the_panel_is_the_same_piece_beside_the_desk_and_by_htmx(seoul_owner, world):
    number, = placed(world)
    answer = seoul_owner.get(path(number), headers={"HX-Request": "true", "HX-Target": "aside#panel"})
    assert answer.text.lstrip().startswith('<aside id="panel"')
    assert number in answer.text and "김하나" in answer.text and "종로" in answer.text
