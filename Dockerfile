# One image for migrate, trainer-host, web, worker and beat; docker-compose.yml says which command each runs.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=config.settings SLIPWAY_HOME=/var/lib/slipway
WORKDIR /app
# Which commit it is made from: docker build --build-arg SLIPWAY_COMMIT="$(git rev-parse HEAD)"; /version says it.
ARG SLIPWAY_COMMIT=
ENV SLIPWAY_COMMIT=$SLIPWAY_COMMIT

COPY requirements/base.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/base.txt

# The state folder exists in the image so that a new volume starts out as its owner's.
RUN useradd --system --uid 10001 --home-dir /var/lib/slipway --create-home slipway
COPY . .
COPY deploy/image/run run
# The static files are part of the image, collected with a home that is thrown away: no key is made, none gets in.
RUN mkdir staticfiles && SLIPWAY_HOME=/tmp/build python manage.py collectstatic --noinput --verbosity 0
USER slipway

EXPOSE 8000
CMD ["python", "-m", "config.web", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--patience", "5"]
