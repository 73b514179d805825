# SPDX-License-Identifier: MIT
"""The services that tools/services starts: one module each, with COUNTS and start()."""

from . import cassandra, etcd, haproxy, kafka, redis

KINDS = {
    "kafka": kafka,
    "redis": redis.Single,
    "redis-cluster": redis.Cluster,
    "sentinel": redis.Sentinel,
    "cassandra": cassandra,
    "etcd": etcd,
    "kafka-tls": kafka.Secured,
    "cassandra-tls": cassandra.Secured,
    "etcd-tls": etcd.Secured,
    "haproxy": haproxy,
}
