"""What the web server loads: `wsgi:app`."""
from eventapp import create_app

app = create_app()
