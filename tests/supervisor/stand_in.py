"""The real supervisor around small stand-ins for the app: `python stand_in.py`, with VAR and PORT in the environment."""
import os
import shlex
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

from eventapp.supervisor.__main__ import Supervisor, main
from eventapp.supervisor.postgres import EmbeddedPostgres

HERE = f"{shlex.quote(sys.executable)} {shlex.quote(os.path.abspath(__file__))}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())


def serve(port):
    """As an application server does it: a child of its own holds the port as well."""
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Answer)
    os.fork()
    server.serve_forever()


def release():
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        db.execute("create table if not exists organization_directory (name text)")
        db.execute("create table if not exists releases (at timestamptz default now())")
        db.execute("insert into releases default values")


def demo():
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        db.execute("insert into organization_directory values ('seoul-ubf')")


def worker():
    import signal
    signal.pause()


def supervisor(settings):
    var = settings.var.absolute()
    procfile = {"web": os.environ.get("STAND_IN_WEB", f"{HERE} serve $PORT"), "worker": f"{HERE} worker",
                "release": f"{HERE} release"}
    return Supervisor(settings, procfile=procfile, sandbox=f"{HERE} serve {settings.port + 1}", demo=f"{HERE} demo",
                      database=EmbeddedPostgres(var / "postgres", log=var / "log" / "postgres.log"))


if __name__ == "__main__":
    if sys.argv[1:]:
        globals()[sys.argv[1]](*sys.argv[2:])
    else:
        sys.exit(main(supervisor))
