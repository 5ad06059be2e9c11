"""Template tags that every page may use without loading them: icons and times."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from functools import cache

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.version import commit, version
from lists.rendered import rendered

register = template.Library()


@register.simple_tag
@cache  # a page has fifty of them, and nothing but a new process changes them
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
def release() -> str:
    """Version and commit of what answers."""
    return f"{version()} ({commit()})" if commit() else version()


@register.simple_tag
def moment(when: datetime | None, style: str = "relative") -> SafeString | str:
    """A time: UTC without scripts, the reader's own zone with them. `style`: "relative", "time", "date", or "coming".

    What is coming is never past: "now" where its time has come.
    """
    if when is None:
        return "-"
    written = when.strftime("%Y-%m-%d %H:%M:%S UTC")
    if style == "coming":
        written = f"at {written}" if when > timezone.now() else "now"
    return format_html('<time datetime="{}" data-style="{}">{}</time>', when.isoformat(), style, written)


@register.simple_tag
def kept(template_name: str, **shown: Hashable) -> SafeString:
    """An included template that shows these values and nothing else of the page, made once for as long as they stay."""
    return rendered(template_name, **shown)
