"""The embedded storage: ZODB through RelStorage on SQLite, safe from a power cut.

RelStorage's own ``sqlite://`` address cannot ask for ``synchronous=FULL``; ours, ``embedded://FOLDER``, does, and makes
the folder.  Any other address that zodburi knows (``postgres://…``) stays possible: the address is one setting.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from relstorage.adapters.sqlite.adapter import Sqlite3Adapter
from relstorage.options import Options
from relstorage.storage import RelStorage

_PRAGMAS = {"synchronous": "FULL"}


def resolve_embedded(uri: str) -> tuple[Callable[[], RelStorage], dict[str, str]]:
    """Resolve ``embedded://FOLDER?…`` for zodburi: a factory of the storage, and what is left for `ZODB.DB`.

    ``cache_local_mb`` is RelStorage's; the rest (``connection_cache_size``…) is the database's.
    """
    parts = urlsplit(uri)
    keywords = dict(parse_qsl(parts.query))
    cache_local_mb = int(keywords.pop("cache_local_mb", "20"))

    def factory() -> RelStorage:
        folder = Path(parts.netloc + parts.path)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = Options(keep_history=False, cache_local_mb=cache_local_mb)
        adapter = Sqlite3Adapter(data_dir=str(folder), pragmas=dict(_PRAGMAS), options=options)
        return RelStorage(adapter=adapter, options=options)

    return factory, keywords
