"""PropagationPolicy at the door: Karmada's paths, and sentences that say what to write."""

from __future__ import annotations

import pytest

from support.admission import placement, policy, refusals

GROUP = {"affinityName": "g1", "clusterNames": ["m1"]}
PRESERVED = {"aliasLabelName": "shop/job-id", "jsonPath": "{.jobStatus.jobID}"}
AGGREGATED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="the-least"),
        pytest.param(placement(clusterAffinity={"clusterNames": ["m1"], "exclude": ["m2"]}), id="affinity"),
        pytest.param(placement(clusterAffinities=[GROUP, {"affinityName": "g2"}]), id="groups"),
        pytest.param(
            placement(
                clusterAffinities=[GROUP | {"overflowAffinities": [{"affinityName": "o", "clusterNames": ["m2"]}]}],
                replicaScheduling=AGGREGATED,
            ),
            id="overflow",
        ),
        pytest.param(placement(spreadConstraints=[{"spreadByField": "region"}, {"spreadByField": "cluster", "maxGroups": 3}]), id="spread"),
        pytest.param(placement(clusterTolerations=[{"operator": "Exists"}]), id="tolerates-everything"),
        pytest.param({"preemption": "Always", "resourceSelectors": [{"apiVersion": "v1", "kind": "Secret", "name": "s"}]}, id="preemption"),
        pytest.param({"failover": {"cluster": {"purgeMode": "Directly"}}}, id="failover"),
        pytest.param({"suspension": {"dispatchingOnClusters": {"clusterNames": ["m1"]}}}, id="suspension"),
        pytest.param({"placement": None, "priority": None}, id="null-is-absent"),
    ],
)
def test_admitted(spec):
    assert refusals(policy(spec)) == []


EXISTS = {"key": "provider", "operator": "Exists"}


@pytest.mark.parametrize(
    ("spec", "refusal"),
    [
        pytest.param(
            {"resourceSelectors": []},
            "spec.resourceSelectors: Required value: at least one entry that names an apiVersion and a kind",
            id="no-selector",
        ),
        pytest.param(
            {"resourceSelectors": [{"kind": "Deployment"}]},
            "spec.resourceSelectors[0].apiVersion: Required value: write the group and version, such as apps/v1",
            id="no-api-version",
        ),
        pytest.param(
            {"resourceSelectors": [{"apiVersion": "v1", "kind": "Secret", "namespace": "pay"}]},
            "spec.resourceSelectors[0].namespace: the namespace of resourceSelector should be the same with the namespace of policy: "
            "leave it out or write shop",
            marks=pytest.mark.spec("AA01"),
            id="AA01-other-namespace",
        ),
        pytest.param(
            {"schedulePriority": {"priorityClassSource": "FederatedPriorityClass", "priorityClassName": "high"}},
            "spec.schedulePriority.priorityClassSource: Unsupported value: 'FederatedPriorityClass'; "
            "write one of KubePriorityClass, PodPriorityClass",
            id="source-of-a-priority",
        ),
        pytest.param(
            placement(clusterAffinity={}, clusterAffinities=[GROUP]),
            "spec.placement.clusterAffinities: clusterAffinities cannot co-exist with clusterAffinity: write one of the two",
            marks=pytest.mark.spec("AA02"),
            id="AA02-both",
        ),
        pytest.param(
            placement(clusterAffinities=[GROUP, GROUP]),
            "spec.placement.clusterAffinities[1].affinityName: each affinity term in a policy must have a unique name; g1 is used twice",
            marks=pytest.mark.spec("AA02"),
            id="AA02-twice",
        ),
        pytest.param(
            placement(clusterAffinities=[{"affinityName": "x" * 33}]),
            "spec.placement.clusterAffinities[0].affinityName: has to be a name of 1 to 32 letters, digits, '-', '_' or '.'",
            marks=pytest.mark.spec("AA02"),
            id="AA02-long-name",
        ),
        pytest.param(
            placement(clusterAffinities=[GROUP | {"overflowAffinities": [{"affinityName": "o"}]}]),
            "spec.placement.clusterAffinities[0].overflowAffinities: needs replicaScheduling of type Divided that is Aggregated or has "
            "weightPreference.dynamicWeight",
            marks=pytest.mark.spec("AA03"),
            id="AA03-not-divided",
        ),
        pytest.param(
            placement(
                clusterAffinities=[{"affinityName": "g", "overflowAffinities": [{"affinityName": "o"}]}], replicaScheduling=AGGREGATED
            ),
            "spec.placement.clusterAffinities[0].overflowAffinities: the main affinity of the term must not be empty: it would hold every cluster "
            "already",
            marks=pytest.mark.spec("AA03"),
            id="AA03-empty-main",
        ),
        pytest.param(
            placement(
                clusterAffinities=[GROUP | {"overflowAffinities": [{"affinityName": "g1", "clusterNames": ["m2"]}]}],
                replicaScheduling=AGGREGATED,
            ),
            "spec.placement.clusterAffinities[0].overflowAffinities[0].affinityName: each affinity term in a policy must have a unique name; g1 is "
            "used twice",
            marks=pytest.mark.spec("AA03"),
            id="AA03-twice",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "cluster", "minGroups": 3, "maxGroups": 2}]),
            "spec.placement.spreadConstraints[0].maxGroups: maxGroups lower than minGroups is not allowed: write at least 3",
            marks=pytest.mark.spec("AA04"),
            id="AA04-order",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "cluster", "minGroups": -1}]),
            "spec.placement.spreadConstraints[0].minGroups: minGroups lower than 0 is not allowed",
            marks=pytest.mark.spec("AA04"),
            id="AA04-negative",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "cluster", "maxGroups": -1}]),
            "spec.placement.spreadConstraints[0].maxGroups: maxGroups lower than 0 is not allowed",
            marks=pytest.mark.spec("AA04"),
            id="AA04-negative-maximum",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "cluster"}, {"spreadByField": "cluster"}]),
            "spec.placement.spreadConstraints: multiple cluster spread constraints are not allowed",
            marks=pytest.mark.spec("AA04"),
            id="AA04-twice",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "cluster", "spreadByLabel": "x"}]),
            "spec.placement.spreadConstraints[0]: spreadByLabel should not co-exist with spreadByField: write one of the two",
            marks=pytest.mark.spec("AA04"),
            id="AA04-field-and-label",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "region"}]),
            "spec.placement.spreadConstraints: the cluster spread constraint must be enabled in one of the constraints in case of SpreadByField is "
            "enabled",
            marks=pytest.mark.spec("AA04"),
            id="AA04-without-cluster",
        ),
        pytest.param(
            placement(spreadConstraints=[{"spreadByField": "rack"}]),
            "spec.placement.spreadConstraints[0].spreadByField: Unsupported value: 'rack'; write one of cluster, region, zone, provider",
            marks=pytest.mark.spec("AA04"),
            id="AA04-unknown-field",
        ),
        pytest.param(
            {"preemption": "Always"},
            "spec.resourceSelectors[0].name: Required value: a policy with preemption Always names its templates",
            marks=pytest.mark.spec("AA07"),
            id="AA07",
        ),
        pytest.param(
            {"suspension": {"dispatching": True, "dispatchingOnClusters": {"clusterNames": ["m1"]}}},
            "spec.suspension: suspension dispatching cannot co-exist with dispatchingOnClusters.clusterNames: write one of the two",
            marks=pytest.mark.spec("AA08"),
            id="AA08",
        ),
        pytest.param(
            {"failover": {"application": {}}},
            "spec.propagateDeps: application failover is set, so propagateDeps must be true",
            marks=pytest.mark.spec("AA09"),
            id="AA09-dependencies",
        ),
        pytest.param(
            {"propagateDeps": True, "failover": {"application": {"purgeMode": "Directly", "gracePeriodSeconds": 5}}},
            "spec.failover.application.gracePeriodSeconds: only takes effect when purgeMode is Gracefully: leave it out",
            marks=pytest.mark.spec("AA09"),
            id="AA09-grace-without-gracefully",
        ),
        pytest.param(
            {"propagateDeps": True, "failover": {"application": {"gracePeriodSeconds": 0}}},
            "spec.failover.application.gracePeriodSeconds: must be greater than 0",
            marks=pytest.mark.spec("AA09"),
            id="AA09-grace",
        ),
        pytest.param(
            {"propagateDeps": True, "failover": {"application": {"decisionConditions": {"tolerationSeconds": -1}}}},
            "spec.failover.application.decisionConditions.tolerationSeconds: must be greater than or equal to 0",
            marks=pytest.mark.spec("AA09"),
            id="AA09-toleration",
        ),
        pytest.param(
            {"propagateDeps": True, "failover": {"application": {"statePreservation": {"rules": [PRESERVED | {"jsonPath": "{.a[*]}"}]}}}},
            "spec.failover.application.statePreservation.rules[0].jsonPath: '{.a[*]}' is no path of fields and indexes; "
            "write one such as {.jobStatus.jobID} or {.conditions[0].type}",
            id="AA09-a-path-to-several",
            marks=pytest.mark.spec("R12.4"),
        ),
        pytest.param(
            {"failover": {"cluster": {"statePreservation": {"rules": [PRESERVED | {"aliasLabelName": "a b"}]}}}},
            "spec.failover.cluster.statePreservation.rules[0].aliasLabelName: label key the name part has to be 1 to 63 letters, digits, "
            "'-', '_' or '.', with a letter or digit at both ends",
            id="AA09-no-label",
            marks=pytest.mark.spec("R12.4"),
        ),
        pytest.param(
            {"failover": {"cluster": {"purgeMode": "Never"}}},
            "spec.failover.cluster.purgeMode: Unsupported value: 'Never'; write one of Directly, Gracefully",
            marks=pytest.mark.spec("AA09"),
            id="AA09-purge-mode",
        ),
        pytest.param(
            placement(clusterTolerations=[{"key": "a", "operator": "Lt", "value": "1"}]),
            "spec.placement.clusterTolerations[0].operator: Unsupported value: 'Lt'; write one of Equal, Exists",
            marks=pytest.mark.spec("AA10"),
            id="AA10-less-than",
        ),
        pytest.param(
            placement(clusterTolerations=[{"key": "a/b/c", "operator": "Exists"}]),
            "spec.placement.clusterTolerations[0].key: the part before '/' has to be 1 to 253 lower case letters, digits, '-' or '.', with a letter "
            "or digit at both ends of each part",
            marks=pytest.mark.spec("AA10"),
            id="AA10-key",
        ),
        pytest.param(
            placement(clusterTolerations=[{"key": "a", "operator": "Gt", "value": "1"}]),
            "spec.placement.clusterTolerations[0].operator: Unsupported value: 'Gt'; write one of Equal, Exists",
            marks=pytest.mark.spec("AA10"),
            id="AA10-operator",
        ),
        pytest.param(
            placement(clusterTolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
            "spec.placement.clusterTolerations[0].value: value must be empty when `operator` is 'Exists'",
            marks=pytest.mark.spec("AA10"),
            id="AA10-value",
        ),
        pytest.param(
            placement(clusterTolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]),
            "spec.placement.clusterTolerations[0].effect: effect must be 'NoExecute' when `tolerationSeconds` is set",
            marks=pytest.mark.spec("AA10"),
            id="AA10-seconds",
        ),
        pytest.param(
            placement(clusterTolerations=[{"value": "x"}]),
            'spec.placement.clusterTolerations[0].operator: operator must be Exists when `key` is empty, which means "match all values and all keys"',
            marks=pytest.mark.spec("AA10"),
            id="AA10-no-key",
        ),
        pytest.param(
            placement(clusterAffinity={"fieldSelector": {"matchExpressions": [EXISTS]}}),
            "spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].operator: unsupported operator 'Exists', must be In or NotIn",
            marks=pytest.mark.spec("AA12"),
            id="AA12-operator",
        ),
        pytest.param(
            placement(clusterAffinity={"fieldSelector": {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["a"]}]}}),
            "spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].key: unsupported key 'rack', must be provider, region, or zone",
            marks=pytest.mark.spec("AA12"),
            id="AA12-key",
        ),
        pytest.param(
            placement(clusterAffinity={"fieldSelector": {"matchExpressions": [{"key": "region", "operator": "In"}]}}),
            "spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].values: must be specified when `operator` is 'In' or 'NotIn'",
            marks=pytest.mark.spec("AA12"),
            id="AA12-values",
        ),
        pytest.param(
            placement(workloadAffinity={"affinity": {"groupByLabelKey": "app"}, "antiAffinity": {"groupByLabelKey": "app"}}),
            "spec.placement.workloadAffinity: affinity and antiAffinity must use different label keys",
            marks=pytest.mark.spec("AA14"),
            id="AA14",
        ),
        pytest.param(
            placement(clusterAffinity={"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            "spec.placement.clusterAffinity.labelSelector.matchExpressions[0].values: must be specified when `operator` is 'In' or 'NotIn'",
            id="selector-without-values",
        ),
        pytest.param(
            placement(replicaScheduling={"weightPreference": {"staticWeightList": [{"targetCluster": {}, "weight": 0}]}}),
            "spec.placement.replicaScheduling.weightPreference.staticWeightList[0].weight: should be greater than or equal to 1; leave the entry out "
            "to give a cluster nothing",
            id="weight",
        ),
        pytest.param(
            placement(clusterAffinty={}), "spec.placement.clusterAffinty: unknown field; did you mean clusterAffinity?", id="unknown-field"
        ),
        pytest.param(
            placement(clusterAffinities=[GROUP, GROUP | {"clusterNames": "m1"}]),
            "spec.placement.clusterAffinities[1].clusterNames: has to be a list, not a text",
            id="wrong-type",
        ),
        pytest.param({"priority": "high"}, "spec.priority: has to be a whole number, not a text", id="text-for-number"),
        pytest.param({"propagateDeps": "yes"}, "spec.propagateDeps: has to be true or false, not a text", id="text-for-bool"),
        pytest.param({"priority": 2**31}, "spec.priority: has to be a whole number of 32 bits", id="priority"),
        pytest.param(
            {"conflictResolution": "Force"}, "spec.conflictResolution: Unsupported value: 'Force'; write one of Abort, Overwrite", id="word"
        ),
    ],
)
def test_refused(spec, refusal):
    assert refusals(policy(spec)) == [refusal]


def test_every_violation_is_told_at_once():
    found = refusals(policy({"preemption": "Sometimes", "priority": 2**40, "resourceSelectors": []}))
    assert [text.split(":")[0] for text in found] == ["spec.resourceSelectors", "spec.preemption", "spec.priority"]
