# The same with Python and its venv, in place of the public image of Python.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS python
RUN --mount=type=secret,id=machine --mount=type=secret,id=certificates \
    --mount=type=secret,id=apt.conf --mount=type=secret,id=sources.list \
    if [ -f /run/secrets/machine ]; then . /run/secrets/machine; fi; \
    export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -qq \
    && apt-get install -qq --no-install-recommends ca-certificates python3 python3-venv >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
CMD ["python3"]
