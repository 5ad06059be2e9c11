"""Light, dark, or as the system has it: a cookie, so that the first paint is already right."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.views.decorators.http import require_POST

from accounts.requests import next_page

COOKIE = "theme"
THEMES = ("system", "light", "dark")
_YEAR = 365 * 24 * 60 * 60


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme and go back to where the reader was."""
    theme = request.POST.get("theme", "")
    if theme not in THEMES:
        sentence = f"theme {theme!r} is none of {', '.join(THEMES)}"
        return HttpResponseBadRequest(sentence, content_type="text/plain; charset=utf-8")
    response = HttpResponseRedirect(next_page(request))
    if theme == "system":
        response.delete_cookie(COOKIE, samesite="Lax")
    else:
        response.set_cookie(COOKIE, theme, max_age=_YEAR, samesite="Lax", secure=request.is_secure(), httponly=True)
    return response
