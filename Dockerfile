FROM python:3.12-slim-trixie AS builder

# The venv carries no pip of its own: the builder's installs into it.
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt /src/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r /src/requirements.txt
COPY pyproject.toml README.md LICENSE /src/
COPY models /src/models
COPY adapters /src/adapters
COPY pipelines /src/pipelines
COPY runtime /src/runtime
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps /src

FROM python:3.12-slim-trixie

LABEL org.opencontainers.image.title="aicall-runtime" \
      org.opencontainers.image.licenses="BSD-2-Clause"
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin aicall \
    && install --directory --owner aicall --group aicall --mode 0750 /data
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
# Liveness, not readiness: a draining worker is not ready and must still be left to finish its calls.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["aicall"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--data", "/data"]
