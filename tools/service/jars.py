# SPDX-License-Identifier: MIT
"""Jars by Maven, once for each version."""

import os
import shutil
import subprocess

from .common import Problem, need, say

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>libchat</groupId><artifactId>{name}</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>
"""
DEPENDENCY = ("<dependency><groupId>{}</groupId><artifactId>{}</artifactId>"
              "<version>{}</version></dependency>")


def get(services, name, artifacts):
    """A folder with the jars of `artifacts` ("group:artifact:version") and what these need."""
    version = artifacts[0].rsplit(":", 1)[1]
    folder = os.path.join(services.folder, "jars", f"{name}-{version}")
    if os.path.exists(os.path.join(folder, "complete")):
        return folder
    maven = need("mvn", "maven")
    say(f"getting the jars of {name} {version} by Maven")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "pom.xml"), "w", encoding="utf-8") as file:
        file.write(POM.format(name=name, dependencies="".join(
            DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)))
    done = subprocess.run([maven, "-B", "-q", "dependency:copy-dependencies",
                           f"-DoutputDirectory={folder}", "-DincludeScope=runtime"], cwd=folder,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          check=False)
    if done.returncode:
        raise Problem(f"Maven could not get {artifacts[0]}:\n{(done.stdout + done.stderr)[-1500:]}"
                      "\nIs there a network? Maven's own settings are respected.")
    with open(os.path.join(folder, "complete"), "w", encoding="utf-8"):
        pass
    return folder
