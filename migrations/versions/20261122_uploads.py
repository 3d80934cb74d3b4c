"""files that participants send"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tools import protect, role

revision = 'uploads'
down_revision = 'webhook_order'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'uploads',
        sa.Column('order_id', sa.BigInteger(), nullable=True),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('type', sa.Text(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('content', postgresql.BYTEA(), nullable=True),
        sa.Column('stored_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
        sa.Column('id', sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['org_id', 'order_id'], ['orders.org_id', 'orders.id'], name='uploads_org_id_order_id_fkey'),
        sa.PrimaryKeyConstraint('org_id', 'id', name='uploads_pkey'))
    op.create_index('uploads_unused_idx', 'uploads', ['org_id', 'created_at'], postgresql_where=sa.text('order_id IS NULL'))
    protect('uploads')
    op.execute(f"GRANT USAGE ON SEQUENCE uploads_id_seq TO {role('app')}, {role('platform')}")


def downgrade():
    op.drop_table('uploads')
