"""Tickets: the signed text in the QR, its picture, the PDF and the calendar file. Plain values in and out."""
