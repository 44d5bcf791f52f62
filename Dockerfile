# The station in a container. For the deadline it needs: --cap-add SYS_NICE --cap-add IPC_LOCK --ulimit rtprio=99,
# and the cores of station.toml [real_time] to itself. State and recipes come from a volume at /station.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/jidoka \
 && /opt/jidoka/bin/pip install --no-cache-dir --constraint constraints.txt '.[basler]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/jidoka /opt/jidoka
ENV PATH=/opt/jidoka/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /station
VOLUME /station
EXPOSE 8470
STOPSIGNAL SIGTERM
ENTRYPOINT ["jidoka"]
CMD ["run", "station.toml", "--state", "state"]
