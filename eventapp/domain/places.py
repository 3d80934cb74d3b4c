"""Whether there is room for many at once: simulated in the order of their turns, under the quotas' locks where it counts.

The database's own triggers and CHECK refuse to oversell in any case; here is decided who fits, so that nobody need be refused.
"""
from collections import defaultdict

from sqlalchemy import func, select

from eventapp.extensions import db
from eventapp.models import LineItem, Quota, QuotaProgram
from eventapp.models.base import among


class Room:
    """What is left of each quota, and how much of it each registration would take.

    `lock` takes the quotas, in the order of their ids and as late as can be: orders and registrations come before them.
    """

    def __init__(self, *, lock: bool):
        self.lock = lock
        self.left: dict[int, int] = {}
        self.wanted: dict[int, dict[int, int]] = defaultdict(dict)

    def look(self, registrations) -> None:
        """`registrations` (anything with `id` and `event_id`) want places."""
        ids = [one.id for one in registrations]
        if not ids:
            return
        wanted = select(LineItem.registration_id, QuotaProgram.quota_id, func.sum(LineItem.quantity)).join(
            QuotaProgram, QuotaProgram.program_id == LineItem.program_id).where(
            among(LineItem.registration_id, ids)).group_by(LineItem.registration_id, QuotaProgram.quota_id)
        for registration_id, quota_id, quantity in db.session.execute(wanted):
            self.wanted[registration_id][quota_id] = quantity
        events: dict[int, list[int]] = defaultdict(list)
        for one in registrations:
            events[one.event_id].append(one.id)
        whole = select(Quota.id, Quota.event_id).where(Quota.whole_event, Quota.event_id.in_(events))
        for quota_id, event_id in db.session.execute(whole):
            for registration_id in events[event_id]:
                self.wanted[registration_id][quota_id] = 1
        self._count({quota_id for id_ in ids for quota_id in self.wanted[id_]} - self.left.keys())

    def _count(self, quotas) -> None:
        if quotas:
            query = select(Quota.id, Quota.capacity - Quota.used).where(Quota.id.in_(quotas)).order_by(Quota.id)
            self.left |= dict(db.session.execute(query.with_for_update() if self.lock else query).all())

    def take(self, registration_id: int) -> bool:
        """Take its places if all of them are there."""
        wanted = self.wanted[registration_id]
        if any(self.left[quota_id] < quantity for quota_id, quantity in wanted.items()):
            return False
        for quota_id, quantity in wanted.items():
            self.left[quota_id] -= quantity
        return True
