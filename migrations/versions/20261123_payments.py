"""every gateway, refunds by rule, cash receipts, receipts, the gateways' books"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tools import EVERYTHING, protect, role

revision = 'payments'
down_revision = 'desk'
branch_labels = None
depends_on = None

JSONB, BYTEA, MOMENT = postgresql.JSONB(astext_type=sa.Text()), postgresql.BYTEA(), sa.DateTime(timezone=True)
TABLES = ('cash_receipts', 'document_series', 'documents', 'settlements', 'book_differences', 'bank_lines')


def upgrade():
    accounts_of_several_gateways()
    payments_of_several_gateways()
    refunds_by_rule()
    taxes()
    receipts()
    the_gateways_books()
    the_banks_statement()
    for table in TABLES:
        protect(table, "SELECT, INSERT" if table == 'documents' else EVERYTHING)
        op.execute(f"GRANT USAGE ON SEQUENCE {table}_id_seq TO {role('app')}, {role('platform')}")


def tenant():
    """The columns that each organisation's table begins with."""
    return (sa.Column('org_id', sa.BigInteger(), server_default=sa.text('current_org()'), nullable=False),
            sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
            sa.Column('created_at', MOMENT, nullable=False))


def words(*names):
    return (sa.Column(name, sa.Text(), nullable=False, server_default='') for name in names)


def belongs(table, column, target):
    return sa.ForeignKeyConstraint(['org_id', column], [f'{target}.org_id', f'{target}.id'], name=f'{table}_org_id_{column}_fkey')


def replace_check(table, name, condition):
    op.drop_constraint(op.f(f'{table}_{name}'), table, type_='check')
    op.create_check_constraint(op.f(f'{table}_{name}'), table, condition)


def accounts_of_several_gateways():
    for column in (*words('name', 'secret_hint'),
                   sa.Column('webhook_secret', BYTEA), sa.Column('previous_webhook_secret', BYTEA),
                   sa.Column('public', JSONB, nullable=False, server_default='{}'),
                   sa.Column('for_all_events', sa.Boolean(), nullable=False, server_default='true'),
                   sa.Column('enabled', sa.Boolean(), nullable=False, server_default='true'),
                   sa.Column('checked_at', MOMENT), sa.Column('books_read_until', MOMENT), sa.Column('previous_until', MOMENT)):
        op.add_column('gateway_accounts', column)
    op.drop_constraint('gateway_accounts_org_id_provider_mode_purpose_key', 'gateway_accounts', type_='unique')
    op.create_unique_constraint('gateway_accounts_org_id_provider_mode_purpose_name_key', 'gateway_accounts',
                                ['org_id', 'provider', 'mode', 'purpose', 'name'])
    op.add_column('events', sa.Column('gateway_account_id', sa.BigInteger()))
    op.create_foreign_key('events_org_id_gateway_account_id_fkey', 'events', 'gateway_accounts', ['org_id', 'gateway_account_id'],
                          ['org_id', 'id'])
    op.add_column('webhook_events', sa.Column('kind', sa.Text(), nullable=False, server_default=''))
    op.add_column('webhook_events', sa.Column('gateway_key', sa.Text(), nullable=False, server_default=''))
    op.add_column('webhook_events', sa.Column('payment_id', sa.BigInteger()))
    replace_check('webhook_events', 'state', "state IN ('received', 'applied', 'ignored', 'orphan', 'wrong_account', 'rejected')")
    op.create_index('webhook_events_newest_idx', 'webhook_events', ['org_id', 'created_at', 'id'])


def payments_of_several_gateways():
    for column in (sa.Column('tax_free', sa.Integer(), nullable=False, server_default='0'), sa.Column('vat', sa.Integer()),
                   *words('checkout_url', 'paid_with'), sa.Column('dispute', JSONB)):
        op.add_column('payments', column)
    replace_check('payment_attempts', 'operation',
                  "operation IN ('open', 'confirm', 'look', 'issue', 'cancel', 'receipt_issue', 'receipt_cancel')")


def refunds_by_rule():
    for column in (sa.Column('route', sa.Text(), nullable=False, server_default='gateway'),
                   sa.Column('lines', JSONB, nullable=False, server_default='[]'),
                   sa.Column('kept', sa.Integer(), nullable=False, server_default='0'),
                   sa.Column('account', BYTEA), *words('by', 'account_hint', 'failure_code'),
                   sa.Column('repeated', sa.Boolean(), nullable=False, server_default=sa.false())):
        op.add_column('refunds', column)
    replace_check('refunds', 'state', "state IN ('requested', 'needs_account', 'to_pay', 'done', 'failed')")
    op.create_check_constraint(op.f('refunds_route'), 'refunds', "route IN ('gateway', 'transfer')")
    op.create_index('refunds_payment_idx', 'refunds', ['org_id', 'payment_id'])
    op.create_index('refunds_open_idx', 'refunds', ['org_id', 'state', 'id'],
                    postgresql_where=sa.text("state IN ('requested', 'needs_account', 'to_pay', 'failed')"))
    op.add_column('events', sa.Column('refund_rules', JSONB, nullable=False, server_default='{}'))
    op.add_column('orders', sa.Column('refund_terms', JSONB, nullable=False, server_default='{}'))
    replace_check('ledger_entries', 'kind', "kind IN ('charged', 'released', 'paid', 'refunded', 'returned', 'reversed', 'kept', 'forgiven')")


def taxes():
    op.add_column('organizations', sa.Column('tax', sa.Text(), nullable=False, server_default='taxable'))
    op.add_column('organizations', sa.Column('must_issue_receipts', sa.Boolean(), nullable=False, server_default='false'))
    op.add_column('programs', sa.Column('tax', sa.Text(), nullable=False, server_default=''))
    op.create_check_constraint(op.f('programs_tax'), 'programs', "tax IN ('', 'taxable', 'tax_free')")
    op.add_column('line_items', sa.Column('tax_free', sa.Boolean(), nullable=False, server_default='false'))


def receipts():
    op.create_table(
        'cash_receipts', *tenant(),
        sa.Column('order_id', sa.BigInteger(), nullable=False), sa.Column('payment_id', sa.BigInteger()),
        sa.Column('kind', sa.Text(), nullable=False), sa.Column('identity', BYTEA), *words('identity_hint'),
        sa.Column('amount', sa.Integer(), nullable=False), sa.Column('cancelled', sa.Integer(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False), sa.Column('linked', sa.Boolean(), nullable=False),
        sa.Column('receipt_key', sa.Text()), *words('cancel_key', 'issue_number', 'url', 'failure_code'),
        sa.Column('issued_at', MOMENT), sa.Column('checked_at', MOMENT),
        sa.CheckConstraint("kind IN ('deduction', 'expense', 'unasked')", name=op.f('cash_receipts_kind')),
        sa.CheckConstraint("state IN ('wanted', 'issuing', 'issued', 'failed', 'cancelling', 'cancelled', 'dropped')", name=op.f('cash_receipts_state')),
        sa.CheckConstraint('amount >= 0 AND 0 <= cancelled AND cancelled <= amount', name=op.f('cash_receipts_amount')),
        belongs('cash_receipts', 'order_id', 'orders'), belongs('cash_receipts', 'payment_id', 'payments'),
        sa.PrimaryKeyConstraint('org_id', 'id', name='cash_receipts_pkey'),
        sa.UniqueConstraint('org_id', 'receipt_key', name='cash_receipts_org_id_receipt_key_key'))
    op.create_index('cash_receipts_order_idx', 'cash_receipts', ['org_id', 'order_id'])
    op.create_index('cash_receipts_open_idx', 'cash_receipts', ['org_id', 'state', 'id'],
                    postgresql_where=sa.text("state IN ('wanted', 'issuing', 'failed', 'cancelling')"))
    op.create_table(
        'document_series', *tenant(), sa.Column('name', sa.Text(), nullable=False), sa.Column('last', sa.Integer(), nullable=False),
        sa.CheckConstraint('last >= 0', name=op.f('document_series_last')),
        sa.PrimaryKeyConstraint('org_id', 'id', name='document_series_pkey'),
        sa.UniqueConstraint('org_id', 'name', name='document_series_org_id_name_key'))
    op.create_table(
        'documents', *tenant(), sa.Column('kind', sa.Text(), nullable=False), sa.Column('series', sa.Text(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False), sa.Column('order_id', sa.BigInteger(), nullable=False),
        sa.Column('payment_id', sa.BigInteger(), nullable=False), sa.Column('refund_id', sa.BigInteger()),
        sa.Column('entry_id', sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ('amount', 'tax_free', 'vat')),
        sa.Column('currency', sa.Text(), nullable=False), sa.Column('content', JSONB, nullable=False),
        sa.CheckConstraint("kind IN ('receipt', 'refund')", name=op.f('documents_kind')),
        sa.CheckConstraint('number > 0', name=op.f('documents_number')),
        sa.CheckConstraint('0 <= tax_free AND 0 <= vat AND tax_free + vat <= amount', name=op.f('documents_amount')),
        belongs('documents', 'order_id', 'orders'), belongs('documents', 'payment_id', 'payments'), belongs('documents', 'refund_id', 'refunds'),
        belongs('documents', 'entry_id', 'ledger_entries'),
        sa.PrimaryKeyConstraint('org_id', 'id', name='documents_pkey'),
        sa.UniqueConstraint('org_id', 'series', 'number', name='documents_org_id_series_number_key'),
        sa.UniqueConstraint('org_id', 'entry_id', name='documents_org_id_entry_id_key'))
    op.create_index('documents_order_idx', 'documents', ['org_id', 'order_id'])
    op.create_index('documents_newest_idx', 'documents', ['org_id', 'created_at', 'id'])


def the_gateways_books():
    op.create_table(
        'settlements', *tenant(), sa.Column('account_id', sa.BigInteger(), nullable=False), sa.Column('payment_id', sa.BigInteger()),
        sa.Column('transaction_key', sa.Text(), nullable=False), *words('gateway_order_id', 'method'),
        sa.Column('currency', sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ('amount', 'fee', 'vat', 'payout')),
        sa.Column('sold_on', sa.Date()), sa.Column('paid_out_on', sa.Date()),
        belongs('settlements', 'account_id', 'gateway_accounts'), belongs('settlements', 'payment_id', 'payments'),
        sa.PrimaryKeyConstraint('org_id', 'id', name='settlements_pkey'),
        sa.UniqueConstraint('org_id', 'account_id', 'transaction_key', name='settlements_org_id_account_id_transaction_key_key'))
    op.create_index('settlements_payment_idx', 'settlements', ['org_id', 'payment_id'])
    op.create_index('settlements_paid_out_idx', 'settlements', ['org_id', 'paid_out_on'])
    op.create_table(
        'book_differences', *tenant(), sa.Column('account_id', sa.BigInteger(), nullable=False), sa.Column('payment_id', sa.BigInteger()),
        sa.Column('kind', sa.Text(), nullable=False), sa.Column('transaction_key', sa.Text(), nullable=False), *words('gateway_order_id', 'note'),
        sa.Column('currency', sa.Text(), nullable=False), sa.Column('ours', sa.Integer()), sa.Column('theirs', sa.Integer()),
        sa.Column('happened_at', MOMENT), sa.Column('settled_at', MOMENT), sa.Column('settled_by', sa.BigInteger()),
        sa.CheckConstraint("kind IN ('missing_here', 'missing_there', 'amount')", name=op.f('book_differences_kind')),
        belongs('book_differences', 'account_id', 'gateway_accounts'), belongs('book_differences', 'payment_id', 'payments'),
        sa.PrimaryKeyConstraint('org_id', 'id', name='book_differences_pkey'),
        sa.UniqueConstraint('org_id', 'account_id', 'kind', 'transaction_key', name='book_differences_org_id_account_id_kind_transaction_key_key'))
    op.create_index('book_differences_open_idx', 'book_differences', ['org_id', 'id'], postgresql_where=sa.text('settled_at IS NULL'))


def the_banks_statement():
    op.create_table(
        'bank_lines', *tenant(), sa.Column('key', sa.Text(), nullable=False), sa.Column('day', sa.Date(), nullable=False),
        *words('time', 'depositor', 'memo'), sa.Column('amount', sa.Integer(), nullable=False), sa.Column('currency', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False), sa.Column('payment_id', sa.BigInteger()),
        sa.Column('brought_by', sa.BigInteger(), nullable=False), sa.Column('settled_by', sa.BigInteger()), sa.Column('settled_at', MOMENT),
        sa.CheckConstraint("state IN ('open', 'matched', 'ignored')", name=op.f('bank_lines_state')),
        sa.CheckConstraint('amount > 0', name=op.f('bank_lines_amount')),
        belongs('bank_lines', 'payment_id', 'payments'), sa.PrimaryKeyConstraint('org_id', 'id', name='bank_lines_pkey'),
        sa.UniqueConstraint('org_id', 'key', name='bank_lines_org_id_key_key'))
    op.create_index('bank_lines_state_idx', 'bank_lines', ['org_id', 'state', 'day', 'id'])
    op.create_index('bank_lines_payment_idx', 'bank_lines', ['org_id', 'payment_id'])
    op.create_index('payments_newest_idx', 'payments', ['org_id', 'created_at', 'id'])
    for name, columns in (('payment', ['org_id', 'payment_id']), ('money', ['org_id', 'created_at', 'id'])):
        op.create_index(f'ledger_entries_{name}_idx', 'ledger_entries', columns, postgresql_where=sa.text('payment_id IS NOT NULL'))


def downgrade():
    raise NotImplementedError("expand only: restore the backup made before the release")
