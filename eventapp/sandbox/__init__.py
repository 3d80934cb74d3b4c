"""The gateways' stand-in: TossPayments' wire format on loopback, with switches for every fault.

A server of its own, started by `python -m eventapp.sandbox --port N`; the clients under test are the real
ones, pointed at `http://127.0.0.1:N/toss`. No real money, never in production.
"""
