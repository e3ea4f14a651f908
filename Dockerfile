# docker build -t cyborg-ingest .
# docker run --rm -v cyborg-state:/state -v /etc/cyborg-ingest:/config:ro cyborg-ingest run wiki
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY cyborg_ingest cyborg_ingest
RUN python -m venv /opt/cyborg-ingest \
    && /opt/cyborg-ingest/bin/pip install --no-cache-dir '.[embedded,hdf5,metrics,report,state-uri]'

FROM python:3.13-slim
COPY --from=build /opt/cyborg-ingest /opt/cyborg-ingest
# of this user are the runs, and what is mounted for them: a volume that is empty takes owner and mode from /state
RUN install -d -o 65532 -g 65532 -m 0700 /state /config
ENV PATH=/opt/cyborg-ingest/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CYBORG_INGEST_CONFIG_DIR=/config \
    CYBORG_INGEST_STATE_DIR=/state
USER 65532:65532
WORKDIR /config
VOLUME ["/state"]
# the exec form: SIGTERM reaches the program itself, which then drains what is on its way
ENTRYPOINT ["cyborg-ingest"]
CMD ["--help"]
