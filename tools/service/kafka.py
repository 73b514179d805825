# SPDX-License-Identifier: MIT
"""Apache Kafka in KRaft mode: brokers that are controllers too, without ZooKeeper."""

import base64
import os
import secrets
import struct
import subprocess

from . import certificates, jars
from .common import Problem, ask, free_port, need, say

COUNTS = [1, 3]
ARTIFACTS = ["org.apache.kafka:kafka_2.13:4.1.0", "org.slf4j:slf4j-simple:1.7.36"]
START_S = 90
# Small, quick to notice a death, and no topic but those that were asked for.
SETTINGS = """process.roles=broker,controller
node.id={index}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={home}/data
num.partitions=1
default.replication.factor={copies}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
min.insync.replicas={in_sync}
unclean.leader.election.enable=false
replica.fetch.wait.max.ms=100
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
log.segment.bytes=16777216
log.cleaner.dedupe.buffer.size=2097152
"""
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
# Behind SETTINGS, where the later line counts: a second listener, for TLS and a user alone.
SECURED = """listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control},SASL_SSL://127.0.0.1:{tls}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={plain_login} required user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={pem}
"""
# ApiVersions, version 0, correlation id 1, no client id: every broker answers it.
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)


def java(classes, *args):
    return [need("java", "openjdk-17-jre-headless"), "-Xms256m", "-Xmx256m", "-XX:+UseSerialGC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes + "/*", *args]


def format_storage(classes, settings, cluster):
    done = subprocess.run(java(classes, "kafka.tools.StorageTool", "format", "-t", cluster,
                               "-c", settings), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")


def new_cluster():
    # Not with "-" in front, or it is taken for an option.
    return base64.urlsafe_b64encode(b"c" + secrets.token_bytes(15)).decode().rstrip("=")


def wait(services, name, ports):
    services.wait(name, "Kafka", lambda: all(ask("127.0.0.1", port, API_VERSIONS)
                                             for port in ports), START_S)


def start(services, name, count):
    classes = jars.get(services, "kafka", ARTIFACTS)
    ports = [(free_port(), free_port()) for _ in range(count)]
    voters = ",".join(f"{i + 1}@127.0.0.1:{control}" for i, (_, control) in enumerate(ports))
    cluster = new_cluster()
    services.add(name, {"brokers": ",".join(f"127.0.0.1:{port}" for port, _ in ports)})
    say(f"starting {count} Kafka broker(s)")
    for index, (port, control) in enumerate(ports, 1):
        home = services.home(f"{name}-{index}")
        settings = os.path.join(home, "node.properties")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS.format(index=index, voters=voters, port=port, control=control,
                                       home=home, copies=count, in_sync=2 if count > 1 else 1))
        format_storage(classes, settings, cluster)
        services.launch(name, java(classes, "kafka.Kafka", settings), home)
    wait(services, name, [port for port, _ in ports])
    services.ready(name, count)


class Secured:
    """One broker that has a listener with TLS and passwords (SASL) beside the plain one."""
    COUNTS = [1]

    @staticmethod
    def start(services, name, count):
        classes = jars.get(services, "kafka", ARTIFACTS)
        port, control, tls = free_port(), free_port(), free_port()
        home = services.home(f"{name}-1")
        made = certificates.make(home)
        services.add(name, {"brokers": f"127.0.0.1:{port}", "secured": f"127.0.0.1:{tls}",
                            "ca": made["ca"], **certificates.LOGIN})
        settings = os.path.join(home, "node.properties")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS.format(index=1, voters=f"1@127.0.0.1:{control}", port=port,
                                       control=control, home=home, copies=1, in_sync=1))
            file.write(SECURED.format(port=port, control=control, tls=tls, pem=made["server"],
                                      plain_login=PLAIN_LOGIN, **certificates.LOGIN))
        format_storage(classes, settings, new_cluster())
        services.launch(name, java(classes, "kafka.Kafka", settings), home)
        wait(services, name, [port])
        services.ready(name, count)
