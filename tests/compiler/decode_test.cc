// How objects are found in an input: lists of any kind and order, several documents, what is no
// Kubernetes object, broken and hostile text. What the fields mean is in decode_objects_test.cc.
#include <boost/test/unit_test.hpp>

#include "compiler/snapshot/document_reader.h"
#include "tests/compiler/print_objects.h"

namespace kproxy::snapshot {
namespace {

// One case a line.
// clang-format off
struct Case {
  const char* json;
  const char* expected;
};

#define EXPECTED " (a List of Services, EndpointSlices and Nodes is expected, as kubectl get -o json writes)\n"
#define ALONE "fatal: input: $.items: holds other kinds alone" EXPECTED

constexpr Case kCases[] = {
    // single objects, whatever the order of their keys
    {R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"n"}})", "Node n\n"},
    {R"({"metadata":{"name":"n"},"apiVersion":"v1","kind":"Node"})", "Node n\n"},
    {R"({"metadata":{"name":"n"},"kind":"Node"})", "Node n\n"},
    {R"({"apiVersion":"networking.k8s.io/v1beta1","kind":"ServiceCIDR","metadata":{"name":"a"}})",
     "ServiceCIDR a\n"},
    // lists
    {R"({"apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}},{"kind":"Pod"},{"kind":"Node","metadata":{"name":"b"}}],"kind":"List","metadata":{}})",
     "Node a\nNode b\n"},
    {R"({"kind":"List","apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}]})",
     "Node a\n"},
    {R"({"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]})",
     "Node a\nNode b\n"},
    {R"({"kind":"NodeList","items":[{"kind":"ServiceCIDR","metadata":{"name":"a"}}]})",
     "ServiceCIDR a\n"},
    {R"({"kind":"ServiceList","apiVersion":"v1","items":[{"metadata":{"name":"a","namespace":"b"}}]})",
     "Service b/a\n"},
    {R"({"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","items":[{"addressType":"IPv6","metadata":{"name":"a","namespace":"b","labels":{"kubernetes.io/service-name":"c"}}}]})",
     "EndpointSlice b/a service=c IPv6\n"},
    {R"({"kind":"ServiceCIDRList","apiVersion":"networking.k8s.io/v1","items":[{"metadata":{"name":"a"}}]})",
     "ServiceCIDR a\n"},
    // the kind after the items
    {R"({"apiVersion":"v1","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}],"kind":"NodeList"})",
     "Node a\nNode b\n"},
    {R"({"items":[{"metadata":{"name":"a"}},{"kind":"ServiceCIDR","metadata":{"name":"c"}},{"metadata":{"name":7}}],"apiVersion":"v1","kind":"NodeList"})",
     "ServiceCIDR c\nNode a\nerror: input: $.items[2].metadata.name: Node: is 7, not a string\n"},
    {R"({"items":[{"metadata":{"name":"a"}}],"kind":"List"})",
     "error: input: $.items[0]: has no kind\n"},
    // empty lists
    {R"({"kind":"List","items":[]})", ""},
    {R"({"kind":"List","items":null})", ""},
    {R"({"kind":"NodeList","items":null})", ""},
    {R"({"kind":"NodeList","items":[]})", ""},
    // lists with wrong things in them
    {R"({"kind":"List","items":[7,null,"a",[[{"kind":"Node"}]],{},{"kind":7},{"kind":"Node","metadata":{"name":"a"}}]})",
     "Node a\n"
     "error: input: $.items[0]: is 7, not an object\n"
     "error: input: $.items[1]: is null, not an object\n"
     "error: input: $.items[2]: is \"a\", not an object\n"
     "error: input: $.items[3]: is a list, not an object\n"
     "error: input: $.items[4]: has no kind\n"
     "error: input: $.items[5]: has no kind\n"},
    // a kind or apiVersion that was meant to be another, and those of other products
    {R"({"kind":"List","items":[{"apiVersion":"v1","kind":"EndpointSlice","metadata":{"name":"a-1","namespace":"b"}}]})",
     R"(error: input: $.items[0]: EndpointSlice b/a-1: is left out: its kind is "EndpointSlice" of "v1" (EndpointSlice of discovery.k8s.io/v1 is read))" "\n" ALONE},
    {R"({"kind":"List","items":[{"apiVersion":"discovery/v1","kind":"EndpointSlice","metadata":{"name":"a-1","namespace":"b"}}]})",
     R"(error: input: $.items[0]: EndpointSlice b/a-1: is left out: its kind is "EndpointSlice" of "discovery/v1" (EndpointSlice of discovery.k8s.io/v1 is read))" "\n" ALONE},
    {R"({"kind":"List","items":[{"apiVersion":"apps/v1","kind":"Service","metadata":{"name":"a","namespace":"b"}}]})",
     R"(error: input: $.items[0]: Service b/a: is left out: its kind is "Service" of "apps/v1" (Service of v1 is read))" "\n" ALONE},
    {R"({"kind":"List","items":[{"apiVersion":"discovery.k8s.io/v1","kind":"ServiceCIDR","metadata":{"name":"a"}}]})",
     R"(error: input: $.items[0]: ServiceCIDR a: is left out: its kind is "ServiceCIDR" of "discovery.k8s.io/v1" (ServiceCIDR of networking.k8s.io/v1 is read))" "\n" ALONE},
    {R"({"kind":"List","items":[{"apiVersion":"v1","kind":"service","metadata":{"name":"a","namespace":"b"}}]})",
     R"(error: input: $.items[0]: Service b/a: is left out: its kind is "service" of "v1" (Service of v1 is read))" "\n" ALONE},
    {R"({"kind":"List","items":[{"kind":"NODE","metadata":{"name":"\n"}},{"kind":"endpointslice"}]})",
     R"(error: input: $.items[0]: Node: is left out: its kind is "NODE" (Node of v1 is read))" "\n"
     R"(error: input: $.items[1]: EndpointSlice: is left out: its kind is "endpointslice" (EndpointSlice of discovery.k8s.io/v1 is read))" "\n" ALONE},
    {R"({"kind":"List","items":[{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"a","namespace":"b"}},{"apiVersion":"projectcalico.org/v3","kind":"node"},{"apiVersion":"infrastructure.x-k8s.io/v1","kind":"Node"},{"kind":"Node","metadata":{"name":"a"}}]})",
     "Node a\n"},
    {R"({"kind":"List","items":[{"kind":"Node","items":[{"kind":"Node","metadata":{"name":"b"}}],"metadata":{"name":"a"}}]})",
     "Node a\n"},
    {R"({"kind":"List","metadata":{"items":[{"kind":"Node"}]},"items":[],"items":[{"kind":"Node","metadata":{"name":"a"}}]})",
     "Node a\n"},
    // several documents
    {R"({"kind":"Node","metadata":{"name":"a"}}{"kind":"Node","metadata":{"name":"b"}})"
     "\n\n"
     R"( {"kind":"List","items":[{"kind":"Node"}]} )",
     "Node a\nNode b\nerror: input: document 3: $.items[0].metadata: Node: is missing\n"},
    {R"({"kind":"Node","metadata":{"name":"a"}} {"kind":)",
     "Node a\nfatal: input: line 1, column 49: is not JSON: Invalid value. (the text ends here; "
     "was it written to its end?)\n"},
    {R"({"kind":"Node","metadata":{"name":"a"}} {})",
     "Node a\nfatal: input: document 2: $: is no Kubernetes object: it has no kind" EXPECTED},
    // no Kubernetes object
    {"", "fatal: input: is empty" EXPECTED},
    {" \n\t\r ", "fatal: input: is empty" EXPECTED},
    {"{}",
     "fatal: input: $: is no Kubernetes object: it has no kind" EXPECTED},
    {R"({"kind":5})",
     "fatal: input: $: is no Kubernetes object: it has no kind" EXPECTED},
    {R"({"items":[{"kind":"Node","metadata":{"name":"a"}}]})",
     "Node a\nfatal: input: $: is no Kubernetes object: it has no kind" EXPECTED},
    {"[]", "fatal: input: line 1, column 1: is no Kubernetes object: no JSON object begins here\n"},
    {"\n  7",
     "fatal: input: line 2, column 4: is no Kubernetes object: no JSON object begins here\n"},
    {"null",
     "fatal: input: line 1, column 5: is no Kubernetes object: no JSON object begins here\n"},
    // other kinds beside those that are read
    {R"({"kind":"Pod","apiVersion":"v1"} {"kind":"Node","metadata":{"name":"a"}} {"kind":"PodList","items":[]})",
     "Node a\n"},
    // no cluster
    {R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401})",
     R"(fatal: input: $.kind: is "Status" of "v1")" EXPECTED},
    {R"({"kind":"Node","metadata":{"name":"a"}} {"kind":"Status","status":"Failure"})",
     "Node a\n" R"(fatal: input: document 2: $.kind: is "Status")" EXPECTED},
    {R"({"apiVersion":"v1","kind":"Pod","metadata":7})", R"(fatal: input: $.kind: is "Pod" of "v1")" EXPECTED},
    {R"({"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{"name":"web","namespace":"shop"}})",
     R"(fatal: input: $.kind: is "Service" of "serving.knative.dev/v1")" EXPECTED},
    {R"({"apiVersion":"v1","kind":"ServiceCIDR","metadata":{"name":"a"}})",
     R"(fatal: input: $.kind: ServiceCIDR a: is "ServiceCIDR" of "v1")" EXPECTED},
    {R"({"kind":"node","metadata":{"name":"a"}})", R"(fatal: input: $.kind: Node a: is "node")" EXPECTED},
    {R"({"kind":"ServiceList","apiVersion":"serving.knative.dev/v1","items":[{"metadata":{"name":"a","namespace":"b"}}]})",
     R"(fatal: input: $.kind: is "ServiceList" of "serving.knative.dev/v1")" EXPECTED},
    {R"({"kind":"PodList","apiVersion":"v1","items":[{"metadata":{}},{"spec":7}]})",
     R"(fatal: input: $.kind: is "PodList" of "v1")" EXPECTED},
    {R"({"kind":"PodList","items":[]})", R"(fatal: input: $.kind: is "PodList")" EXPECTED},
    {R"({"items":[{"metadata":{"name":"a"}}],"kind":"PodList"})", R"(fatal: input: $.kind: is "PodList")" EXPECTED},
    {R"({"kind":"List"})", "fatal: input: $.items: is missing" EXPECTED},
    {R"({"kind":"NodeList"})", "fatal: input: $.items: is missing" EXPECTED},
    {R"({"kind":"List","items":"none"})", R"(fatal: input: $.items: is "none", not a list)" EXPECTED},
    {R"({"kind":"List","items":{"kind":"Node"}})", "fatal: input: $.items: is an object, not a list" EXPECTED},
    {R"({"kind":"List","items":{}})", "fatal: input: $.items: is an object, not a list" EXPECTED},
    {R"({"kind":"List","items":[{"kind":"Pod","apiVersion":"v1"},{"kind":"Service","apiVersion":"serving.knative.dev/v1"}]})",
     "fatal: input: $.items: holds other kinds alone" EXPECTED},
    {R"({"kind":"Node","metadata":{"name":"a"},"items":[]})", "fatal: input: $.items: is a list, which no Node has" EXPECTED},
    // broken JSON: what came before it was decoded
    {"kind: List\nitems: []\n", "fatal: input: line 1, column 1: is not JSON: Invalid value.\n"},
    {"{\n  \"kind\": \"Node\",\n  \"metadata\" {\"name\":\"a\"}\n}",
     "fatal: input: line 3, column 14: is not JSON: Missing a colon after a name of object "
     "member.\n"},
    {"{\"kind\":\"List\",\"items\":[{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\"}},\n{\"kind\":"
     "\"Node\"",
     "Node a\nfatal: input: line 2, column 15: is not JSON: Missing a comma or '}' after an object "
     "member. (the text ends here; was it written to its end?)\n"},
    {R"({"kind":"Node","x":[1,]})",
     "fatal: input: line 1, column 23: is not JSON: Invalid value.\n"},
    {R"({"kind":"Node","x":{"a":tru}})",
     "fatal: input: line 1, column 28: is not JSON: Invalid value.\n"},
    {"{\"kind\":\"Node\",\"x\":\"a\nb\"}",
     "fatal: input: line 1, column 22: is not JSON: Invalid escape character in string.\n"},
    {R"({"kind":"Node","x":"\ud800"})",
     "fatal: input: line 1, column 27: is not JSON: The surrogate pair in string is invalid.\n"},
    {R"({"kind":"Node","x":1e999})",
     "fatal: input: line 1, column 25: is not JSON: Number too big to be stored in double.\n"},
    {R"({"kind":"List","items":[]}])", "fatal: input: line 1, column 27: is not JSON: no JSON value begins here\n"},
    // numbers and strings that are not read may be anything
    {R"({"kind":"Node","metadata":{"name":"a"},"x":[1e308,-0.0,123456789012345678901234567890,1E-999,"\u0000\ud83d\ude00"]})",
     "Node a\n"},
    {"{\"kind\":\"Node\",\"metadata\":{\"name\":\"a\",\"annotations\":{\"\xff\xfe\":\"\xc3\x28\"}}"
     "}",
     "Node a\n"},
    {"{\"kind\":\"Node\",\"metadata\":{\"name\":\"\xc3\xa4\"}}",
     "error: input: $.metadata.name: Node: is \"\\xc3\\xa4\", not a name: letters, digits, '-', "
     "'_' and '.' may be in it\n"},
    {"{\"kind\":\"Node\",\"metadata\":{\"name\":\"\xff\"}}",
     "error: input: $.metadata.name: Node: is \"\\xff\", not a name: letters, digits, '-', '_' and "
     "'.' may be in it\n"},
    // a key given twice: the first counts
    {R"({"kind":"Node","kind":"Pod","metadata":{"name":"a","name":7},"metadata":[]})", "Node a\n"},
};
// clang-format on

// A List with one object of each kind.
constexpr const char* kSmall = R"({
    "apiVersion": "v1",
    "items": [
        {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"annotations": {"a": "[{\"\\ué\"}]"}, "name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}], "x": [[], {}]}
        },
        {
            "addressType": "IPv4", "apiVersion": "discovery.k8s.io/v1",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "nodeName": "n"}],
            "kind": "EndpointSlice",
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}, "name": "web-1", "namespace": "shop"},
            "ports": [{"name": "http", "port": 8080}]
        },
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"podCIDRs": ["10.0.0.0/24"]}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "k"}, "spec": {"cidrs": ["10.96.0.0/16"]}}
    ],
    "kind": "List",
    "metadata": {"resourceVersion": ""}
}
)";
constexpr const char* kSmallDecoded =
    "Service shop/web ip=10.96.0.1 ports=http:tcp:80\n"
    "EndpointSlice shop/web-1 service=web IPv4 ports=http:tcp:8080 endpoints=10.0.0.1@n\n"
    "Node n pods=10.0.0.0/24\n"
    "ServiceCIDR k cidrs=10.96.0.0/16\n";

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  while (times-- > 0) all += text;
  return all;
}

// Everything up to the first line break, which is enough to know an outcome by.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

BOOST_AUTO_TEST_SUITE(decode)

BOOST_AUTO_TEST_CASE(documents) {
  for (const Case& one : kCases) {
    BOOST_TEST_CONTEXT(one.json) {
      BOOST_TEST(decode_and_print(one.json) == one.expected);
      BOOST_TEST(decode_and_print(one.json, 1) == one.expected, "in pieces of one byte");
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_of_any_size) {
  for (std::size_t piece = 1; piece < 100; ++piece)
    BOOST_TEST(decode_and_print(kSmall, piece) == kSmallDecoded, "pieces of " << piece);
}

BOOST_AUTO_TEST_CASE(longer_than_the_buffer) {
  // Strings and blanks that reach over the ends of 64 KiB buffers at every offset.
  for (const std::size_t size : {65500, 65536, 200000}) {
    for (std::size_t more = 0; more < 40; ++more) {
      const std::string name = R"({"kind":"Node","metadata":{"annotations":")" +
                               repeat("x", size + more) + R"(\n"},)" + repeat(" ", size - more) +
                               R"("x":-1.5e3,"metadata":{"name":"a"}})";
      BOOST_REQUIRE_EQUAL(decode_and_print(name),
                          "error: input: $.metadata.name: Node: is missing\n");
    }
  }
}

BOOST_AUTO_TEST_CASE(lines_and_columns_count_over_buffers) {
  const std::string text = "{\"kind\":\"Node\",\"x\":[\n" + repeat("1,\n", 50000) + "  ?]}";
  for (const std::size_t piece : {1, 7, 4096, 1 << 20})
    BOOST_TEST(decode_and_print(text, piece) ==
               "fatal: input: line 50002, column 3: is not JSON: Invalid value.\n");
}

BOOST_AUTO_TEST_CASE(an_input_cut_anywhere_is_an_error) {
  const std::string whole = kSmall;
  const std::size_t end = whole.find_last_of('}') + 1;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    StringPool pool;
    const std::string cut = whole.substr(0, size);
    const Decoded decoded = decode_text(cut, pool, 16);
    BOOST_TEST(decoded.fatal.empty() == (size >= end), "after " << size << " bytes");
    BOOST_TEST(decoded.errors.empty());
    // What was decoded before is right.
    std::string objects;
    for (const Object& object : decoded.objects) objects += print(object) + "\n";
    BOOST_TEST(std::string_view(kSmallDecoded).starts_with(objects));
  }
}

BOOST_AUTO_TEST_CASE(a_byte_changed_anywhere_is_survived) {
  const std::string whole = kSmall;
  std::size_t changed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char c : std::string("\0\"\\{}[],:9-\xff ", 14)) {
      std::string text = whole;
      text[at] = c;
      if (decode_and_print(text) != kSmallDecoded) ++changed;
    }
  }
  BOOST_TEST(changed > whole.size());
}

BOOST_AUTO_TEST_CASE(any_depth) {
  constexpr std::size_t kDepth = 1000000;
  const std::string open = repeat("[", kDepth), close = repeat("]", kDepth);
  const std::string objects = repeat("{\"a\":", kDepth), ends = repeat("}", kDepth);
  const std::string read = repeat("{\"spec\":", kDepth);  // a key that is read
  const std::string at_name = repeat("{\"name\":[", kDepth / 2),
                    name_ends = repeat("]}", kDepth / 2);
  const std::pair<std::string, std::string> kDeep[] = {
      {R"({"kind":"Node","metadata":{"name":"a"},"x":)" + open + close + "}", "Node a"},
      {R"({"kind":"Node","metadata":{"name":"a","labels":)" + open + close + "}}",
       "error: input: $.metadata.labels: Node a: is a list, not an object"},
      {R"({"kind":"Node","metadata":{"name":)" + open + close + "}}",
       "error: input: $.metadata.name: Node: is a list, not a string"},
      {R"({"kind":"Node","metadata":{"name":)" + at_name + "1" + name_ends + "}}",
       "error: input: $.metadata.name: Node: is an object, not a string"},
      {R"({"kind":"Node","metadata":{"name":"a"},"x":)" + objects + "1" + ends + "}", "Node a"},
      {R"({"kind":"Node","metadata":{"name":"a"},"spec":)" + read + "1" + ends + "}", "Node a"},
      {R"({"kind":"List","items":)" + open + close + "}",
       "error: input: $.items[0]: is a list, not an object"},
      {open, "fatal: input: line 1, column 1: is no Kubernetes object: no JSON object begins here"},
      {objects,
       "fatal: input: line 1, column 5000001: is not JSON: Invalid value. (the text ends "
       "here; was it written to its end?)"},
  };
  for (const auto& [text, expected] : kDeep) {
    const std::string printed = first_line(decode_and_print(text));
    BOOST_TEST(printed == expected, text.substr(0, 60) << "...: " << printed);
  }
}

BOOST_AUTO_TEST_CASE(one_object_without_end) {
  constexpr std::size_t kMuch = DocumentReader::kLargestObject;
  const std::string nodes = R"({"kind":"List","items":[{"kind":"Node","metadata":{"name":"a"}},{)";
  const std::string texts[] = {
      nodes + "\"x\":\"" + repeat("y", 2 * kMuch) + "\"}]}",
      nodes + "\"x\":[" + repeat("1,", kMuch) + "1]}]}",
      nodes + "\"endpoints\":[" + repeat("{},", kMuch) + "1]}]}",
      nodes + "\"x\":" + repeat("[", 2 * kMuch),
      nodes + repeat(" ", 2 * kMuch) + "}]}",
      nodes + "\"x\":" + repeat("1", 2 * kMuch) + "}]}",
  };
  for (const std::string& text : texts) {
    StringPool pool;
    const Decoded decoded = decode_text(text, pool);
    BOOST_TEST(decoded.objects.size() == 1);
    BOOST_TEST(!decoded.fatal.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_list_may_be_larger_than_one_object) {
  const std::string item =
      R"({"kind":"Pod","x":")" + repeat("y", DocumentReader::kLargestObject / 4) + "\"},";
  const std::string text = R"({"kind":"List","items":[)" + repeat(item, 10) +
                           R"({"kind":"Node","metadata":{"name":"a"}}]})";
  BOOST_TEST(decode_and_print(text) == "Node a\n");
}

BOOST_AUTO_TEST_CASE(many_mistakes_are_counted) {
  const std::string text = R"({"kind":"List","items":[)" + repeat("7,", 5000) + "8]}";
  StringPool pool;
  const Decoded decoded = decode_text(text, pool);
  BOOST_TEST(decoded.fatal.empty());
  BOOST_REQUIRE_EQUAL(decoded.errors.size(), 1001);
  BOOST_TEST(decoded.errors[999].message() == "input: $.items[999]: is 7, not an object");
  BOOST_TEST(decoded.errors[1000].message() == "input: 4001 more that are not listed");
}

BOOST_AUTO_TEST_CASE(mistakes_in_one_large_object_take_no_quadratic_time) {
  const std::string begin =
      R"({"kind":"EndpointSlice","metadata":{"name":"a","namespace":"b"},"addressType":"IPv4",)";
  const std::string lists[] = {
      "\"endpoints\":[" + repeat("{},", 400000) + "{}],",
      "\"endpoints\":[" + repeat("7,", 400000) + "7],",
      "\"ports\":[" + repeat("{\"name\":1},", 400000) + "7],",
      "\"endpoints\":[" +
          repeat(R"({"addresses":["1.1.1.1"],"hints":{"forZones":[{}]}},)", 200000) + "7],",
  };
  for (const std::string& list : lists) {
    StringPool pool;
    const Decoded decoded = decode_text(begin + list + "\"x\":1}", pool);
    BOOST_TEST(decoded.fatal == "");
    BOOST_TEST(decoded.objects.size() == 1);
    BOOST_TEST(decoded.errors.size() + decoded.warnings.size() > 1000);
  }
  std::string ports;
  for (int i = 0; i < 200000; ++i) ports += "{\"port\":1,\"name\":\"a" + std::to_string(i) + "\"},";
  BOOST_TEST(decode_and_print(
                 R"({"kind":"Service","metadata":{"name":"a","namespace":"b"},"spec":{"ports":[)" +
                 ports + "{}]}}") ==
             "error: input: $.spec.ports[200000].port: Service b/a: is missing\n");
}

BOOST_AUTO_TEST_CASE(one_decoder_for_many_inputs) {
  StringPool pool;
  Decoder decoder(pool);
  Diagnostics diagnostics;
  std::size_t objects = 0;
  for (const std::string_view text :
       {std::string_view(kSmall), std::string_view("{"), std::string_view(kSmall)}) {
    std::string_view rest = text;
    const Status status = decoder.decode(
        "input",
        [&rest](char* buffer, std::size_t size) {
          const std::size_t bytes = rest.copy(buffer, size);
          rest.remove_prefix(bytes);
          return bytes;
        },
        [&objects](const Object&) { ++objects; }, diagnostics);
    BOOST_TEST(status.ok() == (text != "{"));
  }
  BOOST_TEST(objects == 8);
  BOOST_TEST(diagnostics.errors.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::snapshot
