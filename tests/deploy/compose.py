"""Holds the compose files against themselves and the program: what they mount is made by ./prepare or is
in the repository, their secrets exist, and Postrider takes the configuration. See ./test.

compose.py BINARY [SCHEMA]     SCHEMA: compose-spec's schema/compose-spec.json, where it is at hand
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import jsonschema
import yaml

binary, schema = sys.argv[1], sys.argv[2:]
with tempfile.TemporaryDirectory() as home:
    deploy = pathlib.Path(home, "deploy")
    shutil.copytree("deploy", deploy, symlinks=True, ignore=shutil.ignore_patterns("secrets"))
    here = deploy / "docker"
    prepare = [here / "prepare"]
    subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
    secrets = here / "secrets"
    before = {path: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL)
    assert before == {path: path.read_bytes() for path in secrets.iterdir()}, "prepare makes things anew"
    assert secrets.stat().st_mode & 0o077 == 0
    for name, host in (("server", "syslog"), ("client", "postrider-client")):
        certificate = ["openssl", "verify", "-CAfile", secrets / "ca.pem", "-verify_hostname", host]
        subprocess.run([*certificate, secrets / f"{name}.pem"], check=True, stdout=subprocess.DEVNULL)
    token = (secrets / "hec-token").read_text()
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", token), token
    splunk = yaml.safe_load((secrets / "splunk.yml").read_text())["splunk"]
    assert splunk["hec"]["token"] == token and "email" in splunk["conf"][0]["value"]["content"]

    for file in sorted(here.glob("compose.*.yaml")):
        compose = yaml.safe_load(file.read_text())
        if schema:
            jsonschema.validate(compose, json.loads(pathlib.Path(schema[0]).read_text()))
        services = compose["services"]
        for name, service in services.items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                there = (here / source).exists() if source.startswith(".") else source in compose["volumes"]
                assert there, f"{file.name}: {name} mounts {source}"
            assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
            assert set(service.get("depends_on", [])) <= set(services), name
        for secret in compose["secrets"].values():
            assert (here / secret["file"]).exists(), secret
        postrider = services["postrider"]
        assert postrider["read_only"] and postrider["cap_drop"] == ["ALL"]
        environment = {
            name: re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value).replace("/run/secrets", str(secrets))
            for name, value in postrider["environment"].items()
        }
        environment |= {"POSTRIDER__STATE__DIRECTORY": f"{home}/state", "CREDENTIALS_DIRECTORY": str(secrets)}
        done = subprocess.run([binary, "check", "--offline"], capture_output=True, text=True, env=environment)
        assert done.returncode == 0 and not done.stderr, done.stderr
        # What the simulator is started with, it takes.
        command = [binary, *services["vendors"]["command"], "--help"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"{file.name}:", *services)
