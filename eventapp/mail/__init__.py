"""Letters: what they say (`letters`), how they are packed (`packing`), how they leave (`sending`). Plain values."""
from eventapp.mail.letters import KINDS, Letter, render
from eventapp.mail.packing import Attachment, message, message_id
from eventapp.mail.sending import MailRefused, MailUnavailable, send

__all__ = ["KINDS", "Attachment", "Letter", "MailRefused", "MailUnavailable", "message", "message_id", "render", "send"]
