"""What the web server and the commands load: `wsgi:app`."""
import sys

from eventapp import config, create_app, roles

try:
    app = create_app()
except (config.WrongConfiguration, roles.WrongDatabase) as problem:
    sys.exit(f"This does not start. {problem}")  # a sentence, not a trace
