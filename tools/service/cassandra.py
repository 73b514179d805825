# SPDX-License-Identifier: MIT
"""Apache Cassandra, one node or three, on 127.0.0.1, 127.0.0.2 and 127.0.0.3."""

import os

from . import certificates, jars
from .common import ask, free_port, need, say

COUNTS = [1, 3]
ARTIFACTS = ["org.apache.cassandra:cassandra-all:5.0.5"]
START_S = 120
HEAP = "512m"
# What Cassandra 5 reaches into of JDK 17.
EXPORTS = """java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi
java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref
jdk.unsupported/sun.misc jdk.compiler/com.sun.tools.javac.file
jdk.attach/sun.tools.attach""".split()
OPENS = """java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref
java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module
java.base/jdk.internal.util.jar java.base/sun.nio.ch java.base/java.io
java.base/java.lang.reflect java.base/java.lang java.base/java.util
jdk.management/com.sun.management.internal jdk.compiler/com.sun.tools.javac""".split()
FLAGS = """-Xss512k -XX:+UseG1GC -XX:+ParallelRefProcEnabled -XX:MaxGCPauseMillis=300
-XX:+PerfDisableSharedMem -Djava.net.preferIPv4Stack=true -Djdk.attach.allowAttachSelf=true
-Dio.netty.tryReflectionSetAccessible=true -Dcassandra.ring_delay_ms=2000
-Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.superuser_setup_delay_ms=0
-Dcassandra-foreground=yes""".split()
# commitlog_sync group: what was answered survives a power cut, as the tests demand.
SETTINGS = """cluster_name: libchat
num_tokens: 16
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
listen_address: {host}
rpc_address: {host}
native_transport_port: {port}
storage_port: {storage}
ssl_storage_port: {tls_storage}
start_native_transport: true
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:{storage}"
data_file_directories: ["{home}/data"]
commitlog_directory: "{home}/commitlog"
saved_caches_directory: "{home}/saved_caches"
hints_directory: "{home}/hints"
cdc_raw_directory: "{home}/cdc"
commitlog_sync: group
commitlog_sync_group_window: 5ms
commitlog_segment_size: 8MiB
commitlog_total_space: 256MiB
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
auto_bootstrap: false
concurrent_reads: 8
concurrent_writes: 128
concurrent_compactors: 1
memtable_heap_space: 128MiB
memtable_offheap_space: 64MiB
file_cache_size: 64MiB
key_cache_size: 8MiB
native_transport_max_threads: 128
auto_snapshot: false
"""
# Passwords, and a second port that speaks TLS alone.
SECURED = """authenticator: PasswordAuthenticator
native_transport_port_ssl: {tls}
client_encryption_options:
  enabled: true
  optional: false
  keystore: {pem}
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
"""
LOGGING = """<configuration><appender name="FILE" class="ch.qos.logback.core.FileAppender">
<file>{home}/system.log</file><encoder><pattern>%level %date %logger %msg%n</pattern></encoder>
</appender><root level="INFO"><appender-ref ref="FILE"/></root></configuration>
"""
# CQL native protocol v4, OPTIONS: a node that answers it (SUPPORTED) takes connections.
OPTIONS = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])


def command(classes, home, jmx):
    args = [need("java", "openjdk-17-jre-headless"), *FLAGS]
    args += [part for x in EXPORTS for part in ("--add-exports", x + "=ALL-UNNAMED")]
    args += [part for x in OPENS for part in ("--add-opens", x + "=ALL-UNNAMED")]
    agent = next(jar for jar in os.listdir(classes) if jar.startswith("jamm-"))
    return args + [
        f"-javaagent:{classes}/{agent}", f"-Xms{HEAP}", f"-Xmx{HEAP}",
        f"-Dcassandra.config=file://{home}/cassandra.yaml",
        f"-Dlogback.configurationFile={home}/logback.xml", f"-Dcassandra.storagedir={home}",
        f"-Dcassandra.logdir={home}", f"-Dcassandra.jmx.local.port={jmx}",
        f"-Djna.tmpdir={home}", f"-Djava.io.tmpdir={home}", "-cp", classes + "/*",
        "org.apache.cassandra.service.CassandraDaemon"]


def launch(services, name, classes, home, settings):
    with open(f"{home}/cassandra.yaml", "w", encoding="utf-8") as file:
        file.write(settings)
    with open(f"{home}/logback.xml", "w", encoding="utf-8") as file:
        file.write(LOGGING.format(home=home))
    services.launch(name, command(classes, home, free_port()), home)


def answers(host, port):
    return ask(host, port, OPTIONS)[4:5] == b"\x06"


def start(services, name, count):
    classes = jars.get(services, "cassandra", ARTIFACTS)
    hosts = [f"127.0.0.{i + 1}" for i in range(count)]
    port, storage, tls_storage = (free_port(hosts) for _ in range(3))
    services.add(name, {"nodes": ",".join(f"{host}:{port}" for host in hosts)})
    for index, host in enumerate(hosts, 1):
        say(f"starting Cassandra node {index} of {count}")
        home = services.home(f"{name}-{index}")
        launch(services, name, classes, home, SETTINGS.format(
            host=host, port=port, storage=storage, tls_storage=tls_storage, home=home))
        # One after the other: two that join at once may choose the same tokens.
        services.wait(name, f"Cassandra node {index}", lambda host=host: answers(host, port),
                      START_S)
    services.ready(name, count)


class Secured:
    """One node that wants a password, and TLS on one of its two ports."""
    COUNTS = [1]

    @staticmethod
    def start(services, name, count):
        classes = jars.get(services, "cassandra", ARTIFACTS)
        host = "127.0.0.1"
        port, tls, storage, tls_storage = (free_port() for _ in range(4))
        home = services.home(f"{name}-1")
        made = certificates.make(home)
        services.add(name, {"nodes": f"{host}:{port}", "secured": f"{host}:{tls}",
                            "ca": made["ca"], "user": "cassandra", "password": "cassandra"})
        say("starting a Cassandra node with TLS")
        plain = SETTINGS.replace("authenticator: AllowAllAuthenticator\n", "")
        launch(services, name, classes, home, (plain + SECURED).format(
            host=host, port=port, storage=storage, tls_storage=tls_storage, home=home, tls=tls,
            pem=made["server"]))
        services.wait(name, "Cassandra", lambda: answers(host, port), START_S)
        services.ready(name, count)
