"""notices know which order they claim to be about"""
import sqlalchemy as sa
from alembic import op

revision = 'webhook_order'
down_revision = 'begin'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('webhook_events', sa.Column('order_ref', sa.Text(), server_default='', nullable=False))
    op.alter_column('webhook_events', 'order_ref', server_default=None)
    op.create_index('webhook_events_order_idx', 'webhook_events', ['org_id', 'account_id', 'order_ref'], unique=False)
    op.create_index('webhook_events_received_idx', 'webhook_events', ['org_id', 'created_at'], unique=False,
                    postgresql_where=sa.text("state = 'received'"))


def downgrade():
    op.drop_index('webhook_events_received_idx', 'webhook_events')
    op.drop_index('webhook_events_order_idx', 'webhook_events')
    op.drop_column('webhook_events', 'order_ref')
