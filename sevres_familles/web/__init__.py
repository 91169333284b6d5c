"""What every area stands on, and which knows no area.

`settings` and `town` say whose portal this is; `root` and `container` are the tree, `evolution` makes and upgrades it,
`storage` keeps it; `security` names permissions; `clock` tells the time; `frame` is what every page has around it;
`forms` are deform's, in our own dress; `headers` and `errors` guard every response; `documents` typesets PDFs;
`scripts` opens the portal for a command; `server` serves it.  `safety` says what must never serve families, `logs`
writes what happened without naming anybody, `watching` tells machines how the portal is.
"""

import secrets
import time

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid_retry import IBeforeRetry
from zope.interface import Interface

from sevres_familles.web.settings import Settings, make_secrets, read_settings
from sevres_familles.web.town import read_town

_CONCERNS = (
    *("clock", "evolution", "security", "root", "sessions", "logs", "headers", "frame", "forms", "errors"),
    *("watching", "limits"),
)


def includeme(config: Configurator) -> None:
    """Read the settings and add what every area stands on."""
    settings = read_settings(config.registry.settings)
    if settings.is_development:
        make_secrets(settings)
    config.registry.settings_of_portal = settings
    config.registry.town = read_town(settings.town_file)
    config.add_request_method(lambda request: settings, "portal_settings", property=True)
    config.add_request_method(lambda request: request.registry.town, "town", property=True)
    _add_libraries(config, settings)
    for concern in _CONCERNS:
        config.include(f"sevres_familles.web.{concern}")


def _add_libraries(config: Configurator, settings: Settings) -> None:
    config.add_settings(
        {
            "tm.manager_hook": "pyramid_tm.explicit_manager",
            "tm.commit_veto": "pyramid_tm.default_commit_veto",
            # Nobody's code is written into the database's log of transactions.
            "tm.annotate_user": False,
            "retry.attempts": 10,
            "retry.activate_hook": "sevres_familles.web.headers.attempts_at",
            "zodbconn.uri": settings.storage,
            "pyramid.default_locale_name": "fr",
            "pyramid.reload_templates": False,
        }
    )
    for library in ("pyramid_chameleon", "pyramid_retry", "pyramid_tm", "pyramid_zodbconn"):
        config.include(library)
    config.add_translation_dirs("colander:locale", "deform:locale")
    config.add_subscriber(_wait_a_little, IBeforeRetry)
    config.add_subscriber(_forget_activity, ApplicationCreated)


def _wait_a_little(event: Interface) -> None:
    """Step back before another attempt: without it, a third of the requests on a hot spot fail (measured)."""
    attempt = event.environ.get("retry.attempt", 0)
    time.sleep(secrets.SystemRandom().uniform(0, 0.005 * 2 ** min(attempt, 6)))


def _forget_activity(event: ApplicationCreated) -> None:
    """Turn the activity monitors off: pyramid_zodbconn's keeps an hour of history in memory."""
    for database in event.app.registry._zodb_databases.values():
        database.setActivityMonitor(None)
