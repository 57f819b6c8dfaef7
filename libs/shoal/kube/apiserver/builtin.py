"""The built-in kinds as a table. What a schema cannot say stands here: plural, short names, scope, subresources, categories."""

from __future__ import annotations

from shoal.kube.apiserver.registry import VERBS, ResourceType, Scale

_SCALED = Scale()
_ALL = ("all",)
_CREATE = ("create",)

# plural, kind, namespaced, short names, status subresource, categories
_Row = tuple[str, str, bool, tuple[str, ...], bool, tuple[str, ...]]

_ROWS: dict[str, tuple[_Row, ...]] = {
    "/v1": (
        ("configmaps", "ConfigMap", True, ("cm",), False, ()),
        ("endpoints", "Endpoints", True, ("ep",), False, ()),
        ("events", "Event", True, ("ev",), False, ()),
        ("limitranges", "LimitRange", True, ("limits",), False, ()),
        ("namespaces", "Namespace", False, ("ns",), True, ()),
        ("nodes", "Node", False, ("no",), True, ()),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",), True, ()),
        ("persistentvolumes", "PersistentVolume", False, ("pv",), True, ()),
        ("pods", "Pod", True, ("po",), True, _ALL),
        ("podtemplates", "PodTemplate", True, (), False, ()),
        ("replicationcontrollers", "ReplicationController", True, ("rc",), True, _ALL),
        ("resourcequotas", "ResourceQuota", True, ("quota",), True, ()),
        ("secrets", "Secret", True, (), False, ()),
        ("serviceaccounts", "ServiceAccount", True, ("sa",), False, ()),
        ("services", "Service", True, ("svc",), True, _ALL),
    ),
    "admissionregistration.k8s.io/v1": (
        ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False, (), False, ("api-extensions",)),
        ("validatingadmissionpolicies", "ValidatingAdmissionPolicy", False, (), True, ("api-extensions",)),
        ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", False, (), False, ("api-extensions",)),
        ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False, (), False, ("api-extensions",)),
    ),
    "apiextensions.k8s.io/v1": (
        ("customresourcedefinitions", "CustomResourceDefinition", False, ("crd", "crds"), True, ("api-extensions",)),
    ),
    "apiregistration.k8s.io/v1": (("apiservices", "APIService", False, (), True, ("api-extensions",)),),
    "apps/v1": (
        ("controllerrevisions", "ControllerRevision", True, (), False, ()),
        ("daemonsets", "DaemonSet", True, ("ds",), True, _ALL),
        ("deployments", "Deployment", True, ("deploy",), True, _ALL),
        ("replicasets", "ReplicaSet", True, ("rs",), True, _ALL),
        ("statefulsets", "StatefulSet", True, ("sts",), True, _ALL),
    ),
    "authorization.k8s.io/v1": (
        ("localsubjectaccessreviews", "LocalSubjectAccessReview", True, (), False, ()),
        ("selfsubjectaccessreviews", "SelfSubjectAccessReview", False, (), False, ()),
        ("selfsubjectrulesreviews", "SelfSubjectRulesReview", False, (), False, ()),
        ("subjectaccessreviews", "SubjectAccessReview", False, (), False, ()),
    ),
    "autoscaling/v2": (("horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), True, _ALL),),
    "batch/v1": (
        ("cronjobs", "CronJob", True, ("cj",), True, _ALL),
        ("jobs", "Job", True, (), True, _ALL),
    ),
    "certificates.k8s.io/v1": (("certificatesigningrequests", "CertificateSigningRequest", False, ("csr",), True, ()),),
    "coordination.k8s.io/v1": (("leases", "Lease", True, (), False, ()),),
    "discovery.k8s.io/v1": (("endpointslices", "EndpointSlice", True, (), False, ()),),
    "flowcontrol.apiserver.k8s.io/v1": (
        ("flowschemas", "FlowSchema", False, (), True, ()),
        ("prioritylevelconfigurations", "PriorityLevelConfiguration", False, (), True, ()),
    ),
    "networking.k8s.io/v1": (
        ("ingressclasses", "IngressClass", False, (), False, ()),
        ("ingresses", "Ingress", True, ("ing",), True, ()),
        ("ipaddresses", "IPAddress", False, ("ip",), False, ()),
        ("networkpolicies", "NetworkPolicy", True, ("netpol",), False, ()),
        ("servicecidrs", "ServiceCIDR", False, (), True, ()),
    ),
    "node.k8s.io/v1": (("runtimeclasses", "RuntimeClass", False, (), False, ()),),
    "policy/v1": (("poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), True, ()),),
    "rbac.authorization.k8s.io/v1": (
        ("clusterrolebindings", "ClusterRoleBinding", False, (), False, ()),
        ("clusterroles", "ClusterRole", False, (), False, ()),
        ("rolebindings", "RoleBinding", True, (), False, ()),
        ("roles", "Role", True, (), False, ()),
    ),
    "resource.k8s.io/v1": (
        ("deviceclasses", "DeviceClass", False, (), False, ()),
        ("resourceclaims", "ResourceClaim", True, (), True, ()),
        ("resourceclaimtemplates", "ResourceClaimTemplate", True, (), False, ()),
        ("resourceslices", "ResourceSlice", False, (), False, ()),
    ),
    "scheduling.k8s.io/v1": (("priorityclasses", "PriorityClass", False, ("pc",), False, ()),),
    "storage.k8s.io/v1": (
        ("csidrivers", "CSIDriver", False, (), False, ()),
        ("csinodes", "CSINode", False, (), False, ()),
        ("csistoragecapacities", "CSIStorageCapacity", True, (), False, ()),
        ("storageclasses", "StorageClass", False, ("sc",), False, ()),
        ("volumeattachments", "VolumeAttachment", False, (), True, ()),
        ("volumeattributesclasses", "VolumeAttributesClass", False, ("vac",), False, ()),
    ),
}

_SCALE = {"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"}

_WITHOUT_GENERATION = {
    "Service",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "LimitRange",
    "HorizontalPodAutoscaler",
}
"""Kinds with a spec whose generation the real server does not count."""

_WITH_GENERATION_THOUGH_NO_SPEC = {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "PriorityClass"}

_SPEC_KINDS_WITHOUT_STATUS = {"NetworkPolicy", "IngressClass", "ValidatingAdmissionPolicyBinding", "EndpointSlice", "DeviceClass"}

_DEFINED_IN = {
    "": "io.k8s.api.core.v1",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
}


def _types(group_version: str, rows: tuple[_Row, ...]) -> list[ResourceType]:
    group, _, version = group_version.partition("/")
    package = _DEFINED_IN.get(group, f"io.k8s.api.{group.partition('.')[0]}.{version}")
    return [
        ResourceType(
            group=group,
            kind=kind,
            plural=plural,
            namespaced=namespaced,
            versions=(version,),
            short_names=short_names,
            categories=categories,
            verbs=_CREATE if group == "authorization.k8s.io" else VERBS,
            status=status,
            scale=_SCALED if kind in _SCALE else None,
            schemas={version: f"{package}.{kind}"},
            generation=(status and kind not in _WITHOUT_GENERATION)
            or kind in _WITH_GENERATION_THOUGH_NO_SPEC
            or kind in _SPEC_KINDS_WITHOUT_STATUS,
        )
        for plural, kind, namespaced, short_names, status, categories in rows
    ]


BUILTIN: tuple[ResourceType, ...] = tuple(one for group_version, rows in _ROWS.items() for one in _types(group_version, rows))
"""Every built-in kind, one stored version each."""
