"""See ./test."""
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes_validate
import yaml

binary, render = sys.argv[1:]
chart = pathlib.Path("deploy/helm/postrider")
schema = json.loads((chart / "values.schema.json").read_text())
defaults = yaml.safe_load((chart / "values.yaml").read_text())
# Kinds of the Prometheus operator, which are not Kubernetes's.
FOREIGN = ("ServiceMonitor", "PrometheusRule")
manifest = pathlib.Path("deploy/kubernetes/postrider.yaml").read_text()
plain = list(yaml.safe_load_all(manifest))
sections = next(it for it in plain if it["kind"] == "ConfigMap")["data"]["postrider.toml"]
given = {
    "image": {"repository": "registry.example.com/postrider"},
    "configuration": sections[sections.index("[sources.etd]"):],
}


def merged(under, over):
    both = copy.deepcopy(under)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if nested else value
    return both


def rendered(values, release="mail"):
    jsonschema.validate(values, schema)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        command = [render, str(chart), release, "security", file.name]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    parts = text.split("---\n# Source: ")
    notes = next(part for part in parts if part.startswith("postrider/templates/NOTES.txt"))
    assert "<no value>" not in text and "<nil>" not in text, text
    return [it for part in parts if part != notes for it in yaml.safe_load_all("# " + part) if it], notes


def tried(toml):
    """The configuration, by the program itself, with secrets where it names them."""
    with tempfile.TemporaryDirectory() as home:
        secrets = pathlib.Path(home, "secrets")
        secrets.mkdir()
        for name in ("etd-client-secret", "etd-api-key", "hec-token", "admin-token"):
            (secrets / name).write_text("11111111-2222-3333-4444-555555555555")
            (secrets / name).chmod(0o600)
        file = pathlib.Path(home, "postrider.toml")
        file.write_text(toml)
        command = [binary, "--config", str(file), "check", "--offline"]
        done = subprocess.run(command, capture_output=True, text=True, env={"CREDENTIALS_DIRECTORY": str(secrets)})
        assert done.returncode == 0, toml + done.stderr
        # No warning but the one that everybody may read.
        assert not done.stderr or "allow_unauthenticated" in toml, done.stderr


def good(objects):
    kinds = [it["kind"] for it in objects]
    for it in objects:
        if it["kind"] not in FOREIGN:
            kubernetes_validate.validate(it, "1.31", strict=True)
    pod = next(it for it in objects if it["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    container, = pod["containers"]
    # Pod Security Standards, "restricted".
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    security = container["securityContext"]
    assert not security["allowPrivilegeEscalation"] and security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    # What is mounted exists, what is probed is a port, what selects finds the pod.
    volumes = {it["name"] for it in pod["volumes"]} | {"state"}
    assert {it["name"] for it in container["volumeMounts"]} <= volumes
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    labels = next(it for it in objects if it["kind"] == "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for it in objects:
        spec = it.get("spec", {})
        selector = {"Service": spec.get("selector"), "NetworkPolicy": spec.get("podSelector")}.get(it["kind"])
        selector = (selector or {}).get("matchLabels", selector) or {}
        assert selector.items() <= labels.items(), it
    configuration = next(it for it in objects if it["kind"] == "ConfigMap")["data"]["postrider.toml"]
    tried(configuration)
    return kinds, configuration


kinds, _ = good(plain)
print("kubernetes/postrider.yaml:", *kinds)
values = merged(defaults, given)
objects, notes = rendered(values)
print("helm, by default:", *good(objects)[0])
assert "port-forward mail-postrider-0 8686" in notes, notes

everything = merged(values, {
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "fullnameOverride": "collector",
    "admin": {"tokenKey": "", "port": 9000},
    "persistence": {"storageClass": "fast", "accessMode": "ReadWriteOnce"},
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    "volumes": [{"name": "authority", "configMap": {"name": "authority"}}],
    "volumeMounts": [{"name": "authority", "mountPath": "/etc/ssl/own", "readOnly": True}],
    "podLabels": {"team": "mail"},
    "podAnnotations": {"note": "yes"},
    "nodeSelector": {"disk": "local"},
    "tolerations": [{"key": "mail", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "networkPolicy": {"from": [{"namespaceSelector": {}}], "egressPorts": []},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
})
objects, notes = rendered(everything)
kinds, configuration = good(objects)
print("helm, with everything:", *kinds)
assert "allow_unauthenticated = true" in configuration and "0.0.0.0:9000" in configuration
assert "Everybody whom the network lets in" in notes
rules = next(it for it in objects if it["kind"] == "PrometheusRule")["spec"]
assert rules == yaml.safe_load((chart / "files/postrider.rules.yml").read_text()), rules
assert "NetworkPolicy" not in good(rendered(merged(values, {"networkPolicy": {"enabled": False}}))[0])[0]

# The schema knows every value, and refuses what is not one.
for bad in ({"imag": {}}, {"image": {"repository": ""}}, {"state": {"maxSpool": "2GB"}}, {"configuration": ""}):
    try:
        jsonschema.validate(merged(values, bad), schema)
    except jsonschema.ValidationError:
        continue
    sys.exit(f"the schema takes {bad}")
jsonschema.Draft7Validator.check_schema(schema)


def described(values, schema, path=""):
    for key, value in values.items():
        assert key in schema["properties"], f"values.schema.json lacks {path}{key}"
        if isinstance(value, dict) and "properties" in schema["properties"][key]:
            described(value, schema["properties"][key], f"{path}{key}.")


described(defaults, schema)
print("values.schema.json fits values.yaml")
