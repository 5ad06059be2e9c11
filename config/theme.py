"""Light, dark, or as the system has it: a cookie, so that the first paint is already right."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "theme"
THEMES = ("system", "light", "dark")
_YEAR = 365 * 24 * 60 * 60


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme and go back to where the reader was."""
    theme = request.POST.get("theme", "")
    if theme not in THEMES:
        return HttpResponseBadRequest(f"theme {theme!r} is none of {', '.join(THEMES)}")
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    if theme == "system":
        response.delete_cookie(COOKIE, samesite="Lax")
    else:
        response.set_cookie(COOKIE, theme, max_age=_YEAR, samesite="Lax", secure=request.is_secure(), httponly=True)
    return response
