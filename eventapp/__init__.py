"""The event platform. `create_app()` reads like a table of contents.

What it needs is imported inside: the supervisor and the sandbox are processes of this package too, and want none of it.
"""


def create_app(settings=None):
    from datetime import timedelta

    from werkzeug.middleware.proxy_fix import ProxyFix

    from eventapp import cli, clock, config, extensions, faults, outbox, permissions, tenancy, unit_of_work
    from eventapp.web import assets, errors, headers, limits, logs, page_cache, preferences, sessions, templating

    settings = settings or config.read()
    config.activate(settings)
    clock.offset = timedelta(seconds=settings.clock_offset)
    faults.configure(settings.faults, settings.guards_off)

    app = tenancy.EventApp("eventapp", static_url_path="/static")
    app.config.update(extensions.configuration(settings))
    extensions.init_app(app)
    outbox.init_app(app)
    cli.init_app(app)

    app.session_interface = sessions.SessionCookie()
    assets.init_assets(app)
    templating.init_app(app)
    logs.init_app(app)
    app.before_request(tenancy.resolve)
    app.before_request(preferences.choose)
    app.before_request(sessions.check_origin)
    app.before_request(permissions.gate)
    app.before_request(sessions.check_token)
    app.after_request(preferences.remember)
    headers.init_app(app)
    errors.init_app(app)
    limits.init_app(app)
    unit_of_work.init_app(app)

    add_blueprints(app)
    permissions.check_declared(app)

    app.wsgi_app = page_cache.PageCache(tenancy.Hosts(app, app.wsgi_app))
    if settings.trusted_hops:
        hops = settings.trusted_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
    return app


def add_blueprints(app):
    from eventapp.blueprints import account, admin, api, auth, platform, public, site

    for module in (site, auth, account, platform, api):
        app.register_blueprint(module.bp)
    if not app.config["SETTINGS"].production:
        from eventapp.blueprints import dev

        app.register_blueprint(dev.bp)
    # Last, because their first segment is a variable.
    app.register_blueprint(admin.bp)
    app.register_blueprint(public.bp)
