"""`flask check`: what must hold whatever crashes, asked of the database in SQL of its own, apart from the application's rules.

Each check is a statement that finds breaches: a sound installation has none. All see one moment (REPEATABLE READ), so that
they can be asked while people register.
"""
from dataclasses import asdict, dataclass, field

from sqlalchemy import text
from sqlalchemy.engine import Engine

MOST_SHOWN = 20

WORTH = """
    worth AS (  -- what each registration was sold for
        SELECT r.org_id, r.id, r.order_id, r.status, r.holds, coalesce(sum(l.quantity::bigint * l.unit_price), 0) AS amount
        FROM registrations r LEFT JOIN line_items l ON l.org_id = r.org_id AND l.registration_id = r.id
        GROUP BY r.org_id, r.id, r.order_id, r.status, r.holds)"""
LET_IN = """
    let_in AS (  -- what those of an order were sold for who are confirmed, or have paid and wait for approval
        SELECT org_id, order_id, sum(amount) AS amount FROM worth WHERE holds AND status <> 'pending_payment' GROUP BY org_id, order_id)"""
BOOKS = """
    books AS (  -- what an order was sold for and what came for it, as the ledger says
        SELECT o.org_id, o.id,
               coalesce(sum(e.amount) FILTER (WHERE e.kind = 'charged'), 0) - coalesce(sum(e.amount) FILTER (WHERE e.kind = 'released'), 0) AS sold,
               coalesce(sum(e.amount) FILTER (WHERE e.kind = 'paid'), 0)
                   + coalesce(sum(e.amount) FILTER (WHERE e.kind = 'returned'), 0)
                   - coalesce(sum(e.amount) FILTER (WHERE e.kind IN ('refunded', 'reversed')), 0) AS received,
               coalesce(sum(e.amount) FILTER (WHERE e.kind = 'kept'), 0) - coalesce(sum(e.amount) FILTER (WHERE e.kind = 'forgiven'), 0) AS kept,
               coalesce(sum(e.amount) FILTER (WHERE e.kind = 'charged' AND e.transaction_key LIKE 'changed %' AND e.created_at >= (
                   SELECT min(coalesce(r.paid_at, r.confirmed_at)) FROM registrations r WHERE r.org_id = o.org_id AND r.order_id = o.id
               )), 0) AS added,
               coalesce(sum(e.amount) FILTER (WHERE e.kind = 'released' AND e.transaction_key LIKE 'changed %'), 0) AS taken_off
        FROM orders o LEFT JOIN ledger_entries e ON e.org_id = o.org_id AND e.order_id = o.id GROUP BY o.org_id, o.id)"""
SETTLING = """(EXISTS (  -- what goes back waits for the minute in which staff may still change their mind
    SELECT FROM outbox w WHERE w.org_id = {order}.org_id AND w.kind = 'settle_gone' AND w.done_at IS NULL AND w.dead_at IS NULL
        AND (w.payload ->> 'order_id')::bigint = {order}.id)
    OR EXISTS (  -- somebody is being asked, or a person has to look
    SELECT FROM payments p LEFT JOIN payment_attempts a ON a.org_id = p.org_id AND a.payment_id = p.id AND a.state IN ('prepared', 'sent', 'unknown')
        LEFT JOIN refunds f ON f.org_id = p.org_id AND f.payment_id = p.id AND f.state <> 'done'
    WHERE p.org_id = {order}.org_id AND p.order_id = {order}.id
        AND (p.problem IS NOT NULL OR p.status IN ('authorized', 'refund_pending') OR a.id IS NOT NULL OR f.id IS NOT NULL)))"""
IS_TENANTS = """tenants AS (
        SELECT c.oid, c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL (:global_tables))"""
GLOBAL_TABLES = ["organization_directory", "custom_domains", "memberships", "participations", "event_directory", "payment_routes", "outbox"]
"""Have `org_id` and are reached by key from outside of an organisation (`design.md` §7)."""
DEFINERS = ["registrations_switch_places", "registrations_take_places", "registrations_free_places", "line_items_take_places",
            "line_items_free_places", "line_items_change_places", "list_event"]
"""Triggers that write what the application itself may not."""


@dataclass(frozen=True)
class Check:
    name: str
    sentence: str
    sql: str


@dataclass
class Answer:
    name: str
    sentence: str
    breaches: list[dict] = field(default_factory=list)
    more: int = 0

    @property
    def ok(self) -> bool:
        return not self.breaches


CHECKS = (
    # -- scarce things ------------------------------------------------------------------------------
    Check("places.counted", "each quota says exactly how many places are held", """
        SELECT * FROM (
            SELECT q.org_id, q.id AS quota, q.name, q.used, CASE WHEN q.whole_event THEN (
                SELECT count(*) FROM registrations r WHERE r.org_id = q.org_id AND r.event_id = q.event_id AND (
                    r.status IN ('pending_payment', 'confirmed') OR (r.status = 'pending_approval' AND r.paid_at IS NOT NULL)))
            ELSE (
                SELECT coalesce(sum(l.quantity), 0) FROM quota_programs qp
                JOIN line_items l ON l.org_id = qp.org_id AND l.program_id = qp.program_id
                JOIN registrations r ON r.org_id = l.org_id AND r.id = l.registration_id
                WHERE qp.org_id = q.org_id AND qp.quota_id = q.id AND (
                    r.status IN ('pending_payment', 'confirmed') OR (r.status = 'pending_approval' AND r.paid_at IS NOT NULL)))
            END AS counted FROM quotas q) AS c WHERE used <> counted"""),
    Check("places.oversold", "no quota is oversold", "SELECT org_id, id AS quota, name, used, capacity FROM quotas WHERE NOT used BETWEEN 0 AND capacity"),
    Check("places.overdue", "no place waits for money an hour after its time", f"""
        SELECT DISTINCT o.org_id, o.id AS "order", o.hold_until FROM orders o
        JOIN registrations r ON r.org_id = o.org_id AND r.order_id = o.id AND r.status = 'pending_payment'
        WHERE (o.hold_until IS NULL OR o.hold_until < :now - interval '1 hour') AND NOT {SETTLING.format(order='o')}"""),
    # -- money --------------------------------------------------------------------------------------
    Check("money.totals", "an order's total is the sum of its line items", f"""
        WITH {WORTH} SELECT o.org_id, o.id AS "order", o.total, sum(w.amount) AS line_items FROM orders o
        LEFT JOIN worth w ON w.org_id = o.org_id AND w.order_id = o.id
        GROUP BY o.org_id, o.id, o.total HAVING o.total IS DISTINCT FROM sum(w.amount)"""),
    Check("money.charged", "what an order was charged is what its held registrations were sold for", f"""
        WITH {WORTH}, {BOOKS} SELECT b.org_id, b.id AS "order", b.sold AS charged, sum(w.amount) FILTER (WHERE w.holds) AS held FROM books b
        JOIN worth w ON w.org_id = b.org_id AND w.order_id = b.id
        GROUP BY b.org_id, b.id, b.sold HAVING b.sold <> coalesce(sum(w.amount) FILTER (WHERE w.holds), 0)"""),
    Check("money.ticket_without_payment", "nobody is confirmed who is not paid for, but for what staff have added since", f"""
        WITH {WORTH}, {BOOKS}, {LET_IN} SELECT b.org_id, b.id AS "order", i.amount AS let_in, b.received, b.added FROM books b
        JOIN let_in i ON i.org_id = b.org_id AND i.order_id = b.id WHERE b.received - b.kept < i.amount - b.added AND NOT EXISTS (
            -- What was given back at the gateway itself waits for a person, who says for whom it was.
            SELECT FROM payments p WHERE p.org_id = b.org_id AND p.order_id = b.id AND p.problem ->> 'kind' = 'external_refund')"""),
    Check("money.payment_without_ticket", "whoever has paid is confirmed, waits for approval, or gets the money back", f"""
        WITH {WORTH}, {BOOKS}, {LET_IN} SELECT b.org_id, b.id AS "order", coalesce(i.amount, 0) AS let_in, b.received FROM books b
        LEFT JOIN let_in i ON i.org_id = b.org_id AND i.order_id = b.id
        WHERE b.received - b.kept > coalesce(i.amount, 0) AND NOT {SETTLING.format(order='b')}"""),
    Check("money.paid_at", "a confirmed registration that cost something says when it was paid, and one that waits for money does not", f"""
        WITH {WORTH} SELECT r.org_id, r.number, r.status, r.paid_at FROM registrations r JOIN worth w ON w.org_id = r.org_id AND w.id = r.id
        WHERE (r.status = 'confirmed' AND w.amount > 0 AND r.paid_at IS NULL) OR (r.status = 'pending_payment' AND r.paid_at IS NOT NULL)"""),
    Check("money.balance", "what a payment could still give back is what the ledger holds of it", """
        SELECT * FROM (
            SELECT p.org_id, p.id AS payment, p.status, p.balance, coalesce(sum(CASE WHEN e.kind IN ('paid', 'returned') THEN e.amount
                WHEN e.kind IN ('refunded', 'reversed') THEN -e.amount END), 0) AS held,
                coalesce(sum(e.amount) FILTER (WHERE e.kind = 'refunded' AND e.credit = 'bank' AND p.provider <> 'manual'), 0) AS by_hand,
                coalesce(sum(e.amount) FILTER (WHERE e.kind = 'returned'), 0) AS came_back
            FROM payments p LEFT JOIN ledger_entries e ON e.org_id = p.org_id AND e.payment_id = p.id
            WHERE p.problem IS NULL GROUP BY p.org_id, p.id, p.status, p.balance) AS sums
        -- A transfer by hand leaves the gateway's balance as it is, and what came back need not stand in it again.
        WHERE CASE WHEN status IN ('paid', 'partially_refunded', 'refunded') THEN held + by_hand - balance NOT BETWEEN 0 AND came_back
                   WHEN status = 'refund_pending' THEN held < balance ELSE held <> 0 END"""),
    Check("money.refunds", "no more was given back than came, and each refund stands in the ledger", """
        WITH given AS (SELECT org_id, payment_id, sum(amount) AS done FROM refunds WHERE state = 'done' GROUP BY org_id, payment_id),
        booked AS (SELECT org_id, payment_id,
            coalesce(sum(amount) FILTER (WHERE kind = 'refunded'), 0) - coalesce(sum(amount) FILTER (WHERE kind = 'returned'), 0) AS refunded,
            coalesce(sum(amount) FILTER (WHERE kind = 'paid'), 0) AS came FROM ledger_entries WHERE payment_id IS NOT NULL GROUP BY org_id, payment_id)
        SELECT org_id, payment_id AS payment, given.done AS refunds, booked.refunded AS in_the_ledger, booked.came
        FROM given FULL JOIN booked USING (org_id, payment_id)
        WHERE coalesce(given.done, 0) <> coalesce(booked.refunded, 0) OR booked.refunded > booked.came"""),
    Check("money.promised", "no more is on its way back than there is", """
        WITH held AS (SELECT org_id, payment_id, sum(CASE WHEN debit IN ('gateway', 'bank') THEN amount WHEN credit IN ('gateway', 'bank') THEN -amount
                END) AS amount FROM ledger_entries WHERE payment_id IS NOT NULL GROUP BY org_id, payment_id)
        SELECT f.org_id, f.payment_id AS payment, sum(f.amount) AS promised, max(h.amount) AS held FROM refunds f
        LEFT JOIN held h ON h.org_id = f.org_id AND h.payment_id = f.payment_id
        WHERE f.state IN ('requested', 'needs_account', 'to_pay') GROUP BY f.org_id, f.payment_id
        HAVING sum(f.amount) > coalesce(max(h.amount), 0)"""),
    Check("money.refund_lines", "the lines of a refund come to its sum, and what is kept of them stands in the ledger", """
        WITH lines AS (SELECT f.org_id, f.id, f.amount, f.kept, p.order_id, sum((l ->> 'amount')::bigint) AS of_lines, sum((l ->> 'kept')::bigint) AS kept_of_lines
            FROM refunds f JOIN payments p ON p.org_id = f.org_id AND p.id = f.payment_id CROSS JOIN jsonb_array_elements(f.lines) AS l
            GROUP BY f.org_id, f.id, f.amount, f.kept, p.order_id)
        SELECT org_id, id AS refund, amount, of_lines FROM lines WHERE amount <> of_lines OR kept <> kept_of_lines
        UNION ALL SELECT l.org_id, min(l.id), sum(l.kept), min(b.amount) FROM lines l
        LEFT JOIN (SELECT org_id, order_id, sum(amount) AS amount FROM ledger_entries WHERE kind = 'kept' GROUP BY org_id, order_id) AS b
            ON b.org_id = l.org_id AND b.order_id = l.order_id GROUP BY l.org_id, l.order_id HAVING sum(l.kept) > coalesce(min(b.amount), 0)"""),
    Check("money.refund_accounts", "a bank account is kept only while a refund is on its way to it", """
        SELECT org_id, id AS refund, state FROM refunds WHERE account IS NOT NULL AND state NOT IN ('requested', 'to_pay')"""),
    Check("money.once", "a payment's money came once, unless the bank took it back between", """
        SELECT org_id, payment_id AS payment, count(*) FILTER (WHERE kind = 'paid') AS paid, count(*) FILTER (WHERE kind = 'reversed') AS reversed
        FROM ledger_entries WHERE payment_id IS NOT NULL GROUP BY org_id, payment_id
        HAVING count(*) FILTER (WHERE kind = 'paid') > 1 + count(*) FILTER (WHERE kind = 'reversed')"""),
    Check("money.entries", "each movement is of its order's currency, on the accounts of its kind, and of its payment's order", """
        SELECT e.org_id, e.id AS entry, e.kind, e.debit, e.credit FROM ledger_entries e
        JOIN orders o ON o.org_id = e.org_id AND o.id = e.order_id LEFT JOIN payments p ON p.org_id = e.org_id AND p.id = e.payment_id
        WHERE e.currency <> o.currency OR p.order_id <> e.order_id OR (e.kind IN ('paid', 'refunded', 'returned', 'reversed') AND p.id IS NULL)
            OR NOT CASE e.kind WHEN 'charged' THEN e.debit = 'receivable' AND e.credit = 'sales'
                WHEN 'released' THEN e.debit = 'sales' AND e.credit = 'receivable'
                WHEN 'kept' THEN e.debit = 'receivable' AND e.credit = 'sales'
                WHEN 'forgiven' THEN e.debit = 'sales' AND e.credit = 'receivable'
                WHEN 'paid' THEN e.debit IN ('gateway', 'bank') AND e.credit = 'receivable'
                WHEN 'returned' THEN e.debit IN ('gateway', 'bank') AND e.credit = 'receivable'
                ELSE e.debit = 'receivable' AND e.credit IN ('gateway', 'bank') END"""),
    Check("money.amounts", "no payment asks for more than its order costs, nor has anybody been asked for more than it ever cost", f"""
        WITH {BOOKS} SELECT p.org_id, p.id AS payment, p.status, p.amount, o.total, p.currency FROM payments p
        JOIN orders o ON o.org_id = p.org_id AND o.id = p.order_id JOIN books b ON b.org_id = o.org_id AND b.id = o.id
        WHERE p.currency <> o.currency OR p.amount > o.total + b.taken_off
            OR (p.amount > o.total AND p.status IN ('created', 'pending', 'authorized', 'awaiting_deposit') AND NOT {SETTLING.format(order='o')})"""),
    Check("money.bank_lines", "a deposit of a statement that is matched is one payment's own, of its sum, and that has been received", """
        SELECT l.org_id, l.id AS bank_line, l.payment_id AS payment, l.amount, p.amount AS asked FROM bank_lines l
        LEFT JOIN payments p ON p.org_id = l.org_id AND p.id = l.payment_id
        WHERE (l.state = 'matched') <> (l.payment_id IS NOT NULL) OR l.payment_id IS NOT NULL AND ((l.amount, l.currency) <> (p.amount, p.currency)
            OR NOT EXISTS (SELECT FROM ledger_entries e WHERE e.org_id = p.org_id AND e.payment_id = p.id AND e.kind = 'paid')
            OR EXISTS (SELECT FROM bank_lines o WHERE o.org_id = l.org_id AND o.payment_id = l.payment_id AND o.id < l.id))"""),
    Check("money.routes", "a gateway's order ids and webhooks lead to their own organisation", """
        SELECT p.org_id, 'order:' || p.gateway_order_id AS key FROM payments p
        WHERE p.provider <> 'manual' AND NOT EXISTS (SELECT FROM payment_routes t
            WHERE t.key = 'order:' || p.gateway_order_id AND t.org_id = p.org_id AND t.id = p.id)
            AND p.gateway_order_id NOT LIKE 'ev_crowd_%'
        UNION ALL
        SELECT a.org_id, 'webhook of account ' || a.id FROM gateway_accounts a WHERE NOT EXISTS (
            SELECT FROM payment_routes t WHERE t.key = 'webhook:' || a.webhook_token AND t.org_id = a.org_id AND t.id = a.id)"""),
    Check("money.remembered", "what a registration remembers of its order and its line items is so", """
        SELECT r.org_id, r.id AS registration, r.method, o.method AS of_order, r.sold, s.sold AS of_lines, r.programs FROM registrations r
        JOIN orders o ON o.org_id = r.org_id AND o.id = r.order_id
        LEFT JOIN (SELECT l.org_id, l.registration_id, sum(l.quantity * l.unit_price) AS sold, array_agg(DISTINCT p.code) AS programs
                   FROM line_items l JOIN programs p ON p.org_id = l.org_id AND p.id = l.program_id GROUP BY l.org_id, l.registration_id
                  ) AS s ON s.org_id = r.org_id AND s.registration_id = r.id
        WHERE r.method <> o.method OR r.sold <> coalesce(s.sold, 0) OR r.programs <> coalesce(s.programs, '{}')"""),
    # -- documents ------------------------------------------------------------------------------------
    Check("documents.numbers", "receipts and notes are numbered from one on without a gap", """
        SELECT org_id, coalesce(s.name, d.series) AS series, s.last, d.documents, d.highest FROM document_series s
        FULL JOIN (SELECT org_id, series AS name, series, count(*) AS documents, max(number) AS highest FROM documents GROUP BY org_id, series) AS d
            USING (org_id, name)
        WHERE s.last IS NULL OR s.last <> coalesce(d.documents, 0) OR s.last <> coalesce(d.highest, 0)"""),
    Check("documents.ledger", "each receipt and note says of its movement what the ledger says, line by line", """
        SELECT d.org_id, d.series, d.number, d.amount, e.kind, e.amount AS in_the_ledger FROM documents d
        JOIN ledger_entries e ON e.org_id = d.org_id AND e.id = d.entry_id
        WHERE (d.amount, d.currency, d.order_id, d.payment_id) IS DISTINCT FROM (e.amount, e.currency, e.order_id, e.payment_id)
            OR d.kind IS DISTINCT FROM CASE WHEN e.kind IN ('paid', 'returned') THEN 'receipt' WHEN e.kind IN ('refunded', 'reversed') THEN 'refund' END
            OR d.amount IS DISTINCT FROM (SELECT sum((line ->> 'amount')::bigint) FROM jsonb_array_elements(d.content -> 'lines') AS line)"""),
    Check("documents.vat", "notes take back as much VAT as receipts have said, no more, and all of it where everything went back", """
        WITH sums AS (SELECT org_id, payment_id, sum(amount * sign) AS amount, sum(tax_free * sign) AS tax_free, sum(vat * sign) AS vat FROM (
            SELECT *, CASE kind WHEN 'receipt' THEN 1 ELSE -1 END AS sign FROM documents) AS signed GROUP BY org_id, payment_id)
        SELECT * FROM sums WHERE least(amount, tax_free, vat) < 0 OR tax_free + vat > amount"""),
    Check("documents.missing", "each movement of money has its receipt or note within the hour", """
        SELECT e.org_id, e.id AS entry, e.kind, e.amount FROM ledger_entries e
        JOIN payments p ON p.org_id = e.org_id AND p.id = e.payment_id AND p.gateway_order_id NOT LIKE 'ev_crowd_%'
        LEFT JOIN documents d ON d.org_id = e.org_id AND d.entry_id = e.id
        WHERE e.kind IN ('paid', 'returned', 'refunded', 'reversed') AND d.id IS NULL AND e.created_at < :now - interval '1 hour'
            AND NOT EXISTS (SELECT FROM outbox w WHERE w.org_id = e.org_id AND w.kind = 'document_money' AND w.done_at IS NULL
                AND w.dead_at IS NULL AND (w.payload ->> 'payment_id')::bigint = p.id)"""),
    Check("receipts.cash", "no cash receipt stands for more than is held of its money, an hour after some went back, unless a person is told", """
        SELECT c.org_id, c.id AS cash_receipt, c.payment_id AS payment, c.amount - c.cancelled AS stands, coalesce(h.held, 0) AS held
        FROM cash_receipts c LEFT JOIN (
            SELECT org_id, payment_id, sum(CASE WHEN kind IN ('paid', 'returned') THEN amount
                WHEN kind IN ('refunded', 'reversed') AND created_at < :now - interval '1 hour' THEN -amount ELSE 0 END) AS held
            FROM ledger_entries WHERE payment_id IS NOT NULL GROUP BY org_id, payment_id) AS h USING (org_id, payment_id)
        WHERE c.state = 'issued' AND c.failure_code = '' AND c.amount - c.cancelled > coalesce(h.held, 0)"""),
    Check("receipts.one", "a payment has one cash receipt that stands, at most", """
        SELECT org_id, payment_id AS payment, count(*) FROM cash_receipts
        WHERE payment_id IS NOT NULL AND state IN ('wanted', 'issuing', 'issued', 'failed', 'cancelling')
        GROUP BY org_id, payment_id HAVING count(*) > 1"""),
    # -- tickets --------------------------------------------------------------------------------------
    Check("tickets.confirmed", "only who is confirmed, or was and cancelled, has a time of confirmation", """
        SELECT org_id, number, status, confirmed_at FROM registrations
        WHERE (status = 'confirmed' AND confirmed_at IS NULL) OR (status NOT IN ('confirmed', 'cancelled') AND confirmed_at IS NOT NULL)"""),
    Check("tickets.letters", "tickets were mailed to nobody who was never confirmed", """
        SELECT m.org_id, m.id AS letter, m.kind FROM email_messages m WHERE m.kind IN ('ticket', 'order_confirmed') AND NOT EXISTS (
            SELECT FROM registrations r WHERE r.org_id = m.org_id AND (r.id = m.registration_id OR r.order_id = m.order_id)
            AND (r.confirmed_at IS NOT NULL OR r.ticket_version > 1))"""),
    Check("tickets.entries", "nobody came in who was never confirmed", """
        SELECT c.org_id, r.number, r.status FROM check_ins c JOIN registrations r ON r.org_id = c.org_id AND r.id = c.registration_id
        WHERE c.result = 'ok' AND c.undone_at IS NULL AND r.confirmed_at IS NULL AND r.ticket_version = 1"""),
    Check("tickets.entered_once", "no ticket came through a checkpoint more often than it allows, nor into another event", """
        SELECT c.org_id, c.registration_id AS registration, p.code AS checkpoint, c.period, count(*) AS entries, p.times FROM check_ins c
        JOIN checkpoints p ON p.org_id = c.org_id AND p.id = c.checkpoint_id
        JOIN registrations r ON r.org_id = c.org_id AND r.id = c.registration_id
        WHERE c.result = 'ok' AND c.undone_at IS NULL GROUP BY c.org_id, c.registration_id, p.id, p.code, c.period, p.times
        HAVING count(*) > p.times OR bool_or(r.event_id <> p.event_id) OR bool_or((c.period = '') <> (p.per = 'event'))"""),
    Check("tickets.numbers", "a number is one registration's alone", """
        SELECT org_id, number, count(*) FROM registrations GROUP BY org_id, number HAVING count(*) > 1"""),
    Check("tickets.keys", "each event that can be registered for signs its tickets with a key of its own", """
        SELECT org_id, slug FROM events WHERE status = 'published' AND (ticket_key IS NULL OR ticket_public_key IS NULL)
        UNION ALL SELECT min(org_id), string_agg(slug, ', ') FROM events WHERE ticket_public_key IS NOT NULL
        GROUP BY ticket_public_key HAVING count(*) > 1"""),
    # -- who sees what ----------------------------------------------------------------------------------
    Check("tenancy.policies", "each organisation's table has forced policies that look at the organisation", f"""
        WITH {IS_TENANTS} SELECT t.relname AS "table" FROM tenants t JOIN pg_class c ON c.oid = t.oid
        WHERE NOT c.relrowsecurity OR NOT c.relforcerowsecurity OR NOT EXISTS (
            SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polcmd = '*' AND p.polroles = ARRAY[to_regrole(:app)::oid]
            AND pg_get_expr(p.polqual, t.oid) ~ 'org_id = .*current_org\\(\\)' AND pg_get_expr(p.polwithcheck, t.oid) ~ 'org_id = .*current_org\\(\\)')
            OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND pg_get_expr(p.polqual, t.oid) = 'true'
                AND (0 = ANY (p.polroles) OR to_regrole(:app)::oid = ANY (p.polroles)))"""),
    Check("tenancy.nullable", "each organisation's row says whose it is", f"""
        WITH {IS_TENANTS} SELECT t.relname AS "table" FROM tenants t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'org_id'
        WHERE NOT a.attnotnull"""),
    Check("tenancy.keys", "primary and unique keys of an organisation's table contain the organisation", f"""
        WITH {IS_TENANTS} SELECT t.relname AS "table", i.indexrelid::regclass::text AS key FROM tenants t JOIN pg_index i ON i.indrelid = t.oid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'org_id' WHERE i.indisunique AND NOT a.attnum = ANY (i.indkey)"""),
    Check("tenancy.references", "foreign keys between organisations' tables contain the organisation", f"""
        WITH {IS_TENANTS} SELECT k.conname AS key FROM pg_constraint k JOIN tenants t ON t.oid = k.conrelid JOIN tenants o ON o.oid = k.confrelid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'org_id' JOIN pg_attribute b ON b.attrelid = o.oid AND b.attname = 'org_id'
        WHERE k.contype = 'f' AND NOT EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair(own, other)
            WHERE pair.own = a.attnum AND pair.other = b.attnum)"""),
    Check("tenancy.role", "the application's role owns nothing, bypasses nothing and is a member of nothing", """
        SELECT r.rolname AS role, r.rolsuper AS superuser, r.rolbypassrls AS bypasses FROM pg_roles r WHERE r.rolname = :app AND (
            r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
            OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid) OR EXISTS (SELECT FROM pg_proc f WHERE f.proowner = r.oid)
            OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) OR has_schema_privilege(r.oid, 'public', 'CREATE'))
        UNION ALL SELECT :app, NULL, NULL WHERE to_regrole(:app) IS NULL"""),
    Check("tenancy.truncate", "the application may empty no table", f"""
        WITH {IS_TENANTS} SELECT relname AS "table" FROM tenants WHERE has_table_privilege(CAST(:app AS text), oid, 'TRUNCATE')"""),
    Check("tenancy.append_only", "what is written once can't be changed by the application", """
        SELECT relname AS "table" FROM pg_class WHERE oid = ANY (ARRAY['ledger_entries', 'audit_log', 'audit_values', 'consents', 'documents']::regclass[])
        AND (has_table_privilege(CAST(:app AS text), oid, 'UPDATE') OR has_table_privilege(CAST(:app AS text), oid, 'DELETE'))"""),
    Check("tenancy.places", "only the triggers count places", """
        SELECT 'quotas.used' AS "column" WHERE has_column_privilege(CAST(:app AS text), 'quotas', 'used', 'UPDATE')"""),
    Check("tenancy.definers", "functions that act with the owner's rights are those that were meant", """
        SELECT proname AS function FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef AND proname <> ALL (:definers)"""),
    Check("tenancy.views", "there is no view that goes around the policies", """
        SELECT relname AS view FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm'
        OR (relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)))"""),
    Check("tenancy.directory", "what the global tables say of an organisation's rows is so", """
        SELECT 'event_directory' AS "table", d.org_id, d.event_id AS id FROM event_directory d LEFT JOIN events e ON e.org_id = d.org_id
            AND e.id = d.event_id AND e.slug = d.slug AND e.status = 'published' AND e.visibility = 'public' WHERE e.id IS NULL
        UNION ALL SELECT 'events', e.org_id, e.id FROM events e LEFT JOIN event_directory d ON d.org_id = e.org_id AND d.event_id = e.id
            WHERE e.status = 'published' AND e.visibility = 'public' AND d.event_id IS NULL
        UNION ALL SELECT 'participations', p.org_id, p.order_id FROM participations p LEFT JOIN orders o ON o.org_id = p.org_id
            AND o.id = p.order_id WHERE o.id IS NULL
        UNION ALL SELECT 'organizations', d.org_id, d.org_id FROM organization_directory d LEFT JOIN organizations o USING (org_id)
            WHERE o.org_id IS NULL"""),
    # -- work -------------------------------------------------------------------------------------------
    Check("work.dead", "no work was given up", """
        SELECT id AS outbox, kind, attempts, last_error FROM outbox WHERE dead_at IS NOT NULL AND done_at IS NULL ORDER BY id DESC"""),
)


def run(engine: Engine, app_role: str, now) -> list[Answer]:
    """Ask everything, as the platform sees it."""
    values = {"now": now, "app": app_role, "global_tables": GLOBAL_TABLES, "definers": DEFINERS}
    answers = []
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text("SET LOCAL statement_timeout = '10min'"))
        for check in CHECKS:
            statement = text(check.sql)
            rows = [dict(row) for row in connection.execute(statement, {name: values[name] for name in statement._bindparams}).mappings()]
            answers.append(Answer(check.name, check.sentence, rows[:MOST_SHOWN], max(0, len(rows) - MOST_SHOWN)))
        connection.rollback()
    return answers


def as_json(answers: list[Answer]) -> dict:
    return {"ok": all(answer.ok for answer in answers), "checks": [{"ok": answer.ok, **asdict(answer)} for answer in answers]}


def as_text(answers: list[Answer]) -> str:
    lines = []
    for answer in answers:
        lines.append(f"{'ok    ' if answer.ok else 'BREACH'}  {answer.name:32} {answer.sentence}")
        lines += ["          " + ", ".join(f"{name} {value}" for name, value in row.items()) for row in answer.breaches]
        if answer.more:
            lines.append(f"          … and {answer.more} more")
    broken = sum(not answer.ok for answer in answers)
    return "\n".join([*lines, "", f"{len(answers)} checks, {broken or 'no'} breach{'es' if broken > 1 else ''}."])
