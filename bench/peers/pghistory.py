"""django-pghistory with statement-level triggers, its fastest form. Runs in the peer's own environment."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit


def configure(url: str) -> None:
    import django
    from django.conf import settings

    parts = urlsplit(url)
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "pgtrigger", "pghistory"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.strip("/"),
                "USER": parts.username,
                "HOST": parts.hostname,
                "PORT": parts.port,
            }
        },
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PGHISTORY_LEVEL=__import__("pgtrigger").Statement,
        PGTRIGGER_MIGRATIONS=False,
    )
    django.setup()


def order_model() -> Any:
    import pghistory
    from django.db import models

    class Order(models.Model):
        id = models.BigAutoField(primary_key=True)
        customer_id = models.IntegerField()
        status = models.TextField()
        total = models.DecimalField(max_digits=10, decimal_places=2)
        currency = models.CharField(max_length=3)
        email = models.TextField()
        address = models.TextField()
        note = models.TextField(null=True)
        placed_at = models.DateTimeField()
        created_at = models.DateTimeField()
        updated_at = models.DateTimeField()
        version = models.IntegerField()
        deleted_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "pghistory"
            db_table = "orders"

    return pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())(Order)


def main(url: str) -> None:
    configure(url)
    order = order_model()
    import pgtrigger
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    event = apps.get_model("pghistory", order.pgh_event_model.__name__)
    with connection.schema_editor() as editor:
        editor.create_model(event)
    pgtrigger.install()


if __name__ == "__main__":
    main(sys.argv[2])
