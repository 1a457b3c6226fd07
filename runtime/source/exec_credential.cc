#include "runtime/source/exec_credential.h"

#include <algorithm>
#include <cstring>

#include "compiler/snapshot/decode_object.h"
#include "compiler/snapshot/document_reader.h"
#include "compiler/types/json_text.h"

namespace kproxy::source {
namespace {

using snapshot::Field;
using snapshot::Value;

constexpr Field kStatus[] = {
    Field("expirationTimestamp"),
    Field("token"),
    Field("clientCertificateData"),
    Field("clientKeyData"),
};
constexpr Field kCredential[] = {Field("apiVersion"), Field("kind"), Field("status", kStatus)};
constexpr Field kFields("", kCredential);

std::string text_of(Value value) {
  return value.kind() == snapshot::Kind::string ? std::string(value.text()) : std::string();
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&bytes, i](std::size_t k) {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u;
    };
    const unsigned bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k <= bytes.size() ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace

Result<ExecCredential> decode_exec_credential(const std::string& where, std::string_view text,
                                              const std::string& api_version) {
  const snapshot::ReadBytes bytes = [&text](char* buffer, std::size_t size) {
    size = std::min(size, text.size());
    std::memcpy(buffer, text.data(), size);
    text.remove_prefix(size);
    return size;
  };
  snapshot::DocumentReader reader(where, bytes, kFields);
  snapshot::Document document;
  const auto read =
      reader.next(document, [](const snapshot::Document&, std::size_t, const snapshot::Tree&) {});
  if (!read) return read.error();
  if (!*read) return Error{where, "printed nothing", "an ExecCredential is expected on its stdout"};

  const Value root = document.tree.root();
  if (text_of(root["kind"]) != "ExecCredential" || text_of(root["apiVersion"]) != api_version)
    return Error{where,
                 "printed " + root["apiVersion"].describe() + " " + root["kind"].describe() +
                     ", not an ExecCredential of " + api_version,
                 "the plugin and the kubeconfig must name the same version"};
  const Value status = root["status"];
  ExecCredential credential;
  credential.token = text_of(status["token"]);
  credential.certificate = text_of(status["clientCertificateData"]);
  credential.key = text_of(status["clientKeyData"]);
  if (credential.certificate.empty() != credential.key.empty())
    return Error{where, "printed a client certificate without its key, or a key alone", ""};
  if (credential.token.empty() && credential.key.empty())
    return Error{where, "printed neither a token nor a client certificate", ""};
  if (const std::string expires = text_of(status["expirationTimestamp"]); !expires.empty()) {
    const auto seconds = snapshot::parse_time(expires);
    if (!seconds)
      return Error{where + ": $.status.expirationTimestamp",
                   "is " + snapshot::quoted(expires) + ", not a time", ""};
    constexpr std::int64_t kMost = 9'000'000'000;  // whose nanoseconds can be counted
    credential.expires = std::chrono::system_clock::time_point(
        std::chrono::seconds(std::clamp<std::int64_t>(*seconds, 0, kMost)));
  }
  return credential;
}

std::string exec_info(const config::ApiAccess& access, const std::string& ca) {
  std::string info = R"({"kind":"ExecCredential","apiVersion":)" +
                     json_text(access.exec->api_version) + R"(,"spec":{"interactive":false)";
  if (access.exec->provide_cluster_info) {
    info += R"(,"cluster":{"server":)" + json_text(access.server);
    if (!access.tls_server_name.empty())
      info += R"(,"tls-server-name":)" + json_text(access.tls_server_name);
    if (access.insecure) info += R"(,"insecure-skip-tls-verify":true)";
    if (!ca.empty()) info += R"(,"certificate-authority-data":)" + json_text(base64(ca));
    if (!access.proxy_url.empty()) info += R"(,"proxy-url":)" + json_text(access.proxy_url);
    info += "}";
  }
  return info + "}}";
}

}  // namespace kproxy::source
