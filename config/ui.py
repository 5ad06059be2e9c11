"""Template tags that every page may use without loading them: icons and times."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """A decorative icon of static/img/icons.svg; `size` is "", "sm" or "lg"."""
    sized = f" icon-{size}" if size else ""
    return format_html(
        '<svg class="icon{} icon-{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        sized,
        name,
        static("img/icons.svg"),
        name,
    )


@register.simple_tag
def moment(when: datetime | None, style: str = "relative") -> SafeString | str:
    """A time: UTC without scripts, the reader's own zone with them. `style` is "relative", "time" or "date"."""
    if when is None:
        return "-"
    return format_html(
        '<time datetime="{}" data-style="{}">{}</time>', when.isoformat(), style, when.strftime("%Y-%m-%d %H:%M:%S UTC")
    )
