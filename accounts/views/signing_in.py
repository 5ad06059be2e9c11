"""Sign in and out: allauth's pages, with an answer that says how it ended."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from allauth.account.views import LoginView, LogoutView
from django.http import HttpResponse

from accounts.adapter import too_many_of


class SignIn(LoginView):  # type: ignore[misc]
    """422 where name and password do not go together, 429 with Retry-After where one has to wait for the next try."""

    def form_invalid(self, form: Any) -> HttpResponse:
        """The form again, with the reason."""
        response: HttpResponse = super().form_invalid(form)
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        if refusal := too_many_of(self.request):
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response["Retry-After"] = str(refusal.retry_after)
        return response


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view()
