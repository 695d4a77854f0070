"""Manifests are valid, refer to what there is, and give each process the settings that it needs."""

import copy
import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.console.settings import ConsoleSettings
from deploy.prometheus.catalogue import metrics
from serving.api.tokens import parse_clients
from tests.deploy.docker import dockerfile
from tests.deploy.effective import effective, unfit
from tests.deploy.kubernetes.schemas import objections
from tests.deploy.settings import variables, variables_of

KUBERNETES = Path(__file__).parents[3] / "deploy" / "kubernetes"
BASE, VOLUME = KUBERNETES / "base", KUBERNETES / "overlays" / "volume"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    document for name in KUSTOMIZATION["resources"] for document in yaml.safe_load_all((BASE / name).read_text())
]
WORKLOADS = {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] in ("Deployment", "StatefulSet", "Job")}


def envs(name: str) -> dict[str, str]:
    """A file of NAME=value lines."""
    lines = (line for line in (BASE / name).read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod that a workload makes."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Manifests of a kind, by name."""
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_manifests_are_what_kubernetes_and_its_operators_take(manifest: dict[str, Any]) -> None:
    """Each fits the schema of its kind, with no field that the schema does not know."""
    assert objections(manifest) == []


@pytest.mark.parametrize(
    ("kind", "where", "wrong"),
    [
        ("Deployment", "spec", {"replica": 2}),
        ("ScaledObject", "spec", {"minReplicas": 2}),
        ("ScaledObject", "spec", {"maxReplicaCount": "many"}),
        ("ScaledObject", "spec.triggers.0", {"metadata": {"value": 60}}),
        ("ServiceMonitor", "spec.endpoints.0", {"every": "15s"}),
        ("PrometheusRule", "spec.groups.0.rules.0", {"alarm": "ProcessDown"}),
    ],
)
def test_a_mistake_in_a_manifest_is_found(kind: str, where: str, wrong: dict[str, Any]) -> None:
    """A misspelt field and a value of another type, in each sort of schema."""
    manifest = copy.deepcopy(next(one for one in MANIFESTS if one["kind"] == kind))
    at: Any = manifest
    for step in where.split("."):
        at = at[int(step) if step.isdigit() else step]
    at.update(wrong)
    [objection] = objections(manifest)
    assert str(next(iter(wrong))) in objection


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl 1.27 or later on the path; Debian 12 has an older one")
@pytest.mark.parametrize("directory", [BASE, VOLUME], ids=lambda path: path.name)
def test_kubectl_makes_of_it_what_kubernetes_takes(directory: Path) -> None:
    """What would be applied, names and labels put in and patches done, fits the schemas; images come from the registry."""
    done = subprocess.run(["kubectl", "kustomize", str(directory)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert [objection for manifest in rendered for objection in objections(manifest)] == []
    workloads = [one for one in rendered if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    assert {one["metadata"]["name"] for one in workloads} == set(WORKLOADS)
    assert all(pod(one)["containers"][0]["image"].startswith("registry.example.com/headwater-") for one in workloads)
    names = {one["metadata"]["name"] for one in rendered}
    sources = [source for one in workloads for source in pod(one)["containers"][0]["envFrom"]]
    assert {reference["name"] for source in sources for reference in source.values()} <= names


def test_the_volume_is_what_kubernetes_takes() -> None:
    """The claim of the overlay fits its schema, and its patches name workloads of the base."""
    kustomization = yaml.safe_load((VOLUME / "kustomization.yaml").read_text())
    [claim] = yaml.safe_load_all((VOLUME / "snapshots.yaml").read_text())
    assert objections(claim) == []
    for patch in kustomization["patches"]:
        assert patch["target"]["name"] in WORKLOADS
        for operation in yaml.safe_load(patch["patch"]):
            assert operation["path"].split("/")[1:4] == ["spec", "template", "spec"]
        assert claim["metadata"]["name"] in patch["patch"]
    [generator] = kustomization["configMapGenerator"]
    assert {literal.split("=")[0] for literal in generator["literals"]} <= variables()


def test_every_file_is_used_and_every_image_is_a_target() -> None:
    """The kustomization names all files of its directory, and the images are those of the Dockerfile."""
    generated = [*KUSTOMIZATION["configMapGenerator"], *KUSTOMIZATION["secretGenerator"]]
    named = {*KUSTOMIZATION["resources"], *(file for one in generated for file in (*one.get("envs", ()), *one.get("files", ())))}
    assert named | {"kustomization.yaml"} == {path.name for path in BASE.iterdir()}
    images = {container["image"] for workload in WORKLOADS.values() for container in pod(workload)["containers"]}
    assert images == {image["name"] for image in KUSTOMIZATION["images"]}
    assert {image.removeprefix("headwater-") for image in images} == {*dockerfile.PROCESSES, "console", "tools"}


@pytest.mark.parametrize("process", dockerfile.PROCESSES)
def test_settings_exist_and_suffice(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process takes what image, settings, secrets and manifest tell it, and is told everything that has no default for it."""
    [container] = pod(WORKLOADS[f"headwater-{process}"])["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "headwater-settings"}},
        {"secretRef": {"name": "headwater-secrets"}},
    ]
    own = {one["name"]: one["value"] for one in container.get("env", ())}
    assert set(own) <= variables_of(process)
    shared = envs("settings.env") | envs("secrets.env")
    assert {name for name in shared if not name.startswith("AWS_")} <= variables()
    environment = dockerfile.environment(process) | shared | own
    assert list(unfit(effective(process, environment, monkeypatch))) == []
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    for name in ("HEADWATER_CACHE_DIR", "HEADWATER_STORE_DIRECTORY"):
        assert any(environment.get(name, "/tmp").startswith(path) for path in writable)


def test_the_console_is_told_enough_and_lets_in_nobody_but_token_holders(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes its settings, changes nothing, asks services that there are, and the tokens file that is mounted lists nobody."""
    [container] = pod(WORKLOADS["headwater-console"])["containers"]
    own = {one["name"]: one["value"] for one in container["env"]}
    assert set(own) <= variables_of("console")
    environment = dockerfile.environment("console") | envs("settings.env") | envs("secrets.env") | own
    [settings, *others] = effective("console", environment, monkeypatch)
    assert isinstance(settings, ConsoleSettings)
    assert list(unfit(others)) == []
    assert settings.read_only
    services = of_kind("Service")
    for address in (settings.server, *settings.metrics_urls.values()):
        assert re.sub(r"^\w+:/+|:.*$", "", address) in services
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert str(settings.tokens_file) == "/etc/headwater-tokens/tokens.toml"
    assert mounted["/etc/headwater-tokens"] == "tokens"
    assert parse_clients((BASE / "tokens.toml").read_text(), source="tokens.toml") == {}


def test_passwords_are_secrets() -> None:
    """Nothing that the settings hide, and no key, lies in the plain settings."""
    assert not [name for name in envs("settings.env") if re.search("PASSWORD|SECRET|ACCESS_KEY|REDIS_URL", name)]


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_may_do_little(name: str) -> None:
    """No root, no rights, no writable root, no token, no variables made of service names; memory is bounded."""
    spec = pod(WORKLOADS[name])
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    # A Service named headwater-server would set HEADWATER_SERVER_PORT to a URL, which the server refuses as a port.
    assert not spec["enableServiceLinks"]
    for container in spec["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize("process", dockerfile.PROCESSES)
def test_processes_are_probed_and_scraped(process: str) -> None:
    """Probes ask ports that are open; a service and a monitor give the job the name that the rules look for."""
    name = f"headwater-{process}"
    [container] = pod(WORKLOADS[name])["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = [container[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe") if probe in container]
    assert {next(iter(probe[how]["port"] for how in ("httpGet", "tcpSocket") if how in probe)) for probe in probes} <= set(ports)
    # A process that waits for a broker or a store is not ready, and is not restarted: that would help nothing.
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == ("/readyz" if process == "server" else "/healthz")
    assert container["startupProbe"].get("httpGet", {}).get("path") != "/healthz"
    service, monitor = of_kind("Service")[name], of_kind("ServiceMonitor")[name]
    assert service["spec"]["selector"].items() <= WORKLOADS[name]["spec"]["template"]["metadata"]["labels"].items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == name
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_policies_and_budgets_choose_pods() -> None:
    """Selectors match labels that pods have; the label that all have is put on pods too."""
    [common] = KUSTOMIZATION["labels"]
    assert common["includeTemplates"]
    labels = [workload["spec"]["template"]["metadata"]["labels"] | common["pairs"] for workload in WORKLOADS.values()]
    chosen = [policy["spec"]["podSelector"] for policy in of_kind("NetworkPolicy").values()]
    chosen += [budget["spec"]["selector"] for budget in of_kind("PodDisruptionBudget").values()]
    for selector in chosen:
        assert any(selector.get("matchLabels", {}).items() <= one.items() for one in labels), selector


def test_scaling_asks_for_what_there_is() -> None:
    """Targets are workloads without a fixed number, metrics are declared, and workers are no more than the partitions."""
    declared = {metric.name for metric in metrics()}
    [partitions] = [
        int(value)
        for flag, value in itertools.pairwise(pod(WORKLOADS["headwater-topics"])["containers"][0]["args"])
        if flag == "--partitions"
    ]
    for scaled in of_kind("ScaledObject").values():
        target = WORKLOADS[scaled["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]
        queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"] if trigger["type"] == "prometheus"]
        assert queries
        named = {name for query in queries for name in re.findall(r"\b(?:headwater|grpc_server)_[a-z_]+", query)}
        assert {name.removesuffix("_bucket") for name in named} <= declared
        # Of no requests a quantile is NaN, which no autoscaler can compare.
        assert all(re.fullmatch(r"\(histogram_quantile\(.*\) >= 0\) or vector\(0\)", one) for one in queries if "quantile" in one)
        # What decides while Prometheus is unreachable. KEDA refuses a fallback where no metric is an average value.
        assert "cpu" in {trigger["type"] for trigger in scaled["spec"]["triggers"]}
        assert "fallback" not in scaled["spec"]
    assert of_kind("ScaledObject")["headwater-features"]["spec"]["maxReplicaCount"] <= partitions


def test_the_example_of_tasks_is_the_one_that_everyone_has() -> None:
    """Kustomize takes no file from outside, so the tasks lie here too: the same ones."""
    assert (BASE / "tasks.toml").read_text() == (KUBERNETES.parent / "local" / "tasks.toml").read_text()
