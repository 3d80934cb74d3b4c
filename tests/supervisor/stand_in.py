"""The real supervisor around small stand-ins for the app: `python stand_in.py`, with VAR and PORT in the environment.

Imports wait until they are needed: every stand-in is a start of this file.
"""
import os
import shlex
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = f"{shlex.quote(sys.executable)} {shlex.quote(os.path.abspath(__file__))}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())


def serve(port):
    """As an application server does it: a child holds the port as well, stopped but not killed with its parent."""
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Answer)
    child = os.fork()

    def stop(number, frame):
        if child:
            os.kill(child, signal.SIGTERM)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()


def release():
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        db.execute("create table if not exists organization_directory (name text)")
        db.execute("create table if not exists releases (at timestamptz default now())")
        db.execute("insert into releases default values")


def demo():
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        db.execute("insert into organization_directory values ('seoul-ubf')")


def worker():
    signal.pause()


def supervisor(settings):
    from eventapp.supervisor.__main__ import Supervisor
    from eventapp.supervisor.postgres import EmbeddedPostgres

    var = settings.var.absolute()
    procfile = {"web": os.environ.get("STAND_IN_WEB", f"{HERE} serve $PORT"), "worker": f"{HERE} worker",
                "release": f"{HERE} release"}
    return Supervisor(settings, procfile=procfile, sandbox=f"{HERE} serve {settings.port + 1}", demo=f"{HERE} demo",
                      database=EmbeddedPostgres(var / "postgres", log=var / "log" / "postgres.log"))


if __name__ == "__main__":
    if sys.argv[1:]:
        globals()[sys.argv[1]](*sys.argv[2:])
    else:
        from eventapp.supervisor.__main__ import main

        sys.exit(main(supervisor))
