// Makes an object of its tree: one function a kind. What each field means is Kubernetes' API; an
// object or entry that cannot be read is reported and left out. Any thread that owns the arguments.
#pragma once

#include "compiler/snapshot/field_reader.h"
#include "compiler/snapshot/string_pool.h"

namespace kproxy::snapshot {

// Which of our kinds an object of that apiVersion and kind is: "Service", "EndpointSlice", "Node",
// "ServiceCIDR"; empty if none. An empty apiVersion fits all.
std::string_view known_kind(std::string_view api_version, std::string_view kind);

// Of an object that is none of these: the kind that it must have been meant to be, as its kind
// differs by case alone or its apiVersion is one of Kubernetes' own that has no such kind; empty if
// there is none. Other products have kinds that are called Service or Node, too.
std::string_view meant_kind(std::string_view api_version, std::string_view kind);
// "discovery.k8s.io/v1" of an EndpointSlice.
std::string_view api_version_of(std::string_view known_kind);

// Fills in subject.name, of subject.kind, one of the known. The reader has failed otherwise.
void decode_name(Value object, Subject& subject, FieldReader& reader);

// The object of subject.kind, one of the known. Nothing, and an error in the report, if it is
// malformed. Fills in subject.name.
std::optional<Object> decode_object(Value object, Subject& subject, StringPool& pool);

// The parts: `reader` is the subject's, which has failed if they return nothing of use.
Service decode_service(Value object, ObjectName name, FieldReader& reader);
EndpointSlice decode_endpoint_slice(Value object, ObjectName name, const Subject& subject,
                                    FieldReader& reader, StringPool& pool);
Node decode_node(Value object, ObjectName name, FieldReader& reader);
ServiceCidr decode_service_cidr(Value object, ObjectName name, FieldReader& reader);

// The prefixes in a list; what is none is left out with a warning. Blanks around one do not count.
std::vector<Cidr> decode_cidrs(Value list, FieldReader& reader);
// Unix seconds of an RFC 3339 time, and what is beyond them where it is asked for. Leap seconds
// count as the second after them.
std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t* nanoseconds = nullptr);

}  // namespace kproxy::snapshot
