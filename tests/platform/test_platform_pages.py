"""The operator's console."""

from eventapp.extensions import db
from tests import make


def test_the_operator_sees_how_much_there_is(operator, world):
    with world.busan.inside():
        make.order(
            world.busan.event(), make.Participant("김하나", "hana@example.com", chosen={"free-day": 1}), method="free"
        )
        db.session.commit()
    page = operator.get("/platform-admin").text
    assert page.split("<dd>")[1].startswith("2<") and page.split("<dd>")[4].startswith("1<")


def test_every_organisation_is_listed_with_its_counts(operator, world):
    with world.busan.inside():
        make.order(
            world.busan.event(), make.Participant("김하나", "hana@example.com", chosen={"free-day": 1}), method="free"
        )
        db.session.commit()
    page = operator.get("/platform-admin/organizations").text

    def figures(slug):
        line = page.split(f'data-organization="{slug}"')[1].split("</tr>")[0]
        return [cell.split("<")[0] for cell in line.split('class="number">')[1:]]

    assert figures("busan-meetup") == ["4", "2", "1"]
    assert figures("seoul-ubf") == ["4", "2", "0"]


def test_the_list_can_be_searched(operator):
    page = operator.get("/platform-admin/organizations?q=부산").text
    assert 'data-organization="busan-meetup"' in page and 'data-organization="seoul-ubf"' not in page
    assert "data-organization" not in operator.get("/platform-admin/organizations?q=%25nothing").text
    assert operator.get("/platform-admin/organizations?page=99999").status_code == 200


def test_it_is_not_on_an_organisations_host(app, operator):
    assert app.test_client().get("/platform-admin", base_url="http://seoul-ubf.localhost").status_code == 404


def test_an_owner_is_a_stranger_there(seoul_owner):
    assert seoul_owner.get("/platform-admin").status_code == 404
