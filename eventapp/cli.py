"""`flask …`: release, worker, demo, check, routes-json, where, faults."""
import json
import sys

import click


def init_app(app) -> None:
    for command in (release, worker, demo, check):
        app.cli.add_command(command)


@click.command()
def release():
    """Make the database's roles and tables fit this version."""
    from flask import current_app

    from eventapp import release as releasing

    try:
        releasing.release(current_app.config["SETTINGS"])
    except releasing.CannotRelease as why:
        raise click.ClickException(str(why)) from None


@click.command()
def worker():
    """Do the work written down in the outbox, until SIGINT or SIGTERM."""
    from flask import current_app

    from eventapp import roles
    from eventapp import worker as working

    try:
        working.run(current_app._get_current_object())
    except roles.WrongDatabase as why:
        raise click.ClickException(str(why)) from None


@click.command()
@click.option("--registrations", type=click.IntRange(0, 2_000_000), default=0, help="Also an event with so many registrations.")
def demo(registrations):
    """A believable world to try things out in: safe to run twice, refused in production."""
    from flask import current_app

    from eventapp import demo as world

    try:
        for line in world.load(current_app.config["SETTINGS"], registrations):
            click.echo(line)
    except world.Refusal as why:
        raise click.ClickException(str(why)) from None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(as_json):
    """Prove the invariants of money, places, tickets and tenancy; exit 1 on a breach."""
    from flask import current_app

    from eventapp import checks, clock
    from eventapp.extensions import platform

    answers = checks.run(platform.engine, current_app.config["SETTINGS"].role("app"), clock.now())
    click.echo(json.dumps(checks.as_json(answers), default=str, ensure_ascii=False) if as_json else checks.as_text(answers))
    if not all(answer.ok for answer in answers):
        sys.exit(1)
