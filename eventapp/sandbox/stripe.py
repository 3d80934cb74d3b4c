"""Stripe Checkout's API and page."""
from eventapp.sandbox.stripe_books import State

__all__ = ["ROUTES", "State"]
ROUTES = []
