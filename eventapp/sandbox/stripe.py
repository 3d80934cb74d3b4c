"""Stripe Checkout's API and page."""
ROUTES = []
