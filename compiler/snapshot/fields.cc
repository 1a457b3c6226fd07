// The fields a Service proxy reads. What is not named here never enters a tree: managedFields, most
// annotations, selectors, owner references, conditions of Nodes, images and the like.
#include "compiler/snapshot/tree.h"

namespace kproxy::snapshot {
namespace {

constexpr Field kLabels[] = {
    Field("kubernetes.io/service-name"),
    Field("service.kubernetes.io/headless"),
    Field("service.kubernetes.io/service-proxy-name"),
    Field("topology.kubernetes.io/zone"),
};
constexpr Field kAnnotations[] = {
    Field("endpoints.kubernetes.io/last-change-trigger-time"),
    Field("k8s.io/initial-events-end"),
};
constexpr Field kMetadata[] = {
    Field("name"),
    Field("namespace"),
    Field("creationTimestamp"),
    Field("deletionTimestamp"),
    Field("labels", kLabels),
    Field("annotations", kAnnotations),
    Field("resourceVersion"),
    Field("continue"),  // of a list
};

constexpr Field kServicePorts[] = {
    Field("name"),
    Field("protocol"),
    Field("port"),
    Field("nodePort"),
};
constexpr Field kClientIp[] = {Field("timeoutSeconds")};
constexpr Field kAffinityConfig[] = {Field("clientIP", kClientIp)};
constexpr Field kTaints[] = {Field("key")};
constexpr Field kSpec[] = {
    // Service
    Field("clusterIP"),
    Field("clusterIPs"),
    Field("ipFamilies"),
    Field("type"),
    Field("ports", kServicePorts),
    Field("internalTrafficPolicy"),
    Field("externalTrafficPolicy"),
    Field("sessionAffinity"),
    Field("sessionAffinityConfig", kAffinityConfig),
    Field("externalIPs"),
    Field("loadBalancerSourceRanges"),
    Field("healthCheckNodePort"),
    // Node
    Field("podCIDRs"),
    Field("taints", kTaints),
    // ServiceCIDR
    Field("cidrs"),
};

constexpr Field kIngress[] = {Field("ip"), Field("ipMode")};
constexpr Field kLoadBalancer[] = {Field("ingress", kIngress)};
constexpr Field kNodeAddresses[] = {Field("type"), Field("address")};
constexpr Field kStatus[] = {
    Field("loadBalancer", kLoadBalancer),  // Service
    Field("addresses", kNodeAddresses),    // Node
};

constexpr Field kSlicePorts[] = {Field("name"), Field("protocol"), Field("port")};
constexpr Field kConditions[] = {Field("ready"), Field("serving"), Field("terminating")};
constexpr Field kHint[] = {Field("name")};
constexpr Field kHints[] = {Field("forZones", kHint), Field("forNodes", kHint)};
constexpr Field kEndpoints[] = {
    Field("addresses"),
    Field("conditions", kConditions),
    Field("nodeName"),
    Field("hints", kHints),
};

constexpr Field kCauses[] = {Field("reason")};
constexpr Field kDetails[] = {Field("causes", kCauses), Field("retryAfterSeconds")};

constexpr Field kObject[] = {
    Field("apiVersion"),
    Field("kind"),
    Field("metadata", kMetadata),
    Field("spec", kSpec),
    Field("status", kStatus),
    // EndpointSlice
    Field("addressType"),
    Field("ports", kSlicePorts),
    Field("endpoints", kEndpoints),
    // Status
    Field("code"),
    Field("reason"),
    Field("message"),
    Field("details", kDetails),
};

constexpr Field kEvent[] = {Field("type"), Field("object", kObject)};

}  // namespace

constexpr Field kObjectFields("", kObject);
constexpr Field kEventFields("", kEvent);

}  // namespace kproxy::snapshot
