"""`flask …`: release, worker, demo, check, routes-json, where, faults."""
import json
import sys

import click


def init_app(app) -> None:
    for command in (release, worker, demo, check, routes_json, where, faults):
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


@click.command("routes-json")
def routes_json():
    """Every route with its methods, its permission and who may come."""
    from flask import current_app

    from eventapp import maps

    click.echo(json.dumps(maps.routes(current_app), indent=1))


@click.command()
@click.argument("url")
def where(url):
    """What answers at an address: view, permission, template, rule, test."""
    from flask import current_app

    from eventapp import maps

    click.echo("\n".join(maps.where(current_app, url)))


@click.command()
def faults():
    """The points where the program can be told to fail (FAULTS), and the guards that can be taken away (GUARDS_OFF)."""
    import tasks  # noqa: F401 - whatever has a point is loaded now
    from eventapp import faults as known

    click.echo("\n".join(["Fault points:", *(f"  {name}" for name in known.points()), "",
                          "Guards:", *(f"  {name}" for name in known.guards())]))
