"""begin"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tools import allow, protect, role

revision = 'begin'
down_revision = None
branch_labels = None
depends_on = None


EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
ONCE = "SELECT, INSERT"
"""Written once: who may add and read may not change."""
TENANT = dict.fromkeys((
    "organizations", "events", "event_sessions", "programs", "quotas", "quota_programs", "form_versions", "orders",
    "registrations", "line_items", "gateway_accounts", "payments", "payment_attempts", "refunds", "webhook_events",
    "check_ins", "email_messages"), EVERYTHING) | dict.fromkeys(("consents", "ledger_entries", "audit_log", "audit_values"), ONCE)
GLOBAL = dict.fromkeys((
    "organization_directory", "custom_domains", "memberships", "users", "sign_ins", "account_tokens", "participations",
    "rate_limits", "event_directory", "payment_routes", "outbox", "periodic_runs", "probes"), EVERYTHING) | {"plans": "SELECT"}

FUNCTIONS = (
    """
    CREATE FUNCTION current_org() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    DECLARE setting text := current_setting('app.org_id', true);
    BEGIN
        IF setting IS NULL OR setting = '' THEN
            RAISE EXCEPTION 'no organisation is set' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN setting::bigint;
    END $$
    """,
    # Numbers that people read out: no look-alikes, no sequence to be seen; one to one with the id.
    """
    CREATE FUNCTION readable(id bigint) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    DECLARE
        alphabet constant text := '23456789ABCDEFGHJKMNPQRSTVWXYZ';
        width int := 5;
        size bigint := 24300000;
        first bigint := 0;
        value bigint;
        result text := '';
    BEGIN
        WHILE id - first >= size LOOP
            first := first + size;
            size := size * 30;
            width := width + 1;
        END LOOP;
        value := ((id - first) * 7919441 + 1234577) % size;
        FOR i IN 1..width LOOP
            result := substr(alphabet, (value % 30)::int + 1, 1) || result;
            value := value / 30;
        END LOOP;
        RETURN result;
    END $$
    """,
)

# SECURITY DEFINER, because the application may not change `used`: it can't drift when only these move it. Quotas are
# locked in the order of their ids, so that two orders never wait for one another in a circle.
PLACES = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    DECLARE ids bigint[]; changes bigint[];
    BEGIN
        SELECT array_agg(id ORDER BY id), array_agg(change ORDER BY id) INTO ids, changes FROM (
            SELECT id, sum(change) AS change FROM ({deltas}) AS moved GROUP BY id HAVING sum(change) <> 0) AS per_quota;
        IF ids IS NULL THEN RETURN NULL; END IF;
        PERFORM 1 FROM quotas WHERE id = ANY(ids) ORDER BY id FOR UPDATE;
        UPDATE quotas SET used = used + delta.change
            FROM unnest(ids, changes) AS delta(id, change) WHERE quotas.id = delta.id;
        RETURN NULL;
    END $$
    """
OF_PROGRAMS = """SELECT qp.quota_id AS id, c.sign * l.quantity AS change FROM ({changed}) AS c
    JOIN line_items l ON l.org_id = c.org_id AND l.registration_id = c.id
    JOIN quota_programs qp ON qp.org_id = l.org_id AND qp.program_id = l.program_id"""
OF_EVENT = """SELECT q.id, c.sign AS change FROM ({changed}) AS c
    JOIN quotas q ON q.org_id = c.org_id AND q.event_id = c.event_id AND q.whole_event"""
SWITCHED = """SELECT a.org_id, a.id, a.event_id, a.holds::int - b.holds::int AS sign
    FROM after_rows a JOIN before_rows b ON a.org_id = b.org_id AND a.id = b.id WHERE a.holds <> b.holds"""
ADDED = "SELECT org_id, id, event_id, 1 AS sign FROM after_rows WHERE holds"
REMOVED = "SELECT org_id, id, event_id, -1 AS sign FROM before_rows WHERE holds"
ITEMS = """SELECT qp.quota_id AS id, {sign} * l.quantity AS change FROM {rows} l
    JOIN registrations r ON r.org_id = l.org_id AND r.id = l.registration_id AND r.holds
    JOIN quota_programs qp ON qp.org_id = l.org_id AND qp.program_id = l.program_id"""
GONE = ITEMS.format(sign=-1, rows="before_rows")
NEW = ITEMS.format(sign=1, rows="after_rows")

TRIGGERS = (
    PLACES.format(name="registrations_switch_places",
                  deltas=OF_PROGRAMS.format(changed=SWITCHED) + " UNION ALL " + OF_EVENT.format(changed=SWITCHED)),
    PLACES.format(name="registrations_take_places", deltas=OF_EVENT.format(changed=ADDED)),
    PLACES.format(name="registrations_free_places", deltas=OF_EVENT.format(changed=REMOVED)),
    PLACES.format(name="line_items_take_places", deltas=NEW),
    PLACES.format(name="line_items_free_places", deltas=GONE),
    PLACES.format(name="line_items_change_places", deltas=NEW + " UNION ALL " + GONE),
    """CREATE TRIGGER switch_places AFTER UPDATE ON registrations REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
       FOR EACH STATEMENT EXECUTE FUNCTION registrations_switch_places()""",
    """CREATE TRIGGER take_places AFTER INSERT ON registrations REFERENCING NEW TABLE AS after_rows
       FOR EACH STATEMENT EXECUTE FUNCTION registrations_take_places()""",
    """CREATE TRIGGER free_places AFTER DELETE ON registrations REFERENCING OLD TABLE AS before_rows
       FOR EACH STATEMENT EXECUTE FUNCTION registrations_free_places()""",
    """CREATE TRIGGER take_places AFTER INSERT ON line_items REFERENCING NEW TABLE AS after_rows
       FOR EACH STATEMENT EXECUTE FUNCTION line_items_take_places()""",
    """CREATE TRIGGER change_places AFTER UPDATE ON line_items REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows
       FOR EACH STATEMENT EXECUTE FUNCTION line_items_change_places()""",
    # Before its registration goes by cascade, which no longer knows whether it held places: so row by row, and BEFORE.
    """
    CREATE FUNCTION keep_items_of_holders() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.holds THEN
            RAISE EXCEPTION 'a registration that holds places is cancelled, not deleted' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END $$
    """,
    """CREATE TRIGGER keep_holders BEFORE DELETE ON registrations FOR EACH ROW EXECUTE FUNCTION keep_items_of_holders()""",
    """CREATE TRIGGER free_places AFTER DELETE ON line_items REFERENCING OLD TABLE AS before_rows
       FOR EACH STATEMENT EXECUTE FUNCTION line_items_free_places()""",
    # The landing page's list, kept by the database so that no path forgets it.
    """
    CREATE FUNCTION list_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    BEGIN
        IF NEW.status = 'published' AND NEW.visibility = 'public' THEN
            INSERT INTO event_directory (org_id, event_id, slug, title, summary, venue, cover, starts_at, ends_at, timezone)
            VALUES (NEW.org_id, NEW.id, NEW.slug, NEW.title, NEW.summary, NEW.venue, NEW.cover, NEW.starts_at, NEW.ends_at, NEW.timezone)
            ON CONFLICT (org_id, event_id) DO UPDATE SET slug = excluded.slug, title = excluded.title, summary = excluded.summary,
                venue = excluded.venue, cover = excluded.cover, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
                timezone = excluded.timezone;
        ELSE
            DELETE FROM event_directory WHERE org_id = NEW.org_id AND event_id = NEW.id;
        END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER list_event AFTER INSERT OR UPDATE ON events FOR EACH ROW EXECUTE FUNCTION list_event()",
    # The queue's own tables, as Huey 3.5 makes them.
    "CREATE TABLE huey_kv (queue text NOT NULL, key text NOT NULL, value bytea NOT NULL, PRIMARY KEY (queue, key))",
    """CREATE TABLE huey_schedule (id bigserial PRIMARY KEY, queue text NOT NULL, data bytea NOT NULL,
       timestamp double precision NOT NULL)""",
    "CREATE INDEX huey_schedule_queue_timestamp ON huey_schedule (queue, timestamp)",
    """CREATE TABLE huey_task (id bigserial PRIMARY KEY, queue text NOT NULL, data bytea NOT NULL,
       priority double precision NOT NULL DEFAULT 0.0)""",
    "CREATE INDEX huey_task_queue_priority_id ON huey_task (queue, priority DESC, id)",
    "CREATE TABLE huey_counter (queue text NOT NULL, key text NOT NULL, value bigint NOT NULL DEFAULT 0, PRIMARY KEY (queue, key))",
)


def upgrade():
    for function in FUNCTIONS:
        op.execute(function)
    op.create_table('audit_log',
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('object_kind', sa.Text(), nullable=False),
    sa.Column('object_id', sa.BigInteger(), nullable=False),
    sa.Column('actor_kind', sa.Text(), nullable=False),
    sa.Column('actor_id', sa.BigInteger(), nullable=True),
    sa.Column('before', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('after', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('audit_log_pkey'))
    )
    op.create_index('audit_log_created_idx', 'audit_log', ['org_id', 'created_at'], unique=False)
    op.create_index('audit_log_object_idx', 'audit_log', ['org_id', 'object_kind', 'object_id'], unique=False)
    op.create_table('event_directory',
    sa.Column('org_id', sa.BigInteger(), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('title', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('summary', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('venue', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('cover', sa.Text(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('org_id', 'event_id', name=op.f('event_directory_pkey'))
    )
    op.create_index(op.f('event_directory_starts_at_idx'), 'event_directory', ['starts_at'], unique=False)
    op.create_table('events',
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('title', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('summary', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('description', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('faq', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('venue', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('online_url', sa.Text(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('registration_opens_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('registration_closes_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('visibility', sa.Text(), nullable=False),
    sa.Column('approval', sa.Text(), nullable=False),
    sa.Column('languages', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('methods', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('transfer_days', sa.Integer(), nullable=False),
    sa.Column('cancellable_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('max_participants', sa.Integer(), nullable=False),
    sa.Column('cover', sa.Text(), nullable=False),
    sa.Column('contact_email', sa.Text(), nullable=False),
    sa.Column('ticket_key', postgresql.BYTEA(), nullable=True),
    sa.Column('ticket_public_key', postgresql.BYTEA(), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("approval IN ('none', 'before_payment', 'after_payment')", name=op.f('events_approval')),
    sa.CheckConstraint("status IN ('draft', 'published', 'closed', 'cancelled', 'archived')", name=op.f('events_status')),
    sa.CheckConstraint("visibility IN ('public', 'unlisted')", name=op.f('events_visibility')),
    sa.CheckConstraint('ends_at >= starts_at', name=op.f('events_dates')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('events_pkey')),
    sa.UniqueConstraint('org_id', 'slug', name=op.f('events_org_id_slug_key'))
    )
    op.create_table('gateway_accounts',
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('mode', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('client_key', sa.Text(), nullable=False),
    sa.Column('secret_key', postgresql.BYTEA(), nullable=True),
    sa.Column('previous_secret_key', postgresql.BYTEA(), nullable=True),
    sa.Column('webhook_token', sa.Text(), nullable=False),
    sa.Column('last_webhook_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('unhealthy', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("mode IN ('test', 'live')", name=op.f('gateway_accounts_mode')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('gateway_accounts_pkey')),
    sa.UniqueConstraint('org_id', 'provider', 'mode', 'purpose', name=op.f('gateway_accounts_org_id_provider_mode_purpose_key'))
    )
    op.create_table('organization_directory',
    sa.Column('org_id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('slug', sa.Text(), nullable=False),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f('organization_directory_status')),
    sa.PrimaryKeyConstraint('org_id', name=op.f('organization_directory_pkey')),
    sa.UniqueConstraint('slug', name=op.f('organization_directory_slug_key'))
    )
    op.create_table('outbox',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('org_id', sa.BigInteger(), nullable=True),
    sa.Column('queue', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('dedupe_key', sa.Text(), nullable=True),
    sa.Column('run_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('dead_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('outbox_pkey')),
    sa.UniqueConstraint('dedupe_key', name=op.f('outbox_dedupe_key_key'))
    )
    op.create_index('outbox_done_idx', 'outbox', ['done_at'], unique=False)
    op.create_index('outbox_due_idx', 'outbox', ['queue', 'run_at'], unique=False, postgresql_where=sa.text('done_at IS NULL AND dead_at IS NULL'))
    op.create_table('payment_routes',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('payment_routes_pkey'))
    )
    op.create_table('periodic_runs',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('period', sa.Text(), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', 'period', name=op.f('periodic_runs_pkey'))
    )
    op.create_table('plans',
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('summary', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('monthly', sa.Integer(), nullable=False),
    sa.Column('yearly', sa.Integer(), nullable=False),
    sa.Column('live_events', sa.Integer(), nullable=False),
    sa.Column('registrations_a_month', sa.Integer(), nullable=False),
    sa.Column('members', sa.Integer(), nullable=False),
    sa.Column('features', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('code', name=op.f('plans_pkey'))
    )
    op.create_table('probes',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('probes_pkey'))
    )
    op.create_table('rate_limits',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('rate_limits_pkey'))
    )
    op.create_index('rate_limits_ends_at_idx', 'rate_limits', ['ends_at'], unique=False)
    op.create_table('users',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('email_verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=True),
    sa.Column('locale', sa.Text(), nullable=True),
    sa.Column('is_operator', sa.Boolean(), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('users_pkey')),
    sa.UniqueConstraint('email', name=op.f('users_email_key'))
    )
    op.create_table('account_tokens',
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('next_url', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("purpose IN ('verify', 'reset', 'claim')", name=op.f('account_tokens_purpose')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('account_tokens_user_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('account_tokens_pkey'))
    )
    op.create_index(op.f('account_tokens_user_id_idx'), 'account_tokens', ['user_id'], unique=False)
    op.create_table('audit_values',
    sa.Column('audit_id', sa.BigInteger(), nullable=False),
    sa.Column('before', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('after', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['org_id', 'audit_id'], ['audit_log.org_id', 'audit_log.id'], name=op.f('audit_values_org_id_audit_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('audit_values_pkey'))
    )
    op.create_table('custom_domains',
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), nullable=False),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['org_id'], ['organization_directory.org_id'], name=op.f('custom_domains_org_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('host', name=op.f('custom_domains_pkey'))
    )
    op.create_index(op.f('custom_domains_org_id_idx'), 'custom_domains', ['org_id'], unique=False)
    op.create_table('event_sessions',
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('title', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('room', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('speaker', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['org_id', 'event_id'], ['events.org_id', 'events.id'], name=op.f('event_sessions_org_id_event_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('event_sessions_pkey'))
    )
    op.create_index('event_sessions_event_idx', 'event_sessions', ['org_id', 'event_id', 'starts_at'], unique=False)
    op.create_table('form_versions',
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('fields', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('consents', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('notice', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['org_id', 'event_id'], ['events.org_id', 'events.id'], name=op.f('form_versions_org_id_event_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('form_versions_pkey')),
    sa.UniqueConstraint('org_id', 'event_id', 'version', name=op.f('form_versions_org_id_event_id_version_key'))
    )
    op.create_table('memberships',
    sa.Column('org_id', sa.BigInteger(), nullable=False),
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('event_ids', postgresql.ARRAY(sa.BigInteger()), nullable=True),
    sa.Column('grants', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("role IN ('ORG_OWNER', 'ORG_ADMIN', 'ORG_STAFF', 'ORG_CHECKIN')", name=op.f('memberships_role')),
    sa.ForeignKeyConstraint(['org_id'], ['organization_directory.org_id'], name=op.f('memberships_org_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('memberships_user_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'user_id', name=op.f('memberships_pkey'))
    )
    op.create_index(op.f('memberships_user_id_idx'), 'memberships', ['user_id'], unique=False)
    op.create_table('orders',
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('submission', sa.Text(), nullable=False),
    sa.Column('token_version', sa.Integer(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('total', sa.Integer(), nullable=False),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('answers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('form_version', sa.Integer(), nullable=False),
    sa.Column('hold_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('user_id', sa.BigInteger(), nullable=True),
    sa.Column('browser', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('total >= 0', name=op.f('orders_total')),
    sa.ForeignKeyConstraint(['org_id', 'event_id'], ['events.org_id', 'events.id'], name=op.f('orders_org_id_event_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('orders_pkey')),
    sa.UniqueConstraint('org_id', 'submission', name=op.f('orders_org_id_submission_key'))
    )
    op.create_index('orders_browser_idx', 'orders', ['org_id', 'browser'], unique=False)
    op.create_index('orders_email_idx', 'orders', ['org_id', 'email'], unique=False)
    op.create_index('orders_event_idx', 'orders', ['org_id', 'event_id'], unique=False)
    op.create_index('orders_hold_idx', 'orders', ['org_id', 'hold_until'], unique=False, postgresql_where='hold_until IS NOT NULL')
    op.create_table('organizations',
    sa.Column('org_id', sa.BigInteger(), nullable=False),
    sa.Column('plan', sa.Text(), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('about', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('accent', sa.Text(), nullable=False),
    sa.Column('logo', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('business', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('bank_account', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['org_id'], ['organization_directory.org_id'], name=op.f('organizations_org_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['plan'], ['plans.code'], name=op.f('organizations_plan_fkey')),
    sa.PrimaryKeyConstraint('org_id', name=op.f('organizations_pkey'))
    )
    op.create_table('participations',
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), nullable=False),
    sa.Column('order_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('participations_user_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'org_id', 'order_id', name=op.f('participations_pkey'))
    )
    op.create_table('programs',
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('description', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('tiers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('minimum', sa.Integer(), nullable=False),
    sa.Column('maximum', sa.Integer(), nullable=False),
    sa.Column('sales_open_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sales_close_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('requires_approval', sa.Boolean(), nullable=False),
    sa.Column('requires_id', sa.BigInteger(), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('admission', 'workshop', 'lodging', 'meal', 'other')", name=op.f('programs_kind')),
    sa.CheckConstraint('0 <= minimum AND minimum <= maximum', name=op.f('programs_quantity')),
    sa.ForeignKeyConstraint(['org_id', 'event_id'], ['events.org_id', 'events.id'], name=op.f('programs_org_id_event_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['org_id', 'requires_id'], ['programs.org_id', 'programs.id'], name=op.f('programs_org_id_requires_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('programs_pkey')),
    sa.UniqueConstraint('org_id', 'event_id', 'code', name=op.f('programs_org_id_event_id_code_key'))
    )
    op.create_table('quotas',
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('whole_event', sa.Boolean(), nullable=False),
    sa.Column('capacity', sa.Integer(), nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('0 <= used AND used <= capacity', name=op.f('quotas_capacity')),
    sa.ForeignKeyConstraint(['org_id', 'event_id'], ['events.org_id', 'events.id'], name=op.f('quotas_org_id_event_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('quotas_pkey'))
    )
    op.create_index('quotas_event_idx', 'quotas', ['org_id', 'event_id'], unique=False)
    op.create_table('sign_ins',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('user_agent', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('sign_ins_user_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('sign_ins_pkey')),
    sa.UniqueConstraint('token_hash', name=op.f('sign_ins_token_hash_key'))
    )
    op.create_index(op.f('sign_ins_user_id_idx'), 'sign_ins', ['user_id'], unique=False)
    op.create_table('webhook_events',
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('delivery_id', sa.Text(), nullable=False),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('body', postgresql.BYTEA(), nullable=False),
    sa.Column('proof', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('handled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('received', 'applied', 'ignored', 'orphan', 'rejected')", name=op.f('webhook_events_state')),
    sa.ForeignKeyConstraint(['org_id', 'account_id'], ['gateway_accounts.org_id', 'gateway_accounts.id'], name=op.f('webhook_events_org_id_account_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('webhook_events_pkey')),
    sa.UniqueConstraint('org_id', 'account_id', 'delivery_id', name=op.f('webhook_events_org_id_account_id_delivery_id_key'))
    )
    op.create_table('payments',
    sa.Column('order_id', sa.BigInteger(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=True),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('gateway_order_id', sa.Text(), nullable=False),
    sa.Column('gateway_key', sa.Text(), nullable=True),
    sa.Column('customer_key', sa.Text(), nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('balance', sa.Integer(), nullable=False),
    sa.Column('secret', postgresql.BYTEA(), nullable=True),
    sa.Column('virtual_account', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_tx', sa.Text(), nullable=False),
    sa.Column('receipt_url', sa.Text(), nullable=False),
    sa.Column('failure_code', sa.Text(), nullable=False),
    sa.Column('problem', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('created', 'pending', 'authorized', 'awaiting_deposit', 'paid', 'partially_refunded', 'refund_pending', 'refunded', 'voided', 'failed', 'expired')", name=op.f('payments_status')),
    sa.CheckConstraint('amount > 0', name=op.f('payments_amount')),
    sa.ForeignKeyConstraint(['org_id', 'account_id'], ['gateway_accounts.org_id', 'gateway_accounts.id'], name=op.f('payments_org_id_account_id_fkey')),
    sa.ForeignKeyConstraint(['org_id', 'order_id'], ['orders.org_id', 'orders.id'], name=op.f('payments_org_id_order_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('payments_pkey')),
    sa.UniqueConstraint('org_id', 'account_id', 'gateway_key', name=op.f('payments_org_id_account_id_gateway_key_key')),
    sa.UniqueConstraint('org_id', 'gateway_order_id', name=op.f('payments_org_id_gateway_order_id_key'))
    )
    op.create_index('payments_open_idx', 'payments', ['org_id', 'status', 'created_at'], unique=False, postgresql_where=sa.text("status IN ('created', 'pending', 'authorized', 'awaiting_deposit', 'refund_pending')"))
    op.create_index('payments_order_idx', 'payments', ['org_id', 'order_id'], unique=False)
    op.create_table('quota_programs',
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('quota_id', sa.BigInteger(), nullable=False),
    sa.Column('program_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['org_id', 'program_id'], ['programs.org_id', 'programs.id'], name=op.f('quota_programs_org_id_program_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['org_id', 'quota_id'], ['quotas.org_id', 'quotas.id'], name=op.f('quota_programs_org_id_quota_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'quota_id', 'program_id', name=op.f('quota_programs_pkey'))
    )
    op.create_index('quota_programs_program_idx', 'quota_programs', ['org_id', 'program_id'], unique=False)
    op.create_table('registrations',
    sa.Column('order_id', sa.BigInteger(), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('number', sa.Text(), sa.Computed("code || '-' || readable(id)", persisted=True), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('holds', sa.Boolean(), sa.Computed("status IN ('pending_payment', 'confirmed') OR (status = 'pending_approval' AND paid_at IS NOT NULL)", persisted=True), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('answers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('tags', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('ticket_version', sa.Integer(), nullable=False),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('status_reason', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('draft', 'pending_approval', 'pending_payment', 'confirmed', 'rejected', 'expired', 'cancelled')", name=op.f('registrations_status')),
    sa.ForeignKeyConstraint(['org_id', 'event_id'], ['events.org_id', 'events.id'], name=op.f('registrations_org_id_event_id_fkey')),
    sa.ForeignKeyConstraint(['org_id', 'order_id'], ['orders.org_id', 'orders.id'], name=op.f('registrations_org_id_order_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('registrations_pkey')),
    sa.UniqueConstraint('org_id', 'number', name=op.f('registrations_org_id_number_key'))
    )
    op.create_index('registrations_event_idx', 'registrations', ['org_id', 'event_id', 'status'], unique=False)
    op.create_index('registrations_order_idx', 'registrations', ['org_id', 'order_id'], unique=False)
    op.create_table('check_ins',
    sa.Column('registration_id', sa.BigInteger(), nullable=False),
    sa.Column('checkpoint', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['org_id', 'registration_id'], ['registrations.org_id', 'registrations.id'], name=op.f('check_ins_org_id_registration_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('check_ins_pkey')),
    sa.UniqueConstraint('org_id', 'registration_id', 'checkpoint', name=op.f('check_ins_org_id_registration_id_checkpoint_key'))
    )
    op.create_table('consents',
    sa.Column('registration_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('text_hash', sa.Text(), nullable=False),
    sa.Column('given', sa.Boolean(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['org_id', 'registration_id'], ['registrations.org_id', 'registrations.id'], name=op.f('consents_org_id_registration_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('consents_pkey'))
    )
    op.create_index('consents_registration_idx', 'consents', ['org_id', 'registration_id'], unique=False)
    op.create_table('email_messages',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('recipient', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('order_id', sa.BigInteger(), nullable=True),
    sa.Column('registration_id', sa.BigInteger(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('written', 'sent', 'failed')", name=op.f('email_messages_state')),
    sa.ForeignKeyConstraint(['org_id', 'order_id'], ['orders.org_id', 'orders.id'], name=op.f('email_messages_org_id_order_id_fkey')),
    sa.ForeignKeyConstraint(['org_id', 'registration_id'], ['registrations.org_id', 'registrations.id'], name=op.f('email_messages_org_id_registration_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('email_messages_pkey')),
    sa.UniqueConstraint('org_id', 'key', name=op.f('email_messages_org_id_key_key'))
    )
    op.create_index('email_messages_order_idx', 'email_messages', ['org_id', 'order_id'], unique=False)
    op.create_table('ledger_entries',
    sa.Column('order_id', sa.BigInteger(), nullable=False),
    sa.Column('payment_id', sa.BigInteger(), nullable=True),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('transaction_key', sa.Text(), nullable=False),
    sa.Column('debit', sa.Text(), nullable=False),
    sa.Column('credit', sa.Text(), nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("debit IN ('receivable', 'sales', 'gateway', 'bank') AND credit IN ('receivable', 'sales', 'gateway', 'bank') AND debit <> credit", name=op.f('ledger_entries_accounts')),
    sa.CheckConstraint("kind IN ('charged', 'released', 'paid', 'refunded', 'reversed')", name=op.f('ledger_entries_kind')),
    sa.CheckConstraint('amount > 0', name=op.f('ledger_entries_amount')),
    sa.ForeignKeyConstraint(['org_id', 'order_id'], ['orders.org_id', 'orders.id'], name=op.f('ledger_entries_org_id_order_id_fkey')),
    sa.ForeignKeyConstraint(['org_id', 'payment_id'], ['payments.org_id', 'payments.id'], name=op.f('ledger_entries_org_id_payment_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('ledger_entries_pkey')),
    sa.UniqueConstraint('org_id', 'order_id', 'kind', 'transaction_key', name=op.f('ledger_entries_org_id_order_id_kind_transaction_key_key'))
    )
    op.create_table('line_items',
    sa.Column('registration_id', sa.BigInteger(), nullable=False),
    sa.Column('program_id', sa.BigInteger(), nullable=False),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('tier', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('unit_price', sa.Integer(), nullable=False),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('quantity > 0', name=op.f('line_items_quantity')),
    sa.CheckConstraint('unit_price >= 0', name=op.f('line_items_price')),
    sa.ForeignKeyConstraint(['org_id', 'program_id'], ['programs.org_id', 'programs.id'], name=op.f('line_items_org_id_program_id_fkey')),
    sa.ForeignKeyConstraint(['org_id', 'registration_id'], ['registrations.org_id', 'registrations.id'], name=op.f('line_items_org_id_registration_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('line_items_pkey'))
    )
    op.create_index('line_items_program_idx', 'line_items', ['org_id', 'program_id'], unique=False)
    op.create_index('line_items_registration_idx', 'line_items', ['org_id', 'registration_id'], unique=False)
    op.create_table('payment_attempts',
    sa.Column('payment_id', sa.BigInteger(), nullable=False),
    sa.Column('operation', sa.Text(), nullable=False),
    sa.Column('idempotency_key', sa.Text(), nullable=False),
    sa.Column('request', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("operation IN ('confirm', 'cancel', 'issue')", name=op.f('payment_attempts_operation')),
    sa.CheckConstraint("state IN ('prepared', 'sent', 'succeeded', 'refused', 'unknown')", name=op.f('payment_attempts_state')),
    sa.ForeignKeyConstraint(['org_id', 'payment_id'], ['payments.org_id', 'payments.id'], name=op.f('payment_attempts_org_id_payment_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('payment_attempts_pkey')),
    sa.UniqueConstraint('org_id', 'idempotency_key', name=op.f('payment_attempts_org_id_idempotency_key_key'))
    )
    op.create_index('payment_attempts_one_open_idx', 'payment_attempts', ['org_id', 'payment_id', 'operation'], unique=True, postgresql_where=sa.text("state IN ('prepared', 'sent', 'unknown')"))
    op.create_table('refunds',
    sa.Column('payment_id', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('external', sa.Boolean(), nullable=False),
    sa.Column('transaction_key', sa.Text(), nullable=True),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('requested', 'done', 'failed')", name=op.f('refunds_state')),
    sa.CheckConstraint('amount > 0', name=op.f('refunds_amount')),
    sa.ForeignKeyConstraint(['org_id', 'payment_id'], ['payments.org_id', 'payments.id'], name=op.f('refunds_org_id_payment_id_fkey')),
    sa.PrimaryKeyConstraint('org_id', 'id', name=op.f('refunds_pkey')),
    sa.UniqueConstraint('org_id', 'payment_id', 'transaction_key', name=op.f('refunds_org_id_payment_id_transaction_key_key'))
    )
    for trigger in TRIGGERS:
        op.execute(trigger)
    for table in sorted(TENANT):
        protect(table, TENANT[table])
    for table in sorted(GLOBAL):
        allow(table, GLOBAL[table])
    # Only the triggers move `used`; who changes a capacity, locks the row.
    op.execute(f"REVOKE UPDATE ON quotas FROM {role('app')}")
    op.execute(f"GRANT UPDATE (name, capacity) ON quotas TO {role('app')}")
    for table in ("huey_kv", "huey_schedule", "huey_task", "huey_counter"):
        allow(table)
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role('app')}, {role('platform')}")


def downgrade():
    raise NotImplementedError("there is nothing before the beginning; drop the database")
